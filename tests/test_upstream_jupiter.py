"""Jupiter's calls as they leave: which path, which parameters, at what cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from enrichment.upstream.jupiter import Jupiter
from enrichment.upstream.plans import CREDITS, Plan
from tests.conftest import mint
from tests.wire import Book, client, reply, serving


@pytest.mark.parametrize(
    ("ask", "answer", "target", "call"),
    [
        (lambda j: j.fetch_recent(), b"[]", "/tokens/v2/recent", "recent"),
        (lambda j: j.fetch_verified(), b"[]", "/tokens/v2/tag?query=verified", "tag"),
        (lambda j: j.fetch_tagged("lst"), b"[]", "/tokens/v2/tag?query=lst", "tag"),
        (lambda j: j.fetch_category("toptraded", "1h"), b"[]", "/tokens/v2/toptraded/1h?limit=100", "category"),
        (lambda j: j.fetch_search([mint(1)], "enrich"), b"[]", f"/tokens/v2/search?query={mint(1)}", "search"),
        (lambda j: j.fetch_prices([mint(1)], "top"), b"{}", f"/price/v3?ids={mint(1)}", "price"),
    ],
    ids=["recent", "verified", "lst", "category", "search", "price"],
)
async def test_each_call_asks_its_path_and_is_charged_what_it_costs(
    ask: Callable[[Jupiter], Any], answer: bytes, target: str, call: str
) -> None:
    book = Book(Plan(rpm=60, credits=25_000_000))
    async with serving(reply(answer)) as server, client(server, book) as http:
        assert not await ask(Jupiter(http))
    assert server.heads[0].startswith(f"GET {target} ")
    assert book.state.spending.spent == CREDITS["jupiter"][call]


async def test_a_category_comes_in_the_order_of_the_answer():
    rows = ",".join(f'{{"id":"{mint(n)}"}}' for n in (3, 1, 2))
    async with serving(reply(f"[{rows}]".encode())) as server, client(server) as http:
        found = await Jupiter(http).fetch_category("toptrending")
    assert [seen.mint for seen in found] == [mint(3), mint(1), mint(2)]
