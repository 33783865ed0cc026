"""The admin: quick at any size, honest about what it shows, and safe to open on hostile tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from enrichment.models import EnrichmentState, ListQuarantine, ListRun, ListSource, Upstream
from enrichment.upstream.gate import SLOT_S
from refresh.admin import problems
from refresh.models import RankRun, RefreshRun, RefreshState, RefreshTier
from tests.builders import token
from tests.conftest import NOW, mint
from tests.test_page import HOSTILE, Markup, many_tokens
from tokens.models import Pulse, Token

pytestmark = pytest.mark.django_db
OURS = [
    model for model in admin.site._registry if model.__module__.split(".")[0] in {"tokens", "enrichment", "refresh"}
]
SCRIPT_URL = "javascript:alert(document.cookie)"


def listing(model: type, **query: str) -> tuple[str, dict[str, str]]:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"), query


def detail(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


@pytest.fixture
def operator(client: Client) -> Client:
    """A logged-in superuser, made without the second that hashing a password takes."""
    client.force_login(User.objects.create(username="operator", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def everything() -> dict[type, Any]:
    """A row of every model of ours that the admin shows."""
    live = token(1, price="0.00001234", price_status="ok", socials={"twitter": SCRIPT_URL}, websites=[SCRIPT_URL])
    source = ListSource.objects.create(name="list", kind="list", url="https://u:secret@lists.example/all.json?key=secret",
                                       interval_s=30, due_at=NOW)  # fmt: skip
    slot = int(timezone.now().timestamp() / SLOT_S)
    gate = {"calls": [[slot - 300, "enrich", 9], [slot - 20, "refresh", 3], [slot, "detect", 1]],
            "results": [[1, 3, 1]], "opens": 1, "open_until": 4e9}  # fmt: skip
    rows = [
        live.token,
        source,
        ListRun.objects.create(
            source=source, started_at=NOW, duration_s=0.5, accepted=False, reason="<b>truncated</b>"
        ),
        ListQuarantine.objects.create(source=source, kind="shrunk", at=NOW, seen_at=NOW, count=3000),
        EnrichmentState.objects.create(token=live.token, due_at=NOW, last_error="no answer"),
        Upstream.objects.create(name="jupiter", gate=gate),
        RefreshTier.objects.get(name="HIGH"),
        RefreshState.objects.create(token=live.token, position=0, due_at=NOW),
        RefreshRun.objects.create(started_at=NOW, duration_s=0.5, fresh=3),
        RankRun.objects.create(at=NOW, size=1, changed=1, duration_s=0.1),
        Pulse.objects.create(name="refresh", due_at=NOW, beat_at=timezone.now()),
    ]
    return {type(row): row for row in rows}


def test_every_page_opens_and_needs_nothing_inline(operator: Client, everything: dict[type, Any]) -> None:
    assert set(OURS) == set(everything)
    for model, row in everything.items():
        for path in (listing(model)[0], detail(row)):
            response = operator.get(path)
            assert response.status_code == 200, path
            markup = Markup(response.content.decode())
            assert all("src" in attributes for tag, attributes in markup.tags if tag == "script"), path
            assert not {name for name, _ in markup.attributes if name == "style" or name.startswith("on")}, path
            assert "Simulated data — sandbox upstreams" in response.content.decode()


def test_a_stranger_is_asked_to_log_in(client: Client) -> None:
    for model in OURS:
        assert client.get(listing(model)[0]).status_code == 302


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_token_stays_text(operator: Client, text: str) -> None:
    row = token(1, symbol=text, name=text, description=text, image_url=SCRIPT_URL, tags=[text], flags=[text],
                launchpad=text, socials={text: SCRIPT_URL}, websites=[SCRIPT_URL, "https://good.example/"])  # fmt: skip
    for path in (listing(Token)[0], detail(row.token)):
        markup = Markup(operator.get(path).content.decode())
        assert any(text in shown for shown in markup.texts)
        assert not {name for name, _ in markup.attributes if name.startswith("on")}
        assert all("src" in attributes for tag, attributes in markup.tags if tag == "script")
        assert all(value.startswith(("/static/", "/admin/")) for name, value in markup.attributes if name == "src")
        links = [value for name, value in markup.attributes if name == "href"]
        assert not [link for link in links if link.startswith(("javascript:", "https://good."))]


def test_a_token_shows_its_price_and_standing(operator: Client) -> None:
    token(1, price="0.00000003", price_status="disputed", status="complete", removed_at=NOW)
    page = operator.get(listing(Token)[0]).content.decode()
    assert '<span title="0.00000003">$0.0₇3</span>' in page
    assert "removed · disputed" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (mint(1), {1}),
        (mint(2)[:9], {2}),
        ("usd", {1, 2}),
        ("USDC", {1}),
        ("SDC", set()),
        ("%", set()),
        ("U_D", set()),
        ("\0", {1, 2, 3}),
    ],
)
def test_a_token_is_found_by_its_mint_or_by_how_its_symbol_begins(
    operator: Client, query: str, found: set[int]
) -> None:
    for number, symbol in ((1, "USDC"), (2, "USDT"), (3, "SOL")):
        token(number, symbol=symbol)
    page = operator.get(listing(Token)[0], {"q": query}).content.decode()
    assert {number for number in (1, 2, 3) if mint(number) in page} == found


@pytest.mark.parametrize("model", [Token, ListRun, EnrichmentState, RefreshState, RefreshRun, RankRun, Pulse])
def test_what_the_pipeline_writes_cannot_be_edited(operator: Client, everything: dict[type, Any], model: type) -> None:
    row, before = everything[model], list(model.objects.values())
    base = listing(model)[0]
    assert operator.post(f"{base}add/", {}).status_code == 403
    assert operator.post(detail(row), {"symbol": "X"}).status_code == 403
    assert operator.post(f"{base}{row.pk}/delete/", {"post": "yes"}).status_code in {302, 403, 404}
    assert list(model.objects.values()) == before


def test_a_large_table_opens_without_counting_it(operator: Client) -> None:
    many_tokens(25_000)
    with CaptureQueriesContext(connection) as queries:
        page = operator.get(listing(Token)[0]).content.decode()
    assert "The number of rows is an estimate." in page
    assert all("LIMIT" in query["sql"] for query in queries if "COUNT(" in query["sql"])


def test_the_pages_of_a_board_join_without_a_gap(operator: Client) -> None:
    many_tokens(250)
    found = [operator.get(listing(Token)[0], {"p": str(page)}).context["cl"].result_list for page in (1, 2, 3)]
    ids = [row.pk for page in found for row in page]
    assert [len(page) for page in found] == [100, 100, 50]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 250


def test_a_search_walks_an_index(operator: Client) -> None:
    many_tokens(25_000)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tokens SET symbol = 'S' || id")
        cursor.execute("ANALYZE tokens")
    request = None
    for term in ("S12", mint(1), mint(1)[:8]):
        found, _ = admin.site._registry[Token].get_search_results(request, Token.objects.order_by("id"), term)
        assert "Seq Scan" not in found.order_by().explain()


# --- tiers ---

TIERS = [("A", 1), ("B", 51), ("C", 201)]


@pytest.mark.parametrize(
    ("starts", "said"),
    [
        (TIERS, []),
        ([("A", 2), ("B", 51)], ["A must begin at rank 1: the ranks above 2 would belong to no tier."]),
        ([("A", 1), ("B", 1)], ["B must begin after rank 1, where A begins, not at 1."]),
        ([("A", 1), ("B", 60), ("C", 55)], ["C must begin after rank 60, where B begins, not at 55."]),
    ],
)
def test_starts_that_do_not_divide_the_ranks_are_named(starts: list[tuple[str, int]], said: list[str]) -> None:
    assert problems(starts) == said


def tier_form(**changes: Any) -> dict[str, Any]:
    """Return the change list's form of all tiers as they are, with `NAME__field` changes."""
    tiers = list(RefreshTier.objects.order_by("position"))
    form: dict[str, Any] = {"form-TOTAL_FORMS": len(tiers), "form-INITIAL_FORMS": len(tiers), "_save": "Save"}
    for number, tier in enumerate(tiers):
        values = {f: getattr(tier, f) for f in ("name", "rank_from", "interval_s", "priority", "factor")}
        values |= {k.split("__")[1]: v for k, v in changes.items() if k.split("__")[0] == tier.name}
        form |= {f"form-{number}-{name}": value for name, value in values.items()}
    return form


