"""Helius' DAS: what the chain itself says of a mint, a thousand mints a call. No figures of trade to rely on.

Source: helius-labs/docs (2026-01-16), helius-labs/core-ai (2026-03-13), the reference code of the DAS API, and answers
recorded 2024-09 to 2025-04. A `json_uri` is never fetched: it leads wherever its author likes.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import structlog

from enrichment.launchpad import PUMP_FUN
from enrichment.upstream.adapter import MAX_WAIT_S, Adapter, Page, address, batch, link, part, read_rows
from enrichment.upstream.errors import (
    Declined,
    Malformed,
    QuotaExhausted,
    RateLimited,
    Refused,
    Unavailable,
    UpstreamError,
)
from enrichment.upstream.http import Http
from enrichment.upstream.ledger import Ledger
from enrichment.upstream.plans import CREDITS, PLANS, Purpose
from tokens import sanitize
from tokens.facts import Metadata, Observation, Quote
from tokens.mint import Mint
from tokens.sanitize import Cleaned

UPSTREAM = "helius"
METHOD = "getAssetBatch"
MINTS_MAX = 1_000  # documented; the reference code refuses more
ANSWER_MAX_BYTES = 20_000_000  # a thousand assets of 2 kB, and as much again for long descriptions; some have 20
CALLS_MAX = 32  # for one batch: 21 find a culprit that nobody names
HOPELESS_AFTER = 7  # a batch, its halves and its quarters, and not one answer: no single id is at fault
SUPPLY_MAX = 2**64 - 1  # the mint account stores a u64

NOT_FUNGIBLE = frozenset({
    "V1_NFT", "V1_PRINT", "LEGACY_NFT", "V2_NFT", "ProgrammableNFT", "MplCoreAsset", "MplCoreCollection",
})  # fmt: skip
PUMP_AUTHORITY = "TSLvdd1pWpHVjahSpsvCXUbgwsL3JAcvokwaKt1eokM"  # pump.fun's update authority until it was given up
PRICED_IN = "USDC"  # the only currency documented or recorded

THROTTLED = frozenset({"-32429", "-32029"})  # seen in the wild, documented
REFUSED = frozenset({"-32401", "-32001", "-32003"})
BAD_REQUEST, NOT_FOUND = "-32602", "-32004"
USED_UP = "max usage reached"  # the month's credits: seen under the code of a mere throttle
BAD_KEY = "pubkey validation"  # "Pubkey Validation Err: <id> is invalid", under a code that means any failure
_WORDS = re.compile("[^ \t\n\"',:;()\\[\\]{}]+")

log = structlog.get_logger()


class BadBatch(Declined):
    """One of the ids spoils the whole batch; `named` are the words of the message, among them perhaps the culprit."""

    def __init__(self, message: str) -> None:
        super().__init__(UPSTREAM, "declines the batch for one of its ids")
        self.named = frozenset(_WORDS.findall(message))


def parse_assets(payload: Any, received_at: datetime) -> Page[Observation]:
    """Return what a `getAssetBatch` answer says; null (unknown to Helius) and burnt assets are absent.

    Raises: Malformed.
    """
    result = payload.get("result") if isinstance(payload, dict) else None
    if not isinstance(result, list):
        raise Malformed(UPSTREAM, "an answer without a list of assets")
    return read_rows(UPSTREAM, result, partial(_asset, received_at=received_at))


def refusal(payload: Any) -> UpstreamError | None:
    """Return the error that a JSON-RPC answer carries, whatever its HTTP status; None where it carries none."""
    error = payload.get("error") if isinstance(payload, dict) else None
    if error is None:
        return None
    code, message = (str(error.get(key)) if isinstance(error, dict) else str(error) for key in ("code", "message"))
    if USED_UP in message.lower():
        return QuotaExhausted(UPSTREAM, "no credits left")
    if code in THROTTLED:
        return RateLimited(UPSTREAM, "too many requests")
    if code in REFUSED:
        return Refused(UPSTREAM, f"answered {code}: it does not accept the key or its plan")
    if code == NOT_FOUND or BAD_KEY in message.lower():
        return BadBatch(message)
    if code == BAD_REQUEST:
        return Declined(UPSTREAM, "declines the request")
    return Unavailable(UPSTREAM, "answered with a JSON-RPC error")


def explain(status: int, payload: Any) -> UpstreamError | None:
    """Return what the body of an answer other than 200 says; None where its status says more."""
    error = refusal(payload)
    return None if type(error) is Unavailable else error


def _asset(row: Any, received_at: datetime) -> Sequence[Observation] | None:
    if row is None:
        return ()
    mint = address(row.get("id")) if isinstance(row, dict) else None
    if mint is None:
        return None
    if row.get("burnt") is True:
        return ()
    metadata = _metadata(row, mint)
    return (
        Observation(
            mint=mint,
            source=UPSTREAM,
            received_at=received_at,
            metadata=metadata,
            quote=None if "not_fungible" in (metadata.flags or ()) else _quote(row),
        ),
    )


def _metadata(row: Mapping[str, Any], mint: Mint) -> Metadata:
    content, token = part(row, "content"), part(row, "token_info")
    claims, on_chain = part(content, "metadata"), _extension_metadata(row, mint)
    name = _first(sanitize.name(each.get("name")) for each in (claims, on_chain))
    symbol = _first(sanitize.symbol(each.get("symbol")) for each in (claims, on_chain, token))
    website = link(part(content, "links").get("external_url"))
    return Metadata(
        symbol=symbol.value,
        name=name.value,
        decimals=sanitize.decimals(token.get("decimals")),
        description=sanitize.description(claims.get("description")).value,
        image_url=_image(content),
        launchpad=PUMP_FUN if PUMP_AUTHORITY in _authorities(row) else None,
        flags=tuple(sorted(symbol.flags | name.flags | _risks(row))),
        total_supply=_supply(token),
        token_program=address(token.get("token_program")),
        mint_authority=address(token.get("mint_authority")),
        freeze_authority=address(token.get("freeze_authority")),
        websites=(("website", website),) if website else (),
    )


def _first(texts: Iterable[Cleaned]) -> Cleaned:
    return next((text for text in texts if text.value), Cleaned(None))


def _extension_metadata(row: Mapping[str, Any], mint: Mint) -> Mapping[str, Any]:
    """Return the names that a Token-2022 mint carries itself; what is about another mint is a stranger's claim."""
    found = part(part(row, "mint_extensions"), "metadata")
    return found if found.get("mint", mint) == mint else {}


