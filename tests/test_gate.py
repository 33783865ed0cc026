"""The gate: a plan is kept and used, trouble is met with patience, and nobody starves. All under an explicit clock."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrichment.upstream import gate
from enrichment.upstream.gate import Grant, Wait
from enrichment.upstream.plans import PLANS, Plan, Purpose
from enrichment.upstream.report import Report
from enrichment.upstream.state import State

T0 = 1_790_000_000.0  # 2026-09-21T14:13:20Z
KEYLESS, DEVELOPER = PLANS["jupiter"]["keyless"], PLANS["jupiter"]["developer"]
ROOMY = Plan(rpm=6_000, burst=1_000)
FAILED, OK, NEUTRAL = Report("failed"), Report("ok"), Report("neutral")
THROTTLED, REFUSED, EXHAUSTED = Report("throttled"), Report("refused"), Report("exhausted")
SLOW = Report("ok", took_s=gate.SLOW_S)


@dataclass
class Upstream:
    """One account as its callers see it: the state, a clock that only we turn, and when calls were let through."""

    plan: Plan = ROOMY
    state: State = field(default_factory=State)
    now: float = T0
    calls: list[tuple[float, str]] = field(default_factory=list)

    def ask(self, purpose: Purpose = "enrich", cost: int = 1) -> Grant | Wait:
        decision = gate.ask(self.state, self.plan, purpose=purpose, now=self.now, cost=cost)
        self.state = decision.state
        if isinstance(decision, Grant):
            self.calls.append((self.now, purpose))
        return decision

    def told(self, *reports: Report, jitter: float = 0.5) -> None:
        for report in reports:
            self.state = gate.told(self.state, self.plan, report=report, now=self.now, jitter=jitter)

    def call(self, report: Report, jitter: float = 0.5) -> bool:
        is_granted = isinstance(self.ask(), Grant)
        if is_granted:
            self.told(report, jitter=jitter)
        return is_granted

    def held_s(self) -> float:
        """Return how long the upstream as a whole is left alone."""
        return max(0.0, round(gate.opens_at(self.state) - self.now, 6))


def saturate(plan: Plan, clients: list[tuple[Purpose, float]], seconds: float) -> Upstream:
    """Let clients ask for `seconds`, each again after its pause, waiting as told and waking a little late."""
    upstream = Upstream(plan)
    due = [(T0 + n / 7, n) for n in range(len(clients))]
    while due and due[0][0] < T0 + seconds:
        upstream.now, n = heapq.heappop(due)
        purpose, pause_s = clients[n]
        decision = upstream.ask(purpose)
        if isinstance(decision, Wait):
            heapq.heappush(due, (decision.until + 0.01, n))
        else:
            upstream.told(OK)
            heapq.heappush(due, (upstream.now + pause_s, n))
    return upstream


def most_in_a_minute(times: list[float]) -> int:
    """Return the largest number of `times` in any window of 60 s; a window that matters ends at a call."""
    return max((sum(1 for at in times if end - 60 < at <= end) for end in times), default=0)


def test_a_fresh_state_lets_a_call_through_and_counts_it():
    upstream = Upstream(KEYLESS)
    assert isinstance(upstream.ask(), Grant)
    assert [n for _, _, n in upstream.state.calls] == [1]


def test_the_second_caller_waits_for_the_spacing_once_the_burst_is_spent():
    upstream = Upstream(Plan(rpm=30, rps=0.5, burst=2))
    assert isinstance(upstream.ask(), Grant)
    assert isinstance(upstream.ask(), Grant)
    decision = upstream.ask()
    assert isinstance(decision, Wait)
    assert (decision.until, decision.wait_s, decision.reason) == (T0 + 2, 2.0, "limit")
    upstream.now = decision.until
    assert isinstance(upstream.ask(), Grant)


def test_a_wait_names_the_moment_a_place_becomes_free():
    upstream = Upstream(Plan(rpm=3, burst=3))
    for _ in range(3):
        assert isinstance(upstream.ask(), Grant)
    decision = upstream.ask()
    assert isinstance(decision, Wait)
    assert decision.until == T0 + 61
    upstream.now = decision.until
    assert isinstance(upstream.ask(), Grant)


@settings(deadline=None)
@given(
    plan=st.builds(Plan, rpm=st.integers(1, 12), rps=st.sampled_from([None, 0.1, 0.5, 5.0]), burst=st.integers(1, 12)),
    asks=st.lists(
        st.tuples(st.sampled_from([0.0, 0.01, 0.3, 1.0, 5.0, 20.0, 59.9, 60.0]), st.sampled_from(list(gate.SHARES))),
        max_size=150,
    ),
)
def test_no_sequence_of_asks_gets_more_than_the_plan_in_any_minute(plan, asks):
    upstream = Upstream(plan)
    for step_s, purpose in asks:
        upstream.now += step_s
        upstream.ask(purpose)
    times = [at for at, _ in upstream.calls]
    assert most_in_a_minute(times) <= plan.rpm
    for first in range(len(times)):  # the spacing: a burst, then the steady rate
        for last in range(first, len(times)):
            assert last - first + 1 <= plan.burst + plan.rate_rps * (times[last] - times[first]) + 1e-6


@pytest.mark.parametrize("plan", ["keyless", "free", "developer"])
@pytest.mark.parametrize("clients", [[("enrich", 0.0)], [("enrich", 0.0)] * 3 + [("refresh", 1.0), ("detect", 30.0)]])
def test_at_least_97_percent_of_the_plan_is_used_while_there_is_work(plan, clients):
    upstream = saturate(PLANS["jupiter"][plan], clients, seconds=200)
    times = [at for at, _ in upstream.calls]
    in_two_minutes = sum(1 for at in times if T0 + 70 <= at < T0 + 190)
    assert in_two_minutes >= 0.97 * 2 * upstream.plan.rpm
    assert most_in_a_minute(times[:: len(times) // 99 or 1]) <= upstream.plan.rpm
    assert most_in_a_minute(times[:1_000]) <= upstream.plan.rpm


def test_what_nobody_waits_for_belongs_to_anybody():
    upstream = saturate(KEYLESS, [("enrich", 0.0)], seconds=300)
    assert len(upstream.calls) >= 145


def test_a_purpose_under_its_share_is_served_before_the_greedy():
    greedy: list[tuple[Purpose, float]] = [("enrich", 0.0)] * 5
    upstream = saturate(KEYLESS, [*greedy, ("refresh", 0.0), ("detect", 10.0), ("manual", 50.0)], seconds=600)
    served = Counter(purpose for _, purpose in upstream.calls)
    assert served["refresh"] >= 0.40 * 300 * 0.95
    assert served["detect"] >= 600 / 10 * 0.45  # asks six times a minute, sure of three
    assert served["manual"] >= 600 / 50 * 0.9
    assert served["enrich"] >= 60


def test_the_top_tiers_are_served_before_the_rest_of_the_refreshing():
    greedy: list[tuple[Purpose, float]] = [("refresh", 0.0)] * 5
    upstream = saturate(KEYLESS, [*greedy, ("top", 0.0), ("enrich", 0.0)], seconds=600)
    served = Counter(purpose for _, purpose in upstream.calls)
    assert served["top"] >= 0.30 * 300 * 0.95
    assert served["refresh"] >= 0.40 * 300 * 0.95


def test_detection_waits_seconds_however_much_others_want():
    upstream = saturate(KEYLESS, [("enrich", 0.0)] * 6 + [("refresh", 0.0)] * 3, seconds=120)
    for _ in range(5):
        asked_at = upstream.now = upstream.now + 30
        others = iter(["enrich", "refresh"] * 99)
        while isinstance(decision := upstream.ask("detect"), Wait):
            while upstream.now < decision.until:
                upstream.ask(next(others))
                upstream.now += 0.5
        assert upstream.now - asked_at <= 5


def test_a_place_kept_for_someone_who_does_not_come_back_is_given_away():
    upstream = Upstream(Plan(rpm=30, rps=0.5))
    upstream.ask()
    assert isinstance(upstream.ask("detect"), Wait)  # told to come back after 2 s, and does not
    upstream.now += 2
    assert isinstance(upstream.ask("enrich"), Wait)
    upstream.now += gate.GRACE_S
    assert isinstance(upstream.ask("enrich"), Grant)


@pytest.mark.parametrize(
    ("headers", "held_s"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:50 GMT"}, 30),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:50 -0000"}, 30),
        ({"retry-after": "99999999"}, 86_400),
        ({"retry-after": "0"}, 1),
        ({"retry-after": "-5"}, 1),
        ({"retry-after": "Mon, 21 Sep 2020 14:13:50 GMT"}, 1),
        ({"retry-after": "soon"}, 1),
        ({"retry-after": "Mon, 99 Zzz 9999 99:99:99 GMT"}, 1),
        ({"retry-after": ""}, 1),
        ({"retry-after": "nan"}, 1),
        ({"retry-after": "١٢"}, 1),
        ({"retry-after": "9" * 400}, 1),
        ({"x-ratelimit-reset": str(int(T0) + 12)}, 12),
        ({"x-ratelimit-reset": str(int(T0) - 12)}, 1),
        ({"x-ratelimit-reset": str(int(T0) + 9_999)}, 300),
        ({"x-ratelimit-reset": "garbage"}, 1),
        ({"x-ratelimit-reset": str(int(T0) + 12), "retry-after": "3"}, 12),
        ({"x-ratelimit-reset": str(int(T0) + 2), "retry-after": "3"}, 3),
        ({}, 1),
    ],
)
def test_a_throttle_holds_until_the_vendor_says_else_half_of_two_seconds(headers, held_s):
    upstream = Upstream()
    upstream.call(Report("throttled", headers), jitter=0.5)
    assert upstream.held_s() == held_s
    assert isinstance(upstream.ask(), Wait)
    upstream.now += held_s
    assert isinstance(upstream.ask(), Grant)


def test_throttles_in_a_row_climb_the_ladder_and_a_good_answer_ends_it():
    upstream, holds = Upstream(DEVELOPER), []
    for _ in range(9):
        assert upstream.call(THROTTLED, jitter=1.0)
        holds.append(upstream.held_s())
        upstream.now += upstream.held_s() + 3
    assert holds == [2, 4, 8, 16, 30, 60, 120, 300, 300]
    upstream.call(OK)
    upstream.now += 3
    upstream.call(THROTTLED, jitter=1.0)
    assert upstream.held_s() == 2


def test_a_time_that_proves_too_short_thrice_is_no_longer_enough():
    upstream, holds = Upstream(DEVELOPER), []
    for _ in range(6):
        assert upstream.call(Report("throttled", {"retry-after": "1"}), jitter=1.0)
        holds.append(upstream.held_s())
        upstream.now += upstream.held_s() + 3
    assert holds == [1, 1, 1, 16, 30, 60]
    upstream.call(Report("throttled", {"retry-after": "900"}), jitter=1.0)
    assert upstream.held_s() == 900  # and is never undercut


def test_calls_that_left_together_are_one_throttle_and_the_longest_hold_wins():
    upstream = Upstream()
    for _ in range(4):
        upstream.ask()
    upstream.told(THROTTLED, THROTTLED, Report("throttled", {"retry-after": "9"}), OK, jitter=1.0)
    assert (upstream.state.throttles, upstream.held_s()) == (1, 9)


def test_a_throttle_slows_to_seven_tenths_down_to_the_floor_and_the_rate_grows_back_slowly():
    upstream, rates = Upstream(DEVELOPER), []
    for _ in range(20):
        upstream.call(Report("throttled", {"retry-after": "1"}), jitter=0.0)
        rates.append(gate.rate_rps(upstream.state, DEVELOPER, upstream.now))
        upstream.now += 2
    assert rates[0] == pytest.approx(7)
    assert rates[1] == pytest.approx(0.7 * 7, rel=0.01)
    assert rates[-1] == pytest.approx(0.5, abs=0.05)
    upstream.now += 120
    upstream.call(OK)
    assert gate.rate_rps(upstream.state, DEVELOPER, upstream.now) == pytest.approx(2.5, abs=0.2)
    assert upstream.state.standing == "throttled"
    upstream.now += 600
    upstream.call(OK)
    assert gate.rate_rps(upstream.state, DEVELOPER, upstream.now) == 10
    assert upstream.state.standing == "ok"


@pytest.mark.parametrize(
    ("plan", "slowest_rpm"), [(PLANS["geckoterminal"]["public"], 10), (KEYLESS, 15), (DEVELOPER, 30)]
)
def test_no_storm_slows_a_plan_below_its_floor(plan, slowest_rpm):
    upstream = Upstream(plan)
    for _ in range(60):
        upstream.call(Report("throttled", {"retry-after": "1"}), jitter=0.0)
        upstream.now += 2
    assert gate.rate_rps(upstream.state, plan, upstream.state.throttled_at) * 60 == pytest.approx(slowest_rpm)


def test_where_a_vendor_counts_single_seconds_calls_keep_some_distance():
    upstream = saturate(PLANS["helius"]["free"], [("enrich", 0.0)] * 3, seconds=60)
    times = [at for at, _ in upstream.calls]
    assert min(b - a for a, b in zip(times, times[2:], strict=False)) > 1.04
    assert len(times) >= 0.9 * 120


def test_after_a_throttle_one_call_goes_ahead_and_the_rest_look_again_soon():
    upstream = Upstream()
    upstream.call(Report("throttled", {"retry-after": "4"}))
    upstream.now += 4
    assert isinstance(upstream.ask(), Grant)
    decision = upstream.ask()
    assert isinstance(decision, Wait)
    assert (decision.reason, decision.wait_s) == ("probing", 1)
    upstream.told(OK)
    assert isinstance(upstream.ask(), Grant)
    assert isinstance(upstream.ask(), Grant)


def test_a_storm_of_429_never_opens_the_breaker():
    upstream = Upstream(DEVELOPER)
    for _ in range(600):
        upstream.call(THROTTLED)
        upstream.now += 3
    assert upstream.state.opens == 0
    assert len(upstream.calls) < 40  # the ladder, not the storm, sets the pace


@pytest.mark.parametrize(
    ("headers", "held_s"),
    [
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(T0) + 9)}, 9),
        ({"x-ratelimit-remaining": "-3", "x-ratelimit-reset": str(int(T0) + 9)}, 9),
        ({"x-ratelimit-remaining": "4", "x-ratelimit-reset": str(int(T0) + 9)}, 0),
        ({"x-ratelimit-remaining": "0"}, 0),
        ({"x-ratelimit-remaining": "none"}, 0),
    ],
)
def test_a_used_up_limit_on_a_good_answer_holds_without_being_a_throttle(headers, held_s):
    upstream = Upstream()
    upstream.call(Report("ok", headers))
    assert upstream.held_s() == held_s
    assert upstream.state.standing == "ok"


def test_a_failing_upstream_that_names_a_time_is_left_alone_until_then():
    upstream = Upstream()
    upstream.call(Report("failed", {"retry-after": "20"}))
    assert upstream.held_s() == 20


@pytest.mark.parametrize(
    ("reports", "is_open"),
    [
        ([FAILED] * 4, False),
        ([FAILED] * 5, True),
        ([OK] * 5 + [FAILED] * 4, False),
        ([OK] * 5 + [FAILED] * 5, True),
        ([OK, FAILED] * 3, True),
        ([NEUTRAL] * 9 + [FAILED] * 4, False),
        ([NEUTRAL] * 50, False),
        ([OK] * 50, False),
        ([SLOW] * 4, False),
        ([SLOW] * 5, True),
        ([OK] + [SLOW] * 4, True),
        ([OK] * 2 + [SLOW] * 7, False),
        ([OK] * 2 + [SLOW] * 8, True),
        ([Report("failed", took_s=20)] * 2 + [OK] * 3, False),
    ],
)
def test_the_breaker_opens_when_half_of_at_least_five_calls_fail_or_four_fifths_are_slow(reports, is_open):
    upstream = Upstream()
    for report in reports:
        upstream.call(report)
    assert (upstream.state.standing == "open") is is_open
    assert (upstream.held_s() == 30) is is_open


def test_failures_of_more_than_a_minute_ago_do_not_count():
    upstream = Upstream()
    for _ in range(4):
        upstream.call(FAILED)
    upstream.now += 61
    upstream.call(FAILED)
    assert upstream.state.standing == "ok"


@pytest.mark.parametrize(("jitter", "factor"), [(0.0, 0.8), (0.5, 1.0), (1.0, 1.2)])
def test_the_breaker_stays_open_twice_as_long_after_each_failed_probe(jitter, factor):
    upstream, holds = Upstream(), []
    for _ in range(4):
        upstream.call(FAILED, jitter)
    for _ in range(6):
        assert upstream.call(FAILED, jitter)
        holds.append(upstream.held_s() / factor)
        upstream.now += upstream.held_s()
    assert holds == pytest.approx([30, 60, 120, 240, 300, 300])


def open_breaker() -> Upstream:
    upstream = Upstream()
    for _ in range(5):
        upstream.call(FAILED)
    upstream.now += 30
    return upstream


def test_a_half_open_breaker_admits_one_probe_and_two_good_ones_close_it():
    upstream = open_breaker()
    assert isinstance(upstream.ask(), Grant)
    assert isinstance(upstream.ask(), Wait)
    upstream.told(OK)
    assert upstream.state.standing == "open"
    assert isinstance(upstream.ask(), Grant)
    assert isinstance(upstream.ask(), Wait)
    upstream.told(OK)
    assert upstream.state.standing == "ok"
    assert upstream.call(FAILED)  # what went before is forgotten: one failure does not open it again
    assert upstream.state.standing == "ok"


def test_a_slow_probe_does_not_close_the_breaker():
    upstream = open_breaker()
    upstream.call(SLOW)
    assert (upstream.state.standing, upstream.held_s()) == ("open", 60)


def test_slow_answers_of_more_than_a_minute_ago_do_not_count():
    upstream = Upstream()
    for _ in range(4):
        upstream.call(SLOW)
    upstream.now += 61
    upstream.call(SLOW)
    assert upstream.state.standing == "ok"


def test_a_breaker_that_is_not_allowed_to_open_stays_closed_and_still_obeys_the_vendor():
    upstream = Upstream()
    for _ in range(50):
        upstream.ask()
        upstream.state = gate.told(
            upstream.state, upstream.plan, report=FAILED, now=upstream.now, jitter=0.5, may_open=False
        )
    assert (upstream.state.standing, len(upstream.calls)) == ("ok", 50)
    upstream.call(Report("throttled", {"retry-after": "7"}))
    assert upstream.held_s() == 7


def test_an_operators_order_closes_an_open_breaker_at_once():
    upstream = open_breaker()
    upstream.call(FAILED)
    upstream.state = gate.closed(upstream.state)
    assert upstream.state.standing == "ok"
    assert isinstance(upstream.ask(), Grant)
    assert isinstance(upstream.ask(), Grant)


def test_answers_to_calls_that_left_before_the_breaker_opened_change_nothing():
    upstream = Upstream()
    for _ in range(5):
        upstream.call(FAILED)
    before = upstream.state
    upstream.told(OK, OK, FAILED)
    assert upstream.state == before


def test_a_probe_that_never_reports_is_forgotten():
    upstream = open_breaker()
    upstream.ask()
    upstream.now += gate.PROBE_S
    assert isinstance(upstream.ask(), Grant)


def test_a_neutral_probe_leaves_the_breaker_as_it_is():
    upstream = open_breaker()
    upstream.call(NEUTRAL)
    assert upstream.state.standing == "open"
    assert isinstance(upstream.ask(), Grant)


def test_an_outage_of_half_an_hour_costs_a_dozen_calls_and_heals_within_one_probe_interval():
    upstream, calls = Upstream(DEVELOPER), 0
    while upstream.now < T0 + 1_800:
        calls += upstream.call(FAILED)
        upstream.now += 1
    assert calls <= 5 + 12
    while upstream.state.standing != "ok":
        upstream.call(OK)
        upstream.now += 1
    assert upstream.now - (T0 + 1_800) <= gate.OPEN_MAX_S * 1.2 + 3


def test_a_refused_key_stops_everything_at_once_and_is_tried_again_every_ten_minutes():
    upstream = Upstream()
    upstream.call(OK)
    upstream.call(REFUSED)
    assert (upstream.state.standing, upstream.held_s()) == ("refused", 600)
    upstream.now += 600
    assert isinstance(upstream.ask(), Grant)
    assert isinstance(upstream.ask(), Wait)
    upstream.told(REFUSED)
    assert upstream.held_s() == 600
    upstream.now += 600
    upstream.call(OK)
    assert upstream.state.standing == "ok"


def test_used_up_credits_stop_everything_for_hours_and_are_no_throttle():
    upstream = Upstream()
    upstream.call(EXHAUSTED)
    assert (upstream.state.standing, upstream.held_s(), upstream.state.throttles) == ("exhausted", 21_600, 0)
    decision = upstream.ask("manual")
    assert isinstance(decision, Wait)
    assert (decision.reason, decision.wait_s) == ("exhausted", gate.SENT_AWAY_S)  # an operator may reset it meanwhile
    upstream.now += 21_600
    assert isinstance(upstream.ask(), Grant)
    assert isinstance(upstream.ask(), Wait)
    upstream.told(EXHAUSTED)
    assert upstream.held_s() == 21_600
    upstream.now += 21_600
    upstream.call(OK)
    assert (upstream.state.standing, upstream.held_s()) == ("ok", 0)


def test_a_good_answer_that_was_under_way_does_not_bring_credits_back():
    upstream = Upstream()
    upstream.ask()
    upstream.ask()
    upstream.told(EXHAUSTED, OK)
    assert upstream.state.standing == "exhausted"


def test_credits_are_spent_by_cost_and_a_purpose_over_its_line_waits_until_the_line_has_risen():
    upstream = Upstream(Plan(rpm=6_000, burst=1_000, credits=30_000))  # a line of 800 a day, and a day's worth at once
    while isinstance(decision := upstream.ask("enrich", cost=10), Grant):
        upstream.now += 1
    assert decision.reason == "budget"
    assert decision.wait_s == gate.SENT_AWAY_S
    spent = upstream.state.spending.spent
    assert spent == len(upstream.calls) * 10
    assert isinstance(upstream.ask("detect", cost=10), Grant)  # a run never waits for the line
    assert upstream.state.spending.spent == spent + 10


def test_a_share_that_waits_for_credits_keeps_no_place_in_the_queue_for_calls():
    upstream = Upstream(Plan(rpm=60, burst=1, credits=1))
    upstream.ask("detect")
    assert isinstance(upstream.ask("refresh"), Wait)
    assert upstream.state.waiting == {}


def test_an_operators_reset_forgets_the_trouble_but_not_the_calls():
    upstream = Upstream(Plan(rpm=3, burst=3))
    for report in (OK, OK, REFUSED):
        upstream.call(report)
    upstream.state = gate.reset(upstream.state)
    decision = upstream.ask()
    assert isinstance(decision, Wait)
    assert decision.reason == "limit"
    assert upstream.state.standing == "ok"


@pytest.mark.parametrize("back_s", [0.3, 5, 3_600])
def test_a_clock_set_back_neither_stops_the_calls_nor_lets_too_many_through(back_s):
    upstream, elapsed, times = Upstream(Plan(rpm=6, burst=6)), 0.0, []
    for step in range(600):
        if step == 100:
            upstream.now -= back_s
        if isinstance(upstream.ask(), Grant):
            times.append(elapsed)
        upstream.now += 0.5
        elapsed += 0.5
    assert most_in_a_minute(times) <= 6
    assert len(times) >= 25


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 1.0, 45.0]), st.sampled_from([OK, SLOW, FAILED, THROTTLED, EXHAUSTED, REFUSED])
        ),
        max_size=40,
    )
)
def test_a_state_survives_the_database(steps):
    upstream = Upstream(DEVELOPER)
    for step_s, report in steps:
        upstream.now += step_s
        upstream.ask("refresh")
        upstream.told(report)
        assert State.from_json(json.loads(json.dumps(upstream.state.to_json()))) == upstream.state


def test_an_empty_or_newer_row_is_a_fresh_state():
    assert State.from_json({}) == State()
    assert State.from_json({"opens": 1, "of_a_later_version": [1]}) == State(opens=1)
    assert State.from_json({"results": [[1, 2, 3]]}).results == ((1, 2, 3),)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["retry-after", "x-ratelimit-reset", "x-ratelimit-remaining"]), st.text()))
def test_no_header_breaks_the_gate_or_shuts_it_for_more_than_a_day(headers):
    upstream = Upstream()
    upstream.call(Report("throttled", headers))
    assert 0 < upstream.held_s() <= 86_400
