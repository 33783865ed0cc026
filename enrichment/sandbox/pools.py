"""Where tokens trade: the pools of every token, drawn from its id, each with its own view of the market's one price.

A token begins on its launchpad's curve or in a pool of its own; what graduates gets a main pool and keeps the curve;
known tokens have up to three pools more. Around a few of them impostors set up a pool against a fake dollar.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from enrichment.sandbox.chance import Reals, Words
from enrichment.sandbox.launches import DAY_S
from enrichment.sandbox.market import Market, Sight
from enrichment.sandbox.traits import NO_LAUNCHPAD, Flags, Positions
from enrichment.sandbox.universe import SENTINELS
from tokens.mint import SOL, USDC, USDT

CURVE, MAIN, OTHERS, POISONED, FAKE_QUOTE = 0, 1, (2, 3, 4), 5, 7
"""The places of a token's pools among its addresses, and of the fake dollar around it."""
_PLACES = np.arange(POISONED + 1, dtype=np.uint64)[None, :]


@dataclass(frozen=True, slots=True)
class Dex:
    """An exchange as DexScreener and GeckoTerminal call it. Source: recordings of both, 2025-09 to 2026-10."""

    screener: str
    gecko: str
    title: str
    label: str = ""


DEXES = (
    Dex("pumpfun", "pump-fun", "Pump.fun"),
    Dex("launchlab", "raydium-launchlab", "Raydium Launchlab"),
    Dex("meteoradbc", "meteora-dbc", "Meteora DBC"),
    Dex("pumpswap", "pumpswap", "PumpSwap"),
    Dex("raydium", "raydium", "Raydium"),
    Dex("raydium", "raydium-clmm", "Raydium (CLMM)", "CLMM"),
    Dex("meteora", "meteora", "Meteora", "DLMM"),
    Dex("orca", "orca", "Orca"),
)
# By launchpad (pump.fun, letsbonk.fun, bags.fun, met-dbc, none): whose curve, and whose pool afterwards.
_CURVE_DEX, _MAIN_DEX = np.array([0, 1, 2, 2, 4]), np.array([3, 4, 6, 6, 4])
_ANYBODYS_DEX = 4  # from here on in DEXES anybody may open a pool

# How far a pool's price lies from the market's, as deviations of its logarithm: arbitrage keeps big pools close.
_SPREADS = np.array([0.0, 0.002, 0.006, 0.006, 0.006, 0.0])
WIDEST_SPREAD = 3.5 * 0.006  # a draw never exceeds 3.5 deviations
_CROWD = (0.35, 0.25, 0.15)  # of the tokens with a main pool have each of the three others
_WEIGHTS = np.array([1.0, 1.0, 0.5, 0.3, 0.2, 0.0])
_LEFT_BEHIND = 0.01  # what still trades on the curve of a token that has graduated
# Pools nobody trades in any more keep a price from another time (one token at 0.9959 and 1.53, recorded 2022).
_FORGOTTEN, _FORGOTTEN_SHARE = 0.05, 1e-4
_POISONED = 0.005  # a few; a public list of pools has 0.1 % with absurd depth, and more that are less absurd
_SOL_QUOTED = 0.75
_SEEN_ANYWAY = 0.20  # of the tokens whose price Jupiter distrusts have a pool that others quote


@dataclass(frozen=True, slots=True)
class Pools:
    """Columns, one entry per pool; `token` is its base token's place among the ids that were asked about.

    Shape: `price_usd` has a row for now and one for the start of each window, `trades` and `volume_usd` one per window.
    Units: USD, unix seconds. `liquidity_usd` counts both sides; a curve has none to speak of.
    """

    token: Positions
    ids: Words
    places: Words
    dex: Positions
    quotes: Words
    """The ids of the quote tokens. In a poisoned pool it is a fake that looks like the one this says."""
    quote_usd: Reals
    price_usd: Reals
    liquidity_usd: Reals
    trades: Reals
    volume_usd: Reals
    born_s: Reals
    is_poisoned: Flags

    @property
    def is_curve(self) -> Flags:
        """Whether each pool is a bonding curve."""
        on_curve: Flags = self.places == CURVE
        return on_curve

    def at(self, which: npt.NDArray[Any]) -> Pools:
        """Return the pools at those positions, or where a mask is true."""
        return Pools(**{column.name: getattr(self, column.name)[..., which] for column in fields(self)})

    def change_pct(self, window: int) -> Reals:
        """Return each pool's price change over the window-th window."""
        change: Reals = (self.price_usd[0] / self.price_usd[window + 1] - 1) * 100
        return change


