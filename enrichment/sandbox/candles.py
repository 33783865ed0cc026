"""A pool's price history as GeckoTerminal's candles: newest first, numbers, no candle where nothing was traded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enrichment.sandbox.launches import DAY_S
from enrichment.sandbox.market import Market
from enrichment.sandbox.pools import Pools

SPANS_S = {"minute": 60, "hour": 3_600, "day": 86_400}
AGGREGATES = {"minute": (1, 5, 15), "hour": (1, 4, 12), "day": (1,)}
_LOOKS = 6  # at the price within each candle, its first and last moment among them


@dataclass(frozen=True, slots=True)
class Span:
    """Which candles: those of `length_s` that began before `end_s`, the latest `limit` of them. Units: seconds."""

    length_s: int
    limit: int
    end_s: float


def candles(market: Market, pool: Pools, now_s: float, span: Span, *, in_quote: bool) -> list[list[float]]:
    """Return [start, open, high, low, close, volume in USD] per candle of a single pool, as seen at `now_s`."""
    newest = int(np.ceil(span.end_s / span.length_s)) - 1
    starts = span.length_s * np.arange(newest, newest - span.limit, -1, dtype=np.float64)
    looks = np.minimum(starts[:, None] + np.linspace(0, span.length_s, _LOOKS), now_s)
    price_usd, trades = market.history(pool.ids, looks.ravel())
    if in_quote:
        price_usd = price_usd / market.history(pool.quotes, looks.ravel())[0]
    own_price, own_share = _own(market, pool, now_s)
    prices = (price_usd * own_price).reshape(looks.shape)
    happened = np.diff(trades.reshape(looks.shape)[:, [0, -1]], axis=1)[:, 0]
    volume = happened * own_share * float(market.observe(pool.ids, now_s).turnover_usd[0])
    kept = (happened > 0) & (starts >= pool.born_s[0] - span.length_s)
    columns = (starts, prices[:, 0], prices.max(axis=1), prices.min(axis=1), prices[:, -1], volume)
    rows: list[list[float]] = np.stack(columns, axis=1)[kept].tolist()
    return [[int(start), *rest] for start, *rest in rows]


def _own(market: Market, pool: Pools, now_s: float) -> tuple[float, float]:
    """Return what the pool's price is to the market's, and its trades to all."""
    price_usd, trades = market.history(pool.ids, np.array([now_s - DAY_S, now_s]))
    happened = max(float(trades[1, 0] - trades[0, 0]), 1.0)
    return float(pool.price_usd[0][0] / price_usd[1, 0]), min(float(pool.trades[-1][0]) / happened, 1.0)
