"""May a call leave now? One pure decision over the state that all callers of one upstream account share.

`ask` before every call, `told` after it. The gate keeps the plan's calls in any 60 s and its credits in a month, spaces
the calls, slows down when throttled, stops asking an upstream that fails, refuses or has no credits left, and serves
those first who got less than their share. `now` is epoch seconds of one clock for all callers (the database's);
`jitter` is uniform in 0–1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from enrichment.upstream import budget
from enrichment.upstream.plans import PLANS, Plan, Purpose
from enrichment.upstream.report import Report
from enrichment.upstream.state import Standing, State

__all__ = ["PLANS", "Grant", "Ledger", "Plan", "Purpose", "Standing", "State", "Wait"]

Reason = Literal["limit", "throttled", "open", "probing", "budget", "exhausted", "refused", "paused", "forced"]

# What each purpose is sure of when all want more than there is, in the order they are served (reliability rules: a
# person's click and detection before tiers, top tiers before the rest, enrichment last). What nobody is waiting for
# belongs to anybody.
SHARES: Mapping[Purpose, float] = {"manual": 0.05, "detect": 0.10, "top": 0.30, "refresh": 0.40, "enrich": 0.0}
GRACE_S = 5.0  # how long a freed place is kept for the one who was told to come back then

# A call counts for 60.5 to 61 s: the vendor's 60 s and at least half a second for the differing times two calls
# need to reach it. The plan is used to 98.4 % or more.
SLOT_S = 0.5
WINDOW_SLOTS = 122

SLOWER = 0.7  # factor on the rate at every throttle
REGROWTH_PER_S = 0.1 / 60  # of the plan's rate: a tenth back each minute
PAUSES_S = (2, 4, 8, 16, 30, 60, 120, 300)  # after the nth throttle in a row, where the vendor names no time
BELIEVED = 3  # throttles in a row for which the time it names is enough; then it has proved too short

RESULTS_S, RESULT_SLOTS = 10, 6  # the breaker judges the last minute, in slots of 10 s
CALLS_TO_JUDGE, FAILED_PART, SLOW_PART = 5, 0.5, 0.8  # of so many calls, the part that opens it
SLOW_S = 5.0  # half of what a read may take; recorded answers take 0.1 s
OPEN_S, OPEN_MAX_S = 30, 300  # doubling from the one to the other, ±20 %
GOOD_TO_CLOSE = 2
PROBE_S = 60.0  # a probe that never reported (its process died) is forgotten; longer than any call may take
LOOK_AGAIN_S = 1.0  # while another's probe is out: its answer rarely takes longer
REFUSED_S = 600.0  # a refused key is tried again that often, in case a human mended it without telling us
EXHAUSTED_S = 21_600.0  # credits return once a month, or when somebody buys some: four looks a day
SENT_AWAY_S = 600.0  # nobody is told to come back later than that: an operator may open the gate any moment


@dataclass(frozen=True, slots=True)
class Grant:
    """The call may leave, and is counted."""

    state: State


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again at `until` (epoch seconds of the gate's clock), `wait_s` from now."""

    state: State
    until: float
    wait_s: float
    reason: Reason


class Ledger(Protocol):
    """Who keeps the gate of an account for `Http`: asked before each call, told after it."""

    async def ask(self, purpose: Purpose, cost: int) -> Grant | Wait:
        """Count a call of `cost` credits, or say how long to wait."""

    async def told(self, report: Report) -> float:
        """Take in how the call ended; return when the gate opens next (epoch seconds, the past when open)."""


def ask(state: State, plan: Plan, *, purpose: Purpose, now: float, cost: int = 1) -> Grant | Wait:
    """Decide about one call of `cost` credits and return the state to keep, whatever the decision."""
    state = _at(state, now)
    until, reason = _shut(state, now)
    if until <= now:
        until, reason = budget.free_at(state.spending, plan, purpose=purpose, cost=cost, now=now), "budget"
    if until <= now:
        until, reason = _room_at(state, plan, purpose, now), "limit"
        if until > now:
            state = replace(state, waiting={**state.waiting, purpose: until + GRACE_S})
    if until > now:
        until = min(until, now + (LOOK_AGAIN_S if reason == "probing" else SENT_AWAY_S))
        return Wait(state, until, until - now, reason)
    spending = budget.spend(state.spending, plan, cost=cost, now=now)
    return Grant(replace(_counted(state, plan, purpose, now), spending=spending))


