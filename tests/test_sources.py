"""List sources from fetch to rows: deltas, disbelief, and runs that change nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from enrichment import sources
from enrichment.detection import SENTINELS
from enrichment.models import EnrichmentState, ListRun, ListSnapshot, ListSource
from enrichment.sources import Outcome
from tests.conftest import NOW, mint
from tests.upstreams import Upstreams
from tokens.models import OutboxEvent, Token, TokenPrice

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
Lists = Callable[..., Outcome]


@pytest.fixture
def run_list(settings: Settings, tmp_path: Path) -> Lists:
    """Write a list and run it as the configured source, a minute later each time."""
    settings.TOKEN_LIST_URL = str(tmp_path / "list")
    minutes = 0

    def run(members: list[str] | bytes, *, at: timedelta | None = None) -> Outcome:
        nonlocal minutes
        minutes += 1
        body = members if isinstance(members, bytes) else json.dumps(members).encode()
        (tmp_path / "list").write_bytes(body)
        now = NOW + minutes * MINUTE
        sources.ensure_sources(now)
        ListSource.objects.exclude(name="list").update(enabled=False)
        (outcome,) = sources.run_due(now)
        return outcome

    return run


def world(count: int, first: int = 0) -> list[str]:
    return [*SENTINELS, *(mint(n) for n in range(first, first + count))]


def test_new_mints_get_their_rows_their_debts_and_their_events_at_once(run_list: Lists) -> None:
    outcome = run_list(world(5000))
    assert (outcome.accepted, outcome.new, outcome.missing) == (True, 5003, 0)
    assert Token.objects.count() == TokenPrice.objects.count() == EnrichmentState.objects.count() == 5003
    outcome = run_list(world(5000, first=50))
    assert (outcome.new, outcome.missing) == (50, 50)
    assert OutboxEvent.objects.filter(type="token:new").count() == 50
    assert Token.objects.count() == 5053


def test_the_same_list_again_changes_nothing(run_list: Lists) -> None:
    run_list(world(3000))
    snapshot = ListSource.objects.get(name="list").snapshot_id
    outcome = run_list(world(3000)[::-1])
    assert (outcome.accepted, outcome.new, outcome.missing, outcome.removed) == (True, 0, 0, 0)
    assert ListSource.objects.get(name="list").snapshot_id == snapshot
    assert ListSnapshot.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[]", "empty"),
        (b"<html>moment</html>", "web page"),
        (json.dumps(world(3000)).encode()[:-100], "truncated JSON"),
        (gzip.compress(json.dumps(world(3000)).encode())[:-40], "truncated gzip"),
        (json.dumps(world(3000)[3:]).encode(), "not complete"),
        (
            json.dumps([*world(3000), *("x" * 39 + c for c in "0OIl+-*/=?!.,:;_%&()[]{}<>|@#^~ABCDEFGH")]).encode(),
            "are no mints",
        ),
    ],
)
def test_a_refused_list_changes_nothing_and_is_tried_again_in_time(run_list: Lists, body: bytes, reason: str) -> None:
    run_list(world(3000))
    before = (Token.objects.count(), ListSource.objects.get(name="list").snapshot_id, OutboxEvent.objects.count())
    outcome = run_list(body)
    assert not outcome.accepted
    assert reason in outcome.reason
    after = ListSource.objects.get(name="list")
    assert (Token.objects.count(), after.snapshot_id, OutboxEvent.objects.count()) == before
    assert (after.lease_id, after.due_at) == (None, NOW + 2 * MINUTE + timedelta(seconds=30))
    assert ListRun.objects.filter(source="list", accepted=False).count() == 1


def test_a_half_list_gives_its_additions_and_takes_nothing_away(run_list: Lists) -> None:
    run_list(world(8000))
    outcome = run_list(world(4000, first=4010))
    assert outcome.accepted
    assert outcome.reason.startswith("list_shrunk")
    assert outcome.new == 10
    assert run_list(world(8010)).new == 0


def test_a_missing_file_is_a_refused_run_that_says_which(run_list: Lists, settings: Settings) -> None:
    run_list(world(5))
    ListSource.objects.filter(name="list").update(url="/nowhere/list.json", due_at=NOW)
    (outcome,) = sources.run_due(NOW)
    assert outcome.reason == "cannot read /nowhere/list.json: No such file or directory"


def test_a_source_being_run_is_not_run_again_and_after_downtime_runs_once(run_list: Lists) -> None:
    run_list(world(5))
    late = NOW + timedelta(hours=6)
    assert len(sources.run_due(late)) == 1
    assert sources.run_due(late) == []


def test_feeds_register_their_mints_with_all_they_say_and_need_no_enrichment_call(upstreams: Upstreams) -> None:
    sources.ensure_sources(NOW)
    ListSource.objects.filter(kind="list").update(enabled=False)
    outcomes = {o.source: o for o in sources.run_due(NOW)}
    assert outcomes["jupiter_recent"].new == 30
    assert outcomes["jupiter_verified"].accepted
    assert Token.objects.exclude(name=None).count() > 30
    assert not EnrichmentState.objects.filter(status="pending").exists()
    assert TokenPrice.objects.filter(price__isnull=False).exists()


def test_a_complete_list_over_http_is_taken_in_whole(upstreams: Upstreams) -> None:
    sources.ensure_sources(NOW)
    ListSource.objects.exclude(kind="list").update(enabled=False)
    (outcome,) = sources.run_due(NOW)
    assert outcome.accepted
    assert outcome.new == outcome.size == Token.objects.count() >= 250


@pytest.mark.parametrize("fault", ["half_list", "empty_list", "html_list", "truncated_list"])
def test_a_sick_list_server_takes_nothing_away(upstreams: Upstreams, fault: str) -> None:
    sources.ensure_sources(NOW)
    ListSource.objects.exclude(kind="list").update(enabled=False)
    sources.run_due(NOW)
    before = Token.objects.count()
    with upstreams.failing(fault):
        sources.run_due(NOW + MINUTE)
    (outcome,) = sources.run_due(NOW + 2 * MINUTE)
    assert outcome.accepted
    assert Token.objects.count() - before == outcome.new
    assert Token.objects.filter(removed_at=None).count() == Token.objects.count()
