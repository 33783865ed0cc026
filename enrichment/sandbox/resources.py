"""Tokens and pools in GeckoTerminal's words: JSON:API resources whose every figure is a string of many digits.

Source: recordings of GeckoTerminal (2025-09-09, 2026-10-08) and CoinGecko's description of the same API (2026-06-22).
"""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from enrichment.sandbox.chance import Reals, Words
from enrichment.sandbox.faces import Face, pool_faces
from enrichment.sandbox.figures import amount, iso, rounded, unrounded
from enrichment.sandbox.market import Market
from enrichment.sandbox.pools import DEXES, OTHERS, Pools, money_usd, pools_of
from enrichment.sandbox.stats import Row, where
from tokens.mint import SOL, USDC, USDT

_COIN_IDS: Mapping[str, str] = {SOL: "wrapped-solana", USDC: "usd-coin", USDT: "tether"}
WINDOWS_S = {"m5": 300.0, "m15": 900.0, "m30": 1_800.0, "h1": 3_600.0, "h6": 21_600.0, "h24": 86_400.0}
_DAY = list(WINDOWS_S).index("h24")
# Of the pools there are it knows most, of the smaller ones two in three: a slightly different set than others'.
_SEEN, _OTHERS_SEEN = 0.95, 0.65
# Its reserves differ from others' liquidity by some 15 % and, of pools hardly anybody trades in, by a factor of four.
_RESERVE_SPREAD, _DEAD_RESERVE = 0.15, 4.0
# Of the prices in SOL are the string "NaN" (1 of 20 recorded), or null.
_NAN, _NO_NATIVE = 0.02, 0.03


def seen_pools(market: Market, ids: Words, then_s: float) -> Pools:
    """Return the pools GeckoTerminal knows of."""
    pools = pools_of(market, market.observe(ids, then_s, WINDOWS_S), then_s)
    is_other = (pools.places >= OTHERS[0]) & (pools.places <= OTHERS[-1])
    known = market.chance.unit("gecko", pools.ids, pools.places) < np.where(is_other, _OTHERS_SEEN, _SEEN)
    return pools.at(pools.is_poisoned | known)


def reserves_usd(market: Market, pools: Pools) -> Reals:
    """Return what it takes a pool's reserves for; a curve's are none."""
    own = np.exp(_RESERVE_SPREAD * market.chance.normal("gecko reserve", pools.ids, pools.places))
    reserves = pools.liquidity_usd * own * np.where(pools.trades[_DAY] > 0, 1.0, _DEAD_RESERVE)
    return np.where(pools.is_curve, 0.0, reserves)


def pool_resources(market: Market, pools: Pools, then_s: float) -> list[Row]:
    """Return one pool resource per pool."""
    faces = _told_faces(market, pools)
    dexes = [DEXES[dex].gecko for dex in pools.dex.tolist()]
    rows = zip(_attributes(market, pools, then_s), faces, dexes, strict=True)
    return [
        {
            "id": f"solana_{attributes['address']}",
            "type": "pool",
            "attributes": attributes | {"name": f"{base.symbol} / {quote.symbol}"},
            "relationships": {
                "base_token": {"data": {"id": f"solana_{base.mint}", "type": "token"}},
                "quote_token": {"data": {"id": f"solana_{quote.mint}", "type": "token"}},
                "dex": {"data": {"id": dex, "type": "dex"}},
            },
        }
        for attributes, (base, quote), dex in rows
    ]


def included(market: Market, pools: Pools, kinds: Collection[str]) -> list[Row]:
    """Return what the pools refer to and the request asks to have along, each once."""
    ids = np.unique(np.concatenate([pools.ids, pools.quotes]))
    decimals = dict(zip(ids.tolist(), market.traits(ids).decimals.tolist(), strict=True))
    rows: dict[str, Row] = {}
    pairs = zip(_told_faces(market, pools), pools.ids.tolist(), pools.quotes.tolist(), strict=True)
    for (base, quote), base_id, quote_id in pairs:
        for kind, face, token in (("base_token", base, base_id), ("quote_token", quote, quote_id)):
            if kind in kinds:
                row = token_resource(face, decimals[token])
                rows[row["id"]] = row
    if "dex" in kinds:
        for place in sorted(set(pools.dex.tolist())):
            dex = DEXES[place]
            rows[dex.gecko] = {"id": dex.gecko, "type": "dex", "attributes": {"name": dex.title}}
    return list(rows.values())


