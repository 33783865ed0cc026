"""The whole path against the sandbox: list → detect → enrich → rank → refresh → store → events."""

from __future__ import annotations

import random
from datetime import timedelta

import orjson
import pytest
from django.utils import timezone

from enrichment import enrich, sources
from enrichment.models import EnrichmentState, ListSource, Upstream
from refresh import queue, ranks, runner
from refresh.models import RefreshRun, RefreshState
from tests.upstreams import Upstreams
from tokens import leasing, outbox, relay
from tokens.models import OutboxEvent, PriceHistory, Token, TokenPrice

pytestmark = pytest.mark.django_db


def detect_list() -> int:
    sources.ensure_sources(leasing.database_now())
    ListSource.objects.exclude(kind="list").update(enabled=False)
    (outcome,) = sources.run_due(leasing.database_now())
    return outcome.new


def enrich_all() -> int:
    done = 0
    while (report := enrich.run_once(leasing.database_now())).claimed:
        assert not report.released
        done += report.claimed
    return done


def refresh_all() -> dict[str, int]:
    RefreshState.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    totals: dict[str, int] = {}
    while (report := runner.run_once(leasing.database_now(), random.Random(1))).outcomes:
        for outcome, count in report.outcomes.items():
            totals[outcome] = totals.get(outcome, 0) + count
    return totals


def test_tokens_arrive_named_priced_ranked_and_are_looked_at_again(upstreams: Upstreams) -> None:
    new, calls = detect_list(), len(upstreams.calls())
    assert enrich_all() == new
    assert Token.objects.filter(status="complete").count() == new
    searches = upstreams.calls()[calls:]
    assert len(searches) == -(-new // 100)
    priced = TokenPrice.objects.filter(price__isnull=False).count()
    assert 0 < priced < new
    queue.adopt(leasing.database_now(), queue.tiers()[-1])
    ranks.rank(leasing.database_now())
    assert RefreshState.objects.count() == priced == TokenPrice.objects.filter(rank__isnull=False).count()
    totals = refresh_all()
    assert sum(totals.values()) == priced
    assert totals["fresh"] > 0
    assert PriceHistory.objects.count() == priced + totals["fresh"]
    assert not RefreshState.objects.filter(due_at__lte=timezone.now()).exists()
    run = RefreshRun.objects.first()
    assert run is not None
    published: list[outbox.Published] = []
    relay.relay_once(published.extend)
    assert [e.seq for e in published] == list(range(1, len(published) + 1))
    assert all(orjson.loads(e.frame)["seq"] == e.seq for e in published)


@pytest.mark.parametrize("fault", ["http_500", "html", "truncated"])
def test_an_outage_touches_no_tokens_standing_and_work_goes_on_afterwards(upstreams: Upstreams, fault: str) -> None:
    new = detect_list()
    with upstreams.failing(fault):
        report = enrich.run_once(leasing.database_now())
    assert report.released == min(100, new)
    states = EnrichmentState.objects
    assert states.filter(status="pending", attempts=0, lease_id=None).count() == new
    states.update(due_at=timezone.now())
    Upstream.objects.all().delete()
    assert enrich_all() == new


def test_a_failing_refresh_keeps_prices_and_sets_the_next_due_time(upstreams: Upstreams) -> None:
    detect_list()
    enrich_all()
    queue.adopt(leasing.database_now(), queue.tiers()[-1])
    before = list(TokenPrice.objects.order_by("token_id").values_list("price", "price_status"))
    with upstreams.failing("http_500"):
        RefreshState.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        report = runner.run_once(leasing.database_now(), random.Random(1))
    assert report.outcomes == {"failed": 100}
    assert list(TokenPrice.objects.order_by("token_id").values_list("price", "price_status")) == before
    held = RefreshState.objects.filter(last_outcome="failed")
    assert held.count() == 100
    assert not held.filter(due_at__lte=timezone.now()).exists()


def test_a_price_that_disappears_is_kept_as_stale_and_looked_at_less_often(upstreams: Upstreams) -> None:
    detect_list()
    enrich_all()
    queue.adopt(leasing.database_now(), queue.tiers()[-1])
    with upstreams.failing("empty"):
        RefreshState.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        report = runner.run_once(leasing.database_now(), random.Random(1))
    assert report.outcomes == {"absent": 100}
    stale = TokenPrice.objects.filter(price_status="stale")
    assert stale.count() == 100
    assert not stale.filter(price=None).exists()
    assert RefreshState.objects.filter(misses=1).count() == 100
    assert refresh_all()["fresh"] > 0
    assert not TokenPrice.objects.filter(price_status="stale").exists()


def test_a_worker_that_dies_after_the_call_repeats_its_batch_and_nothing_is_doubled(upstreams: Upstreams) -> None:
    detect_list()
    now = leasing.database_now()
    lease = timedelta(seconds=60)
    dead = leasing.claim_by_level(
        EnrichmentState, now=now, limit=100, lease=lease, column="priority", levels=enrich.LEVELS
    )
    others = enrich_all()
    assert others == Token.objects.count() - 100
    later = now + timedelta(seconds=61)
    assert enrich.run_once(later).claimed == 100
    assert leasing.settle(dead, [{"token_id": s.token_id, "due_at": now} for s in dead.rows], []) == 0
    assert Token.objects.filter(status="complete").count() == Token.objects.count()
    doubled = OutboxEvent.objects.filter(type="token:new").values_list("mint", flat=True)
    assert len(doubled) == len(set(doubled))
