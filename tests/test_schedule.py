"""Fixed-rate starts: on a grid of each source's own, without drift and without making up for missed ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrichment.schedule import next_start, phase_s, skipped

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("now_s", "phase", "next_s"),
    [(0, 0, 30), (29.9, 0, 30), (30, 0, 60), (30.1, 0, 60), (0, 7, 7), (6.9, 7, 7), (7, 7, 37), (100_000, 7, 100_027)],
)
def test_the_next_start_is_the_first_of_the_grid_after_now(now_s: float, phase: float, next_s: float) -> None:
    assert next_start(at(now_s), interval_s=30, phase_s=phase) == at(next_s)


@pytest.mark.parametrize(
    ("previous_s", "now_s", "missed"),
    [(0, 30, 0), (0.4, 30.9, 0), (0, 29, 0), (0, 60, 1), (0, 95, 2), (0, 6 * 3600, 719), (100, 10, 0)],
)
def test_starts_that_lay_between_two_runs_were_skipped(previous_s: float, now_s: float, missed: int) -> None:
    assert skipped(at(previous_s), at(now_s), interval_s=30, phase_s=0) == missed


def test_a_first_run_skipped_nothing() -> None:
    assert skipped(None, at(5), interval_s=30, phase_s=0) == 0


@given(st.floats(0, 0.9), st.sampled_from([5, 30, 600]))
def test_an_hour_of_late_starts_has_as_many_as_a_punctual_one(late_s: float, interval_s: int) -> None:
    phase, now, starts = phase_s("list", interval_s), at(1_000_000), 0
    end = now + timedelta(hours=1)
    while (now := next_start(now, interval_s=interval_s, phase_s=phase) + timedelta(seconds=late_s)) < end:
        starts += 1
    assert abs(starts - 3600 // interval_s) <= 1


def test_sources_start_apart_and_each_always_in_its_place() -> None:
    phases = {phase_s(name, 30) for name in ("list", "jupiter_recent", "jupiter_verified", "partner", "import")}
    assert len(phases) > 2
    assert phase_s("list", 30) == phase_s("list", 30)
    assert all(0 <= phase < 30 for phase in phases)
