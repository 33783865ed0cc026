"""The market: prices, trades and sizes as a pure function of (seed, token, time).

Nothing ticks and nothing is stored. A token's price is its starting price times exp(random path), read at its
last trade, and its trades happen at moments computed from its pace: quiet tokens repeat themselves from poll
to poll, and any process, started at any time, sees the same market.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from enrichment.sandbox.chance import Chance, Reals, Words
from enrichment.sandbox.launches import DAY_S, Launches
from enrichment.sandbox.mint_file import MintFile
from enrichment.sandbox.traits import Flags, Traits, may_graduate, traits_of
from enrichment.sandbox.universe import SENTINELS, Universe

WINDOWS_S = {"5m": 300.0, "1h": 3_600.0, "6h": 21_600.0, "24h": 86_400.0}

# Periods (seconds) and weights of a price's path. Weights grow with period^0.3, which comes near the measured
# median moves: 1.2 % in a minute, 1.8 % in five, 3.4 % in an hour (141 pools, GeckoTerminal).
_OCTAVES = tuple(
    (period_s, (period_s / 3_600) ** 0.3) for period_s in (12, 50, 200, 900, 3_600, 14_400, 57_600, 250_000, 1e6)
)
# What all prices share, SOL first of all: about 4 % a day.
_TIDE = ((900.0, 0.002), (7_200.0, 0.006), (43_200.0, 0.015), (86_400.0 * 3, 0.03), (86_400.0 * 14, 0.06))
# Turnover breathes over days: deviation about 0.8 of ln(volume), rank correlation 0.7 over two weeks.
_BREATH = ((DAY_S, 0.35), (DAY_S * 4, 0.35), (DAY_S * 16, 0.4))

# Jupiter omits the price of a token that has not traded for seven days (its price documentation, 2026-06-19).
_PRICE_LIFE_S = 7 * DAY_S
# Solana's slot at a known second (a Jupiter recording of 2026-10-08) and 400 ms a slot.
_SLOT, _SLOT_AT_S, _SLOTS_PER_S = 454_587_127, 1_791_473_892.0, 2.5
_MINUTE_S = 60.0
# What people search for and rank is what anybody trades or has just launched, not a million sleepers.
_RANKED, _FRESH = 2_000, 300
# Known to everybody, asked for by nobody: what a source adds that answers more than it was asked.
_STRANGERS = (4, 5)


@dataclass(frozen=True, slots=True)
class Lens:
    """How a source that is ill distorts the market: wrong decimals, no prices, bad pools, tokens nobody asked for."""

    units: float = 1.0
    is_priceless: bool = False
    is_poisoned: bool = False
    adds_strangers: bool = False


@dataclass(frozen=True, slots=True)
class Sight:
    """What can be seen of some tokens at one time.

    Shape: two-dimensional columns have a row for now and one for the start of each window that was asked for.
    Units: USD, unix seconds; `trades` counts from birth (launches) or from an arbitrary zero (settled).
    """

    traits: Traits
    price_usd: Reals
    liquidity_usd: Reals
    trades: Reals
    traded_at_s: Reals
    is_priced: Flags
    turnover_usd: Reals
    """Mean USD per trade now."""
    holders: Reals

    @property
    def slots(self) -> Reals:
        """The Solana slot of each last trade."""
        slots: Reals = np.floor(_SLOT + (self.traded_at_s[0] - _SLOT_AT_S) * _SLOTS_PER_S)
        return slots

    def trades_in(self, window: int) -> Reals:
        """How many trades fell into the window-th window."""
        happened: Reals = self.trades[0] - self.trades[window + 1]
        return happened

    def change_pct(self, window: int) -> Reals:
        """The price change over the window-th window, from the same path the prices come from."""
        change: Reals = (self.price_usd[0] / self.price_usd[window + 1] - 1) * 100
        return change


class Market:
    """One seed's market. `speed` makes everything happen faster; the times it states stay real times."""

    def __init__(self, *, seed: int = 1, mints: int = 3_000, speed: float = 1.0, file: MintFile | None = None) -> None:
        self.seed = seed
        self.chance = Chance(seed)
        self.launches = Launches(self.chance, speed)
        self.universe = Universe(self.chance, mints=mints, launches=self.launches, file=file)
        self.lens = Lens()

    def through(self, lens: Lens) -> Market:
        """Return the same market as seen through a lens."""
        seen = copy.copy(self)
        seen.lens = lens
        return seen

    def find(self, texts: Sequence[str], now_s: float) -> Words:
        """Return the ids of those texts that are tokens existing now."""
        found = self.universe.find(texts, now_s)
        strangers = [token for token in _STRANGERS if self.lens.adds_strangers and token not in found]
        return np.array(found + strangers, dtype=np.uint64)

    def notable(self, now_s: float) -> Words:
        """Return what anybody would look at: the best known tokens and the newest."""
        ranked = np.arange(min(self.universe.size, _RANKED), dtype=np.uint64)
        return np.concatenate([ranked, self.universe.newest(now_s, _FRESH)])

    def graduates(self, now_s: float, among: int) -> Words:
        """Return which of the last `among` launches have left their curve by now, newest launch first."""
        ids = self.universe.newest(now_s, among)
        ids = ids[may_graduate(self.chance, ids)]  # one in a hundred: the rest need no closer look
        return ids[self.traits(ids).graduated_s <= now_s]

    def traits(self, ids: Words) -> Traits:
        """Return what never changes about the tokens."""
        return traits_of(self.chance, ids, self.universe.keys(ids), self.launches)

    def observe(self, ids: Words, now_s: float, windows_s: Mapping[str, float] = WINDOWS_S) -> Sight:
        """Look at the tokens `ids` at time `now_s` (unix seconds), and back to the start of each window."""
        traits = self.traits(ids)
        asked = self.launches.moment((now_s - np.array([0.0, *windows_s.values()]))[:, None])
        trades, traded = _last_trades(self.chance, traits, asked)
        drift = self._drift(traits, traded)
        traded_at_s = np.where(trades > 0, self.launches.real(traded), traits.born_s)
        return Sight(
            traits=traits,
            price_usd=traits.start_usd * np.exp(drift) * self.lens.units,
            liquidity_usd=traits.liquidity_usd * np.exp(drift / 2),  # a constant-product pool holds √price
            trades=trades,
            traded_at_s=traded_at_s,
            is_priced=self._is_priced(traits, asked[0], now_s - traded_at_s[0]),
            turnover_usd=self._turnover(traits, traded[0]),
            holders=_holders(self.chance, traits, trades[0], traded[0]),
        )

    def history(self, ids: Words, at_s: Reals) -> tuple[Reals, Reals]:
        """Return prices and counts of trades, a row for each of the moments `at_s` (unix seconds)."""
        traits = self.traits(ids)
        trades, traded = _last_trades(self.chance, traits, self.launches.moment(at_s[:, None]))
        return traits.start_usd * np.exp(self._drift(traits, traded)) * self.lens.units, trades

    def _is_priced(self, traits: Traits, asked: Reals, quiet_s: Reals) -> Flags:
        is_known = (asked - traits.born >= traits.priced_after) & (quiet_s < _PRICE_LIFE_S)
        return is_known & (not self.lens.is_priceless)

    def _turnover(self, traits: Traits, traded: Reals) -> Reals:
        """Return the mean USD per trade. SOL and the stables, of fixed volume, do not breathe; launches neither."""
        breath = self.chance.path("breath", traits.ids, traded, _BREATH) * (traits.ids >= len(SENTINELS))
        # A faster market trades more often, in smaller pieces: its daily volume stays believable.
        settled = np.exp(breath) / self.launches.speed
        turnover: Reals = traits.trade_usd * np.where(traits.is_launch, 1.0, settled)
        return turnover

    def _drift(self, traits: Traits, traded: Reals) -> Reals:
        """Return ln(price / starting price) at each last trade."""
        tide = self.chance.path("tide", np.zeros(1, dtype=np.uint64), traded, _TIDE)
        own = self.chance.path("price", traits.ids, traded, _OCTAVES)
        age = np.maximum(traded - traits.born, 0)
        since = np.maximum(age - np.where(traits.climb > 0, traits.graduates_after, 0), 0)  # nobody dumps on the climb
        life = traits.peak * -np.expm1(-age / 600) + traits.dump * np.expm1(-since / traits.fade)
        life = life + traits.climb * np.minimum(age / traits.graduates_after, 1)
        drift: Reals = traits.sigma * own + traits.beta * tide + life - traits.rug * (age >= traits.rug_after)
        return drift


