"""Which tier, and when next: the documented figures at every boundary."""

from __future__ import annotations

from datetime import timedelta

import pytest

from refresh.policy import Tier, interval, next_gap, tier_for

TIERS = [
    Tier("CRITICAL", 0, 1, 50, timedelta(seconds=15)),
    Tier("HIGH", 1, 51, 200, timedelta(seconds=30)),
    Tier("MEDIUM", 2, 201, 500, timedelta(seconds=60)),
    Tier("LOW", 3, 501, 1000, timedelta(seconds=180)),
    Tier("MINIMAL", 4, 1001, 3000, timedelta(seconds=300)),
    Tier("INACTIVE", 5, 3001, None, timedelta(seconds=600)),
]


@pytest.mark.parametrize(
    ("rank", "tier"),
    [(1, "CRITICAL"), (50, "CRITICAL"), (51, "HIGH"), (200, "HIGH"), (201, "MEDIUM"), (500, "MEDIUM"), (501, "LOW"),
     (1000, "LOW"), (1001, "MINIMAL"), (3000, "MINIMAL"), (3001, "INACTIVE"), (10**6, "INACTIVE"), (None, "INACTIVE")],
)  # fmt: skip
def test_a_rank_belongs_to_the_documented_tier(rank: int | None, tier: str) -> None:
    assert tier_for(rank, TIERS[::-1]).name == tier


def test_without_tiers_nothing_can_be_decided() -> None:
    with pytest.raises(ValueError, match="no refresh tiers"):
        tier_for(1, [])


@pytest.mark.parametrize(("base_s", "factor", "seconds"), [(30, 1, 30), (30, 2, 15), (30, 4, 15), (30, 0.5, 60)])
def test_an_interval_is_the_base_over_the_factor_and_never_below_the_minimum(
    base_s: int, factor: float, seconds: int
) -> None:
    assert interval(Tier("T", 0, 1, 1, timedelta(seconds=base_s), factor)) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 57), (0.5, 60), (1.0, 63)])
def test_gaps_stay_regular_within_a_tenth(jitter: float, seconds: int) -> None:
    assert next_gap(TIERS[2], misses=0, jitter=jitter) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("misses", "seconds"), [(0, 60), (1, 120), (3, 480), (11, 86_400), (10**6, 86_400)])
def test_absent_answers_space_a_token_out_and_never_drop_it(misses: int, seconds: int) -> None:
    assert next_gap(TIERS[2], misses=misses, jitter=0.5) == timedelta(seconds=seconds)
