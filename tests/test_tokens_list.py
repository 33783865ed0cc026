"""`GET /api/v3/tokens`: pages, fields, filters, and the strict reading of every parameter."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests import builders
from tests.conftest import NOW, mint
from tokens import counts, serializers
from tokens.counts import Count
from tokens.fields import FIELDS, LIGHT

pytestmark = pytest.mark.django_db
PATH = "/api/v3/tokens"


def ask(client: Client, query: str = "", **headers: str) -> dict[str, Any]:
    response = client.get(f"{PATH}?{query}", headers=headers)
    assert response.status_code == 200, response.content
    return response.json()


def refused(client: Client, query: str) -> list[dict[str, Any]]:
    response = client.get(f"{PATH}?{query}")
    assert response.status_code == 400, (query, response.content)
    assert response["Content-Type"] == "application/problem+json"
    return response.json()["errors"]


def symbols(answer: dict[str, Any]) -> list[str]:
    return [row["symbol"] for row in answer["data"]]


def test_a_row_has_every_field_in_its_wire_encoding(client: Client) -> None:
    builders.token(
        1, name="<script>alert(1)</script>", price=Decimal("0.00000001230"), change_24h=-1.5,
        total_supply=Decimal(10**21), price_observed_at=NOW, tags=["meme"], verified=True,
        socials={"twitter": "https://x.com/a"}, websites=["https://a.io"],
    )  # fmt: skip
    (row,) = ask(client)["data"]
    assert list(row) == [*(n for n in FIELDS if n not in ("socials", "websites")), "socials", "websites"]
    expected = {
        "address": mint(1), "name": "<script>alert(1)</script>", "price": "0.0000000123", "change_24h": -1.5,
        "total_supply": "1000000000000000000000", "price_observed_at": "2026-11-22T12:00:00.000Z", "tags": ["meme"],
        "verified": True, "socials": {"twitter": "https://x.com/a"},
        "websites": [{"label": "site", "url": "https://a.io"}], "rank": 1,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected


def test_unknown_is_null_and_never_zero(client: Client) -> None:
    builders.token(1, rank=None)
    (row,) = ask(client)["data"]
    for name in ("price", "market_cap", "liquidity", "volume_24h", "change_24h", "price_age_s", "rank", "holder_count"):
        assert row[name] is None
    assert (row["price_status"], row["socials"], row["websites"]) == ("unavailable", {}, [])


def test_an_empty_list_is_a_page_without_rows(client: Client) -> None:
    answer = ask(client)
    assert (answer["status"], answer["count"], answer["data"]) == ("success", 0, [])
    assert answer["pagination"] == {
        "page": 1, "limit": 100, "total": 0, "total_is_estimate": False, "total_pages": 0, "has_next": False,
        "has_previous": False, "next_cursor": None,
    }  # fmt: skip


def test_pages_follow_each_other_without_gap_or_repeat(client: Client) -> None:
    for number in range(1, 8):
        builders.token(number, rank=None if number > 5 else 6 - number)  # two unranked ones come last
    pages = [ask(client, f"limit=3&page={page}") for page in (1, 2, 3, 4)]
    assert [s for page in pages for s in symbols(page)] == ["T5", "T4", "T3", "T2", "T1", "T6", "T7"]
    assert [page["pagination"]["has_next"] for page in pages] == [True, True, False, False]
    assert [page["pagination"]["has_previous"] for page in pages] == [False, True, True, True]
    assert {(p["pagination"]["total"], p["pagination"]["total_pages"]) for p in pages} == {(7, 3)}


def test_meta_says_when_whence_and_up_to_which_event(client: Client) -> None:
    builders.token(1)
    builders.publish(builders.update(1), builders.update(1, 3))
    response = client.get(PATH)
    meta = response.json()["meta"]
    assert (meta["seq"], meta["upstreams"], meta["warnings"]) == (2, "sandbox", [])
    assert meta["request_id"] == response["X-Request-ID"]
    assert meta["generated_at"].endswith("Z")


def test_a_limit_above_the_maximum_is_clamped_and_told(client: Client) -> None:
    answer = ask(client, "limit=2001")
    assert answer["pagination"]["limit"] == 2000
    assert answer["meta"]["warnings"] == ["limit 2001 is above the maximum; 2000 was used"]


@pytest.mark.parametrize(
    "text",
    ["0", "-1", "abc", "1e3", "1_000", "١٠", "２０", "+5", "99999999999999999999", "", " 5", "5.0", "0x10", "007"],
)
@pytest.mark.parametrize("param", ["limit", "page"])
def test_a_number_is_plain_ascii_digits_or_refused(client: Client, param: str, text: str) -> None:
    (error,) = refused(client, f"{param}={quote(text)}")
    assert (error["param"], error["code"]) == (param, "invalid_integer")


@pytest.mark.parametrize("query", ["page=1001", "limit=2000&page=51", "page=99999999", "limit=2001&page=51"])
def test_pages_end_where_a_cursor_must_take_over(client: Client, query: str) -> None:
    (error,) = refused(client, query)
    assert (error["param"], error["code"]) == ("page", "too_deep")
    assert "use cursor" in error["message"]


def test_the_last_page_before_that_is_answered(client: Client) -> None:
    assert ask(client, "limit=2000&page=50")["data"] == []


@pytest.mark.parametrize("query", ["limit=10&limit=20", "sort=rank&sort=rank", "light=true&light=true"])
def test_a_parameter_is_given_once(client: Client, query: str) -> None:
    assert [error["code"] for error in refused(client, query)] == ["duplicate_parameter"]


@pytest.mark.parametrize(
    "name", ["_connector", "id__in", "name__regex", "format", "callback", "search", "cursor", "x" * 500]
)
def test_an_unknown_parameter_is_refused_naming_the_known_ones(client: Client, name: str) -> None:
    (error,) = refused(client, f"{name}=json")
    assert (error["param"], error["code"]) == (name[:64], "unknown_parameter")
    assert "limit" in error["allowed"]


@pytest.mark.parametrize(
    "text",
    ["price;DROP TABLE", "user__password", "-", "a.b", "pg_sleep(5)", "", "--rank", "?", "token__mint", "rank,address"],
)
def test_a_sort_is_one_of_ours_or_refused(client: Client, text: str) -> None:
    (error,) = refused(client, f"sort={quote(text)}")
    assert error["param"] == "sort"
    assert error["allowed"] == ["rank", "-rank", "first_seen_at", "-first_seen_at", "address", "-address"]


def test_every_wrong_parameter_is_named_at_once(client: Client) -> None:
    assert [error["param"] for error in refused(client, "limit=0&page=x&foo=1&sort=a")] == [
        "limit",
        "page",
        "foo",
        "sort",
    ]
    assert len(refused(client, "&".join(f"p{n}=1" for n in range(900)))) == 20


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("rank", [1, 2, 3]), ("-rank", [2, 1, 3]), ("first_seen_at", [3, 2, 1]), ("-first_seen_at", [1, 2, 3]),
    ],
)  # fmt: skip
def test_sorting_puts_the_unknown_last_both_ways(client: Client, sort: str, expected: list[int]) -> None:
    for number, rank in ((1, 1), (2, 2), (3, None)):
        builders.token(number, rank=rank, first_seen_at=NOW - timedelta(hours=number))
    assert symbols(ask(client, f"sort={sort}")) == [f"T{n}" for n in expected]


def test_sorting_by_address_is_by_its_bytes(client: Client) -> None:
    for number in range(20):
        builders.token(number)
    addresses = [row["address"] for row in ask(client, "sort=address")["data"]]
    assert addresses == sorted(addresses)
    assert [row["address"] for row in ask(client, "sort=-address")["data"]] == addresses[::-1]


def test_only_the_fields_asked_for_are_answered(client: Client) -> None:
    builders.token(1, websites=["https://a.io"])
    assert ask(client, "fields=rank,symbol,rank")["data"] == [{"symbol": "T1", "rank": 1}]
    assert ask(client, "fields=websites")["data"] == [{"websites": [{"label": "site", "url": "https://a.io"}]}]
    assert list(ask(client, "light=true")["data"][0]) == list(LIGHT)
    assert len(ask(client, "light=false")["data"][0]) == len(FIELDS)


@pytest.mark.parametrize("text", ["", "price,", "secret", "token__mint", "revision", "__proto__", "Price"])
def test_an_unknown_field_is_refused_naming_the_known_ones(client: Client, text: str) -> None:
    (error,) = refused(client, f"fields={text}")
    assert (error["param"], error["code"], error["allowed"]) == ("fields", "unknown_field", list(FIELDS))


def test_fields_and_light_contradict_each_other(client: Client) -> None:
    assert [error["code"] for error in refused(client, "fields=price&light=true")] == ["conflict"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"addresses={mint(3)},{mint(1)},{mint(99)},{mint(1)}", [1, 3]),
        ("status=complete", [1]), ("status=pending", [2]), ("status=removed", [3]),
        ("price_status=ok", [1]), ("price_status=unavailable", [2, 3]),
        ("tier=CRITICAL", [1]), ("tier=NOSUCH", []), ("verified=true", [1]), ("verified=false", [2]),
        ("launchpad=pump.fun", [2]), ("status=pending&verified=false&launchpad=pump.fun", [2]),
        ("status=complete&launchpad=pump.fun", []),
    ],
)  # fmt: skip
def test_filters_narrow_the_list(client: Client, query: str, expected: list[int]) -> None:
    builders.token(1, status="complete", price_status="ok", tier="CRITICAL", verified=True)
    builders.token(2, verified=False, launchpad="pump.fun")
    builders.token(3, status="complete", removed_at=NOW)
    answer = ask(client, query)
    assert symbols(answer) == [f"T{n}" for n in expected]
    assert answer["pagination"]["total"] == len(expected)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("status=gone", "status"), ("price_status=OK", "price_status"), ("verified=1", "verified"),
        ("verified=", "verified"), ("addresses=", "addresses"), ("addresses=abc", "addresses"), ("light=yes", "light"),
        ("tier=%00", "tier"), ("tier=a%25b';--", "tier"), ("launchpad=%00", "launchpad"),
        ("launchpad=" + "x" * 65, "launchpad"), (f"addresses={mint(1).lower()}", "addresses"),
        (f"addresses={','.join(mint(n) for n in range(101))}", "addresses"),
        ("status=%ff%fe", "status"),
    ],
)  # fmt: skip
def test_a_filter_value_of_the_wrong_kind_is_refused(client: Client, query: str, param: str) -> None:
    assert [error["param"] for error in refused(client, query)] == [param]


def test_a_large_total_is_estimated_and_says_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        builders.token(number)
    monkeypatch.setattr(counts, "EXACT_BELOW", 5)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE token_prices")
    pagination = ask(client, "limit=10")["pagination"]
    assert (pagination["total"], pagination["total_is_estimate"], pagination["has_next"]) == (30, True, True)
    last = ask(client, "limit=10&page=3")["pagination"]
    assert (last["total"], last["total_is_estimate"], last["has_next"]) == (30, False, False)


def test_an_estimate_never_contradicts_the_rows_that_were_seen(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        builders.token(number)
    monkeypatch.setattr(counts, "quick", lambda rows: Count(3, is_estimate=True))
    assert ask(client, "limit=10")["pagination"]["total"] == 11


@pytest.mark.parametrize(
    ("query", "tables"),
    [
        ("", ["relay_state", "token_prices", "token_socials", "token_websites"]),
        ("light=true", ["relay_state", "token_prices"]),
        ("fields=price,rank&verified=true", ["relay_state", "token_prices"]),
    ],
)
def test_a_page_costs_one_query_however_many_rows(client: Client, query: str, tables: list[str]) -> None:
    for number in range(50):
        builders.token(number, verified=True, websites=["https://a.io"])
    with CaptureQueriesContext(connection) as captured:
        assert ask(client, query)["count"] == 50
    assert [next(t for t in tables if f'FROM "{t}"' in q["sql"]) for q in captured] == tables


def test_counting_costs_one_scan_more_when_another_page_follows(client: Client) -> None:
    for number in range(5):
        builders.token(number)
    with CaptureQueriesContext(connection) as captured:
        ask(client, "limit=2&light=true")
    reads = [q["sql"] for q in captured if q["sql"].startswith("SELECT")]
    assert len(reads) == 3
    assert "COUNT(*)" in reads[-1]


def test_the_same_answer_is_304_whatever_the_clock_says(client: Client) -> None:
    live = builders.token(1, price=Decimal(1), price_observed_at=NOW)
    first = client.get(PATH)
    assert first["Cache-Control"] == "no-cache"
    again = client.get(PATH, headers={"If-None-Match": f'"other", {first["ETag"]}'})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert client.get(PATH, headers={"If-None-Match": "*"}).status_code == 304
    type(live).objects.update(price=Decimal(2))  # no event tells of it, and still:
    assert client.get(PATH, headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_the_etag_is_of_what_is_said_and_not_of_the_clock() -> None:
    def tag(**row: object) -> str:
        return serializers.version({"data": [row], "pagination": {"total": 1}})

    assert tag(price="1", price_age_s=1.5) == tag(price="1", price_age_s=9.0) != tag(price="2", price_age_s=1.5)


@pytest.mark.parametrize("tag", ["", '"', "W/", "x" * 100_000, '"' * 10_000])
def test_a_strange_if_none_match_is_ignored(client: Client, tag: str) -> None:
    assert client.get(PATH, headers={"If-None-Match": tag}).status_code == 200


def test_head_is_get_without_a_body_and_options_names_the_methods(client: Client) -> None:
    head = client.head(PATH)
    assert (head.status_code, head.content, "ETag" in head) == (200, b"", True)
    options = client.options(PATH)
    assert (options.status_code, options.content, options["Allow"]) == (204, b"", "GET, HEAD, OPTIONS")