def token_resource(face: Face, decimals: int | None) -> Row:
    """Return what is said of a token whoever mentions it."""
    attributes: Row = {"address": face.mint, "name": face.name, "symbol": face.symbol, "decimals": decimals}
    attributes |= {"image_url": face.icon, "coingecko_coin_id": _COIN_IDS.get(face.mint)}
    return {"id": f"solana_{face.mint}", "type": "token", "attributes": attributes}


def told(face: Face) -> Face:
    """Return a face as this vendor tells it: of those with markup in their names, half come escaped already."""
    if ord(face.mint[5]) % 2:
        return face
    return replace(face, name=html.escape(face.name, quote=False), symbol=html.escape(face.symbol, quote=False))


def _told_faces(market: Market, pools: Pools) -> list[tuple[Face, Face]]:
    return [(told(base), told(quote)) for base, quote in pool_faces(market, pools)]


def _attributes(market: Market, pools: Pools, then_s: float) -> list[Row]:
    natives, quote_natives, ratios = _natives(market, pools, then_s)
    traits = market.traits(pools.ids)
    price_usd = pools.price_usd[0]
    columns = {
        "base_token_price_usd": [unrounded(price) for price in price_usd.tolist()],
        "base_token_price_native_currency": natives,
        "quote_token_price_usd": [unrounded(price) for price in pools.quote_usd.tolist()],
        "quote_token_price_native_currency": quote_natives,
        "base_token_price_quote_token": [None if ratio is None else rounded(ratio, 10) for ratio in ratios],
        "quote_token_price_base_token": [None if ratio is None else rounded(1 / ratio, 15) for ratio in ratios],
        "address": market.universe.addresses(pools.ids, pools.places),
        "pool_created_at": [iso(at_s) for at_s in pools.born_s.tolist()],
        "fdv_usd": _amounts(price_usd * traits.total_supply),
        "market_cap_usd": where(traits.is_verified, _amounts(price_usd * traits.circulating)),
        "price_change_percentage": _changes(pools),
        "transactions": _transactions(market, pools),
        "volume_usd": _volumes(pools),
        "reserve_in_usd": _amounts(reserves_usd(market, pools)),
    }
    names = list(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _natives(
    market: Market, pools: Pools, then_s: float
) -> tuple[list[str | None], list[str | None], list[float | None]]:
    """Return prices in SOL and the ratio of the sides: numbers, null, or the string "NaN" where it divided badly."""
    chance, in_sol, sol_usd = market.chance, pools.quotes == 0, float(money_usd(market, then_s)[0])
    is_nan = chance.unit("native", pools.ids, pools.places) < _NAN
    is_null = ~is_nan & (chance.unit("native null", pools.ids, pools.places) < _NO_NATIVE)
    natives: list[str | None] = []
    quotes: list[str | None] = []
    rows = zip((pools.price_usd[0] / sol_usd).tolist(), is_nan.tolist(), is_null.tolist(), in_sol.tolist(), strict=True)
    for native, nan, null, is_sol in rows:
        natives.append("NaN" if nan else None if null else rounded(native, 15))
        quotes.append(None if null else "1.0" if is_sol else rounded(1 / sol_usd, 15))
    return natives, quotes, where(~(is_nan | is_null), pools.price_usd[0] / pools.quote_usd)


def _changes(pools: Pools) -> list[Row]:
    changes = [np.round(pools.change_pct(window), 3).tolist() for window in range(len(WINDOWS_S))]
    return [
        {
            name: f"{change:g}" if abs(change) < 1e5 else f"{change:.0f}"
            for name, change in zip(WINDOWS_S, row, strict=True)
        }
        for row in zip(*changes, strict=True)
    ]


def _transactions(market: Market, pools: Pools) -> list[Row]:
    share = 0.5 + 0.08 * market.chance.normal("gecko buys", pools.ids, pools.places)
    buys = np.ceil(pools.trades * share).astype(np.int64)
    sells = pools.trades.astype(np.int64) - buys
    rows = zip(buys.T.tolist(), sells.T.tolist(), strict=True)
    return [
        {
            name: {"buys": buy, "sells": sell, "buyers": -(-buy * 2 // 3), "sellers": -(-sell * 2 // 3)}
            for name, buy, sell in zip(WINDOWS_S, bought, sold, strict=True)
        }
        for bought, sold in rows
    ]


def _volumes(pools: Pools) -> list[Row]:
    return [
        {name: amount(volume) for name, volume in zip(WINDOWS_S, row, strict=True)}
        for row in pools.volume_usd.T.tolist()
    ]


def _amounts(values: Reals) -> list[str]:
    return [amount(value) for value in values.tolist()]
