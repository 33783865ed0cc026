"""The operators' REST about lists: staff alone, decisions once, and what is owed made visible."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from enrichment import enrich
from enrichment.backlog import backlog, eta_s
from enrichment.models import EnrichmentState, ListQuarantine
from tests.conftest import NOW, Lists, world
from tokens import leasing
from tokens.models import Token

pytestmark = pytest.mark.django_db
PATHS = ["/api/v3/lists/", "/api/v3/lists/runs", "/api/v3/lists/quarantine"]


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(User.objects.create(username="ann", is_staff=True))
    return client


@pytest.fixture
def shrunk(run_list: Lists) -> ListQuarantine:
    run_list(world(5000))
    run_list(world(1000))
    return ListQuarantine.objects.get()


def problem(response: Any, status: int) -> dict[str, Any]:
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    return body


@pytest.mark.parametrize("is_known", [False, True])
def test_only_staff_may_look_or_decide(client: Client, shrunk: ListQuarantine, is_known: bool) -> None:
    if is_known:
        client.force_login(User.objects.create(username="eve"))
    for path in PATHS:
        problem(client.get(path), 403)
    problem(client.post(f"/api/v3/lists/quarantine/{shrunk.pk}/approve"), 403)
    shrunk.refresh_from_db()
    assert shrunk.state == "open"


@pytest.mark.parametrize(
    ("body", "kind"), [("", "application/json"), ("{", "application/json"), ("a=b", "text/plain"), ("", "")]
)
def test_a_decision_needs_the_csrf_token_and_no_body(shrunk: ListQuarantine, body: str, kind: str) -> None:
    client, path = Client(enforce_csrf_checks=True), f"/api/v3/lists/quarantine/{shrunk.pk}/approve"
    client.force_login(User.objects.create(username="ann", is_staff=True))
    assert "CSRF" in problem(client.post(path, body, content_type=kind), 403)["detail"]
    client.cookies["csrftoken"] = "a" * 32
    assert client.post(path, body, content_type=kind, headers={"X-CSRFToken": "a" * 32}).status_code == 200
    assert client.post(path, headers={"X-CSRFToken": "a" * 32}).status_code == 200  # as a form


@pytest.mark.parametrize("path", PATHS)
def test_other_methods_are_not_allowed_and_nothing_is_cached(staff: Client, run_list: Lists, path: str) -> None:
    for method in (staff.post, staff.put, staff.patch, staff.delete):
        assert "not allowed" in problem(method(path), 405)["detail"]
    assert staff.get(path)["Cache-Control"] == "no-store"
    problem(staff.get(path, {"nonsense": "1"}), 400)


def test_the_sources_come_with_their_last_run_and_the_backlog(staff: Client, run_list: Lists) -> None:
    run_list(world(250))
    run_list(b"[]")
    body = staff.get("/api/v3/lists/").json()
    rows = {row["name"]: row for row in body["data"]}
    assert list(rows) == ["jupiter_recent", "jupiter_verified", "list"]
    assert rows["jupiter_recent"]["last_run"] is None
    row = rows["list"]
    assert (row["members"], row["enabled"], row["is_running"], row["interval_s"]) == (253, True, False, 30)
    assert (row["last_run"]["accepted"], row["last_run"]["reason"]) == (False, "empty")
    assert row["last_run"]["started_at"] == "2026-11-22T12:02:00.000Z"
    assert (body["backlog"]["pending"], body["backlog"]["due"]) == (253, 253)
    assert "url" not in row


def test_runs_are_listed_newest_first_and_by_source(staff: Client, run_list: Lists) -> None:
    for count in (10, 11, 12):
        run_list(world(count))
    rows = staff.get("/api/v3/lists/runs", {"source": "list", "limit": "2"}).json()["data"]
    assert [(row["source"], row["new"], row["size"]) for row in rows] == [("list", 1, 15), ("list", 1, 14)]
    assert staff.get("/api/v3/lists/runs", {"source": "jupiter_recent"}).json()["data"] == []
    refused = problem(staff.get("/api/v3/lists/runs", {"source": "x"}), 400)
    assert "list" in refused["errors"][0]["allowed"]
    problem(staff.get("/api/v3/lists/runs", {"limit": "1001"}), 400)


@pytest.mark.parametrize(("word", "other"), [("approve", "reject"), ("reject", "approve")])
@pytest.mark.parametrize("body", ["", "{}", "not json"])
def test_a_decision_is_recorded_repeats_harmlessly_and_cannot_be_turned(
    staff: Client, shrunk: ListQuarantine, word: str, other: str, body: str
) -> None:
    path = f"/api/v3/lists/quarantine/{shrunk.pk}"
    answers = [staff.post(f"{path}/{word}", body, content_type="application/json").json()["data"] for _ in range(2)]
    assert answers[0] == answers[1]
    assert (answers[0]["decided_by"], answers[0]["count"], answers[0]["kind"]) == ("ann", 4000, "shrunk")
    assert answers[0]["state"] == {"approve": "approved", "reject": "rejected"}[word]
    assert "by ann" in problem(staff.post(f"{path}/{other}"), 409)["detail"]
    assert staff.get("/api/v3/lists/quarantine").json()["data"] == [answers[0]]


@pytest.mark.parametrize("path", ["999999/approve", "0/reject"])
def test_an_unknown_quarantine_is_not_found(staff: Client, path: str) -> None:
    problem(staff.post(f"/api/v3/lists/quarantine/{path}"), 404)


@pytest.mark.parametrize("path", ["x/approve", "1/undo", "1/", f"{'9' * 30}/approve"])
def test_no_other_path_exists(staff: Client, path: str) -> None:
    problem(staff.post(f"/api/v3/lists/quarantine/{path}"), 404)


def test_a_decision_is_made_by_post_alone(staff: Client, shrunk: ListQuarantine) -> None:
    problem(staff.get(f"/api/v3/lists/quarantine/{shrunk.pk}/approve"), 405)


@pytest.mark.parametrize(("plan", "hours"), [("keyless", (12, 40)), ("free", (6, 20)), ("pro", (0.01, 0.2))])
def test_a_million_tokens_take_hours_at_what_the_plan_leaves_over(
    settings: Settings, plan: str, hours: tuple[float, float]
) -> None:
    settings.JUPITER_PLAN = plan
    assert hours[0] * 3600 < eta_s(1_000_000) < hours[1] * 3600
    assert eta_s(0) == 0


def test_the_backlog_counts_what_was_never_learnt(run_list: Lists) -> None:
    assert backlog(NOW).oldest_at is None
    run_list(world(7))
    EnrichmentState.objects.filter(token__mint=world(1)[3]).update(priority=enrich.AGAIN)
    EnrichmentState.objects.filter(token__mint=world(2)[4]).update(due_at=NOW + timedelta(days=1))
    owed = backlog(run_list.now)
    assert (owed.pending, owed.due, owed.oldest_at) == (9, 8, run_list.now)


def test_what_came_last_is_learnt_first_within_its_level(run_list: Lists) -> None:
    for count in (5, 10, 15):
        run_list(world(count))
    claim = leasing.claim_by_level(
        EnrichmentState,
        now=run_list.now,
        limit=10,
        lease=timedelta(seconds=60),
        column="priority",
        levels=enrich.LEVELS,
        newest_first=True,
    )
    mints = Token.objects.filter(id__in=[state.token_id for state in claim.rows]).values_list("mint", flat=True)
    assert sorted(mints) == sorted(world(10, first=5)[3:])
