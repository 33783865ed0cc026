"""GeckoTerminal: a second opinion on tokens and pools, the newest and the busiest pools, and candles. No key.

Source: GeckoTerminal's API guide and coingecko-api-oas (2026-06-22), and answers recorded until 2026-10-08. All figures
are strings of up to 70 digits, some of them "NaN"; names come escaped as for a web page. Answers are up to 60 s old.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from enrichment.launchpad import PUMP_FUN
from enrichment.upstream.adapter import MAX_WAIT_S, Adapter, Page, address, batch, by_mint, label, link, part, read_rows
from enrichment.upstream.errors import Malformed, UpstreamError
from enrichment.upstream.http import Http
from enrichment.upstream.jsonapi import included, is_a, refusal, related, resources, split
from enrichment.upstream.ledger import Ledger
from enrichment.upstream.plans import PLANS, Purpose
from tokens import sanitize
from tokens.facts import Candle, Metadata, Observation, Quote
from tokens.mint import Mint, is_mint

UPSTREAM = "geckoterminal"
NETWORK = "solana"
PREFIX = f"/networks/{NETWORK}"
ACCEPT = "application/json;version=20230203"  # without a version the newest answers, whatever it looks like
MINTS_MAX = 30  # documented
PAGES_MAX = 10  # of 20 pools: documented for the public tier
CANDLES_MAX = 1_000  # documented
AGGREGATES: Mapping[str, tuple[int, ...]] = {"minute": (1, 5, 15), "hour": (1, 4, 12), "day": (1,)}  # documented
PUMP_CATEGORY, PUMPSWAP = "pump-fun", "pumpswap"  # their words
MIGRATED = "migrated_destination_pool_address"

Window = Literal["5m", "1h", "6h", "24h"]
Timeframe = Literal["minute", "hour", "day"]

_ENTITY = re.compile("&(?:#[0-9]{1,7}|#x[0-9a-fA-F]{1,6}|[A-Za-z]{2,8});")
_DEX = re.compile("[a-z0-9][a-z0-9_-]{0,63}")


def parse_pools(payload: Any, received_at: datetime) -> Page[Observation]:
    """Return what a list of pools says of each pool's base token; pools of other networks are none of our business.

    Raises: Malformed.
    """
    tokens = {str(row["id"]): part(row, "attributes") for row in included(payload, "token")}
    return read_rows(UPSTREAM, _rows(payload), partial(_pool, tokens=tokens, received_at=received_at))


def parse_tokens(payload: Any, received_at: datetime) -> Page[Observation]:
    """Return what is said of tokens (the source's own aggregate), and of the pools that came with them.

    Raises: Malformed.
    """
    pools = included(payload, "pool")
    dexes = {split(row)[1]: related(row, "dex").get("id") for row in pools}
    tokens = read_rows(UPSTREAM, _rows(payload), partial(_token, dexes=dexes, received_at=received_at))
    quoted = [_pool(row, tokens={}, received_at=received_at) for row in pools]
    lost = sum(pool is None for pool in quoted)
    found = (seen for pool in quoted for seen in pool or ())
    return Page((*tokens.found, *found), tokens.rows + len(pools), tokens.discarded + lost)


def parse_candles(payload: Any, received_at: datetime, mint: Mint | None = None) -> Page[Candle]:
    """Return a pool's candles as sent, newest first; an interval without a trade has none.

    Raises: Malformed, also when the answer names tokens and `mint` is neither of them.
    """
    data, meta = (part(payload, "data"), part(payload, "meta")) if isinstance(payload, dict) else ({}, {})
    rows = part(data, "attributes").get("ohlcv_list")
    if not isinstance(rows, list):
        raise Malformed(UPSTREAM, "candles that are no array")
    named = {str(part(meta, side).get("address")) for side in ("base", "quote") if part(meta, side)}
    if mint and named and mint not in named:
        raise Malformed(UPSTREAM, "candles of a pool in which the mint does not trade")
    return read_rows(UPSTREAM, rows, partial(_candle, received_at=received_at))


def _rows(payload: Any) -> list[Any]:
    rows = resources(payload)
    if rows is None:
        raise Malformed(UPSTREAM, "an answer without data")
    return rows


def _pool(row: Any, *, tokens: Mapping[str, Mapping[str, Any]], received_at: datetime) -> Sequence[Observation] | None:
    if not is_a("pool", row):
        return None
    (network, pool), base = split(row), related(row, "base_token")
    if network != NETWORK:
        return ()
    mint = address(split(base)[1])
    if mint is None or address(pool) is None:
        return None
    token = tokens.get(str(base.get("id")))
    return (
        Observation(
            mint=mint,
            source=UPSTREAM,
            received_at=received_at,
            metadata=None if token is None else _metadata(token, launchpad=None),
            quote=_pool_quote(row, pool, received_at),
        ),
    )


def _pool_quote(row: Mapping[str, Any], pool: str, received_at: datetime) -> Quote:
    told = part(row, "attributes")
    price, change = sanitize.price_usd(told.get("base_token_price_usd")), part(told, "price_change_percentage")
    return Quote(
        price_usd=price,
        pool=pool,
        dex=label(related(row, "dex").get("id")),
        quote_mint=address(split(related(row, "quote_token"))[1]),
        pool_created_at=sanitize.instant(told.get("pool_created_at"), received_at),
        liquidity_usd=_liquidity(told.get("reserve_in_usd"), price),
        volume_24h_usd=sanitize.amount_usd(part(told, "volume_usd").get("h24")),
        market_cap_usd=sanitize.amount_usd(told.get("market_cap_usd")),
        fdv_usd=sanitize.amount_usd(told.get("fdv_usd")),
        change_5m_pct=sanitize.percent(change.get("m5")),
        change_1h_pct=sanitize.percent(change.get("h1")),
        change_6h_pct=sanitize.percent(change.get("h6")),
        change_24h_pct=sanitize.percent(change.get("h24")),
    )


def _liquidity(reserve: Any, price: Decimal | None) -> Decimal | None:
    """Return a reserve. Zero beside a price is what GeckoTerminal says of a bonding curve: that it does not know."""
    liquidity = sanitize.amount_usd(reserve)
    return None if price is not None and liquidity == 0 else liquidity


def _token(row: Any, *, dexes: Mapping[str, Any], received_at: datetime) -> Sequence[Observation] | None:
    if not is_a("token", row):
        return None
    network, rest = split(row)
    if network != NETWORK:
        return ()
    mint, told = address(rest), part(row, "attributes")
    if mint is None:
        return None
    metadata = _metadata(told, launchpad=_launchpad(told, dexes))
    return (
        Observation(mint=mint, source=UPSTREAM, received_at=received_at, metadata=metadata, quote=_token_quote(told)),
    )


def _launchpad(told: Mapping[str, Any], dexes: Mapping[str, Any]) -> str | None:
    """Return pump.fun where it is named, or where a launchpad moved the token to pump.fun's own exchange.

    (`launchpad_details` says that there is a launchpad, and never which.)
    """
    categories, moved_to = told.get("gt_category_ids"), part(told, "launchpad_details").get(MIGRATED)
    is_named = isinstance(categories, list) and PUMP_CATEGORY in categories
    is_moved = isinstance(moved_to, str) and dexes.get(moved_to) == PUMPSWAP
    return PUMP_FUN if is_named or is_moved else None


def _token_quote(told: Mapping[str, Any]) -> Quote | None:
    price = sanitize.price_usd(told.get("price_usd"))
    quote = Quote(
        price_usd=price,
        liquidity_usd=_liquidity(told.get("total_reserve_in_usd"), price),
        volume_24h_usd=sanitize.amount_usd(part(told, "volume_usd").get("h24")),
        market_cap_usd=sanitize.amount_usd(told.get("market_cap_usd")),
        fdv_usd=sanitize.amount_usd(told.get("fdv_usd")),
    )
    return None if quote == Quote() else quote


def _metadata(told: Mapping[str, Any], launchpad: str | None) -> Metadata:
    symbol, name = sanitize.symbol(_plain(told.get("symbol"))), sanitize.name(_plain(told.get("name")))
    return Metadata(
        symbol=symbol.value,
        name=name.value,
        decimals=sanitize.decimals(told.get("decimals")),
        image_url=link(told.get("image_url")),  # "missing.png" in older answers
        launchpad=launchpad,
        flags=tuple(sorted(symbol.flags | name.flags)),
        total_supply=sanitize.supply(told.get("normalized_total_supply")),
    )


def _plain(value: Any) -> Any:
    """Return a text without a web page's escapes. Once: who called a token "&amp;amp;" meant "&amp;"."""
    return _ENTITY.sub(lambda entity: html.unescape(entity[0]), value) if isinstance(value, str) else value


def _candle(row: Any, received_at: datetime) -> Sequence[Candle] | None:
    """Return a candle in which the four prices fit each other and whose time has come."""
    if not isinstance(row, list) or len(row) < 6:
        return None
    at, prices = sanitize.instant(row[0], received_at), [sanitize.price_usd(price) for price in row[1:5]]
    known = [price for price in prices if price is not None]
    if at is None or at >= received_at or len(known) < 4:
        return None
    opened, high, low, closed = known
    if high < max(known) or low > min(known):
        return None
    volume = sanitize.amount_usd(row[5])
    return (Candle(at=at, open_usd=opened, high_usd=high, low_usd=low, close_usd=closed, volume_usd=volume),)


class GeckoTerminal(Adapter):
    """GeckoTerminal's public API, which counts calls by address."""

    upstream = UPSTREAM

    async def fetch_tokens(
        self, mints: Sequence[Mint], purpose: Purpose, *, max_wait_s: float = MAX_WAIT_S
    ) -> dict[Mint, list[Observation]]:
        """Return the aggregates and greatest pools of up to 30 mints; an unknown one is absent.

        Raises: ValueError for more mints.
        """
        wanted, route = batch(mints, MINTS_MAX, "tokens/multi"), f"{PREFIX}/tokens/multi"
        if not wanted:
            return {}
        params, path = {"include": "top_pools"}, f"{route}/{','.join(wanted)}"
        found = await self._get(path, parse_tokens, route=route, params=params, purpose=purpose, max_wait_s=max_wait_s)
        return by_mint(found, wanted)

    async def fetch_new_pools(
        self, page: int = 1, *, purpose: Purpose = "detect", max_wait_s: float = MAX_WAIT_S
    ) -> list[Observation]:
        """Return the newest pools, 20 a page: ten pages reach back a few minutes."""
        return await self._pools("new_pools", page, purpose=purpose, max_wait_s=max_wait_s)

    async def fetch_trending_pools(
        self, window: Window = "24h", page: int = 1, *, purpose: Purpose = "detect", max_wait_s: float = MAX_WAIT_S
    ) -> list[Observation]:
        """Return the pools that trend over a window, 20 a page."""
        return await self._pools("trending_pools", page, purpose=purpose, max_wait_s=max_wait_s, duration=window)

    async def fetch_pools(
        self, dex: str | None = None, page: int = 1, *, purpose: Purpose = "detect", max_wait_s: float = MAX_WAIT_S
    ) -> list[Observation]:
        """Return the greatest pools by volume, of one venue (`pump-fun`, `pumpswap` …) or of all, 20 a page."""
        if dex is not None and not _DEX.fullmatch(dex):
            raise ValueError("a venue is named in small letters, digits and dashes")
        path = f"dexes/{dex}/pools" if dex else "pools"
        return await self._pools(path, page, purpose=purpose, max_wait_s=max_wait_s, sort="h24_volume_usd_desc")

    async def _pools(
        self, path: str, page: int, *, purpose: Purpose, max_wait_s: float, **params: str
    ) -> list[Observation]:
        if not 1 <= page <= PAGES_MAX:
            raise ValueError(f"pools come on pages 1 to {PAGES_MAX}")
        route, params = f"{PREFIX}/{path}", params | {"page": str(page), "include": "base_token,quote_token,dex"}
        return list(
            await self._get(route, parse_pools, route=route, params=params, purpose=purpose, max_wait_s=max_wait_s)
        )

    async def fetch_candles(
        self,
        mint: Mint,
        pool: str,
        *,
        timeframe: Timeframe = "minute",
        aggregate: int = 1,
        before: datetime | None = None,
        purpose: Purpose = "enrich",
        max_wait_s: float = MAX_WAIT_S,
    ) -> list[Candle]:
        """Return up to 1,000 candles of `mint` in USD in one of its pools, oldest first, all before `before`."""
        if aggregate not in AGGREGATES[timeframe] or not (is_mint(mint) and is_mint(pool)):
            raise ValueError(f"candles are of a mint in a pool, and of {AGGREGATES[timeframe]} {timeframe}")
        params = {"aggregate": str(aggregate), "limit": str(CANDLES_MAX), "currency": "usd", "token": mint}
        params |= {"before_timestamp": str(int(before.timestamp()))} if before else {}
        route = f"{PREFIX}/pools/ohlcv/{timeframe}"
        found = await self._get(
            f"{PREFIX}/pools/{pool}/ohlcv/{timeframe}",
            partial(parse_candles, mint=mint),
            route=route,
            params=params,
            purpose=purpose,
            max_wait_s=max_wait_s,
        )
        return [candle for _, candle in sorted({candle.at: candle for candle in found}.items())]

    def _refusal(self, payload: Any) -> UpstreamError | None:
        return refusal(UPSTREAM, payload)


def geckoterminal(base_url: str) -> GeckoTerminal:
    """Return a client of the public API."""
    ledger = Ledger(UPSTREAM, PLANS[UPSTREAM]["public"])
    return GeckoTerminal(Http(UPSTREAM, base_url, headers={"accept": ACCEPT}, ledger=ledger))
