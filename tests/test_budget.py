"""A month's credits: counted, spread over the month, and the last of them kept for what cannot wait."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from enrichment.upstream import budget
from enrichment.upstream.budget import Spending
from enrichment.upstream.plans import Plan

PLAN = Plan(rpm=600, credits=30_000)  # November has 30 days: a thousand credits each
UNMETERED = Plan(rpm=600)
DAY_S = 86_400.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NOV = at("2026-11-01")


@pytest.mark.parametrize(
    ("now", "billing_day", "begin", "end"),
    [
        ("2026-11-01T00:00:00", 1, "2026-11-01", "2026-12-01"),
        ("2026-11-30T23:59:59", 1, "2026-11-01", "2026-12-01"),
        ("2026-12-31T23:59:59", 1, "2026-12-01", "2027-01-01"),
        ("2026-11-14T23:59:59", 15, "2026-10-15", "2026-11-15"),
        ("2026-11-15T00:00:00", 15, "2026-11-15", "2026-12-15"),
        ("2027-01-02T00:00:00", 28, "2026-12-28", "2027-01-28"),
        ("2028-02-29T12:00:00", 28, "2028-02-28", "2028-03-28"),
        ("2027-03-01T12:00:00", 28, "2027-02-28", "2027-03-28"),
    ],
)
def test_a_month_begins_on_its_billing_day_at_midnight_utc(now, billing_day, begin, end):
    assert budget.month_of(at(now), billing_day) == (at(begin), at(end))


def spent(credits: int, on: float, plan: Plan = PLAN) -> Spending:
    return budget.spend(Spending(), plan, cost=credits, now=on)


def test_credits_add_up_and_a_new_month_begins_at_nothing():
    account = spent(10, NOV + 5)
    account = budget.spend(account, PLAN, cost=50, now=NOV + 20 * DAY_S)
    assert account.spent == 60
    account = budget.spend(account, PLAN, cost=1, now=at("2026-12-01"))
    assert (account.spent, account.month_at) == (1, at("2026-12-01"))


def test_a_clock_set_back_over_the_months_end_takes_no_credit_away():
    account = spent(500, at("2026-12-01"))
    account = budget.spend(account, PLAN, cost=1, now=at("2026-11-30T23:59:59"))
    assert account.spent == 501


def test_nobody_counts_the_credits_of_a_plan_without_any():
    account = spent(10, NOV, UNMETERED)
    assert account == Spending()
    assert budget.free_at(account, UNMETERED, purpose="enrich", cost=10**9, now=NOV) == NOV
    assert budget.gone_at(account, UNMETERED, NOV) is None


@pytest.mark.parametrize(
    ("purpose", "used", "day", "waits_days"),
    [
        ("enrich", 0, 0, 0),
        ("enrich", 764, 0, 0),  # about a day's worth at once: 30,000 × 0.8 / 31
        ("enrich", 1_538, 0, 1),
        ("enrich", 12_370, 15, 0),
        ("enrich", 15_475, 15, 4),
        ("enrich", 23_991, 29.5, 0.5),  # only next month
        ("refresh", 860, 0, 0),
        ("refresh", 13_920, 15, 0),
        ("refresh", 27_000, 29.5, 0.5),
        ("top", 15_160, 15, 0),
        ("top", 28_440, 29, 0),
        ("top", 29_400, 29, 1),
        ("detect", 29_990, 1, 0),
        ("detect", 29_991, 1, 29),
        ("manual", 29_990, 1, 0),
        ("manual", 30_000, 1, 29),
    ],
)
def test_each_purpose_may_spend_up_to_its_line_and_waits_until_it_has_risen(purpose, used, day, waits_days):
    now = NOV + day * DAY_S
    free_at = budget.free_at(spent(used, now), PLAN, purpose=purpose, cost=10, now=now)
    assert (free_at - now) / DAY_S == pytest.approx(waits_days, abs=0.01)


def spend_a_month(wants: dict[str, int], plan: Plan = PLAN) -> dict[str, list[int]]:
    """Let each purpose want so many calls of 10 credits an hour; return what each got on each day."""
    account, got = Spending(), {purpose: [0] * 30 for purpose in wants}
    for hour in range(30 * 24):
        now = NOV + hour * 3_600
        for purpose, calls in wants.items():
            for _ in range(calls):
                if budget.free_at(account, plan, purpose=purpose, cost=10, now=now) > now:
                    break
                account = budget.spend(account, plan, cost=10, now=now)
                got[purpose][hour // 24] += 1
    assert account.spent <= plan.credits
    return got


def test_however_much_enrichment_wants_the_top_tiers_are_served_on_the_last_day():
    got = spend_a_month({"enrich": 50, "top": 1, "detect": 1})
    assert got["detect"] == got["top"] == [24] * 30
    assert sum(got["enrich"]) > 800


def test_top_tiers_that_want_more_than_there_is_get_an_even_part_every_day():
    got = spend_a_month({"enrich": 50, "top": 50, "detect": 1})
    assert got["detect"] == [24] * 30
    assert min(got["top"]) >= 60
    assert sum(map(sum, got.values())) * 10 >= 0.97 * PLAN.credits


@pytest.mark.parametrize(
    ("calls", "now", "gone"),
    [
        ([], "2026-11-10T00:00:00", None),
        ([("2026-11-10T00:00:00", 6_000)], "2026-11-10T12:00:00", "2026-11-12T12:00:00"),  # 12,000 a day, 24,000 left
        ([("2026-11-10T00:00:00", 6_000)], "2026-11-11T12:00:00", None),  # nothing in the last 24 h
        ([("2026-11-10T11:50:00", 600)], "2026-11-10T12:00:00", "2026-11-12T13:00:00"),  # minutes count as an hour
        ([("2026-11-10T00:00:00", 400)], "2026-11-10T12:00:00", None),  # lasts
        ([("2026-11-10T00:00:00", 30_000)], "2026-11-10T12:00:00", "2026-11-10T12:00:00"),
    ],
)
def test_the_forecast_follows_the_pace_of_the_last_day(calls, now, gone):
    account = Spending()
    for when, credits in calls:
        account = budget.spend(account, PLAN, cost=credits, now=at(when))
    assert budget.gone_at(account, PLAN, at(now)) == (None if gone is None else at(gone))


def test_what_is_remembered_stays_small():
    account = Spending()
    for hour in range(24 * 40):
        account = budget.spend(account, PLAN, cost=1, now=NOV + hour * 3_600)
    assert len(account.hours) <= 25
