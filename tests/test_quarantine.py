"""Shrinks and floods: asked about once, carried out exactly, repeated never."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from enrichment import decisions, quarantine, sources
from enrichment.models import EnrichmentState, ListAbsence, ListQuarantine, ListSource, QuarantinedMint
from tests.conftest import Lists, mint, world
from tokens.models import OutboxEvent, Token

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def decide(run_list: Lists, *, approve: bool) -> ListQuarantine:
    row = ListQuarantine.objects.get(state="open")
    return decisions.decide(row.pk, approve=approve, by="ann", now=run_list.now)


def removed() -> int:
    return Token.objects.filter(removed_at__isnull=False).count()


def state() -> str:
    return ListQuarantine.objects.latest("id").state


def warnings(log: list[dict[str, Any]]) -> list[str]:
    return [entry["event"] for entry in log if entry["log_level"] == "warning"]


@pytest.fixture
def shrunk(run_list: Lists) -> Lists:
    """A list of 6,003 that lost 3,000 and won ten."""
    run_list(world(6000))
    outcome = run_list(world(3010, first=3000))
    assert (outcome.accepted, outcome.new, outcome.missing, outcome.removed) == (True, 10, 3000, 0)
    assert outcome.reason.startswith("list_shrunk")
    return run_list


def test_a_shrink_is_asked_about_once_and_removes_nothing(shrunk: Lists, capture_log: list[dict[str, Any]]) -> None:
    for _ in range(10):
        shrunk(world(3010, first=3000), after=10 * MINUTE)
    row = ListQuarantine.objects.get()
    assert (row.kind, row.state, row.count, row.seen_at) == ("shrunk", "open", 3000, shrunk.now)
    assert (removed(), ListAbsence.objects.count(), warnings(capture_log)) == (0, 0, [])


def test_small_absences_beside_a_shrink_are_believed_as_ever(shrunk: Lists) -> None:
    for _ in range(4):
        shrunk(world(3009, first=3001), after=15 * MINUTE)
    assert removed() == 1


def test_an_approved_shrink_enters_the_two_phases(shrunk: Lists) -> None:
    decide(shrunk, approve=True)
    assert [shrunk(world(3010, first=3000), after=15 * MINUTE).removed for _ in range(4)] == [0, 0, 3000, 0]
    assert (state(), removed(), Token.objects.count()) == ("done", 3000, 6013)


def test_an_approval_covers_exactly_what_was_shown(shrunk: Lists) -> None:
    decide(shrunk, approve=True)
    shrunk(world(5, first=6005))
    assert ListAbsence.objects.count() == 3000
    assert list(ListQuarantine.objects.order_by("id").values_list("state", "count")) == [("done", 3000), ("open", 3005)]


def test_a_rejected_shrink_is_ignored_until_the_list_has_been_whole(shrunk: Lists, capture_log: Any) -> None:
    decide(shrunk, approve=False)
    for _ in range(5):
        shrunk(world(3010, first=3000), after=15 * MINUTE)
    assert (removed(), ListQuarantine.objects.count(), warnings(capture_log)) == (0, 1, [])
    for _ in range(4):
        shrunk(world(6010), after=15 * MINUTE)
    shrunk(world(3010, first=3000))
    assert list(ListQuarantine.objects.order_by("id").values_list("state", flat=True)) == ["rejected", "open"]
    assert warnings(capture_log) == ["list.shrunk"]


def test_a_shrink_that_heals_closes_by_itself(shrunk: Lists) -> None:
    shrunk(world(6010))
    assert state() == "open"
    shrunk(world(6010), after=31 * MINUTE)
    assert state() == "done"
    row = ListQuarantine.objects.get()
    with pytest.raises(decisions.Decided, match="over"):
        decisions.decide(row.pk, approve=True, by="ann", now=shrunk.now)


def test_a_decision_is_taken_once_and_can_be_repeated_but_not_turned(shrunk: Lists) -> None:
    first = decide(shrunk, approve=True)
    again = decisions.decide(first.pk, approve=True, by="bob", now=shrunk.now + MINUTE)
    assert (again.decided_by, again.decided_at) == ("ann", shrunk.now)
    with pytest.raises(decisions.Decided, match="approved by ann"):
        decisions.decide(first.pk, approve=False, by="bob", now=shrunk.now)
    shrunk(world(3010, first=3000))
    assert decisions.decide(first.pk, approve=True, by="bob", now=shrunk.now).state == "done"
    with pytest.raises(decisions.Unknown):
        decisions.decide(first.pk + 99, approve=True, by="bob", now=shrunk.now)


@pytest.fixture
def flooded(run_list: Lists, settings: Settings) -> Lists:
    """A list of 2,003 that won 300."""
    settings.DRIP_BATCH, settings.DRIP_DELAY_S = 50, 2
    run_list(world(2000))
    outcome = run_list(world(2300))
    assert (outcome.accepted, outcome.new, outcome.quarantined) == (True, 0, 300)
    assert Token.objects.count() == 2003
    return run_list


def announced() -> list[str | None]:
    return list(OutboxEvent.objects.filter(type="token:new").order_by("id").values_list("mint", flat=True))


def test_a_flood_is_held_once_however_many_lists_show_it(flooded: Lists, capture_log: list[dict[str, Any]]) -> None:
    for _ in range(3):
        outcome = flooded(world(2300))
        assert (outcome.new, outcome.quarantined, outcome.missing) == (0, 0, 0)
    assert (QuarantinedMint.objects.count(), ListQuarantine.objects.get().count) == (300, 300)
    assert warnings(capture_log) == []


def test_small_additions_beside_a_flood_come_at_once(flooded: Lists) -> None:
    assert flooded(world(2303)).new == 3


def test_a_flood_drips_in_at_its_pace_each_mint_with_its_debt_and_its_event(flooded: Lists) -> None:
    before = len(announced())
    came = [quarantine.drip(flooded.now + timedelta(seconds=second)) for second in range(12)]
    assert came == [50, 0] * 6
    assert state() == "done"
    assert Token.objects.count() == EnrichmentState.objects.count() == 2303
    assert sorted(announced()[before:]) == sorted(mint(n) for n in range(2000, 2300))
    assert quarantine.drip(flooded.now + MINUTE) == 0
    assert flooded(world(2300)).new == 0


def test_an_approved_flood_comes_at_once_as_a_bulk_load(flooded: Lists, settings: Settings) -> None:
    settings.ANNOUNCE_LIMIT = 100
    before = len(announced())
    decide(flooded, approve=True)
    assert quarantine.drip(flooded.now) == 300
    assert (state(), Token.objects.count(), len(announced())) == ("done", 2303, before)
    assert EnrichmentState.objects.filter(priority=5).count() == 2303


def test_a_rejected_flood_never_comes_however_often_it_is_named(flooded: Lists) -> None:
    quarantine.drip(flooded.now)
    decide(flooded, approve=False)
    assert quarantine.drip(flooded.now + MINUTE) == 0
    flooded(world(2000))
    flooded(world(2300), after=40 * MINUTE)
    assert Token.objects.count() == 2053
    assert QuarantinedMint.objects.count() == 250
    ListSource.objects.create(name="partner", kind="list", url=str(flooded.path), interval_s=30, due_at=flooded.now)
    sources.run_due(flooded.now)
    assert Token.objects.count() == 2053


def test_held_mints_that_vanish_are_dropped_without_a_shrink(flooded: Lists, capture_log: list[dict[str, Any]]) -> None:
    quarantine.drip(flooded.now)
    outcome = flooded(world(2050))
    assert (outcome.missing, outcome.reason, QuarantinedMint.objects.count()) == (0, "", 0)
    assert not ListAbsence.objects.exists()
    quarantine.drip(flooded.now)
    assert state() == "open"
    assert flooded(world(2300)).quarantined == 250
    assert (ListQuarantine.objects.count(), warnings(capture_log)) == (1, [])
    flooded(world(2050))
    quarantine.drip(flooded.now + 31 * MINUTE)
    assert state() == "done"


def test_two_floods_drip_one_after_the_other(flooded: Lists) -> None:
    ListQuarantine.objects.update(state="rejected", decided_by="ann", decided_at=flooded.now)
    flooded(world(2300) + [mint(n) for n in range(5000, 5200)])
    ListQuarantine.objects.filter(state="rejected").update(state="approved")
    assert [quarantine.drip(flooded.now), quarantine.drip(flooded.now), quarantine.drip(flooded.now)] == [300, 50, 0]


def test_a_drip_that_fails_leaves_everything_as_it_was(flooded: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(*_: Any, **__: Any) -> None:
        raise RuntimeError("killed")

    before = len(announced())
    with monkeypatch.context() as patch:
        patch.setattr(quarantine.ListQuarantine, "save", dead)
        with pytest.raises(RuntimeError):
            quarantine.drip(flooded.now)
    assert (Token.objects.count(), QuarantinedMint.objects.count(), len(announced())) == (2003, 300, before)
    assert quarantine.drip(flooded.now) == 50


def test_twenty_thousand_unknown_mints_at_once_are_held_quickly(run_list: Lists) -> None:
    run_list(world(30_000))
    outcome = run_list(world(50_000))
    assert (outcome.quarantined, Token.objects.count()) == (20_000, 30_003)
    assert outcome.duration_s < 10


def test_known_mints_that_are_new_to_this_list_are_no_flood(run_list: Lists) -> None:
    run_list(world(2000))
    for _ in range(3):
        run_list(world(1500), after=15 * MINUTE)
    assert removed() == 500
    outcome = run_list(world(2000))
    assert (outcome.quarantined, removed()) == (0, 0)
