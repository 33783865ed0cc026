"""Which tier a token belongs to, when it is due next, and what an answer means for it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

MIN_INTERVAL = timedelta(seconds=15)  # requirements D3
JITTER = 0.1  # gaps stay regular within a tenth: irregular gaps double the squared price error
MISS_FACTOR = 2  # each absent answer in a row doubles the gap …
MAX_MISS_GAP = timedelta(hours=24)  # … up to the pace at which unpriced tokens are looked at anyway


class Outcome(StrEnum):
    """What a refresh found: another price, the same price, no price, or no answer."""

    FRESH = "fresh"
    SAME = "same"
    ABSENT = "absent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Tier:
    """A band of ranks. Units: `interval` between refreshes at factor 1; `position` 0 is the most important."""

    name: str
    position: int
    rank_from: int
    rank_to: int | None
    interval: timedelta
    factor: float = 1.0


def tier_for(rank: int | None, tiers: Sequence[Tier]) -> Tier:
    """Return the tier whose band holds `rank`; the last also takes the unranked.

    Raises: ValueError without tiers.
    """
    if not tiers:
        raise ValueError("no refresh tiers are configured")
    ordered = sorted(tiers, key=lambda tier: tier.position)
    if rank is None:
        return ordered[-1]
    return next((t for t in ordered if t.rank_from <= rank and (t.rank_to is None or rank <= t.rank_to)), ordered[-1])


def interval(tier: Tier) -> timedelta:
    """Return max(15 s, base / tier factor)."""
    return max(MIN_INTERVAL, tier.interval / tier.factor)


def next_gap(tier: Tier, *, misses: int, jitter: float) -> timedelta:
    """Return the time until the next refresh. `misses` counts absent answers in a row, `jitter` is in [0, 1)."""
    gap = interval(tier)
    if misses:
        gap = min(max(MAX_MISS_GAP, gap), gap * MISS_FACTOR ** min(misses, 20))
    return gap * (1 + JITTER * (jitter - 0.5))