def pools_of(market: Market, sight: Sight, now_s: float) -> Pools:
    """Return every pool of the tokens in sight at `now_s`, over the windows the sight was asked for."""
    births_s = _births(market, sight)
    exist = _exist(market, sight, births_s, now_s)
    token, place = np.nonzero(exist)
    ids, places = sight.traits.ids[token], place.astype(np.uint64)
    is_poisoned, is_forgotten = places == POISONED, _are_forgotten(market, ids, places)
    share = _shares(market, sight, exist, now_s)[token, place]
    trades = _trades(market, sight, token, share * ~is_forgotten)
    trades[:, is_poisoned] = np.floor(4 * market.chance.unit("poisoned trades", ids[is_poisoned]))
    quotes = _quotes(market, ids, places)
    return Pools(
        token=token,
        ids=ids,
        places=places,
        dex=_dexes(market, sight, token, places),
        quotes=quotes,
        quote_usd=money_usd(market, now_s)[quotes.astype(np.intp)],
        price_usd=sight.price_usd[:, token] * np.exp(_skews(market, ids, places, is_forgotten)),
        liquidity_usd=_liquidity(market, sight, token, np.where(is_forgotten, _FORGOTTEN_SHARE, share), is_poisoned),
        trades=trades,
        volume_usd=trades * np.where(is_poisoned, 1.0, sight.turnover_usd[token]),
        born_s=births_s[token, place],
        is_poisoned=is_poisoned,
    )


def primary_of(pools: Pools) -> Pools:
    """Return one pool per token, as a screener picks it: the deepest, whoever filled it; a curve if it is alone."""
    depth = np.where(pools.is_curve, -1.0, pools.liquidity_usd)
    order = np.lexsort((-depth, pools.token))
    _, first = np.unique(pools.token[order], return_index=True)
    return pools.at(order[first])


def money_usd(market: Market, now_s: float) -> Reals:
    """Return what SOL, USDC and USDT cost now, whatever is wrong with the source's decimals."""
    sane = market.through(replace(market.lens, units=1.0))
    price_usd: Reals = sane.history(np.arange(len(SENTINELS), dtype=np.uint64), np.array([now_s]))[0][0]
    return price_usd


def _births(market: Market, sight: Sight) -> Reals:
    """Return when every place was or would be filled: others open pools in the first month, impostors on day one."""
    traits, chance = sight.traits, market.chance
    main_s = np.where(traits.is_curve, traits.graduated_s, traits.born_s)
    day_s = DAY_S / market.launches.speed
    births = np.repeat(traits.born_s[:, None], POISONED + 1, axis=1)
    births[:, MAIN] = main_s
    for place in OTHERS:
        births[:, place] = main_s + 30 * day_s * chance.unit("pool age", traits.ids, place) ** 2
    births[:, POISONED] += 0.0 if market.lens.is_poisoned else day_s * chance.unit("poison age", traits.ids)
    return births


