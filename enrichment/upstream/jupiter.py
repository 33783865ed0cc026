"""Jupiter's Tokens v2 and Price v3: what a mint is, what it trades at, which mints are new, which are verified.

Source: developers.jup.ag (jup-ag/docs, 2026-08-21) and answers recorded until 2026-10-08. The vendor calls the schema
"subject to change": every field but `id` may be absent, and no price is the normal case for a young token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import structlog

from enrichment.upstream.adapter import MAX_WAIT_S, Adapter, address, part
from enrichment.upstream.errors import Malformed
from enrichment.upstream.http import JSON_MAX_BYTES, Http
from enrichment.upstream.ledger import Ledger
from enrichment.upstream.plans import CREDITS, PLANS, Purpose
from tokens import sanitize
from tokens.facts import Metadata, Observation, Quote
from tokens.mint import Mint, is_mint

UPSTREAM = "jupiter"
LAUNCHPAD_GRAPHEMES, LAUNCHPAD_BYTES = 32, 64  # an open set; the longest seen, "letsbonk.fun", has 12
SOCIALS = ("twitter", "telegram", "discord", "instagram", "tiktok")
WEBSITES = (("website", "website"), ("other", "otherUrl"))  # our label, their key
AUTHORITIES = (("mint_authority", "mintAuthority"), ("freeze_authority", "freezeAuthority"))  # our flag, their key

Tag = Literal["verified", "lst", "stocks"]
Category = Literal["toporganicscore", "toptraded", "toptrending"]
Interval = Literal["5m", "1h", "6h", "24h"]
CATEGORY_ROWS_MAX = 100  # documented; 75 to 77 rows are usual

log = structlog.get_logger()


def parse_tokens(payload: Any, received_at: datetime) -> dict[Mint, Observation]:
    """Return what a Tokens v2 array says, by mint; of several rows about one mint the last counts.

    A row without a valid `id` is left out. Raises: Malformed when nothing at all is readable.
    """
    if not isinstance(payload, list):
        raise Malformed(UPSTREAM, "tokens that are no array")
    seen = (_observed(row, received_at) for row in payload)
    found = {observation.mint: observation for observation in seen if observation}
    if payload and not found:
        raise Malformed(UPSTREAM, f"an array of {len(payload)} without one token in it")
    return found


def parse_prices(payload: Any, received_at: datetime) -> dict[Mint, Observation]:
    """Return what a Price v3 object says, by mint. An unpriced mint has no key, or null: absent either way.

    Raises: Malformed when the object holds something, but no price entry.
    """
    if not isinstance(payload, dict):
        raise Malformed(UPSTREAM, "prices that are no object")
    entries = {mint: entry for mint, entry in payload.items() if entry is not None}
    found = {
        Mint(mint): Observation(mint=Mint(mint), source=UPSTREAM, received_at=received_at, quote=_price_quote(entry))
        for mint, entry in entries.items()
        if is_mint(mint) and isinstance(entry, dict)
    }
    if entries and not found:
        raise Malformed(UPSTREAM, f"an object of {len(entries)} without one price in it")
    return found


def _observed(row: Any, received_at: datetime) -> Observation | None:
    mint = address(row.get("id")) if isinstance(row, dict) else None
    if mint is None:
        return None
    quote = _quote(row)
    return Observation(
        mint=mint,
        source=UPSTREAM,
        received_at=received_at,
        observed_at=sanitize.instant(row.get("updatedAt"), received_at),
        metadata=_metadata(row, received_at),
        quote=None if quote == Quote() else quote,
    )


def _metadata(row: Mapping[str, Any], received_at: datetime) -> Metadata:
    symbol, name = sanitize.symbol(row.get("symbol")), sanitize.name(row.get("name"))
    launchpad = sanitize.text(row.get("launchpad"), graphemes=LAUNCHPAD_GRAPHEMES, size_bytes=LAUNCHPAD_BYTES)
    verified = row.get("isVerified") or False  # the key is left out when false
    socials = {network: sanitize.url(row.get(network)) for network in SOCIALS}
    return Metadata(
        symbol=symbol.value,
        name=name.value,
        decimals=sanitize.decimals(row.get("decimals")),
        image_url=sanitize.url(row.get("icon")),
        tags=sanitize.tags(row.get("tags")),
        launchpad=launchpad.value,
        verified=verified if isinstance(verified, bool) else None,
        flags=tuple(sorted(symbol.flags | name.flags | _risks(row))),
        created_at=sanitize.instant(row.get("createdAt"), received_at),
        holder_count=sanitize.count(row.get("holderCount")),
        total_supply=sanitize.supply(row.get("totalSupply")),
        circulating_supply=sanitize.supply(row.get("circSupply")),
        token_program=address(row.get("tokenProgram")),
        mint_authority=address(row.get("mintAuthority")),
        freeze_authority=address(row.get("freezeAuthority")),
        socials={network: url for network, url in socials.items() if url},
        websites=_websites(row),
    )


def _websites(row: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    labels: dict[str, str] = {}
    for label, key in WEBSITES:
        if url := sanitize.url(row.get(key)):
            labels.setdefault(url, label)
    return tuple((label, url) for url, label in labels.items())


def _risks(row: Mapping[str, Any]) -> set[str]:
    """Return what the audit warns of: an authority is named while it lives, and `…Disabled` is absent until then."""
    audit = part(row, "audit")
    risks = {flag for flag, key in AUTHORITIES if row.get(key) or (audit and audit.get(f"{key}Disabled") is not True)}
    return risks | ({"is_sus"} if audit.get("isSus") is True else set())


def _quote(row: Mapping[str, Any]) -> Quote:
    day = part(row, "stats24h")
    sides = [sanitize.amount_usd(day.get(side)) for side in ("buyVolume", "sellVolume")]
    known = [volume for volume in sides if volume is not None]
    return Quote(
        price_usd=sanitize.price_usd(row.get("usdPrice")),
        liquidity_usd=sanitize.amount_usd(row.get("liquidity")),
        volume_24h_usd=sanitize.amount_usd(sum(known)) if known else None,
        market_cap_usd=sanitize.amount_usd(row.get("mcap")),
        fdv_usd=sanitize.amount_usd(row.get("fdv")),
        change_5m_pct=sanitize.percent(part(row, "stats5m").get("priceChange")),
        change_1h_pct=sanitize.percent(part(row, "stats1h").get("priceChange")),
        change_6h_pct=sanitize.percent(part(row, "stats6h").get("priceChange")),
        change_24h_pct=sanitize.percent(day.get("priceChange")),
        block_id=sanitize.count(row.get("priceBlockId")),
    )


def _price_quote(entry: Mapping[str, Any]) -> Quote:
    return Quote(
        price_usd=sanitize.price_usd(entry.get("usdPrice")),
        liquidity_usd=sanitize.amount_usd(entry.get("liquidity")),
        change_24h_pct=sanitize.percent(entry.get("priceChange24h")),
        block_id=sanitize.count(entry.get("blockId")),
    )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One kind of call: where, at what cost, under which parameter, how many mints at most, how its answer is read."""

    path: str
    credits: int
    parse: Callable[[Any, datetime], dict[Mint, Observation]] = parse_tokens
    param: str = ""
    mints_max: int = 0
    max_bytes: int = JSON_MAX_BYTES