def _last_trades(chance: Chance, traits: Traits, asked: Reals) -> tuple[Reals, Reals]:
    """Return how many trades happened before each moment asked about, and the moment of the last of them.

    A token's clock counts its trades: it runs evenly for settled tokens and with ln(1 + age) for launches.
    The m-th trade happens at m + a random share of one tick. A launch's first trade is its maker's, at birth.
    """
    age = np.maximum(asked - traits.born, 0)
    clock = traits.pace * np.where(traits.is_launch, np.log1p(age / _MINUTE_S), asked)
    tick = np.floor(clock)
    place = tick + chance.unit("trade", traits.ids, tick.astype(np.int64))
    earlier = tick - 1 + chance.unit("trade", traits.ids, (tick - 1).astype(np.int64))
    last = np.where(place <= clock, tick, tick - 1)
    at = np.where(place <= clock, place, earlier)
    pace = np.where(traits.pace > 0, traits.pace, 1.0)
    launched = traits.born + _MINUTE_S * np.expm1(np.where(traits.is_launch & (last >= 0), at, 0) / pace)
    count = np.where(asked >= traits.born, last + 2, 0)
    return np.where(traits.is_launch, count, last), np.where(traits.is_launch, launched, at / pace)


def _holders(chance: Chance, traits: Traits, trades: Reals, traded: Reals) -> Reals:
    """Settled tokens: ln H = 0.68 ln M - 1.24 (Jupiter, 2026-08), give or take. Launches: some buyers."""
    cap_usd = traits.start_usd * traits.circulating
    crowd = np.exp(0.68 * np.log(cap_usd) - 1.24 + 0.5 * chance.normal("holders", traits.ids))
    crowd *= 1 + 0.01 * chance.path("holders", traits.ids, traded, ((DAY_S, 1.0),))
    return np.floor(np.maximum(np.where(traits.is_launch, 1 + 0.6 * (trades - 1), crowd), 1))
