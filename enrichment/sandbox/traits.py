"""What never changes about a token: its birth, size, temper and fate, drawn from its id alone.

The figures imitate measurements of real markets (Jupiter, DexScreener and pump.fun recordings of 2024-26,
summarised on 2026-11-22); each constant says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from enrichment.sandbox.chance import Chance, Reals, Words
from enrichment.sandbox.launches import DAY_S, EPOCH_S, Launches
from enrichment.sandbox.mints import Keys, suffixes_of
from enrichment.sandbox.universe import LAUNCHED, SENTINELS

Positions = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
Columns = dict[str, npt.NDArray[Any]]

LAUNCHPADS = ("pump.fun", "letsbonk.fun", "bags.fun", "met-dbc")
NO_LAUNCHPAD = len(LAUNCHPADS)
_FIXED_SUPPLY = 2  # the first two mint a billion with six decimals every time
# By suffix (pump, bonk, neither): 6 % of pump mints come from elsewhere, 20 % of pump.fun's lack the suffix.
_LAUNCHPAD_SHARES = ((0.94, 0, 0.01, 0.02), (0, 1.0, 0, 0), (0.60, 0.02, 0.06, 0.06))

# Verified tokens by rank: about 390 of the first 3,000, none below (Jupiter: some 3,900 of all).
VERIFIED_RANKS = 3_000
_VERIFIED_STEPS = ((100, 0.90), (1_000, 0.25), (VERIFIED_RANKS, 0.04))
KINDS = ("lst", "stocks")
_KIND_SHARES = (0.05, 0.04)  # of the verified

# Decimals where no launchpad fixes them, from 34,241 real mints.
_DECIMALS = np.array([9, 6, 0, 8, 2, 4, 5, 3])
_DECIMAL_SHARES = (0.38, 0.31, 0.20, 0.06, 0.02, 0.014, 0.012)
_PAD_SUPPLY, _PAD_DECIMALS = 1e9, 6

# Unpriced: settled tokens below the first hundred, and newborns (for good, or only for their first minutes).
_UNPRICED, _NEVER_PRICED, _LATE_PRICED = 0.35, 0.25, 0.15
_ALWAYS_PRICED_RANKS = 100
_DEEPEST_USD, _LARGEST_USD = 2e8, 3e9  # the pool and the market cap of the largest token after SOL and the stables
_SPOOFERS = 0.02  # volume over 100 times liquidity; 19 % of one screened list did that

# What a chain can hold: supplies are unsigned 64-bit numbers of the smallest unit.
_MOST_UNITS = 2.0**64 - 2_048  # the largest float below
# 0.2 to 2.1 % of launches graduate from their curve (public counts, 2024-26), most within hours, some within a
# minute; of the settled tokens that began on a curve most have, and all that are worth more than a curve can hold.
_GRADUATES, _SETTLED_GRADUATES = 0.01, 0.80
_SOONEST_S = 20.0  # the fastest graduation recorded took 17 s
# A curve is sold out at 411 SOL (pump.fun's reserves, recorded 2026-10), at the market's SOL of some 80 USD.
_GRADUATION_CAP_USD = 33_000.0
_CLIMBING_PACE = 60.0  # of those who get there everybody trades: hundreds of trades in the first hour


@dataclass(frozen=True, slots=True)
class Traits:
    """Columns, one entry per id.

    Units: USD; market seconds for spans and moments, unix seconds for `born_s`; logarithms of a price ratio
    for `sigma`, `peak`, `dump`, `rug` and `climb`. A token that never graduates does so at infinity.
    """

    ids: Words
    is_launch: Flags
    launchpad: Positions
    is_verified: Flags
    kind: Positions
    born: Reals
    born_s: Reals
    decimals: npt.NDArray[np.int64]
    total_supply: Reals
    circulating: Reals
    start_usd: Reals
    sigma: Reals
    beta: Reals
    pace: Reals
    """Settled tokens: trades per second. Launches: trades per unit of ln(1 + age / 60 s)."""
    trade_usd: Reals
    liquidity_usd: Reals
    priced_after: Reals
    peak: Reals
    dump: Reals
    fade: Reals
    rug: Reals
    rug_after: Reals
    climb: Reals
    """How far the price rises from birth to graduation."""
    graduates_after: Reals
    graduated_s: Reals

    @property
    def is_curve(self) -> Flags:
        """Whether each token was launched on a bonding curve."""
        on_curve: Flags = self.launchpad < NO_LAUNCHPAD
        return on_curve


# SOL, USDC, USDT: the order of magnitude Jupiter showed on 2026-08-14.
_FIXED: dict[str, tuple[float, float, float]] = {
    "decimals": (9, 6, 6),
    "total_supply": (632_134_820.48, 7_478_872_874.45, 3_839_904_165.46),
    "circulating": (582_613_199.63, 7_478_872_874.45, 3_839_904_165.46),
    "start_usd": (80.0, 0.99985, 0.9991),
    "sigma": (0.0, 0.0002, 0.0003),
    "beta": (1.0, 0.0, 0.0),
    "pace": (350.0, 300.0, 60.0),
    "trade_usd": (165.0, 160.0, 300.0),
    "liquidity_usd": (666_100_749.0, 364_564_035.0, 37_122_968.0),
    "priced_after": (0.0, 0.0, 0.0),
    "launchpad": (NO_LAUNCHPAD,) * 3,
    "is_verified": (True,) * 3,
    "kind": (len(KINDS),) * 3,
    "born_s": (1_617_012_348.0, 1_617_012_348.0, 1_617_157_771.0),
}


def traits_of(chance: Chance, ids: Words, keys: Keys, launches: Launches) -> Traits:
    """Draw the traits of every id; `keys` are its 32 bytes (the suffix hints at the launchpad)."""
    is_launch = ids >= LAUNCHED
    rank = np.where(is_launch, 1.0, np.maximum(ids.astype(np.float64) - len(SENTINELS) + 1, 1))
    columns = _identity(chance, ids, keys, rank, is_launch)
    columns |= _births(chance, ids, is_launch, launches)
    settled, launched = _settled(chance, ids, rank), _launched(chance, ids)
    columns |= {name: np.where(is_launch, launched[name], settled[name]) for name in settled}
    columns |= _life(chance, ids, is_launch)
    columns |= _graduation(chance, ids, columns, launches)
    columns["start_usd"] = columns.pop("cap_usd") / columns["circulating"]
    known = ids < len(SENTINELS)
    for name, values in _FIXED.items():
        columns[name][known] = np.array(values)[ids[known].astype(np.intp)]
    return Traits(ids=ids, is_launch=is_launch, **columns)


def _identity(chance: Chance, ids: Words, keys: Keys, rank: Reals, is_launch: Flags) -> Columns:
    suffixes = suffixes_of(keys)
    pads = [chance.pick("launchpad", shares, ids) for shares in _LAUNCHPAD_SHARES]
    launchpad = np.choose(suffixes, pads)
    on_pad = launchpad < _FIXED_SUPPLY
    decimals = np.where(on_pad, _PAD_DECIMALS, _DECIMALS[chance.pick("decimals", _DECIMAL_SHARES, ids)])
    supply = np.where(on_pad, _PAD_SUPPLY, 10.0 ** (6 + np.floor(7 * chance.unit("supply", ids))))
    supply = np.minimum(supply, np.floor(_MOST_UNITS / 10.0**decimals))
    share = np.select([rank <= limit for limit, _ in _VERIFIED_STEPS], [share for _, share in _VERIFIED_STEPS])
    is_verified = ~is_launch & (chance.unit("verified", ids) < share)
    return {
        "launchpad": launchpad,
        "is_verified": is_verified,
        "kind": np.where(is_verified, chance.pick("kind", _KIND_SHARES, ids), len(KINDS)),
        "decimals": decimals,
        "total_supply": supply,
        "circulating": supply * np.where(on_pad, 1.0, 1 - 0.6 * chance.unit("circulating", ids) ** 2),
    }


def _births(chance: Chance, ids: Words, is_launch: Flags, launches: Launches) -> Columns:
    born = launches.born(np.where(is_launch, ids - np.uint64(LAUNCHED), np.uint64(0)))
    age_s = 2 * DAY_S * 700 ** chance.unit("age", ids)  # 2 days to almost 4 years
    return {"born": born, "born_s": np.where(is_launch, launches.real(born), EPOCH_S - age_s)}


def _settled(chance: Chance, ids: Words, rank: Reals) -> Columns:
    """Rank-size laws: volume r^-1.5 then r^-2, trades r^-0.96 then r^-2, ln L = 0.68 + 0.77 ln M."""
    turnover = _bent_power(rank, top=1.5e8, slope=1.5, bend=300, tail=2.0)
    trades = _bent_power(rank, top=5e5, slope=0.96, bend=3_000, tail=2.0) * np.exp(0.4 * chance.normal("pace", ids))
    depth = np.minimum(8e7 * rank**-1.1 * np.exp(0.8 * chance.normal("depth", ids)), _DEEPEST_USD)
    cap = np.exp((np.log(depth) - 0.68) / 0.77 + 0.8 * chance.normal("cap", ids))
    spoofs = (chance.unit("spoofer", ids) < _SPOOFERS) & (rank > _ALWAYS_PRICED_RANKS)
    depth = np.where(spoofs, 100 * 30 ** chance.unit("spoofed depth", ids), depth)
    turnover = np.where(spoofs, depth * 1_000 * 300 ** chance.unit("spoofed volume", ids), turnover)
    unpriced = (chance.unit("unpriced", ids) < _UNPRICED) & (rank > _ALWAYS_PRICED_RANKS)
    return {
        "cap_usd": np.minimum(cap, _LARGEST_USD),
        "liquidity_usd": depth,
        "pace": trades / DAY_S,
        "trade_usd": turnover / trades,
        "sigma": 0.03 * np.exp(0.5 * chance.normal("temper", ids)),
        "beta": 0.4 + chance.unit("beta", ids),
        "priced_after": np.where(unpriced, np.inf, 0.0),
    }


def _launched(chance: Chance, ids: Words) -> Columns:
    """Newborns: 4-7 k$ of market cap, 5 k$ of pool, 46 % never bought by anybody but their maker."""
    busy = 4 * np.exp(1.2 * chance.normal("bustle", ids))
    fate = chance.unit("price fate", ids)
    late = 120 + 1_080 * chance.unit("price delay", ids)
    return {
        "cap_usd": 4_000 + 2_700 * chance.unit("newborn cap", ids),
        "liquidity_usd": 5_000 + 600 * chance.unit("newborn depth", ids),
        "pace": np.where(chance.unit("unloved", ids) < 0.46, 0.0, busy),
        "trade_usd": 60 * np.exp(0.8 * chance.normal("ticket", ids)),
        "sigma": 0.08 * np.exp(0.4 * chance.normal("temper", ids)),
        "beta": np.full(len(ids), 0.5),
        "priced_after": np.select(
            [fate < _NEVER_PRICED, fate < _NEVER_PRICED + _LATE_PRICED], [np.inf, late], default=0.0
        ),
    }


def _life(chance: Chance, ids: Words, is_launch: Flags) -> Columns:
    """Launches rise within minutes and fade within hours; 30 % lose 95 to 99.9 % in one trade on day one."""
    peak = np.where(is_launch, 0.6 * np.abs(chance.normal("peak", ids)) ** 1.5, 0.0)
    rugged = is_launch & (chance.unit("rugged", ids) < 0.30)
    return {
        "peak": peak,
        "dump": np.where(is_launch, peak + 2.5 * chance.unit("dump", ids), 0.0),
        "fade": 7_200 * np.exp(chance.normal("fade", ids)),
        "rug": np.where(rugged, 3 + 3.9 * chance.unit("rug", ids), 0.0),
        "rug_after": 300 + DAY_S * chance.unit("rug hour", ids) ** 2,
    }


def may_graduate(chance: Chance, ids: Words) -> Flags:
    """Say which launches leave their curve one day, if they are on one."""
    lucky: Flags = chance.unit("graduated", ids) < _GRADUATES
    return lucky


def _graduation(chance: Chance, ids: Words, columns: Columns, launches: Launches) -> Columns:
    """Say when each token leaves its curve; a launch climbs to what sells a curve out, and is not rugged before."""
    is_launch, on_curve = ids >= LAUNCHED, columns["launchpad"] < NO_LAUNCHPAD
    settled_share = np.where(columns["cap_usd"] < _GRADUATION_CAP_USD, _SETTLED_GRADUATES, 1.0)
    share = np.where(is_launch, _GRADUATES, settled_share)
    graduates = on_curve & (ids >= len(SENTINELS)) & (chance.unit("graduated", ids) < share)
    draw = chance.unit("graduation", ids)
    after = np.where(is_launch, _SOONEST_S + DAY_S * draw**4, DAY_S * draw)
    launched_s = launches.real(columns["born"] + after)
    climbs = graduates & is_launch
    return {
        "graduates_after": np.where(graduates, after, np.inf),
        "graduated_s": np.where(graduates, np.where(is_launch, launched_s, columns["born_s"] + after), np.inf),
        "climb": np.where(climbs, np.log(_GRADUATION_CAP_USD / columns["cap_usd"]).clip(0), 0.0),
        "rug_after": columns["rug_after"] + np.where(climbs, after, 0.0),
        "pace": np.where(climbs, np.maximum(columns["pace"], _CLIMBING_PACE), columns["pace"]),
        "priced_after": np.where(climbs, 0.0, columns["priced_after"]),
    }


def _bent_power(rank: Reals, *, top: float, slope: float, bend: float, tail: float) -> Reals:
    """`top · rank^-slope` up to `bend`, continued with the steeper `tail`."""
    return top * np.minimum(rank, bend) ** -slope * np.maximum(rank / bend, 1) ** -tail
