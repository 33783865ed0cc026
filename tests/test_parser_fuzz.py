"""No answer breaks a parser of any upstream: it is read or malformed, no bad number passes, no good row is lost."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrichment.launchpad import recognise
from enrichment.upstream import dexscreener, geckoterminal, helius, jsonapi, jupiter, payload, pumpfun
from enrichment.upstream.adapter import by_mint
from enrichment.upstream.errors import Malformed, UpstreamError
from tests import test_dexscreener, test_geckoterminal, test_helius, test_jupiter, test_pumpfun
from tests.conftest import NOW, mint
from tests.test_jupiter import assert_sane
from tokens.facts import Candle, Observation

Fact = Observation | Candle
fuzz = settings(deadline=None, max_examples=60)


@dataclass(frozen=True)
class Parser:
    """A parser, a good row of what it reads, and the answer that some rows make.

    Where of two rows about one mint the last counts, `beside` is a good row about another.
    """

    parse: Callable[[Any, datetime], Any]
    row: Any
    answer: Callable[[list[Any]], Any]
    beside: Any = None

    def read(self, body: Any) -> list[Fact]:
        found = self.parse(body, NOW)
        return list(found.values()) if isinstance(found, dict) else list(found.found)


def bare(rows: list[Any]) -> Any:
    return rows


def by_key(rows: list[Any]) -> Any:
    return {mint(100 + n) if row is not PRICE else mint(1): row for n, row in enumerate(rows)}


PRICE = {"usdPrice": 2, "liquidity": 6.5, "blockId": 348004023, "priceChange24h": None}
TOKEN, POOL = test_geckoterminal.TOKEN, test_geckoterminal.POOL
PARSERS = {
    "jupiter tokens": Parser(jupiter.parse_tokens, test_jupiter.FULL, bare, beside=test_jupiter.FULL | {"id": mint(2)}),
    "jupiter prices": Parser(jupiter.parse_prices, PRICE, by_key),
    "helius assets": Parser(helius.parse_assets, test_helius.FULL, lambda rows: test_helius.answer(*rows)),
    "dexscreener pairs": Parser(dexscreener.parse_pairs, test_dexscreener.FULL, bare),
    "dexscreener older pairs": Parser(dexscreener.parse_pairs, test_dexscreener.FULL, lambda rows: {"pairs": rows}),
    "dexscreener profiles": Parser(dexscreener.parse_profiles, test_dexscreener.PROFILE, bare),
    "geckoterminal pools": Parser(
        geckoterminal.parse_pools, POOL, lambda rows: test_geckoterminal.answer(*rows, included=[TOKEN])
    ),
    "geckoterminal tokens": Parser(
        geckoterminal.parse_tokens, TOKEN, lambda rows: test_geckoterminal.answer(*rows, included=[POOL])
    ),
    "geckoterminal candles": Parser(
        partial(geckoterminal.parse_candles, mint=mint(1)),
        test_geckoterminal.CANDLE,
        lambda rows: test_geckoterminal.candles(*rows, meta={"base": {"address": mint(1)}}),
    ),
    "pump.fun coins": Parser(pumpfun.parse_coins, test_pumpfun.FULL, bare),
    "pump.fun advanced coins": Parser(pumpfun.parse_coins, test_pumpfun.ADVANCED, lambda rows: {"coins": rows}),
}
every_parser = pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS.keys())

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        ["NaN", "Infinity", "-1", "1e308", "0", "1e-400", "", "&#0;", "\ud800", "solana_", mint(1), mint(1).lower()]
    )
    | st.sampled_from([Decimal("sNaN"), Decimal("1E+999999"), Decimal("-0"), 10**30, 2**64, -(2**63), 1e308])
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)


def mutate(data: st.DataObject, part: Any) -> Any:
    """Return a copy of `part` with one value in it, however deep, replaced, removed or doubled."""
    is_inner = (isinstance(part, dict | list) and part) and data.draw(st.integers(0, 5))
    if not is_inner:
        return data.draw(json_values)
    part = copy.copy(part)
    key = data.draw(st.sampled_from(list(part) if isinstance(part, dict) else range(len(part))))
    match data.draw(st.integers(0, 9)):
        case 0:
            del part[key]
        case 1 if isinstance(part, list):
            part.insert(key, part[key])
        case 2 if isinstance(part, dict):
            part[data.draw(st.sampled_from(list(part)))] = part[key]
        case _:
            part[key] = mutate(data, part[key])
    return part


def mutated(data: st.DataObject, part: Any) -> Any:
    for _ in range(data.draw(st.integers(1, 4))):
        part = mutate(data, part)
    return part


def assert_all_sane(facts: Iterable[Fact]) -> None:
    """Assert that nothing read could hurt a database, a sum or a reader, and that what is done with it next works."""
    seen = []
    for fact in facts:
        if isinstance(fact, Candle):
            prices = (fact.open_usd, fact.high_usd, fact.low_usd, fact.close_usd)
            assert all(0 < price <= 10**12 for price in prices)
            assert fact.low_usd <= min(prices) <= max(prices) <= fact.high_usd
            assert fact.at < NOW
            assert fact.volume_usd is None or 0 <= fact.volume_usd < 10**20
            continue
        assert_sane(fact)
        supply = fact.metadata.total_supply if fact.metadata else None
        assert supply is None or 0 <= supply < 10**42
        seen.append(fact)
    recognise(seen)
    by_mint(seen, [fact.mint for fact in seen])


@every_parser
@fuzz
@given(data=st.data())
def test_no_mutation_beside_it_takes_a_good_row_along(parser, data):
    rows = [mutated(data, parser.beside or parser.row) for _ in range(data.draw(st.integers(1, 4)))]
    if parser.beside:
        rows = [row for row in rows if not (isinstance(row, dict) and row.get("id") == parser.row["id"])]
    rows.insert(data.draw(st.integers(0, len(rows))), parser.row)
    found = parser.read(parser.answer(rows))
    assert all(fact in found for fact in parser.read(parser.answer([parser.row])))
    assert_all_sane(found)


@every_parser
@fuzz
@given(data=st.data())
def test_no_mutation_of_an_answer_gets_anything_out_of_a_parser_but_facts_or_malformed(parser, data):
    try:
        found = parser.read(mutated(data, parser.answer([parser.row, parser.row])))
    except Malformed:
        return
    assert_all_sane(found)


@every_parser
@fuzz
@given(json_values)
def test_whatever_json_can_hold_is_read_or_malformed(parser, body):
    for whole in (body, parser.answer([body])):
        try:
            assert_all_sane(parser.read(whole))
        except Malformed:
            continue


@every_parser
@fuzz
@given(data=st.data())
def test_no_flipped_byte_breaks_the_way_from_bytes_to_facts(parser, data):
    body = bytearray(json.dumps(parser.answer([parser.row, parser.row]), default=str).encode())
    for _ in range(data.draw(st.integers(1, 8))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = parser.read(payload.decode(bytes(body), "application/json"))
    except (payload.NotJson, Malformed):
        return
    assert_all_sane(found)


ERRORS = [
    {"jsonrpc": "2.0", "error": {"code": -32429, "message": "max usage reached"}, "id": 1},
    {"errors": [{"status": "429", "title": "Rate Limited"}], "meta": {}},
    {"status": {"error_code": 429, "error_message": "no"}},
]


@fuzz
@given(st.data())
def test_whatever_an_error_says_it_is_one_of_ours_or_none(data):
    body = mutated(data, data.draw(st.sampled_from(ERRORS)))
    for error in (helius.refusal(body), jsonapi.refusal("geckoterminal", body)):
        assert error is None or isinstance(error, UpstreamError)


@pytest.mark.parametrize("depth", [10, 500, 20_000])
def test_nesting_without_end_is_no_answer(depth):
    body = b'{"data":' + b"[" * depth + b"]" * depth + b"}"
    for parser in PARSERS.values():
        with pytest.raises((payload.NotJson, Malformed)):
            parser.read(payload.decode(body, "application/json"))