def bounds() -> list[tuple[int, int | None]]:
    return list(RefreshTier.objects.order_by("position").values_list("rank_from", "rank_to"))


def test_a_boundary_moves_and_leaves_no_hole(operator: Client) -> None:
    answer = operator.post(listing(RefreshTier)[0], tier_form(HIGH__rank_from=31, MEDIUM__rank_from=101))
    assert answer.status_code == 302
    assert bounds()[:3] == [(1, 30), (31, 100), (101, 500)]
    assert bounds()[-1][1] is None
    assert LogEntry.objects.count() == 2


def test_two_boundaries_may_pass_where_the_other_was(operator: Client) -> None:
    operator.post(listing(RefreshTier)[0], tier_form(HIGH__rank_from=250, MEDIUM__rank_from=400))
    assert bounds()[:4] == [(1, 249), (250, 399), (400, 500), (501, 1000)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"CRITICAL__rank_from": 2}, "CRITICAL must begin at rank 1"),
        ({"HIGH__rank_from": 201}, "MEDIUM must begin after rank 201, where HIGH begins"),
        ({"HIGH__rank_from": 1}, "HIGH must begin after rank 1, where CRITICAL begins"),
        ({"HIGH__interval_s": 14}, "At least 15 seconds: no token is refreshed more often."),
        ({"HIGH__interval_s": 0}, "At least 15 seconds"),
        ({"HIGH__interval_s": -5}, "At least 15 seconds"),
        ({"HIGH__interval_s": 10**9}, "At most 86,400 seconds"),
        ({"HIGH__interval_s": "NaN"}, "Enter a whole number"),
        ({"HIGH__factor": "nan"}, "Enter a number"),
        ({"HIGH__factor": 0}, "At least 0.1"),
    ],
)
def test_a_senseless_tier_is_refused_with_its_reason(operator: Client, changes: dict[str, Any], said: str) -> None:
    before = list(RefreshTier.objects.values())
    page = operator.post(listing(RefreshTier)[0], tier_form(**changes))
    assert page.status_code == 200
    assert said in " ".join(Markup(page.content.decode()).texts)
    assert list(RefreshTier.objects.values()) == before


