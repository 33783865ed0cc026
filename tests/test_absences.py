"""Removal in two phases: three lists and half an hour, undone by one appearance, and never a lost row."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from enrichment import enrich, sources
from enrichment.models import EnrichmentState, ListAbsence, ListQuarantine, ListRun, ListSource
from refresh import queue, ranks
from refresh.models import RefreshState
from tests.conftest import NOW, Lists, facts, mint, world
from tokens import store
from tokens.models import OutboxEvent, Token, TokenPrice

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def events(*types: str) -> list[tuple[str, str | None]]:
    rows = OutboxEvent.objects.filter(type__in=types or ["token:new", "token:status", "token:relisted"]).order_by("id")
    return list(rows.values_list("type", "mint"))


def removed() -> set[str]:
    return set(Token.objects.filter(removed_at__isnull=False).values_list("mint", flat=True))


def remove_last(run_list: Lists, count: int = 20) -> None:
    """Let the last of `count` mints be removed."""
    run_list(world(count))
    for _ in range(3):
        outcome = run_list(world(count - 1), after=15 * MINUTE)
    assert outcome.removed == 1


@pytest.mark.parametrize(
    ("gaps_min", "confirmed"),
    [
        ([15, 15], [0, 1]),
        ([29, 0.9], [0, 0]),
        ([29.5, 0.5], [0, 1]),
        ([30], [0]),
        ([60, 1], [0, 1]),
        ([1] * 31, [0] * 29 + [1, 0]),
    ],
)
def test_a_removal_needs_three_lists_and_half_an_hour(
    run_list: Lists, gaps_min: list[float], confirmed: list[int]
) -> None:
    run_list(world(20))
    run_list(world(19))
    outcomes = [run_list(world(19), after=gap * MINUTE) for gap in gaps_min]
    assert [outcome.removed for outcome in outcomes] == confirmed
    assert removed() == ({mint(19)} if any(confirmed) else set())


def test_a_removal_is_a_status_with_an_event_and_no_row_goes(run_list: Lists) -> None:
    remove_last(run_list)
    token = Token.objects.get(mint=mint(19))
    assert (token.removed_at, Token.objects.count()) == (run_list.now, 23)
    assert events("token:status") == [("token:status", mint(19))]
    body = orjson.loads(OutboxEvent.objects.get(type="token:status").body)
    assert (body["data"]["status"], body["revision"]) == ("removed", 2)
    assert not ListAbsence.objects.exists()
    assert run_list(world(19)).removed == 0


def test_one_appearance_starts_the_count_again(run_list: Lists) -> None:
    run_list(world(20))
    for count in (19, 19, 20, 19, 19):
        run_list(world(count), after=20 * MINUTE)
    assert removed() == set()
    assert run_list(world(19), after=20 * MINUTE).removed == 1


def test_a_token_that_returns_is_relisted_on_its_row_and_looked_at_again(run_list: Lists) -> None:
    remove_last(run_list)
    token_id = Token.objects.get(mint=mint(19)).id
    EnrichmentState.objects.filter(token=token_id).update(due_at=NOW + timedelta(days=7), priority=enrich.AGAIN)
    outcome = run_list(world(20))
    assert (outcome.new, outcome.missing, removed()) == (0, 0, set())
    assert Token.objects.get(mint=mint(19)).id == token_id
    assert events()[-2:] == [("token:status", mint(19)), ("token:relisted", mint(19))]
    assert len(events("token:new")) == 23
    body = orjson.loads(OutboxEvent.objects.get(type="token:relisted").body)
    assert (body["data"]["status"], body["revision"]) == ("pending", 3)
    state = EnrichmentState.objects.get(token=token_id)
    assert (state.due_at, state.priority) == (run_list.now, enrich.FRESH)


def test_a_feed_that_names_a_removed_token_relists_it(run_list: Lists, tmp_path: Path) -> None:
    remove_last(run_list)
    source = ListSource.objects.create(name="feed", kind="jupiter_recent", interval_s=30, due_at=run_list.now)
    outcome = sources.Outcome("feed")
    listing = sources.detection.listing_of([mint(19).encode()], sources.Installation.current().digest_key)
    change = sources.intake.compare(source, listing, "")
    sources.intake.absorb(outcome, source, change=change, now=run_list.now)
    assert removed() == set()


def test_a_removed_token_leaves_the_ranking_and_the_refresh_queue_and_returns(run_list: Lists) -> None:
    run_list(world(20))
    store.apply([facts(n) for n in range(20)], run_list.now)
    tail = queue.tiers()[-1]
    assert queue.adopt(run_list.now, tail) == 20
    ranks.rank(run_list.now)
    for _ in range(3):
        run_list(world(19), after=15 * MINUTE)
    ranks.rank(run_list.now)
    assert TokenPrice.objects.get(token__mint=mint(19)).rank is None
    assert not RefreshState.objects.filter(token__mint=mint(19)).exists()
    assert queue.adopt(run_list.now, tail) == 0
    run_list(world(20))
    assert queue.adopt(run_list.now, tail) == 1


def test_two_mirrors_that_alternate_remove_nothing_and_say_nothing(
    run_list: Lists, capture_log: list[dict[str, Any]]
) -> None:
    run_list(world(3000))
    run_list(world(3000, first=40))
    del capture_log[:]
    told = OutboxEvent.objects.count()
    for turn in range(60):
        outcome = run_list(world(3000, first=40 * (turn % 2)))
        assert (outcome.accepted, outcome.new, outcome.removed) == (True, 0, 0)
    assert removed() == set()
    assert OutboxEvent.objects.count() == told
    assert [entry for entry in capture_log if entry["log_level"] != "debug"] == []


def test_a_mirror_that_holds_half_asks_once_and_removes_nothing(
    run_list: Lists, capture_log: list[dict[str, Any]]
) -> None:
    run_list(world(6000))
    for turn in range(40):
        run_list(world(6000 if turn % 2 else 3000), after=5 * MINUTE)
    assert removed() == set()
    assert ListQuarantine.objects.count() == 1
    assert [entry["event"] for entry in capture_log if entry["log_level"] == "warning"] == ["list.shrunk"]


def test_what_another_complete_list_still_holds_is_not_removed(run_list: Lists, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text(json.dumps(world(20)))
    ListSource.objects.create(name="partner", kind="list", url=str(other), interval_s=86_400, due_at=NOW)
    sources.run_due(NOW)
    remove = [world(20), *[world(18)] * 3]
    for members in remove:
        run_list(members, after=15 * MINUTE)
    assert removed() == set()
    other.write_text(json.dumps(world(19)))
    for _ in range(3):
        ListSource.objects.filter(name="partner").update(due_at=run_list.now)
        outcomes = {outcome.source: outcome for outcome in sources.run_due(run_list.now)}
        run_list.now += 15 * MINUTE
    assert outcomes["partner"].removed == 1
    assert removed() == {mint(19)}


def test_refused_lists_age_nothing(run_list: Lists) -> None:
    run_list(world(20))
    run_list(world(19))
    for body in (b"[]", b"<html>", b'["a"]'):
        assert not run_list(body, after=20 * MINUTE).accepted
    assert run_list(world(19)).removed == 0
    assert run_list(world(19)).removed == 1
    assert ListRun.objects.filter(accepted=False).count() == 3
