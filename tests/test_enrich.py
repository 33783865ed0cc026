"""Enrichment debts: the ladder, and that every exit sets the next due time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from enrichment import enrich
from enrichment.models import EnrichmentState
from tests.conftest import NOW, facts
from tests.upstreams import Upstreams
from tokens import leasing
from tokens.models import OutboxEvent, Token

pytestmark = pytest.mark.django_db
Known = Callable[..., list[int]]
MINUTES = [5, 30, 6 * 60, 24 * 60, 24 * 60]


def climb(known: Known, outcome: Callable[[EnrichmentState], dict[str, object]]) -> list[tuple[str, int]]:
    """Let one token meet the same outcome again and again; return its statuses and the minutes to the next try."""
    state = EnrichmentState(token_id=known(1)[0], due_at=NOW)
    steps = []
    for _ in MINUTES:
        row = outcome(state)
        state.attempts, state.status = int(str(row["attempts"])), str(row["status"])
        due_at = row["due_at"]
        steps.append((state.status, int((due_at - NOW).total_seconds() // 60)))  # type: ignore[operator]
    return steps


def test_a_mint_nobody_knows_climbs_the_ladder_and_ends_as_failed_not_as_pending(known: Known) -> None:
    steps = climb(known, lambda state: enrich._absent(state, NOW))
    assert steps == list(zip(["pending"] * 4 + ["failed"], MINUTES, strict=True))


def test_a_known_token_without_a_price_is_looked_at_again_ever_less_often(known: Known) -> None:
    steps = climb(known, lambda state: enrich._complete(state, facts(0, None), NOW))
    assert steps == [("complete", minutes) for minutes in MINUTES]


def test_a_priced_token_starts_over_and_rests_for_a_week(known: Known) -> None:
    row = enrich._complete(EnrichmentState(token_id=known(1)[0], attempts=4), facts(0), NOW)
    assert (row["attempts"], row["due_at"]) == (0, NOW + timedelta(days=7))


def test_mints_unknown_to_the_source_are_absent_and_stored_as_such(known: Known, upstreams: Upstreams) -> None:
    ids = known(3)
    enrich.owe(ids, priority=enrich.FRESH, now=NOW)
    report = enrich.run_once(leasing.database_now())
    assert (report.claimed, report.absent) == (3, 3)
    states = EnrichmentState.objects.filter(attempts=1, status="pending", last_error="unknown to every source")
    assert states.count() == 3


def test_a_shut_gate_gives_the_rows_back_for_when_it_opens(known: Known, upstreams: Upstreams) -> None:
    enrich.owe(known(2), priority=enrich.FRESH, now=NOW)
    with upstreams.failing("rate_limited"):
        report = enrich.run_once(leasing.database_now())
    assert report.retry_at is not None
    state = EnrichmentState.objects.first()
    assert state is not None
    assert (state.due_at, state.lease_id, state.attempts) == (report.retry_at, None, 0)


def test_a_lost_lease_writes_nothing(known: Known) -> None:
    """The batch took longer than its lease, and another worker holds it by then."""
    enrich.owe(known(2), priority=enrich.FRESH, now=NOW)
    claim = leasing.claim_by_level(
        EnrichmentState, now=NOW, limit=10, lease=timedelta(seconds=1), column="priority", levels=enrich.LEVELS
    )
    leasing.claim_by_level(
        EnrichmentState,
        now=NOW + timedelta(seconds=2),
        limit=10,
        lease=timedelta(seconds=60),
        column="priority",
        levels=enrich.LEVELS,
    )
    names = dict(Token.objects.values_list("id", "mint"))
    before = OutboxEvent.objects.count()
    report = enrich._conclude(claim, names, {f.mint: f for f in (facts(0), facts(1))}, NOW)
    assert report.complete == 0
    assert OutboxEvent.objects.count() == before
    assert not Token.objects.exclude(symbol=None).exists()
