"""Claim, do, settle: at most one holder, and nothing lost when one dies."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection

from enrichment import enrich
from enrichment.models import EnrichmentState
from tests.conftest import NOW
from tokens.leasing import Claim, claim_by_level, claim_due, settle

Known = Callable[..., list[int]]
MINUTE = timedelta(minutes=1)


def claim(limit: int = 10, at: timedelta = timedelta()) -> Claim[EnrichmentState]:
    return claim_due(EnrichmentState, now=NOW + at, limit=limit, lease=MINUTE)


def held(claimed: Claim[EnrichmentState]) -> list[int]:
    return sorted(row.token_id for row in claimed.rows)


@pytest.mark.django_db
def test_a_claimed_row_is_nobody_elses_until_its_lease_ends(known: Known) -> None:
    ids = known(3)
    enrich.owe(ids, priority=0, now=NOW)
    assert held(claim()) == sorted(ids)
    assert held(claim()) == []
    assert held(claim(at=MINUTE)) == sorted(ids)


@pytest.mark.django_db
def test_a_late_worker_cannot_settle_what_another_claimed_since(known: Known) -> None:
    (token_id,) = known(1)
    enrich.owe([token_id], priority=0, now=NOW)
    late, current = claim(), claim(at=MINUTE)
    row = {"token_id": token_id, "due_at": NOW + 9 * MINUTE, "attempts": 1}
    assert settle(late, [row], ["attempts"]) == 0
    assert settle(current, [row], ["attempts"]) == 1
    state = EnrichmentState.objects.get(token_id=token_id)
    assert (state.due_at, state.lease_id, state.attempts) == (NOW + 9 * MINUTE, None, 1)


@pytest.mark.django_db
def test_lower_levels_get_what_the_levels_before_leave(known: Known) -> None:
    ids = known(6)
    enrich.owe(ids[:3], priority=enrich.BULK, now=NOW - MINUTE)
    enrich.owe(ids[3:], priority=enrich.FRESH, now=NOW)
    claimed = claim_by_level(
        EnrichmentState, now=NOW, limit=4, lease=MINUTE, column="priority", levels=[enrich.FRESH, enrich.BULK]
    )
    assert set(held(claimed)) > set(ids[3:])
    assert len(claimed.rows) == 4


@pytest.mark.django_db(transaction=True)
def test_workers_side_by_side_share_the_rows_without_overlap(known: Known) -> None:
    ids = known(200)
    enrich.owe(ids, priority=0, now=NOW)
    taken: list[int] = []

    def work() -> None:
        while rows := claim(limit=7).rows:
            taken.extend(row.token_id for row in rows)
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(taken) == sorted(ids)
