"""May a call leave now? One pure decision over the state that all callers of one upstream account share.

`ask` before every call, `told` after it. The gate keeps the plan's calls in any 60 s, spaces them, slows down when
throttled, stops asking an upstream that fails or refuses, and serves those first who got less than their share.
`now` is epoch seconds of one clock for all callers (the database's); `jitter` is uniform in 0–1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from enrichment.upstream.report import Report

Purpose = Literal["manual", "detect", "refresh", "enrich"]
Standing = Literal["ok", "throttled", "open", "refused"]
Reason = Literal["limit", "throttled", "open", "probing", "refused", "paused"]

# What each purpose is sure of when all want more than there is, in the order they are served (reliability rules:
# detection and a person's click before tiers, enrichment last). What nobody is waiting for belongs to anybody.
SHARES: Mapping[Purpose, float] = {"manual": 0.05, "detect": 0.10, "refresh": 0.40, "enrich": 0.0}
GRACE_S = 5.0  # how long a freed place is kept for the one who was told to come back then

# A call counts for 60.5 to 61 s: the vendor's 60 s and at least half a second for the differing times two calls
# need to reach it. The plan is used to 98.4 % or more.
SLOT_S = 0.5
WINDOW_SLOTS = 122

SLOWER = 0.7  # factor on the rate at every throttle
REGROWTH_PER_S = 0.1 / 60  # of the plan's rate: a tenth back each minute
FLOOR_RPS = 0.5  # never slower, unless the plan itself is: then half the plan
PAUSES_S = (2, 4, 8, 16, 30, 60, 120, 300)  # after the nth throttle in a row, where the vendor names no time

RESULTS_S, RESULT_SLOTS = 10, 6  # the breaker judges the last minute, in slots of 10 s
CALLS_TO_JUDGE = 5
OPEN_S, OPEN_MAX_S = 30, 300  # doubling from the one to the other, ±20 %
GOOD_TO_CLOSE = 2
PROBE_S = 60.0  # a probe that never reported (its process died) is forgotten; longer than any call may take
LOOK_AGAIN_S = 1.0  # while another's probe is out: its answer rarely takes longer
REFUSED_S = 600.0  # a refused key is tried again that often, in case a human mended it without telling us


@dataclass(frozen=True, slots=True)
class Plan:
    """What an account may do. Units: calls in any 60 s; calls a second in the long run; calls at once."""

    rpm: int
    rps: float | None = None
    burst: int = 1

    @property
    def rate_rps(self) -> float:
        """The steady rate that keeps both limits."""
        return min(self.rps or math.inf, self.rpm / 60)


# Source: developers.jup.ag/portal (jup-ag/docs, 2026-08-21): one sliding 60 s window an organisation. The bursts are
# ours: a second's worth, and two where that would be less, so that a caller who wakes late catches up.
PLANS: Mapping[str, Mapping[str, Plan]] = {
    "jupiter": {
        "keyless": Plan(rpm=30, rps=0.5, burst=2),
        "free": Plan(rpm=60, rps=1, burst=2),
        "developer": Plan(rpm=600, rps=10, burst=10),
        "launch": Plan(rpm=3_000, rps=50, burst=50),
        "pro": Plan(rpm=9_000, rps=150, burst=150),
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that is remembered of one account. Times are epoch seconds, 0 means never; `{}` is a fresh one."""

    calls: tuple[tuple[int, str, int], ...] = ()  # (slot, purpose, calls), oldest first
    results: tuple[tuple[int, int, int], ...] = ()  # (slot, good, failed), oldest first
    waiting: Mapping[str, float] = field(default_factory=dict)  # who was sent away: their place is kept until then
    paced_until: float = 0.0
    slowed_rps: float = 0.0  # the rate at `throttled_at`; 0 while the plan's own holds
    throttled_at: float = 0.0
    throttles: int = 0
    blocked_until: float = 0.0
    opens: int = 0
    open_until: float = 0.0
    good: int = 0
    refused_until: float = 0.0
    probe_until: float = 0.0
    seen_at: float = 0.0

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> State:
        """Return what `to_json` wrote; keys of another version are ignored."""
        known: dict[str, Any] = {f.name: stored[f.name] for f in fields(cls) if f.name in stored}
        for rows in {"calls", "results"} & known.keys():
            known[rows] = tuple(map(tuple, known[rows]))
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """Return the fields that say something."""
        return {name: value for name, value in asdict(self).items() if value}

    @property
    def is_suspect(self) -> bool:
        """Whether the last thing known of the upstream is trouble, so that one call at a time goes ahead."""
        return bool(self.refused_until or self.opens or self.throttles)

    @property
    def standing(self) -> Standing:
        """What an operator should know of the upstream; a change of it is worth one log line."""
        if self.refused_until:
            return "refused"
        if self.opens:
            return "open"
        return "throttled" if self.throttles or self.slowed_rps else "ok"


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


def ask(state: State, plan: Plan, *, purpose: Purpose, now: float) -> Grant | Wait:
    """Decide about one call and return the state to keep, whatever the decision."""
    state = _at(state, now)
    until, reason = _shut(state, now)
    if reason == "probing":
        until = min(until, now + LOOK_AGAIN_S)
    if until <= now:
        until, reason = _room_at(state, plan, purpose, now), "limit"
        if until > now:
            state = replace(state, waiting={**state.waiting, purpose: until + GRACE_S})
    if until > now:
        return Wait(state, until, until - now, reason)
    return Grant(_counted(state, plan, purpose, now))