COST = CREDITS[UPSTREAM]
# 100 mints documented; nobody says what happens above.
SEARCH = Endpoint("/tokens/v2/search", COST["search"], param="query", mints_max=100)
# 50 documented; above, silently dropped (seen 2026-10-03).
PRICES = Endpoint("/price/v3", COST["price"], parse_prices, param="ids", mints_max=50)
RECENT = Endpoint("/tokens/v2/recent", COST["recent"])
# verified: 5 to 10 MB in one answer.
TAG = Endpoint("/tokens/v2/tag", COST["tag"], param="query", max_bytes=60_000_000)
CATEGORY = Endpoint("/tokens/v2/{category}/{interval}", COST["category"], param="limit")


class Jupiter(Adapter):
    """One Jupiter account."""

    upstream = UPSTREAM

    async def fetch_search(
        self, mints: Sequence[Mint], purpose: Purpose, *, max_wait_s: float = MAX_WAIT_S
    ) -> dict[Mint, Observation]:
        """Return what Jupiter knows of up to 100 mints; an unknown one is absent. Raises: ValueError for more."""
        return await self._fetch_mints(SEARCH, mints, purpose=purpose, max_wait_s=max_wait_s)

    async def fetch_prices(
        self, mints: Sequence[Mint], purpose: Purpose, *, max_wait_s: float = MAX_WAIT_S
    ) -> dict[Mint, Observation]:
        """Return the prices of up to 50 mints; an unpriced one is absent. Raises: ValueError for more."""
        return await self._fetch_mints(PRICES, mints, purpose=purpose, max_wait_s=max_wait_s)

    async def fetch_recent(self, *, purpose: Purpose = "detect", max_wait_s: float = MAX_WAIT_S) -> list[Observation]:
        """Return the tokens whose first pool is newest: 30, which span about 70 seconds of launches."""
        return list((await self._fetch(RECENT, purpose=purpose, max_wait_s=max_wait_s)).values())

    async def fetch_tagged(
        self, tag: Tag = "verified", *, purpose: Purpose = "detect", max_wait_s: float = MAX_WAIT_S
    ) -> list[Observation]:
        """Return every token with the tag in one answer; `verified` are about 4,000."""
        return list((await self._fetch(TAG, tag, purpose=purpose, max_wait_s=max_wait_s)).values())

    async def fetch_verified(self, *, purpose: Purpose = "detect", max_wait_s: float = MAX_WAIT_S) -> list[Observation]:
        """Return every token tagged as verified."""
        return await self.fetch_tagged("verified", purpose=purpose, max_wait_s=max_wait_s)

    async def fetch_category(
        self,
        category: Category,
        interval: Interval = "24h",
        *,
        purpose: Purpose = "detect",
        max_wait_s: float = MAX_WAIT_S,
    ) -> list[Observation]:
        """Return the tokens that lead a category, best first; fewer than asked for is not the end of anything."""
        endpoint = replace(CATEGORY, path=CATEGORY.path.format(category=category, interval=interval))
        found = await self._fetch(endpoint, str(CATEGORY_ROWS_MAX), purpose=purpose, max_wait_s=max_wait_s)
        return list(found.values())

    async def _fetch_mints(
        self, endpoint: Endpoint, mints: Sequence[Mint], *, purpose: Purpose, max_wait_s: float
    ) -> dict[Mint, Observation]:
        """Ask about `mints`; the order of an answer means nothing, and a search may name others as well."""
        if len(mints) > endpoint.mints_max:
            raise ValueError(f"{endpoint.path} takes {endpoint.mints_max} mints a call, not {len(mints)}")
        if not mints:
            return {}
        found = await self._fetch(endpoint, ",".join(mints), purpose=purpose, max_wait_s=max_wait_s)
        return {mint: found[mint] for mint in mints if mint in found}

    async def _fetch(
        self, endpoint: Endpoint, value: str = "", *, purpose: Purpose, max_wait_s: float
    ) -> dict[Mint, Observation]:
        def read(payload: Any) -> dict[Mint, Observation]:
            found = endpoint.parse(payload, datetime.now(UTC))
            if lost := len(payload) - len(found):
                log.info("rows.discarded", upstream=UPSTREAM, path=endpoint.path, rows=lost, of=len(payload))
            return found

        found: dict[Mint, Observation] = await self._http.get_json(
            endpoint.path,
            params={endpoint.param: value} if endpoint.param else {},
            purpose=purpose,
            max_wait_s=max_wait_s,
            max_bytes=endpoint.max_bytes,
            parse=read,
            cost=endpoint.credits,
        )
        return found


def jupiter(base_url: str, api_key: str, plan_name: str, billing_day: int = 1) -> Jupiter:
    """Return a client of the account with `api_key` (none: keyless) on the plan of that name."""
    plan = replace(PLANS[UPSTREAM][plan_name], billing_day=billing_day)
    key = {"x-api-key": api_key} if api_key else {}
    return Jupiter(Http(UPSTREAM, base_url, secret_headers=key, ledger=Ledger(UPSTREAM, plan)))
