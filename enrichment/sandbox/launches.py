"""When the k-th token was launched, and how many were by now: closed formulae, nothing counted up.

The rate is R·(1 + A·cos(ω(m − peak))) with m in market seconds, so its integral L(m) is a sine on a line.
Launches come in blocks of 256 that lie at random places of their block: the bursts of a real day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enrichment.sandbox.chance import Chance, Reals, Words

# 2026-01-01T00:00Z. Every market counts from here, so that a restart on any day continues the same one.
EPOCH_S = 1_767_225_600.0
DAY_S = 86_400.0

# 25,000 a day: pump.fun's mean of 2024-26 is 21,000 and all launchpads' more (public dashboards, 2026).
PER_DAY = 25_000
# Busiest to quietest hour 2.7 : 1 with the peak at 15-20 UTC, measured on launches of November 2024.
_WAVE = (2.7 - 1) / (2.7 + 1)
_PEAK_S = 17.5 * 3600
_OMEGA = 2 * np.pi / DAY_S
_BLOCK = 256


@dataclass(frozen=True)
class Launches:
    """The launch calendar of one seed.

    Units: `now_s`, `at_s` unix seconds; `speed` market seconds per real second; a moment is market seconds.
    """

    chance: Chance
    speed: float = 1.0

    def moment(self, at_s: Reals) -> Reals:
        """Return the market seconds since the epoch at real time `at_s`."""
        return (at_s - EPOCH_S) * self.speed

    def real(self, moment: Reals) -> Reals:
        """Return the unix time of a market moment."""
        return moment / self.speed + EPOCH_S

    def count(self, now_s: float) -> int:
        """Return how many tokens were launched from the epoch until now."""
        reached = float(_launched(self.moment(np.array([now_s])))[0]) / _BLOCK
        block = int(np.floor(reached))
        if block < 0:
            return 0
        places = self._places(np.array([block], dtype=np.uint64))[0]
        return block * _BLOCK + int(np.searchsorted(places, reached - block, side="right"))

    def born(self, numbers: Words) -> Reals:
        """Return the market moment of each launch."""
        blocks, which = np.unique(numbers // np.uint64(_BLOCK), return_inverse=True)
        places = self._places(blocks)[which, (numbers % np.uint64(_BLOCK)).astype(np.intp)]
        return _moment_of((blocks[which] + places) * _BLOCK)

    def _places(self, blocks: Words) -> Reals:
        members = blocks[:, None] * np.uint64(_BLOCK) + np.arange(_BLOCK, dtype=np.uint64)
        return np.sort(self.chance.unit("launch", members), axis=1)


def _launched(moment: Reals) -> Reals:
    """L(m) = R·(m + A/ω·(sin(ω(m − peak)) + sin(ω·peak)))."""
    wave: Reals = np.sin(_OMEGA * (moment - _PEAK_S)) + np.sin(_OMEGA * _PEAK_S)
    return PER_DAY / DAY_S * (moment + _WAVE / _OMEGA * wave)


def _moment_of(launched: Reals) -> Reals:
    """Invert L by Newton's method; it is Kepler's equation, and six steps reach the rounding error."""
    rate = PER_DAY / DAY_S
    moment = launched / rate
    for _ in range(6):
        slope = rate * (1 + _WAVE * np.cos(_OMEGA * (moment - _PEAK_S)))
        moment = moment - (_launched(moment) - launched) / slope
    return moment