def told(state: State, plan: Plan, *, report: Report, now: float, jitter: float) -> State:
    """Return the state after a call that was granted ended as `report` says."""
    before = _at(state, now)
    after = replace(before, probe_until=0.0, blocked_until=max(before.blocked_until, _named_at(report, now)))
    if report.outcome == "ok":
        return _answered(before, after, plan, now=now)
    if report.outcome == "failed":
        return _failed(before, after, now=now, jitter=jitter)
    if report.outcome == "throttled":
        return _throttled(before, after, plan, now=now, jitter=jitter)
    return replace(after, refused_until=now + REFUSED_S) if report.outcome == "refused" else after


def opens_at(state: State) -> float:
    """Return when the upstream may next be asked at all, 0 when nothing holds it."""
    return max(state.refused_until, state.blocked_until, state.open_until)


def reset(state: State) -> State:
    """Forget every failure, as an operator orders, but not the calls already made."""
    return State(calls=state.calls, paced_until=state.paced_until, seen_at=state.seen_at)


def rate_rps(state: State, plan: Plan, now: float) -> float:
    """Return the rate in force: the plan's, or since a throttle a lower one on its way back."""
    if not state.slowed_rps:
        return plan.rate_rps
    return min(plan.rate_rps, state.slowed_rps + plan.rate_rps * REGROWTH_PER_S * (now - state.throttled_at))


def _at(state: State, now: float) -> State:
    """Return the state as seen at `now`: old entries dropped, and moved along when the clock was set back."""
    back_s = max(0.0, state.seen_at - now)
    slots, result_slots = math.floor(back_s / SLOT_S), math.floor(back_s / RESULTS_S)
    times = ("paced_until", "throttled_at", "blocked_until", "open_until", "refused_until", "probe_until")
    moved = {name: max(0.0, getattr(state, name) - back_s) for name in times} if back_s else {}
    oldest, oldest_result = math.floor(now / SLOT_S) - WINDOW_SLOTS, math.floor(now / RESULTS_S) - RESULT_SLOTS
    return replace(
        state,
        calls=tuple((slot - slots, who, n) for slot, who, n in state.calls if slot - slots > oldest),
        results=tuple((s - result_slots, g, f) for s, g, f in state.results if s - result_slots > oldest_result),
        waiting={who: until - back_s for who, until in state.waiting.items() if until - back_s > now},
        seen_at=now,
        **moved,
    )


def _shut(state: State, now: float) -> tuple[float, Reason]:
    """Return until when nobody may call, and why."""
    blocked: Reason = "throttled" if state.throttles else "limit"
    holds = (state.refused_until, state.open_until, state.blocked_until, state.probe_until)
    reasons: tuple[Reason, ...] = ("refused", "open", blocked, "probing")
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


def _answered(before: State, after: State, plan: Plan, *, now: float) -> State:
    if now < opens_at(before) and before.is_suspect:
        return replace(after, probe_until=before.probe_until)  # left before the trouble began: proves nothing
    if rate_rps(after, plan, now) >= plan.rate_rps:
        after = replace(after, slowed_rps=0.0)
    after = replace(after, throttles=0, refused_until=0.0)
    if not after.opens:
        return replace(after, results=_with_result(after, now, good=1))
    if after.good + 1 < GOOD_TO_CLOSE:
        return replace(after, good=after.good + 1)
    return replace(after, opens=0, open_until=0.0, good=0, results=())


def _failed(before: State, after: State, *, now: float, jitter: float) -> State:
    if before.opens:
        is_late = now < before.open_until
        return replace(after, probe_until=before.probe_until) if is_late else _opened(after, now, jitter)
    after = replace(after, results=_with_result(after, now, failed=1))
    failed = sum(row[2] for row in after.results)
    total = failed + sum(row[1] for row in after.results)
    return _opened(after, now, jitter) if total >= CALLS_TO_JUDGE and 2 * failed >= total else after


def _opened(state: State, now: float, jitter: float) -> State:
    open_s = min(OPEN_MAX_S, OPEN_S * 2**state.opens) * (0.8 + 0.4 * jitter)
    return replace(state, opens=min(state.opens + 1, 10), open_until=now + open_s, good=0)


def _throttled(before: State, after: State, plan: Plan, *, now: float, jitter: float) -> State:
    if before.throttles and now < before.blocked_until:
        return after  # calls that left together are throttled together: one step, and the longest hold
    pause_s = PAUSES_S[min(before.throttles, len(PAUSES_S) - 1)] * jitter
    return replace(
        after,
        throttles=before.throttles + 1,
        slowed_rps=max(min(FLOOR_RPS, plan.rate_rps / 2), SLOWER * rate_rps(before, plan, now)),
        throttled_at=now,
        blocked_until=after.blocked_until if after.blocked_until > now else now + pause_s,
    )


def _named_at(report: Report, now: float) -> float:
    """Return until when the vendor itself asks for silence, 0 when it does not."""
    is_told = report.outcome == "throttled" or report.is_used_up
    return max(report.retry_after_at(now), report.reset_at(now) if is_told else 0.0)


def _with_result(state: State, now: float, *, good: int = 0, failed: int = 0) -> tuple[tuple[int, int, int], ...]:
    slot = math.floor(now / RESULTS_S)
    others = tuple(row for row in state.results if row[0] != slot)
    same = [row for row in state.results if row[0] == slot]
    return (*others, (slot, good + sum(row[1] for row in same), failed + sum(row[2] for row in same)))
