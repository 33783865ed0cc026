"""A month's credits: what is spent, who may still spend, and when they are gone at the present pace. Pure.

Even a plan whose rate nobody reaches can be spent in three days: 600 searches a minute at 10 credits each are
25 million in 70 hours. So whatever can wait keeps to an even line over the month, and leaves some for what cannot.
Times are epoch seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from enrichment.upstream.plans import Plan, Purpose

# Which part of a month's credits each purpose leaves untouched. Ours: a click and a detection run may spend the last
# credit at any time (together they are some percent of any plan). The others keep to a line that rises evenly until the
# month's end, so that each is still served on its last day, however much those below it want.
KEPT: Mapping[Purpose, float] = {"manual": 0.0, "detect": 0.0, "top": 0.02, "refresh": 0.10, "enrich": 0.20}
HEAD_START_S = 86_400.0  # the line begins with a day's worth, for a first load
HOUR_S, PACE_HOURS = 3_600, 24  # the pace is that of the last day: detection and tiers have no weekly rhythm


@dataclass(frozen=True, slots=True)
class Spending:
    """What an account has spent since `month_at`. Units: credits; `hours` holds (hour since 1970, credits)."""

    month_at: float = 0.0
    spent: int = 0
    hours: tuple[tuple[int, int], ...] = ()

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Spending:
        """Return what `asdict` made of it."""
        return cls(stored["month_at"], stored["spent"], tuple((hour, spent) for hour, spent in stored["hours"]))


def month_of(now: float, billing_day: int) -> tuple[float, float]:
    """Return when the credits' month around `now` began and when it ends, at midnight UTC of `billing_day` (1–28)."""
    today = datetime.fromtimestamp(now, UTC)
    begin = today.replace(day=billing_day, hour=0, minute=0, second=0, microsecond=0)
    if begin > today:
        begin = (begin.replace(day=1) - timedelta(days=1)).replace(day=billing_day)
    end = (begin.replace(day=28) + timedelta(days=4)).replace(day=billing_day)
    return begin.timestamp(), end.timestamp()


def spend(spending: Spending, plan: Plan, *, cost: int, now: float) -> Spending:
    """Return the account after a call of `cost` credits; a month that begins makes it new."""
    if plan.credits is None:
        return spending
    spending, hour = _at(spending, plan, now), int(now // HOUR_S)
    same = sum(spent for at, spent in spending.hours if at == hour)
    others = tuple(row for row in spending.hours if row[0] != hour)
    return replace(spending, spent=spending.spent + cost, hours=(*others, (hour, same + cost)))


def free_at(spending: Spending, plan: Plan, *, purpose: Purpose, cost: int, now: float) -> float:
    """Return when `purpose` may spend `cost` credits: `now`, when its line has risen that far, or next month.

    line(t) = credits × (1 − kept) × (t − begin + head start) / (end − begin + head start)
    """
    if plan.credits is None:
        return now
    begin, end = month_of(now, plan.billing_day)
    needed, most = _at(spending, plan, now).spent + cost, plan.credits * (1 - KEPT[purpose])
    if needed > most:
        return end
    if not KEPT[purpose]:
        return now
    return max(now, begin + needed / most * (end - begin + HEAD_START_S) - HEAD_START_S)


def pace_per_day(spending: Spending, now: float) -> float:
    """Return the credits a day at the pace of the last 24 hours, or of the time since the first call if shorter."""
    recent = [row for row in spending.hours if now / HOUR_S - PACE_HOURS < row[0] <= now / HOUR_S]
    if not recent:
        return 0.0
    span_s = max(HOUR_S, now - min(hour for hour, _ in recent) * HOUR_S)
    return sum(spent for _, spent in recent) * 86_400 / span_s


def gone_at(spending: Spending, plan: Plan, now: float) -> float | None:
    """Return when the month's credits are gone at the present pace; None when they last, or nobody counts them."""
    pace = pace_per_day(spending, now)
    if plan.credits is None or not pace:
        return None
    left = max(0, plan.credits - _at(spending, plan, now).spent)
    at = now + left / pace * 86_400
    return at if at < month_of(now, plan.billing_day)[1] else None


def _at(spending: Spending, plan: Plan, now: float) -> Spending:
    """Return the account as it stands at `now`. A clock set back over the month's end takes no credit away."""
    begin, _ = month_of(now, plan.billing_day)
    oldest = now / HOUR_S - PACE_HOURS
    hours = tuple(row for row in spending.hours if row[0] > oldest)
    return Spending(begin, 0 if begin > spending.month_at else spending.spent, hours)