def told(state: State, plan: Plan, *, report: Report, now: float, jitter: float, may_open: bool = True) -> State:
    """Return the state after a granted call ended as `report` says; no failure opens the breaker unless `may_open`."""
    before = _at(state, now)
    after = replace(before, probe_until=0.0, blocked_until=max(before.blocked_until, _named_at(report, now)))
    if report.outcome == "throttled":
        return _throttled(before, after, plan, now=now, jitter=jitter)
    if report.outcome == "refused":
        return replace(after, refused_until=now + REFUSED_S)
    if report.outcome == "exhausted":
        return replace(after, exhausted_until=now + EXHAUSTED_S)
    if report.outcome == "neutral":
        return after
    if _is_late(before, report, now):
        return replace(after, probe_until=before.probe_until)
    after = _healthier(after, plan, now) if report.outcome == "ok" else after
    return _judged(after, report, now=now, jitter=jitter, may_open=may_open)


def opens_at(state: State) -> float:
    """Return when the upstream may next be asked at all, 0 when nothing holds it."""
    return max(state.refused_until, state.exhausted_until, state.blocked_until, state.open_until)


def reset(state: State) -> State:
    """Forget every failure, as an operator orders, but not the calls and credits already spent."""
    return State(calls=state.calls, paced_until=state.paced_until, spending=state.spending, seen_at=state.seen_at)


def closed(state: State) -> State:
    """Close the breaker, as an operator orders; what the vendor asked for still holds."""
    return replace(state, opens=0, open_until=0.0, good=0, results=(), slow=(), probe_until=0.0)


def rate_rps(state: State, plan: Plan, now: float) -> float:
    """Return the rate in force: the plan's, or since a throttle a lower one on its way back."""
    if not state.slowed_rps:
        return plan.rate_rps
    return min(plan.rate_rps, state.slowed_rps + plan.rate_rps * REGROWTH_PER_S * (now - state.throttled_at))


def _at(state: State, now: float) -> State:
    """Return the state as seen at `now`: old entries dropped, and moved along when the clock was set back."""
    back_s = max(0.0, state.seen_at - now)
    slots, result_slots = math.floor(back_s / SLOT_S), math.floor(back_s / RESULTS_S)
    times = [name for name in State.__dataclass_fields__ if name.endswith("_until")] + ["throttled_at"]
    moved = {name: max(0.0, getattr(state, name) - back_s) for name in times} if back_s else {}
    oldest, oldest_result = math.floor(now / SLOT_S) - WINDOW_SLOTS, math.floor(now / RESULTS_S) - RESULT_SLOTS
    return replace(
        state,
        calls=tuple((slot - slots, who, n) for slot, who, n in state.calls if slot - slots > oldest),
        results=tuple((s - result_slots, g, f) for s, g, f in state.results if s - result_slots > oldest_result),
        slow=tuple((s - result_slots, n) for s, n in state.slow if s - result_slots > oldest_result),
        waiting={who: until - back_s for who, until in state.waiting.items() if until - back_s > now},
        seen_at=now,
        **moved,
    )


def _shut(state: State, now: float) -> tuple[float, Reason]:
    """Return until when nobody may call, and why."""
    blocked: Reason = "throttled" if state.throttles else "limit"
    holds = (state.refused_until, state.exhausted_until, state.open_until, state.blocked_until, state.probe_until)
    reasons: tuple[Reason, ...] = ("refused", "exhausted", "open", blocked, "probing")
    return max(zip(holds, reasons, strict=True))


def _room_at(state: State, plan: Plan, purpose: Purpose, now: float) -> float:
    """Return when there is room for a call of `purpose`; `now` or earlier means at once."""
    rate = rate_rps(state, plan, now)
    room_at = max(_window_at(state, plan), state.paced_until - (plan.burst - 1) / rate)
    if _must_yield(state, purpose, rate_rpm=min(plan.rpm, rate * 60)):
        return max(room_at, now) + 1 / rate
    return room_at


def _window_at(state: State, plan: Plan) -> float:
    over, leaves_at = sum(n for _, _, n in state.calls) - plan.rpm + 1, 0.0
    for slot, _, n in state.calls:
        if over <= 0:
            break
        over, leaves_at = over - n, (slot + WINDOW_SLOTS) * SLOT_S
    return leaves_at