def test_a_tier_edited_alone_must_fit_its_neighbours(operator: Client) -> None:
    high = RefreshTier.objects.get(name="HIGH")
    form = {"rank_from": 600, "interval_s": 30, "priority": 500, "factor": 1}
    page = operator.post(detail(high), form).content.decode()
    assert "MEDIUM must begin after rank 600, where HIGH begins, not at 201." in page
    assert operator.post(detail(high), form | {"rank_from": 61, "interval_s": 45}).status_code == 302
    assert bounds()[:2] == [(1, 60), (61, 200)]
    assert RefreshTier.objects.get(name="HIGH").interval_s == 45


# --- sources and upstreams ---


def test_an_edit_of_a_source_leaves_its_lease_to_the_worker(operator: Client, everything: dict[type, Any]) -> None:
    source = everything[ListSource]
    held = {"lease_id": "12345678-1234-5678-1234-567812345678", "due_at": NOW + timedelta(days=300)}
    form = operator.get(detail(source)).context["adminform"].form  # the operator opens the page …
    ListSource.objects.filter(pk=source.pk).update(**held)  # … and meanwhile a worker claims the source
    assert operator.post(detail(source), form.initial | {"interval_s": 60}).status_code == 302
    stored = ListSource.objects.get(pk=source.pk)
    assert (stored.interval_s, str(stored.lease_id), stored.due_at) == (60, *held.values())


