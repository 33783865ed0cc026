"""List sources from fetch to rows: deltas, disbelief, and runs that change nothing."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pytest_django import Settings

from enrichment import schedule, sources
from enrichment.models import EnrichmentState, ListAbsence, ListRun, ListSnapshot, ListSource
from tests.conftest import NOW, Lists, mint, world
from tests.upstreams import Upstreams
from tokens import digests
from tokens.leasing import database_now
from tokens.models import Installation, OutboxEvent, Token, TokenPrice

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def test_new_mints_get_their_rows_their_debts_and_their_events_at_once(run_list: Lists) -> None:
    outcome = run_list(world(5000))
    assert (outcome.accepted, outcome.new, outcome.missing) == (True, 5003, 0)
    assert Token.objects.count() == TokenPrice.objects.count() == EnrichmentState.objects.count() == 5003
    outcome = run_list(world(5000, first=50))
    assert (outcome.new, outcome.missing) == (50, 50)
    assert OutboxEvent.objects.filter(type="token:new").count() == 50
    assert Token.objects.count() == 5053


def test_a_hash_leads_back_to_its_token(run_list: Lists) -> None:
    run_list(world(50))
    key = Installation.current().digest_key
    stored = dict(Token.objects.values_list("mint", "digest"))
    assert stored == {m: digests.signed(digests.of([m], key))[0] for m in stored}


def test_many_copies_of_each_mint_are_one_row_each(run_list: Lists) -> None:
    copies = world(2000) * 3
    random.Random(3).shuffle(copies)
    outcome = run_list(copies)
    assert (outcome.accepted, outcome.size, outcome.valid, outcome.new) == (True, 6009, 2003, 2003)
    assert run_list(world(2000)).missing == 0
    assert Token.objects.count() == 2003


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
    assert after.lease_id is None
    assert after.due_at == schedule.next_start(
        run_list.now, interval_s=30, phase_s=schedule.phase_s(after.name, after.interval_s)
    )
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
    run = ListRun.objects.latest("started_at")
    assert 715 <= run.skipped <= 719
    assert late < ListSource.objects.get(name="list").due_at <= late + timedelta(seconds=30)


def test_a_run_whose_lease_was_lost_changes_nothing(run_list: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    run_list(world(5))
    compare = sources.intake.compare

    def slow(source: ListSource, *rest: Any) -> Any:
        ListSource.objects.filter(pk=source.pk).update(lease_id="00000000-0000-0000-0000-000000000001")
        return compare(source, *rest)

    monkeypatch.setattr(sources.intake, "compare", slow)
    outcome = run_list(world(9))
    assert (outcome.accepted, outcome.new, outcome.reason) == (False, 0, "another worker took the run over")
    assert Token.objects.count() == 8
    assert ListRun.objects.count() == 1


def test_a_dry_run_tells_and_changes_nothing_and_gives_the_source_back(run_list: Lists) -> None:
    run_list(world(50))
    run_list.path.write_text(json.dumps(world(50, first=10)))
    run_list.now += MINUTE
    claim = sources.claim_due(ListSource, now=run_list.now, limit=1, lease=sources.LEASE, where="name = 'list'")
    outcome = sources.run(claim, run_list.now, is_dry=True)
    assert (outcome.accepted, outcome.new, outcome.missing) == (True, 10, 10)
    assert (Token.objects.count(), ListRun.objects.count(), ListAbsence.objects.count()) == (53, 1, 0)
    assert ListSource.objects.get(name="list").lease_id is None


def test_a_run_takes_a_bounded_number_of_statements(
    run_list: Lists, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    run_list(world(6000))
    with django_assert_max_num_queries(40):
        run_list(world(6000, first=100))
    with django_assert_max_num_queries(30):
        run_list.again()


@pytest.fixture
def tagged() -> Iterator[Any]:
    """A list server that knows ETags, and tells what it was asked; `tagged.body` is the list."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tag = f'"{hashlib.md5(server.body).hexdigest()}"'  # type: ignore[attr-defined]  # noqa: S324
            held = self.headers.get("If-None-Match")
            server.asked.append(held)  # type: ignore[attr-defined]
            self.send_response(304 if held == tag else 200)
            self.send_header("ETag", tag)
            if held != tag:
                self.send_header("Content-Length", str(len(server.body)))  # type: ignore[attr-defined]
            self.end_headers()
            if held != tag:
                self.wfile.write(server.body)  # type: ignore[attr-defined]

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.body, server.asked = b"", []  # type: ignore[attr-defined]
    server.url = f"http://127.0.0.1:{server.server_port}/all.json"  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_list_that_has_not_changed_is_not_sent_again_and_still_counts(
    run_list: Lists, settings: Settings, tagged: Any
) -> None:
    settings.TOKEN_LIST_URL = tagged.url
    tagged.body = json.dumps(world(50)).encode()
    run_list.again()
    tagged.body = json.dumps(world(49)).encode()
    run_list.again()
    runs = [run_list.again(after=timedelta(minutes=20)) for _ in range(2)]
    assert [o.reason for o in runs] == ["not modified"] * 2
    assert [(o.accepted, o.size, o.valid, o.removed) for o in runs] == [(True, 52, 52, 0), (True, 52, 52, 1)]
    assert Token.objects.get(mint=mint(49)).removed_at is not None
    assert [held is None for held in tagged.asked] == [True, False, False, False]


def test_another_address_forgets_the_old_ones_etag(run_list: Lists, settings: Settings, tagged: Any) -> None:
    settings.TOKEN_LIST_URL = tagged.url
    tagged.body = json.dumps(world(5)).encode()
    run_list.again()
    settings.TOKEN_LIST_URL = f"{tagged.url}?other"
    assert run_list.again().reason == ""
    assert tagged.asked == [None, None]


def test_a_refused_list_keeps_the_etag_of_the_accepted_one(run_list: Lists, settings: Settings, tagged: Any) -> None:
    settings.TOKEN_LIST_URL = tagged.url
    good = json.dumps(world(5)).encode()
    for body in (good, b"[]", good):
        tagged.body = body
        last = run_list.again()
    assert last.reason == "not modified"
    assert tagged.asked[1] == tagged.asked[2]


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


def test_a_feed_whose_gate_is_shut_is_asked_again_when_it_opens(upstreams: Upstreams) -> None:
    sources.ensure_sources(NOW)
    ListSource.objects.exclude(kind="jupiter_recent").update(enabled=False)
    now = database_now()
    with upstreams.failing("rate_limited"):
        (outcome,) = sources.run_due(now)
    assert not outcome.accepted
    due_at = ListSource.objects.get(kind="jupiter_recent").due_at
    assert timedelta(0) < due_at - now < timedelta(seconds=15)