def _must_yield(state: State, purpose: Purpose, *, rate_rpm: float) -> bool:
    """Say whether another purpose is waiting that has had less than its share and comes before this one."""
    order = list(SHARES)

    def is_short(who: Purpose) -> bool:
        return sum(n for _, by, n in state.calls if by == who) < SHARES[who] * rate_rpm

    ahead = order if not is_short(purpose) else order[: order.index(purpose)]
    return any(who != purpose and who in state.waiting and is_short(who) for who in ahead)


def _counted(state: State, plan: Plan, purpose: Purpose, now: float) -> State:
    slot = math.floor(now / SLOT_S)
    same = sum(n for at, who, n in state.calls if (at, who) == (slot, purpose))
    others = tuple(row for row in state.calls if row[:2] != (slot, purpose))
    return replace(
        state,
        calls=(*others, (slot, purpose, same + 1)),
        waiting={who: until for who, until in state.waiting.items() if who != purpose},
        paced_until=max(state.paced_until, now) + 1 / rate_rps(state, plan, now),
        probe_until=now + PROBE_S if state.is_suspect else 0.0,
    )


def _is_late(before: State, report: Report, now: float) -> bool:
    """Say whether the call left before the trouble began, so that its answer proves nothing."""
    holds_until = opens_at(before) if report.outcome == "ok" else before.open_until
    return before.is_suspect and now < holds_until


def _healthier(state: State, plan: Plan, now: float) -> State:
    slowed_rps = state.slowed_rps if rate_rps(state, plan, now) < plan.rate_rps else 0.0
    return replace(state, slowed_rps=slowed_rps, throttles=0, refused_until=0.0, exhausted_until=0.0)


def _judged(state: State, report: Report, *, now: float, jitter: float, may_open: bool) -> State:
    """Return the state with the breaker's verdict on a good or failed call; a slow one is good only for its caller."""
    is_good, is_slow = report.outcome == "ok", report.took_s >= SLOW_S
    if not state.opens:
        state = _recorded(state, now, is_good=is_good, is_slow=is_slow)
        return _opened(state, now, jitter) if may_open and _is_ill(state) else state
    if is_slow or not is_good:
        return _opened(state, now, jitter)
    if state.good + 1 < GOOD_TO_CLOSE:
        return replace(state, good=state.good + 1)
    return closed(state)


def _recorded(state: State, now: float, *, is_good: bool, is_slow: bool) -> State:
    slot = math.floor(now / RESULTS_S)
    good, failed = (sum(row[n] for row in state.results if row[0] == slot) for n in (1, 2))
    results = (*(row for row in state.results if row[0] != slot), (slot, good + is_good, failed + (not is_good)))
    if not is_slow:
        return replace(state, results=results)
    slow = sum(n for at, n in state.slow if at == slot)
    return replace(state, results=results, slow=(*(row for row in state.slow if row[0] != slot), (slot, slow + 1)))


def _is_ill(state: State) -> bool:
    failed, total = sum(row[2] for row in state.results), sum(row[1] + row[2] for row in state.results)
    slow = sum(n for _, n in state.slow)
    return total >= CALLS_TO_JUDGE and (failed >= FAILED_PART * total or slow >= SLOW_PART * total)


def _opened(state: State, now: float, jitter: float) -> State:
    open_s = min(OPEN_MAX_S, OPEN_S * 2**state.opens) * (0.8 + 0.4 * jitter)
    return replace(state, opens=min(state.opens + 1, 10), open_until=now + open_s, good=0)


def _throttled(before: State, after: State, plan: Plan, *, now: float, jitter: float) -> State:
    if before.throttles and now < before.blocked_until:
        return after  # calls that left together are throttled together: one step, and the longest hold
    pause_s = PAUSES_S[min(before.throttles, len(PAUSES_S) - 1)] * jitter
    is_named = after.blocked_until > now and before.throttles < BELIEVED
    return replace(
        after,
        throttles=before.throttles + 1,
        slowed_rps=max(plan.slowest_rps, SLOWER * rate_rps(before, plan, now)),
        throttled_at=now,
        blocked_until=after.blocked_until if is_named else max(after.blocked_until, now + pause_s),
    )


def _named_at(report: Report, now: float) -> float:
    """Return until when the vendor itself asks for silence, 0 when it does not."""
    is_told = report.outcome == "throttled" or report.is_used_up
    return max(report.retry_after_at(now), report.reset_at(now) if is_told else 0.0)
