"""Jupiter's Tokens v2 and Price v3: what a mint is, what it trades at, which mints are new, which are verified.

Source: developers.jup.ag (jup-ag/docs, 2026-08-21) and answers recorded until 2026-10-08. The vendor calls the schema
"subject to change": every field but `id` may be absent, and no price is the normal case for a young token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import structlog

from enrichment.upstream.errors import Malformed
from enrichment.upstream.gate import PLANS, Purpose
from enrichment.upstream.http import JSON_MAX_BYTES, Http
from enrichment.upstream.ledger import Ledger
from tokens import sanitize
from tokens.facts import Metadata, Observation, Quote
from tokens.mint import Mint, is_mint

UPSTREAM = "jupiter"
MAX_WAIT_S = 5.0  # a place for who has had less than its share comes within seconds
LAUNCHPAD_GRAPHEMES, LAUNCHPAD_BYTES = 32, 64  # an open set; the longest seen, "letsbonk.fun", has 12
SOCIALS = ("twitter", "telegram", "discord", "instagram", "tiktok")
WEBSITES = (("website", "website"), ("other", "otherUrl"))  # our label, their key
AUTHORITIES = (("mint_authority", "mintAuthority"), ("freeze_authority", "freezeAuthority"))  # our flag, their key

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
    mint = _address(row.get("id")) if isinstance(row, dict) else None
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
        token_program=_address(row.get("tokenProgram")),
        mint_authority=_address(row.get("mintAuthority")),
        freeze_authority=_address(row.get("freezeAuthority")),
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
    audit = _part(row, "audit")
    risks = {flag for flag, key in AUTHORITIES if row.get(key) or (audit and audit.get(f"{key}Disabled") is not True)}
    return risks | ({"is_sus"} if audit.get("isSus") is True else set())


def _quote(row: Mapping[str, Any]) -> Quote:
    day = _part(row, "stats24h")
    sides = [sanitize.amount_usd(day.get(side)) for side in ("buyVolume", "sellVolume")]
    known = [volume for volume in sides if volume is not None]
    return Quote(
        price_usd=sanitize.price_usd(row.get("usdPrice")),
        liquidity_usd=sanitize.amount_usd(row.get("liquidity")),
        volume_24h_usd=sanitize.amount_usd(sum(known)) if known else None,
        market_cap_usd=sanitize.amount_usd(row.get("mcap")),
        fdv_usd=sanitize.amount_usd(row.get("fdv")),
        change_5m_pct=sanitize.percent(_part(row, "stats5m").get("priceChange")),
        change_1h_pct=sanitize.percent(_part(row, "stats1h").get("priceChange")),
        change_6h_pct=sanitize.percent(_part(row, "stats6h").get("priceChange")),
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


def _part(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = row.get(key)
    return part if isinstance(part, dict) else {}


def _address(value: Any) -> Mint | None:
    return Mint(value) if isinstance(value, str) and is_mint(value) else None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One kind of call: where, under which parameter, how many mints at most, how its answer is read."""

    path: str
    parse: Callable[[Any, datetime], dict[Mint, Observation]]
    param: str = ""
    mints_max: int = 0
    max_bytes: int = JSON_MAX_BYTES


SEARCH = Endpoint("/tokens/v2/search", parse_tokens, "query", 100)  # 100 documented; nobody says what happens above
PRICES = Endpoint("/price/v3", parse_prices, "ids", 50)  # 50 documented; above, silently dropped (seen 2026-10-03)
RECENT = Endpoint("/tokens/v2/recent", parse_tokens)
TAG = Endpoint("/tokens/v2/tag", parse_tokens, "query", max_bytes=60_000_000)  # verified: 5 to 10 MB in one answer


class Jupiter:
    """One Jupiter account; every call passes the account's gate. Use it as an async context manager.

    Every `fetch_` raises UpstreamError and waits up to `max_wait_s` for the gate before it gives up.
    """

    def __init__(self, client: Http) -> None:
        self._http = client

    def __repr__(self) -> str:
        return f"Jupiter({self._http!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

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

    async def fetch_verified(self, *, purpose: Purpose = "detect", max_wait_s: float = MAX_WAIT_S) -> list[Observation]:
        """Return every token tagged as verified, about 4,000."""
        return list((await self._fetch(TAG, "verified", purpose=purpose, max_wait_s=max_wait_s)).values())

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
        )
        return found


def jupiter(base_url: str, api_key: str, plan_name: str) -> Jupiter:
    """Return a client of the account with `api_key` (none: keyless) on the plan of that name."""
    headers = {"x-api-key": api_key} if api_key else {}
    return Jupiter(Http(UPSTREAM, base_url, headers=headers, ledger=Ledger(UPSTREAM, PLANS[UPSTREAM][plan_name])))
