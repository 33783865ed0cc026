"""pump.fun's own list of its coins: optional, unofficial, off the critical path. It may vanish or shut us out any day.

Source: BankkRoll/pumpfun-apis and answers recorded from 2025-11 to 2026-10-08. In one object stand milliseconds and
seconds; the same field is absent, null or "" by route; the all-time high is garbage now and then and never read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from enrichment.launchpad import PUMP_FUN
from enrichment.upstream.adapter import MAX_WAIT_S, Adapter, Page, address, link, read_rows
from enrichment.upstream.errors import Malformed
from enrichment.upstream.http import Http
from enrichment.upstream.ledger import Ledger
from enrichment.upstream.plans import PLANS, Purpose
from tokens import sanitize
from tokens.facts import Metadata, Observation, Quote

UPSTREAM = "pumpfun"
PROGRAM = "pump"
COINS_MAX = 70  # a call; a greater limit is cut without a word
OFFSET_MAX = 1_000  # beyond it answers are empty
SUPPLY_MAX = Decimal(10) ** 15  # base units: every coin began with 10^9 of 6 decimals, and can only be burnt
MARKET_CAP_MAX_USD = Decimal(10) ** 11  # forty times the greatest its coins ever had; above stand its own errors

Sort = Literal["created_timestamp", "last_trade_timestamp", "market_cap", "reply_count", "last_reply"]
Order = Literal["DESC", "ASC"]


def parse_coins(payload: Any, received_at: datetime) -> Page[Observation]:
    """Return what a list says of pump.fun's own coins; what other programs made is none of our business.

    Shape: a bare array, or the advanced API's `{coins, pagination}`, which holds anything down to SOL itself and in
    which only `program` tells. Raises: Malformed.
    """
    rows = payload.get("coins") if isinstance(payload, dict) else payload
    if not isinstance(rows, list):
        raise Malformed(UPSTREAM, "coins that are no array")
    return read_rows(UPSTREAM, rows, partial(_coin, received_at=received_at))


def _coin(row: Any, received_at: datetime) -> Sequence[Observation] | None:
    mint = address(row.get("mint") or row.get("coinMint")) if isinstance(row, dict) else None
    if mint is None:
        return None
    if row.get("program") != PROGRAM:
        return ()
    observed_at = sanitize.instant(row.get("updated_at"), received_at)  # seconds
    quote = _quote(row, is_timed=observed_at is not None)
    return (
        Observation(
            mint=mint,
            source=UPSTREAM,
            received_at=received_at,
            observed_at=observed_at,
            metadata=_metadata(row, received_at),
            quote=None if quote == Quote() else quote,
        ),
    )


def _metadata(row: Mapping[str, Any], received_at: datetime) -> Metadata:
    symbol, name = sanitize.symbol(row.get("symbol") or row.get("ticker")), sanitize.name(row.get("name"))
    website, banned = link(row.get("website")), row.get("is_banned") is True
    socials = {network: link(row.get(network)) for network in ("twitter", "telegram")}
    return Metadata(
        symbol=symbol.value,
        name=name.value,
        decimals=sanitize.decimals(row.get("base_decimals")),
        description=sanitize.description(row.get("description")).value,
        image_url=link(row.get("image_uri") or row.get("imageUrl")),
        launchpad=PUMP_FUN,
        flags=tuple(sorted(symbol.flags | name.flags | ({"is_banned"} if banned else set()))),
        created_at=sanitize.instant(row.get("created_timestamp") or row.get("creationTime"), received_at),  # ms
        total_supply=_supply(row),
        token_program=address(row.get("token_program") or row.get("tokenProgram")),
        socials={network: url for network, url in socials.items() if url},
        websites=(("website", website),) if website else (),
    )


def _supply(row: Mapping[str, Any]) -> Decimal | None:
    """Return the supply in whole coins, where the row states both it and its decimals."""
    decimals, base_units = sanitize.decimals(row.get("base_decimals")), sanitize.supply(row.get("total_supply"))
    if decimals is None or not base_units or base_units > SUPPLY_MAX:
        return None
    return sanitize.supply(base_units.scaleb(-decimals)) or None


def _quote(row: Mapping[str, Any], *, is_timed: bool) -> Quote:
    """Return the market cap, and the price it was made of where every part of the sum is sane.

    pump.fun states no price. Its market cap in USD is price × total supply, so price = market cap / total supply: taken
    only with a stated supply within what a coin can have, stated decimals, a market cap that its twin
    `market_cap_usd` does not contradict, and a time at which it was true. It stays a last resort. The reserves of a
    bonding curve are no use: they stand still after graduation, and nobody says what SOL cost. Nor is the advanced
    API's `currentMarketPrice`: recorded values are off by powers of ten.
    """
    market_cap, twin = sanitize.amount_usd(row.get("usd_market_cap")), sanitize.amount_usd(row.get("market_cap_usd"))
    if not market_cap or market_cap > MARKET_CAP_MAX_USD:
        return Quote()
    supply = _supply(row)
    is_sane = is_timed and twin in (None, market_cap)
    price = sanitize.price_usd(market_cap / supply) if supply and is_sane else None
    return Quote(price_usd=price, market_cap_usd=market_cap, is_last_resort=price is not None)


class PumpFun(Adapter):
    """pump.fun's frontend API, without a key."""

    upstream = UPSTREAM

    async def fetch_coins(
        self,
        sort: Sort = "created_timestamp",
        order: Order = "DESC",
        *,
        offset: int = 0,
        limit: int = COINS_MAX,
        complete: bool | None = None,
        purpose: Purpose = "detect",
        max_wait_s: float = MAX_WAIT_S,
    ) -> list[Observation]:
        """Return a page of coins. Within reach are the newest of some 35 minutes, or the graduates of 22 hours.

        Raises: ValueError beyond 70 coins or offset 1,000.
        """
        if not (1 <= limit <= COINS_MAX and 0 <= offset <= OFFSET_MAX):
            raise ValueError(f"coins come {COINS_MAX} a call, from offset 0 to {OFFSET_MAX}")
        params = {"offset": str(offset), "limit": str(limit), "sort": sort, "order": order, "includeNsfw": "true"}
        params |= {} if complete is None else {"complete": str(complete).lower()}
        found = await self._get(
            "/coins", parse_coins, route="/coins", params=params, purpose=purpose, max_wait_s=max_wait_s
        )
        return list(found)


def pumpfun(base_url: str) -> PumpFun:
    """Return a client of the public API."""
    return PumpFun(Http(UPSTREAM, base_url, ledger=Ledger(UPSTREAM, PLANS[UPSTREAM]["public"])))