def test_a_shorter_interval_does_not_wait_out_the_longer_one(operator: Client, everything: dict[type, Any]) -> None:
    source = everything[ListSource]
    ListSource.objects.update(due_at=timezone.now() + timedelta(days=1), interval_s=86_400)
    operator.post(detail(source), {"enabled": "on", "interval_s": 10})
    assert ListSource.objects.get().due_at <= timezone.now() + timedelta(seconds=10)


@pytest.mark.parametrize(("interval_s", "said"), [(4, "At least 5 seconds"), (86_401, "At most 86,400 seconds")])
def test_a_senseless_interval_is_refused(
    operator: Client, everything: dict[type, Any], interval_s: int, said: str
) -> None:
    page = operator.post(detail(everything[ListSource]), {"enabled": "on", "interval_s": interval_s})
    assert said in page.content.decode()
    assert ListSource.objects.get().interval_s == 30


def test_a_source_is_shown_without_the_secrets_in_its_address(operator: Client, everything: dict[type, Any]) -> None:
    page = operator.get(detail(everything[ListSource])).content.decode()
    assert "https://lists.example/all.json" in page
    assert "secret" not in page


def test_an_upstream_is_paused_and_resumed_by_a_person_and_the_record_says_so(
    operator: Client, everything: dict[type, Any]
) -> None:
    upstream = everything[Upstream]
    path = listing(Upstream)[0]
    for action, is_paused in (("pause", True), ("resume", False)):
        assert operator.get(path, {"action": action, "_selected_action": upstream.pk}).status_code in {200, 302}
        assert Upstream.objects.get().paused is not is_paused
        operator.post(path, {"action": action, "_selected_action": [upstream.pk]})
        assert Upstream.objects.get().paused is is_paused
    assert Upstream.objects.get().gate == upstream.gate
    assert [entry.change_message for entry in LogEntry.objects.order_by("id")] == ["Paused.", "Resumed."]


def test_a_gate_is_readable(operator: Client, everything: dict[type, Any]) -> None:
    texts = Markup(operator.get(listing(Upstream)[0]).content.decode()).texts
    assert {"open", "2096-10-02 07:06:40 UTC", "4 (refresh 3, detect 1)", "3 good, 1 failed"} <= set(texts)


@pytest.mark.parametrize(("action", "state"), [("approve", "approved"), ("reject", "rejected")])
def test_an_operator_decides_about_a_quarantine_once(
    operator: Client, everything: dict[type, Any], action: str, state: str
) -> None:
    path, _ = listing(ListQuarantine)
    row = everything[ListQuarantine]
    told = operator.post(path, {"action": action, "_selected_action": [row.pk]}, follow=True).content.decode()
    row.refresh_from_db()
    assert (row.state, row.decided_by) == (state, "operator")
    assert f"{state}." in told
    assert LogEntry.objects.filter(object_id=row.pk, user__username="operator").count() == 1
    other = "reject" if action == "approve" else "approve"
    told = operator.post(path, {"action": other, "_selected_action": [row.pk]}, follow=True).content.decode()
    row.refresh_from_db()
    assert row.state == state
    assert f"it was {state} by operator" in told


def test_the_boards_say_how_much_is_left_to_learn(operator: Client, everything: dict[type, Any]) -> None:
    for model in (ListRun, EnrichmentState):
        assert "1 tokens to learn about" in operator.get(listing(model)[0]).content.decode()


@pytest.mark.parametrize(("action", "forced"), [("force_open", "open"), ("force_closed", "closed"), ("reset", "")])
def test_an_operators_order_about_a_breaker_is_carried_out_and_signed(
    operator: Client, action: str, forced: str
) -> None:
    Upstream.objects.create(name="jupiter")
    operator.post(listing(Upstream)[0], {"action": action, "_selected_action": ["jupiter"]})
    upstream = Upstream.objects.get()
    assert (upstream.forced, bool(upstream.forced_by)) == (forced, True)
    assert LogEntry.objects.filter(object_id="jupiter").count() == 1
