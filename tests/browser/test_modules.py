"""The page's pure JavaScript, run in Chromium against the same vectors and answers as the Python."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from tests.conftest import mint
from tests.test_format import VECTORS
from tokens import format
from tokens.avatar import avatar

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def module(live_server: LiveServer, visit: Callable[..., Page]) -> Callable[[str, str, Any], Any]:
    """Evaluate an expression of (m, input), m being one of our modules, under the page's own policy."""
    page = visit(live_server.url)

    def run(name: str, expression: str, given: Any = None) -> Any:
        code = f"async (input) => {{ const m = await import('/static/tokens/{name}.js'); return {expression}; }}"
        return page.evaluate(code, given)

    return run


def test_javascript_formats_as_agreed(module: Callable[..., Any]) -> None:
    for kind, vectors in VECTORS.items():
        assert module("format", f"input.map((v) => m.{kind}(v))", [v[0] for v in vectors]) == [v[1] for v in vectors]
    directions = module("format", "input.map((v) => m.direction(v))", [v[0] for v in VECTORS["percent"]])
    assert directions == [v[2] for v in VECTORS["percent"]]


def test_python_and_javascript_say_the_same_of_any_number(module: Callable[..., Any]) -> None:
    chance = random.Random(20261122)
    texts = [f"{Decimal(chance.randrange(1, 10 ** chance.randrange(1, 20))).scaleb(-chance.randrange(0, 19)):f}"
             for _ in range(4000)]  # fmt: skip
    texts += [f"{'9' * n}.{'9' * m}" for n in range(1, 9) for m in range(1, 9)] + [
        f"0.{'0' * n}99995" for n in range(12)
    ]
    changes = [chance.gauss(0, 10 ** chance.randrange(-8, 9)) for _ in range(2000)]
    ages = [chance.uniform(0, 10 ** chance.randrange(1, 10)) for _ in range(500)]
    every = "[input[0].map(m.price), input[0].map(m.amount), input[1].map(m.percent), input[2].map(m.age)]"
    said = module("format", every, [texts, changes, ages])
    assert said[0] == [format.price(Decimal(text)) for text in texts]
    assert said[1] == [format.amount(Decimal(text)) for text in texts]
    assert said[2] == [format.percent(change) for change in changes]
    assert said[3] == [format.age(age) for age in ages]


def test_what_is_no_number_reads_as_unknown(module: Callable[..., Any]) -> None:
    nonsense = ["", "abc", "NaN", "Infinity", "1,000", "<b>", {}, []]
    assert module("format", "input.map((v) => [m.price(v), m.amount(v), m.percent(v)])", nonsense) == [["—"] * 3] * 8


def test_both_sides_draw_the_same_picture(module: Callable[..., Any]) -> None:
    mints = [mint(number) for number in range(200)]
    fields = ("hue", "other_hue", "turn", "dot_x", "dot_y")
    expected = [{name: getattr(avatar(m), name) for name in fields} for m in mints]
    assert module("avatar", "input.map(m.avatar)", mints) == expected


def test_a_patch_counts_only_as_the_next_revision(module: Callable[..., Any]) -> None:
    known = [None, {"revision": 4}, {"revision": 5}, {"revision": 6}, {"revision": 3}]
    verdicts = module("ledger", "input.map((mine) => m.verdict(mine ?? undefined, 5))", known)
    assert verdicts == ["old", "next", "old", "old", "gap"]


def test_a_ledger_follows_patches_and_ignores_what_it_was_not_asked_for(module: Callable[..., Any]) -> None:
    row = {"address": "A", "revision": 3, "symbol": "S", "price": "1", "price_age_s": 4, "constructor": "x"}
    patch = {
        "address": "A",
        "revision": 4,
        "seq": 9,
        "ts": "2026-11-22T12:00:00.000Z",
        "data": {"price": "2", "__proto__": {"x": 1}},
    }
    token = module(
        "ledger",
        "(() => { const l = new m.Ledger(); l.put(input[0], 8, 10000); const first = l.tokens.get('A').seenMs;"
        " const told = l.patch(input[1], 20000); const again = l.patch(input[1], 20000).verdict;"
        " const stale = l.put({...input[0], price: '0'}, 10, 20000);"
        " return {...told.token, first, again, stale, changed: told.changed, x: told.token.x ?? null}; })()",
        [row, patch],
    )
    assert (token["price"], token["symbol"], token["revision"], token["seq"]) == ("2", "S", 4, 9)
    assert (token["first"], token["seenMs"]) == (6000, 20000)
    assert (token["changed"], token["again"], token["stale"]) == (["price"], "old", None)
    assert token["x"] is None
    assert token.get("constructor") is None


def test_pauses_between_reconnects_grow_vary_and_are_bounded(module: Callable[..., Any]) -> None:
    low, high = module("feed", "[0, 1].map((r) => [0, 1, 2, 5, 20, 2000].map((n) => m.pauseMs(n, r)))")
    assert low == [250, 500, 1000, 8000, 15000, 15000]
    assert high == [500, 1000, 2000, 16000, 30000, 30000]
