"""The page at `/` as the server sends it: complete and safe without a line of JavaScript."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.builders import token
from tests.conftest import NOW, mint
from tokens import counts
from tokens.models import Token, TokenPrice

pytestmark = pytest.mark.django_db
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}{% debug %}${7*7}",
    "' onmouseover='alert(1)",
    "</template><svg onload=alert(1)>",
)


TAGS = (
    "html head meta title link script noscript body a p strong span header img dl div dt dd main footer nav svg symbol"
    " rect path section h1 h2 ol li template code table thead tbody tr th td abbr button use circle bdi"
)


class Markup(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    @property
    def attributes(self) -> list[tuple[str, str]]:
        return [(name, value or "") for _, attributes in self.tags for name, value in attributes.items()]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def html(client: Client, path: str = "/") -> str:
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def row(page: str, address: str) -> str:
    found = re.search(rf'<tr role="row" data-address="{address}".*?</tr>', page, re.DOTALL)
    assert found is not None
    return found[0]


def test_a_row_shows_what_is_known_and_a_dash_for_the_rest(client: Client) -> None:
    token(1, name="One", verified=True, price="0.00001234", price_status="ok", price_received_at=timezone.now(),
          change_1h=1.234, change_24h=-5.0, volume_24h="1234567", market_cap=None)  # fmt: skip
    shown = row(html(client), mint(1))
    assert re.search(r'data-cell="price" title="\$0\.00001234">\$0\.0₄1234<', shown)
    assert '<span class="delta up">+1.23%</span>' in shown
    assert '<span class="delta down">−5.00%</span>' in shown
    assert re.search(r'data-cell="volume_24h" title="\$1234567">\$1\.23M<', shown)
    assert re.search(r'data-cell="market_cap">—<', shown)
    assert 'class="badge verified"' in shown
    assert f'href="https://solscan.io/token/{mint(1)}"' in shown
    assert shown.count('rel="noopener noreferrer nofollow"') == shown.count("<a ") == 3


@pytest.mark.parametrize(
    ("columns", "word"),
    [
        ({"price": "1", "price_status": "ok"}, "ok"),
        ({"price": "1", "price_status": "low"}, "low"),
        ({"price": "1", "price_status": "disputed"}, "disputed"),
        ({"price": "1", "price_status": "stale"}, "stale"),
        ({"price_status": "unavailable", "status": "complete"}, "unavailable"),
        ({"price_status": "unavailable", "status": "pending"}, "pending"),
        ({"price": "1", "price_status": "ok", "removed_at": NOW}, "removed"),
    ],
)
def test_every_standing_but_ok_is_spelt_out(client: Client, columns: dict[str, Any], word: str) -> None:
    token(1, price_received_at=timezone.now() - timedelta(seconds=5), **columns)
    shown = row(html(client), mint(1))
    text = re.search(r'<span class="standing (\w+)[^>]*>([^<]*)</span>', shown)
    assert text is not None
    assert text[1] == word
    assert ("" if word == "ok" else word) in text[2]
    assert (word in text[2]) == (word != "ok")


def test_tokens_stand_in_the_order_of_their_ranks(client: Client) -> None:
    for number in (3, 1, 2):
        token(number, rank=number)
    token(9, rank=None)
    addresses = re.findall(r'<tr role="row" data-address="(\w+)"', html(client))
    assert addresses == [mint(1), mint(2), mint(3), mint(9)]


def test_pages_join_without_a_gap(client: Client) -> None:
    for number in range(1, 202):
        token(number, rank=None if number > 150 else number)
    pages = [html(client, f"/?page={number}") for number in (1, 2, 3)]
    addresses = [re.findall(r'<tr role="row" data-address="(\w+)"', page) for page in pages]
    assert [len(found) for found in addresses] == [100, 100, 1]
    assert sorted(address for found in addresses for address in found) == sorted(
        mint(number) for number in range(1, 202)
    )
    assert 'rel="next" href="?page=2"' in pages[0]
    assert 'rel="prev"' not in pages[0]
    assert 'rel="prev" href="?page=2"' in pages[2]
    assert 'rel="next"' not in pages[2]


@pytest.mark.parametrize("page", ["0", "-1", "+1", "1e1", "1.0", "x", "", "１", "1001", "99999999999", "2"])
def test_a_page_that_is_none_is_not_found(client: Client, page: str) -> None:
    token(1)
    answer = client.get("/", {"page": page})
    assert answer.status_code == 404
    assert "There is no such page" in answer.content.decode()


def test_before_the_first_ranking_the_page_says_what_is_going_on(client: Client) -> None:
    for page in (html(client), (token(1, rank=None), html(client))[1]):
        assert re.search(r'<section class="waiting" id="waiting">', page)
        assert re.search(r'<section class="board" id="board"[^>]* hidden>', page)
        assert '<noscript><meta http-equiv="refresh"' in page
    token(2)
    assert re.search(r'<section class="waiting" id="waiting" hidden>', html(client))


@pytest.mark.parametrize(("upstreams", "is_told"), [("sandbox", True), ("live", False)])
def test_simulated_data_is_labelled(client: Client, settings: Any, upstreams: str, is_told: bool) -> None:
    settings.UPSTREAMS = upstreams
    assert ("Simulated data — sandbox upstreams" in html(client)) == is_told


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_stays_text(client: Client, text: str) -> None:
    token(1, symbol=text, name=text, flags=[text], price_sources=[text], price_received_at=NOW)
    markup, shown = Markup(html(client)), row(html(client), mint(1))
    assert {name for name, _ in markup.attributes if name.startswith("on")} == set()
    assert {tag for tag, _ in markup.tags} <= set(TAGS.split())
    assert [source for name, source in markup.attributes if name == "src" and not source.startswith("/static/")] == []
    assert Markup(shown).texts.count(text) == 3


def test_the_page_needs_nothing_inline_and_nothing_foreign(client: Client) -> None:
    token(1, image_url="https://evil.example/logo.png")
    response = client.get("/")
    markup = Markup(response.content.decode())
    assert "evil.example" not in response.content.decode()
    assert {"style", "onclick"}.isdisjoint(name for name, _ in markup.attributes)
    assert all("src" in attributes for tag, attributes in markup.tags if tag == "script")
    assert all(value.startswith("/static/") for name, value in markup.attributes if name == "src")
    assert "script-src 'self';" in response["Content-Security-Policy"]
    assert "unsafe" not in response["Content-Security-Policy"]


def test_asked_for_json_the_page_answers_its_two_counts(client: Client) -> None:
    token(1, price="1")
    token(2, rank=None)
    answer = client.get("/", headers={"accept": "application/json"})
    assert answer.json() == {"known": 2, "known_is_estimate": False, "priced": 1}
    assert "Accept" in answer["Vary"]


def test_more_rows_cost_no_more_queries(client: Client) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            html(client)
        return len(queries)

    token(1)
    few = cost()
    for number in range(2, 80):
        token(number, flags=["mint_authority"])
    assert cost() == few


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_the_page_is_only_read(client: Client, method: str) -> None:
    assert getattr(client, method)("/").status_code == 405


def many_tokens(count: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tokens (mint, first_source, first_seen_at, updated_at, status, tags, flags)"
            " SELECT 'm' || n, 'test', now(), now(), 'pending', '{}', '{}' FROM generate_series(1, %s) n",
            [count],
        )
        cursor.execute("ANALYZE tokens")


def test_a_large_table_is_estimated_and_not_counted() -> None:
    many_tokens(counts.EXACT_BELOW + 5_000)
    with CaptureQueriesContext(connection) as queries:
        counted = counts.quick(Token.objects.all())
    assert counted.is_estimate
    assert counted.value == pytest.approx(counts.EXACT_BELOW + 5_000, rel=0.2)
    assert all("LIMIT" in query["sql"] for query in queries if "COUNT(" in query["sql"])


def test_a_count_that_takes_too_long_gives_way_to_the_estimate() -> None:
    token(1)
    slow = TokenPrice.objects.extra(where=["pg_sleep(2) IS NOT NULL"])
    assert counts.careful(slow).is_estimate
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        after_a_failure = cursor.fetchone()[0]
        assert counts.careful(TokenPrice.objects.all()) == counts.Count(1)
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone()[0] == after_a_failure
