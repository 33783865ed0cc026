"""The shared row: any number of callers keep one plan between them, and an outage is two log lines."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import structlog
from asgiref.sync import async_to_sync
from django.db import connection, transaction

from enrichment.models import Upstream
from enrichment.upstream import ledger
from enrichment.upstream.errors import GateShut, Refused
from enrichment.upstream.gate import Grant, Wait
from enrichment.upstream.http import Http
from enrichment.upstream.plans import Plan
from enrichment.upstream.report import Report
from enrichment.upstream.state import State
from tests.wire import reply, serving

PLAN = Plan(rpm=25, burst=25)
ROOMY = Plan(rpm=6_000, burst=6_000)


def state(name: str = "jupiter") -> State:
    return State.from_json(Upstream.objects.get(name=name).gate)


@pytest.mark.django_db(transaction=True)
def test_callers_on_their_own_connections_together_get_the_plan_and_not_one_call_more():
    start = threading.Barrier(6)

    def caller(_: int) -> int:
        start.wait()
        try:
            return sum(isinstance(ledger.ask("jupiter", PLAN, "enrich"), Grant) for _ in range(10))
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        granted = sum(pool.map(caller, range(6)))
    assert granted == PLAN.rpm
    assert sum(n for _, _, n in state().calls) == PLAN.rpm


@pytest.mark.django_db
def test_accounts_do_not_share_a_plan():
    for _ in range(PLAN.rpm):
        ledger.ask("jupiter", PLAN, "enrich")
    assert isinstance(ledger.ask("jupiter", PLAN, "enrich"), Wait)
    assert isinstance(ledger.ask("helius", PLAN, "enrich"), Grant)


@pytest.mark.django_db
def test_the_time_is_the_databases_not_the_workers(monkeypatch):
    monkeypatch.setattr("time.time", lambda: 0.0)
    decision = ledger.ask("jupiter", PLAN, "enrich")
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        assert 0 <= float(cursor.fetchone()[0]) - decision.state.seen_at < 60


@pytest.mark.django_db
def test_a_paused_account_lets_nothing_through_until_it_is_resumed():
    Upstream.objects.create(name="jupiter", paused=True)
    decision = ledger.ask("jupiter", PLAN, "manual")
    assert isinstance(decision, Wait)
    assert (decision.reason, decision.wait_s) == ("paused", 60)
    Upstream.objects.update(paused=False)
    assert isinstance(ledger.ask("jupiter", PLAN, "manual"), Grant)


@pytest.mark.django_db
def test_an_operators_reset_lets_calls_through_again():
    ledger.ask("jupiter", PLAN, "enrich")
    assert ledger.told("jupiter", PLAN, Report("refused")) > state().seen_at
    assert isinstance(ledger.ask("jupiter", PLAN, "enrich"), Wait)
    ledger.reset("jupiter", by="ada")
    assert isinstance(ledger.ask("jupiter", PLAN, "enrich"), Grant)
    assert sum(n for _, _, n in state().calls) == 2


@pytest.mark.django_db
def test_a_breaker_held_open_lets_nothing_through_until_it_is_given_back_and_says_who_held_it():
    with structlog.testing.capture_logs() as events:
        ledger.force("jupiter", Upstream.Forced.OPEN, by="ada")
        decision = ledger.ask("jupiter", PLAN, "manual")
        ledger.reset("jupiter", by="bob")
    assert isinstance(decision, Wait)
    assert (decision.reason, decision.wait_s) == ("forced", 60)
    assert isinstance(ledger.ask("jupiter", PLAN, "manual"), Grant)
    row = Upstream.objects.get()
    assert (row.forced, row.forced_by) == ("", "bob")
    assert row.forced_at is not None
    told = [(event["event"], event["by"]) for event in events]
    assert told == [("upstream.forced", "ada"), ("upstream.reset", "bob")]


@pytest.mark.django_db
def test_a_breaker_held_closed_lets_calls_through_whatever_fails_until_it_is_given_back():
    for _ in range(5):
        ledger.ask("jupiter", ROOMY, "enrich")
        ledger.told("jupiter", ROOMY, Report("failed"))
    assert state().standing == "open"
    ledger.force("jupiter", Upstream.Forced.CLOSED, by="ada")
    for _ in range(20):
        assert isinstance(ledger.ask("jupiter", ROOMY, "enrich"), Grant)
        ledger.told("jupiter", ROOMY, Report("failed"))
    assert (state().standing, Upstream.objects.get().forced_by) == ("ok", "ada")
    ledger.reset("jupiter", by="ada")
    for _ in range(5):
        ledger.ask("jupiter", ROOMY, "enrich")
        ledger.told("jupiter", ROOMY, Report("failed"))
    assert state().standing == "open"


@pytest.mark.django_db
def test_credits_are_counted_in_the_shared_row():
    plan = Plan(rpm=60, burst=60, credits=1_000_000)
    for cost in (10, 1, 50):
        ledger.ask("jupiter", plan, "detect", cost=cost)
    assert state().spending.spent == 61


def storm(*reports: Report) -> list[dict[str, Any]]:
    """Return what is logged while the account lives through `reports`, each as if the holds before had passed."""
    with structlog.testing.capture_logs() as events:
        for report in reports:
            row = Upstream.objects.filter(name="jupiter").first()
            if row is not None:
                row.gate = {k: v for k, v in row.gate.items() if not k.endswith("_until")} | _reminders(row.gate)
                row.save()
            ledger.ask("jupiter", ROOMY, "enrich")
            ledger.told("jupiter", ROOMY, report)
    return [event for event in events if event["event"].startswith("upstream.")]


def _reminders(gate: dict[str, Any]) -> dict[str, Any]:
    """Keep that an account is refused or has no credits, but long enough ago for its next try."""
    return {name: 1.0 for name in ("refused_until", "exhausted_until") if gate.get(name)}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("reports", "lines"),
    [
        ([Report("ok")] * 9, []),
        (
            [Report("failed")] * 40 + [Report("ok")] * 9,
            [("upstream.opened", "warning"), ("upstream.recovered", "info")],
        ),
        ([Report("throttled")] * 40, [("upstream.throttled", "warning")]),
        (
            [Report("exhausted")] * 9 + [Report("ok")] * 9,
            [("upstream.exhausted", "error"), ("upstream.recovered", "info")],
        ),
        (
            [Report("ok", took_s=9)] * 9 + [Report("ok")] * 9,
            [("upstream.opened", "warning"), ("upstream.recovered", "info")],
        ),
        ([Report("refused")] * 9 + [Report("ok")] * 9, [("upstream.refused", "error"), ("upstream.recovered", "info")]),
    ],
)
def test_trouble_is_logged_once_when_it_comes_and_once_when_it_goes(reports, lines):
    events = storm(*reports)
    assert [(event["event"], event["log_level"]) for event in events] == lines
    assert {event["upstream"] for event in events} <= {"jupiter"}


@pytest.mark.django_db(transaction=True)
def test_the_gate_is_never_held_inside_a_callers_transaction():
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        ledger.ask("jupiter", PLAN, "enrich")


@pytest.mark.django_db
def test_calls_through_the_door_are_counted_in_the_row_they_share():
    @async_to_sync
    async def three_calls() -> None:
        refusal = reply(b"{}", "401 Unauthorized")
        async with serving(reply(b"[]")) as good, serving(refusal) as bad:
            for server, error in ((good, None), (bad, Refused), (good, GateShut)):
                async with Http("jupiter", server.url, ledger=ledger.Ledger("jupiter", ROOMY)) as http:
                    call = http.get_json("/x", params={}, purpose="refresh", max_wait_s=0)
                    if error is None:
                        assert await call == []
                    else:
                        with pytest.raises(error):
                            await call

    three_calls()
    assert [(who, n) for _, who, n in state().calls] in ([("refresh", 2)], [("refresh", 1), ("refresh", 1)])
    assert state().standing == "refused"