def _exist(market: Market, sight: Sight, births_s: Reals, now_s: float) -> Flags:
    """Say which places are filled. A curve is, from birth; the main pool is, once it is born."""
    traits, chance = sight.traits, market.chance
    exist = births_s <= now_s
    exist[:, CURVE] &= traits.is_curve
    for place, share in zip(OTHERS, _CROWD, strict=True):
        crowd = np.where(traits.ids < len(SENTINELS), 1.0, share * (1 + traits.is_verified))
        exist[:, place] &= chance.unit("pools", traits.ids, place) < crowd
    poisoned = 1.0 if market.lens.is_poisoned else _POISONED
    exist[:, POISONED] &= (chance.unit("poison", traits.ids) < poisoned) & (traits.ids >= len(SENTINELS))
    is_seen = traits.is_launch | np.isfinite(traits.priced_after) | (chance.unit("seen", traits.ids) < _SEEN_ANYWAY)
    shown: Flags = exist & is_seen[:, None] & (not market.lens.is_priceless)
    return shown


def _shares(market: Market, sight: Sight, exist: Flags, now_s: float) -> Reals:
    """Return which part of the token's trades and depth each of its existing pools has."""
    traits = sight.traits
    weights = exist * _WEIGHTS * (0.5 + market.chance.unit("share", traits.ids[:, None], _PLACES))
    weights[:, CURVE] *= np.where(traits.graduated_s <= now_s, _LEFT_BEHIND, 1.0)
    total = weights.sum(axis=1, keepdims=True)
    shares: Reals = weights / np.where(total > 0, total, 1.0)
    return shares


def _are_forgotten(market: Market, ids: Words, places: Words) -> Flags:
    is_other = (places >= OTHERS[0]) & (places <= OTHERS[-1]) & (ids >= len(SENTINELS))
    forgotten: Flags = is_other & (market.chance.unit("forgotten", ids, places) < _FORGOTTEN)
    return forgotten


def _skews(market: Market, ids: Words, places: Words, is_forgotten: Flags) -> Reals:
    """Return ln(pool's price / market's price): small, or what a forgotten or a poisoned pool makes of it."""
    own = market.chance.normal("skew", ids, places)
    skews = _SPREADS[places.astype(np.intp)] * own + np.where(is_forgotten, 0.5 * own, 0.0)
    lie = np.log(10) * (2 + 4 * market.chance.unit("poison price", ids))
    return np.where(places == POISONED, lie, skews)


def _trades(market: Market, sight: Sight, token: Positions, share: Reals) -> Reals:
    """Return each pool's trades per window: its share of all, rounded up, so that no living pool looks dead."""
    happened = sight.trades[0][token] - sight.trades[1:, token]
    trades: Reals = np.ceil(happened * share)
    return trades


def _liquidity(market: Market, sight: Sight, token: Positions, share: Reals, is_poisoned: Flags) -> Reals:
    depth = sight.liquidity_usd[0][token]
    absurd = 10 ** (7 + market.chance.unit("poisoned depth", sight.traits.ids[token]))
    filled: Reals = np.where(is_poisoned, np.maximum(absurd, 3 * depth), depth * share)
    return filled


def _quotes(market: Market, ids: Words, places: Words) -> Words:
    """Return each pool's quote token: SOL on curves and most elsewhere, USDC otherwise; money itself against money."""
    sol, usdc, usdt = (SENTINELS.index(mint) for mint in (SOL, USDC, USDT))
    in_sol = (market.chance.unit("quote", ids, places) < np.where(places == CURVE, 1.0, _SOL_QUOTED)) & (
        places != POISONED
    )
    return np.select([ids == sol, ids == usdc, ids == usdt, in_sol], [usdc, usdt, usdc, sol], usdc).astype(np.uint64)


def _dexes(market: Market, sight: Sight, token: Positions, places: Words) -> Positions:
    pad, ids = sight.traits.launchpad[token], sight.traits.ids[token]
    choice = market.chance.bits("dex", ids, places) % np.uint64(len(DEXES) - _ANYBODYS_DEX)
    is_pads = (places == MAIN) & (pad < NO_LAUNCHPAD)
    anybodys = choice.astype(np.intp) + _ANYBODYS_DEX
    return np.where(places == CURVE, _CURVE_DEX[pad], np.where(is_pads, _MAIN_DEX[pad], anybodys))