def _image(content: Mapping[str, Any]) -> str | None:
    files = content.get("files")
    first = files[0] if isinstance(files, list) and files and isinstance(files[0], dict) else {}
    return link(part(content, "links").get("image")) or link(first.get("uri"))


def _authorities(row: Mapping[str, Any]) -> set[str]:
    listed = row.get("authorities")
    rows = listed if isinstance(listed, list) else ()
    return {str(each.get("address")) for each in rows if isinstance(each, dict)}


def _risks(row: Mapping[str, Any]) -> set[str]:
    """Return what a holder should know: who may mint, freeze, take away or tax; and what is no currency at all."""
    token, extensions = part(row, "token_info"), part(row, "mint_extensions")
    fees = part(extensions, "transfer_fee_config")
    risks = {
        "mint_authority": token.get("mint_authority"),
        "freeze_authority": token.get("freeze_authority"),
        "permanent_delegate": part(extensions, "permanent_delegate").get("delegate"),
        "transfer_fee": fees.get("transfer_fee_config_authority") or _is_taxed(fees),
        "not_fungible": _is_unique(row),
    }
    return {flag for flag, sign in risks.items() if sign}


def _is_taxed(fees: Mapping[str, Any]) -> bool:
    rates = (part(fees, key).get("transfer_fee_basis_points") for key in ("newer_transfer_fee", "older_transfer_fee"))
    return any(sanitize.count(rate) for rate in rates)


def _is_unique(row: Mapping[str, Any]) -> bool:
    """Say whether this is one thing and not a currency: by its interface, its ownership, or since there is only one."""
    token = part(row, "token_info")
    is_single = sanitize.count(token.get("supply")) == 1 and sanitize.decimals(token.get("decimals")) == 0
    return (
        is_single
        or str(row.get("interface")) in NOT_FUNGIBLE
        or part(row, "ownership").get("ownership_model") == "single"
    )


