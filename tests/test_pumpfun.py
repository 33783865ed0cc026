"""pump.fun's answers: its own coins only, milliseconds beside seconds, and a price only where the sum is sane."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from enrichment.upstream import pumpfun
from enrichment.upstream.errors import Malformed
from enrichment.upstream.pumpfun import PumpFun, parse_coins
from tests.conftest import NOW, mint
from tests.wire import Book, client, reply, serving
from tokens.facts import Metadata, Observation, Quote

TOKEN_2022 = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"

FULL: dict[str, Any] = {
    "mint": mint(1),
    "name": "Ape Inu ",
    "symbol": "APE",
    "description": "An ape.",
    "image_uri": "https://cdn.example/ape.png",
    "metadata_uri": "https://cdn.example/ape.json",
    "twitter": "https://x.com/ape",
    "telegram": "",
    "website": "https://ape.example",
    "creator": mint(90),
    "created_timestamp": 1791482892000,
    "complete": True,
    "virtual_sol_reserves": 115005359057,
    "virtual_token_reserves": 279900000000000,
    "total_supply": 962422758265674,
    "market_cap": 677256.8948046,
    "ath_market_cap": 1.9898151941481314e23,
    "last_trade_timestamp": 1791482976000,
    "updated_at": 1791482977,
    "nsfw": False,
    "is_banned": False,
    "program": "pump",
    "token_program": TOKEN_2022,
    "base_decimals": 6,
    "market_cap_usd": 56328947.93463942,
    "usd_market_cap": 56328947.93463942,
}
ADVANCED: dict[str, Any] = {
    "coinMint": mint(1),
    "name": "Ape Inu",
    "ticker": "APE",
    "imageUrl": "https://cdn.example/ape.png",
    "creationTime": 1775045897626,
    "marketCap": 29382.8262938,
    "currentMarketPrice": 0,
    "twitter": "x.com/ape",
    "telegram": None,
    "tokenProgram": TOKEN_2022,
    "program": "pump",
    "platform": "pump",
}


def one(**changes: Any) -> Observation:
    """Return what is read of the full coin with some fields changed; `...` leaves a field out."""
    (seen,) = parse_coins([{key: value for key, value in (FULL | changes).items() if value is not ...}], NOW).found
    return seen


def test_a_full_coin_becomes_facts_in_our_units():
    assert one() == Observation(
        mint=mint(1),
        source="pumpfun",
        received_at=NOW,
        observed_at=datetime(2026, 10, 8, 18, 9, 37, tzinfo=UTC),
        metadata=Metadata(
            symbol="APE",
            name="Ape Inu",
            decimals=6,
            description="An ape.",
            image_url="https://cdn.example/ape.png",
            launchpad="pump.fun",
            flags=(),
            created_at=datetime(2026, 10, 8, 18, 8, 12, tzinfo=UTC),
            total_supply=Decimal("962422758.265674"),
            token_program=TOKEN_2022,
            socials={"twitter": "https://x.com/ape"},
            websites=(("website", "https://ape.example"),),
        ),
        quote=Quote(
            price_usd=Decimal("0.058528279231620142"),
            market_cap_usd=Decimal("56328947.93463942"),
            is_last_resort=True,
        ),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"total_supply": ...},
        {"total_supply": 0},
        {"total_supply": "NaN"},
        {"total_supply": 10**15 + 1},  # more than a coin is made of: some other unit
        {"base_decimals": ...},
        {"base_decimals": 99},
        {"updated_at": ...},  # of a coin nobody has traded for a year, the market cap is a year old
        {"updated_at": "yesterday"},
        {"market_cap_usd": 640066.0},  # it contradicts itself
    ],
)
def test_without_every_part_of_the_sum_there_is_a_market_cap_and_no_price(changes):
    assert one(**changes).quote == Quote(market_cap_usd=Decimal("56328947.93463942"))


@pytest.mark.parametrize("market_cap", [..., None, 0, -1, "", "Infinity", 10**11 + 1, 1.98e23, [], True])
def test_an_insane_market_cap_is_unknown_and_so_is_the_price(market_cap):
    assert one(usd_market_cap=market_cap).quote is None


def test_without_its_twin_a_market_cap_stands_alone():
    assert one(market_cap_usd=...).quote == one().quote


@pytest.mark.parametrize("value", [..., None, "", "@ape", "ape", "x.com/ape", 5, []])
def test_absent_null_empty_and_handles_are_all_no_link(value):
    seen = one(twitter=value, website=value, image_uri=value).metadata
    assert (seen.socials, seen.websites, seen.image_url) == ({}, (), None)


def test_a_banned_coin_is_flagged():
    assert one(is_banned=True).metadata.flags == ("is_banned",)


def test_the_advanced_shape_has_other_words_and_no_price_worth_believing():
    (seen,) = parse_coins({"coins": [ADVANCED], "pagination": {"hasMore": True}}, NOW).found
    assert seen == Observation(
        mint=mint(1),
        source="pumpfun",
        received_at=NOW,
        metadata=Metadata(
            symbol="APE",
            name="Ape Inu",
            image_url="https://cdn.example/ape.png",
            launchpad="pump.fun",
            flags=(),
            created_at=datetime(2026, 4, 1, 12, 18, 17, 626_000, tzinfo=UTC),
            token_program=TOKEN_2022,
        ),
    )


@pytest.mark.parametrize("program", ["non_launchpad", "raydium_launchpad", "meteora_dbc", "Pump", None, ..., ["pump"]])
def test_coins_of_other_programs_are_none_of_our_business(program):
    other = {key: value for key, value in (ADVANCED | {"program": program}).items() if value is not ...}
    page = parse_coins({"coins": [other, ADVANCED]}, NOW)
    assert (len(page.found), page.rows, page.discarded) == (1, 2, 0)


@pytest.mark.parametrize(
    "bad", [None, 5, "x", [], {}, {"name": "APE"}, FULL | {"mint": mint(1).lower()}, {"mint": [1]}]
)
def test_a_bad_coin_costs_itself_and_not_its_neighbour(bad):
    page = parse_coins([bad, FULL, bad], NOW)
    assert (page.found, page.rows, page.discarded) == ((one(),), 3, 2)
    with pytest.raises(Malformed):
        parse_coins([bad], NOW)


@pytest.mark.parametrize("payload", [None, "x", 5, {}, FULL, {"coins": None}, {"coins": {}}])
def test_an_answer_without_a_list_of_coins_is_malformed(payload):
    with pytest.raises(Malformed):
        parse_coins(payload, NOW)


def test_an_empty_page_is_an_answer():
    assert parse_coins([], NOW).found == parse_coins({"coins": []}, NOW).found == ()


async def fetch(payload: Any, **options: Any) -> tuple[Any, str]:
    """Return what a fetch makes of an answer, and the line it asked with."""
    body = reply(json.dumps(payload).encode())
    async with serving(body) as server, client(server, Book()) as http:
        found = await PumpFun(http).fetch_coins(**options)
        return found, server.heads[0].split("\r\n")[0]


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({}, "offset=0&limit=70&sort=created_timestamp&order=DESC&includeNsfw=true"),
        (
            {"sort": "market_cap", "order": "ASC", "offset": 1000, "limit": 1, "complete": True},
            "offset=1000&limit=1&sort=market_cap&order=ASC&includeNsfw=true&complete=true",
        ),
    ],
)
async def test_coins_are_asked_page_by_page(options, query):
    found, line = await fetch([FULL], **options)
    assert line == f"GET /coins?{query} HTTP/1.1"
    assert [seen.mint for seen in found] == [mint(1)]


@pytest.mark.parametrize("options", [{"limit": 71}, {"limit": 0}, {"offset": -1}, {"offset": 1001}])
async def test_what_would_be_cut_or_empty_is_refused_before_anything_is_sent(options):
    with pytest.raises(ValueError, match="70 a call, from offset 0 to 1000"):
        await fetch([], **options)


async def test_an_empty_body_with_200_is_malformed_and_counts():
    book = Book()
    async with serving(reply(b"")) as server, client(server, book) as http:
        with pytest.raises(Malformed):
            await PumpFun(http).fetch_coins()
    assert book.outcomes == ["failed"]


def test_the_factory_needs_no_key():
    assert repr(pumpfun.pumpfun("https://frontend-api-v3.pump.fun")) == (
        "PumpFun(Http('pumpfun', 'frontend-api-v3.pump.fun'))"
    )