def _supply(token: Mapping[str, Any]) -> Decimal | None:
    """Return the supply in whole tokens; it is stated in base units, which a signed 64-bit integer cannot hold."""
    decimals, base_units = sanitize.decimals(token.get("decimals")), sanitize.supply(token.get("supply"))
    if decimals is None or base_units is None or base_units > SUPPLY_MAX or base_units != int(base_units):
        return None
    whole = sanitize.supply(Decimal(int(base_units)).scaleb(-decimals))
    return whole if whole or not base_units else None


def _quote(row: Mapping[str, Any]) -> Quote | None:
    """Return the price of the ten thousand most traded tokens: Jupiter's, up to ten minutes old, so a last resort."""
    info = part(part(row, "token_info"), "price_info")
    price = sanitize.price_usd(info.get("price_per_token")) if info.get("currency") == PRICED_IN else None
    return Quote(price_usd=price, is_last_resort=True) if price is not None else None


class Helius(Adapter):
    """One Helius account."""

    upstream = UPSTREAM

    async def fetch_assets(
        self, mints: Sequence[Mint], purpose: Purpose, *, max_wait_s: float = MAX_WAIT_S
    ) -> dict[Mint, Observation]:
        """Return what Helius knows of up to 1,000 mints; an unknown one is absent, and so is what is no mint.

        One id that Helius does not accept fails its whole batch: the rest is asked again without it, or in halves
        until it is found. Raises: ValueError for more mints; Declined when it is the request that is not accepted.
        """
        wanted = batch(mints, MINTS_MAX, METHOD)
        found = await self._resolve(wanted, purpose, max_wait_s) if wanted else {}
        return {mint: found[mint] for mint in wanted if mint in found}

    async def _resolve(self, mints: list[Mint], purpose: Purpose, max_wait_s: float) -> dict[Mint, Observation]:
        """Ask, and ask for less where a batch is declined, until every id is answered or known as a culprit."""
        found: dict[Mint, Observation] = {}
        batches, declined, answered = deque([mints]), list[Declined](), 0
        while batches and len(declined) + answered < CALLS_MAX and (answered or len(declined) < HOPELESS_AFTER):
            asked = batches.popleft()
            try:
                found |= {seen.mint: seen for seen in await self._ask(asked, purpose, max_wait_s)}
                answered += 1
            except Declined as error:
                declined.append(error)
                batches += _smaller(asked, error)
        if declined and not answered and (batches or not isinstance(declined[-1], BadBatch)):
            raise declined[-1]
        if batches:
            log.warning("batch.abandoned", upstream=UPSTREAM, mints=sum(map(len, batches)), of=len(mints))
        return found

    async def _ask(self, mints: Sequence[Mint], purpose: Purpose, max_wait_s: float) -> tuple[Observation, ...]:
        params = {"ids": list(mints), "options": {"showFungible": True}}
        found: tuple[Observation, ...] = await self._http.post_json(
            "/",
            body={"jsonrpc": "2.0", "id": "tokensite", "method": METHOD, "params": params},
            purpose=purpose,
            max_wait_s=max_wait_s,
            max_bytes=ANSWER_MAX_BYTES,
            cost=CREDITS[UPSTREAM][METHOD],
            parse=lambda payload: self._read(payload, parse_assets, METHOD),
        )
        return found

    def _refusal(self, payload: Any) -> UpstreamError | None:
        return refusal(payload)


def _smaller(asked: Sequence[Mint], error: Declined) -> list[list[Mint]]:
    """Return what to ask instead of a declined batch: the rest where it names the culprit, else both halves."""
    rest = [mint for mint in asked if not (isinstance(error, BadBatch) and mint in error.named)]
    if len(rest) < len(asked):
        return [rest] if rest else []
    middle = len(asked) // 2
    return [list(asked[:middle]), list(asked[middle:])] if middle else []


def helius(base_url: str, api_key: str, plan_name: str, billing_day: int = 1) -> Helius:
    """Return a client of the account with `api_key` on the plan of that name. The key rides in the URL."""
    plan = replace(PLANS[UPSTREAM][plan_name], billing_day=billing_day)
    http = Http(
        UPSTREAM,
        base_url,
        secret_params={"api-key": api_key},
        explain=explain,
        ledger=Ledger(UPSTREAM, plan),
    )
    return Helius(http)
