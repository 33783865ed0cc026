"""Jupiter's answers: as documented, as recorded, as mutilated. What is absent stays absent; a bad row costs itself."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from enrichment.upstream import jupiter, payload
from enrichment.upstream.errors import Malformed
from enrichment.upstream.jupiter import Jupiter, parse_prices, parse_tokens
from tests.conftest import NOW, SHARED, mint
from tests.wire import Book, client, reply, serving
from tokens.facts import Metadata, Observation, Quote
from tokens.mint import SOL, USDC

RECORDED = SHARED / "recorded" / "jupiter"
TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"

FULL: dict[str, Any] = {
    "id": mint(1),
    "name": "Ape Inu ",
    "symbol": "APE",
    "icon": "https://cdn.example/ape.png",
    "decimals": 6,
    "tokenProgram": TOKEN,
    "dev": mint(90),
    "createdAt": "2026-11-20T10:00:00Z",
    "updatedAt": "2026-11-22T11:59:58.750362685Z",
    "twitter": "https://x.com/ape",
    "telegram": "https://t.me/ape",
    "website": "https://ape.example",
    "otherUrl": "https://ape.example",
    "circSupply": 900_000_000.5,
    "totalSupply": 1_000_000_000,
    "launchpad": "pump.fun",
    "holderCount": 1234,
    "fdv": 5000.25,
    "mcap": 4500,
    "usdPrice": 4.6228117147547495e-06,
    "priceBlockId": 454587127,
    "liquidity": 4031.26,
    "stats5m": {"priceChange": -6.5, "buyVolume": 1},
    "stats1h": {"priceChange": 12},
    "stats6h": {},
    "stats24h": {"priceChange": 52166.1, "buyVolume": 894.5, "sellVolume": 135.25, "volumeChange": 3},
    "audit": {"mintAuthorityDisabled": True, "freezeAuthorityDisabled": True, "topHoldersPercentage": 15.4},
    "organicScore": 97.98,
    "isVerified": True,
    "tags": ["verified", "Token-2022"],
    "a_field_of_tomorrow": {"x": [1]},
}


def one(**changes: Any) -> Observation:
    """Return what is read of the full row with some fields changed; `...` leaves a field out."""
    row = {key: value for key, value in (FULL | changes).items() if value is not ...}
    return parse_tokens([row], NOW)[mint(1)]


def test_a_full_row_becomes_facts_in_our_units():
    assert one() == Observation(
        mint=mint(1),
        source="jupiter",
        received_at=NOW,
        observed_at=datetime(2026, 11, 22, 11, 59, 58, 750_362, tzinfo=UTC),
        metadata=Metadata(
            symbol="APE",
            name="Ape Inu",
            decimals=6,
            image_url="https://cdn.example/ape.png",
            tags=("verified", "token-2022"),
            launchpad="pump.fun",
            verified=True,
            flags=(),
            created_at=datetime(2026, 11, 20, 10, tzinfo=UTC),
            holder_count=1234,
            total_supply=Decimal(1_000_000_000),
            circulating_supply=Decimal("900000000.5"),
            token_program=TOKEN,
            socials={"twitter": "https://x.com/ape", "telegram": "https://t.me/ape"},
            websites=(("website", "https://ape.example"),),
        ),
        quote=Quote(
            price_usd=Decimal("0.000004622811714755"),
            liquidity_usd=Decimal("4031.26"),
            volume_24h_usd=Decimal("1029.75"),
            market_cap_usd=Decimal(4500),
            fdv_usd=Decimal("5000.25"),
            change_5m_pct=-6.5,
            change_1h_pct=12.0,
            change_6h_pct=None,
            change_24h_pct=52166.1,
            block_id=454587127,
        ),
    )


def test_a_row_with_nothing_but_an_id_is_a_token_of_which_nothing_is_known():
    (seen,) = parse_tokens([{"id": mint(1)}], NOW).values()
    assert seen == Observation(
        mint=mint(1), source="jupiter", received_at=NOW, metadata=Metadata(verified=False, flags=())
    )


def test_a_missing_price_does_not_drop_the_token():
    seen = one(usdPrice=..., mcap=..., fdv=...)
    assert seen.metadata.symbol == "APE"
    assert (seen.quote.price_usd, seen.quote.market_cap_usd, seen.quote.fdv_usd) == (None, None, None)
    assert seen.quote.liquidity_usd == Decimal("4031.26")


def test_market_cap_and_fdv_never_stand_in_for_each_other():
    assert one(mcap=...).quote.market_cap_usd is None
    assert one(fdv=None).quote.fdv_usd is None


@pytest.mark.parametrize(
    ("day", "volume"),
    [
        ({"buyVolume": 1.5, "sellVolume": 2}, Decimal("3.5")),
        ({"buyVolume": 1.5}, Decimal("1.5")),
        ({"sellVolume": 0}, Decimal(0)),
        ({"buyVolume": "NaN", "sellVolume": 2}, Decimal(2)),
        ({"buyVolume": 9e19, "sellVolume": 9e19}, None),
        ({"priceChange": 1}, None),
        (..., None),
        (None, None),
        ([1], None),
    ],
)
def test_the_volume_is_both_sides_of_the_day_where_either_is_stated(day, volume):
    assert one(stats24h=day).quote.volume_24h_usd == volume


@pytest.mark.parametrize("price", [0, -1, "NaN", "Infinity", 1e308, 1e-30, True, "", [], {}, None])
def test_an_impossible_price_is_no_price(price):
    assert one(usdPrice=price).quote.price_usd is None


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        ({}, ()),
        ({"audit": ...}, ()),
        ({"audit": {}}, ()),
        ({"audit": {"isSus": True, "mintAuthorityDisabled": True, "freezeAuthorityDisabled": True}}, ("is_sus",)),
        ({"audit": {"mintAuthorityDisabled": True}}, ("freeze_authority",)),
        ({"audit": {"topHoldersPercentage": 3}}, ("freeze_authority", "mint_authority")),
        ({"mintAuthority": mint(7), "audit": ...}, ("mint_authority",)),
        ({"name": "U\u200bSDC", "symbol": "\u202eX"}, ("has_bidi", "has_zero_width")),
    ],
)
def test_flags_tell_of_living_authorities_suspicion_and_disguise(changes, flags):
    assert one(**changes).metadata.flags == flags


@pytest.mark.parametrize(
    ("sent", "verified"), [(True, True), (False, False), (..., False), (None, False), ("yes", None)]
)
def test_a_token_is_verified_only_when_jupiter_says_so(sent, verified):
    assert one(isVerified=sent).metadata.verified is verified


@pytest.mark.parametrize(
    ("key", "column"), [("mintAuthority", "mint_authority"), ("freezeAuthority", "freeze_authority")]
)
def test_an_authority_is_an_address_or_nothing(key, column):
    assert getattr(one(**{key: mint(7)}).metadata, column) == mint(7)
    assert getattr(one(**{key: "0x52908400098527886E0F7030069857D2E4169EE7"}).metadata, column) is None


BAD_ROWS: list[Any] = [
    None,
    5,
    "x",
    [],
    {},
    {"id": None},
    {"id": 5},
    {"id": "TokenMintAddressExample111111111111111111111"},
    {"id": mint(1).lower() + "0OIl"},
    {"address": mint(1)},
]


@pytest.mark.parametrize("bad", BAD_ROWS)
def test_a_bad_row_costs_itself_and_not_its_neighbour(bad):
    assert parse_tokens([bad, FULL, bad], NOW) == {mint(1): one()}


@pytest.mark.parametrize("page", [None, 5, "x", {}, {"error": "no"}, {"data": []}, *([bad] for bad in BAD_ROWS)])
def test_a_page_without_one_token_in_it_is_malformed(page):
    with pytest.raises(Malformed):
        parse_tokens(page, NOW)


def test_an_empty_page_is_an_answer():
    assert parse_tokens([], NOW) == {}
    assert parse_prices({}, NOW) == {}
    assert parse_prices({SOL: None}, NOW) == {}


def test_of_several_rows_about_one_mint_the_last_counts():
    assert parse_tokens([FULL, FULL | {"symbol": "B"}], NOW)[mint(1)].metadata.symbol == "B"


def test_prices_are_read_by_mint_and_the_unpriced_are_absent():
    entry = {"usdPrice": 147.48, "blockId": 348004023, "decimals": 9, "priceChange24h": None, "liquidity": 6.5}
    found = parse_prices({SOL: entry, USDC: None, "penguin": entry, mint(3): 5}, NOW)
    assert found == {
        SOL: Observation(
            mint=SOL,
            source="jupiter",
            received_at=NOW,
            quote=Quote(price_usd=Decimal("147.48"), liquidity_usd=Decimal("6.5"), block_id=348004023),
        )
    }


@pytest.mark.parametrize("page", [None, [], "x", {"data": {SOL: {}}, "timeTaken": 1}, {"code": 401}, {SOL: 5}])
def test_a_price_answer_without_one_price_in_it_is_malformed(page):
    with pytest.raises(Malformed):
        parse_prices(page, NOW)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["NaN", "Infinity", "-1", "1e308", "0", "1e-400", Decimal("sNaN"), Decimal("1E+999999"), mint(1)]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)
keys = st.sampled_from([*FULL, "mintAuthority", "discord", "priceChange", "buyVolume", "isSus", "__proto__"])
mutations = st.lists(st.tuples(st.lists(keys, min_size=1, max_size=2), json_values), max_size=6)


def mutated(changes: list[tuple[list[str], Any]]) -> Any:
    """Return the full row with a value put at each path; a path may go through what is no object."""
    row = copy.deepcopy(FULL) | {"id": mint(2)}
    for path, value in changes:
        part: Any = row
        for key in path[:-1]:
            part = part.get(key) if isinstance(part, dict) else None
        if isinstance(part, dict):
            part[path[-1]] = value
    return row


def assert_sane(seen: Observation) -> None:
    """Assert that an observation holds nothing a database or a reader could choke on."""
    quote = seen.quote or Quote()
    assert quote.price_usd is None or 0 < quote.price_usd <= 10**12
    for amount in (quote.liquidity_usd, quote.volume_24h_usd, quote.market_cap_usd, quote.fdv_usd):
        assert amount is None or 0 <= amount < 10**20
    for change in (quote.change_5m_pct, quote.change_1h_pct, quote.change_6h_pct, quote.change_24h_pct):
        assert change is None or math.isfinite(change)
    assert seen.observed_at is None or seen.observed_at <= NOW
    json.dumps(asdict(seen), default=str, ensure_ascii=False).encode()  # no lone surrogate in any text


@settings(deadline=None, max_examples=300)
@given(st.lists(mutations.map(mutated) | json_values, max_size=5), st.integers(0, 5))
def test_no_mutation_breaks_the_parser_or_takes_a_good_row_along(rows, at):
    rows = [row for row in rows if not (isinstance(row, dict) and row.get("id") == mint(1))]
    rows.insert(at, FULL)
    found = parse_tokens(rows, NOW)
    assert found[mint(1)] == one()
    for seen in found.values():
        assert_sane(seen)


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.sampled_from([mint(2), mint(3), "x"]), json_values | mutations.map(mutated)))
def test_no_mutation_breaks_the_price_parser_or_takes_a_good_entry_along(entries):
    found = parse_prices({**entries, mint(1): {"usdPrice": 2}}, NOW)
    assert found[mint(1)].quote.price_usd == 2
    for seen in found.values():
        assert_sane(seen)


@settings(deadline=None, max_examples=300)
@given(json_values)
def test_whatever_json_can_hold_is_read_or_malformed(page):
    for parse in (parse_tokens, parse_prices):
        try:
            found = parse(page, NOW)
        except Malformed:
            continue
        for seen in found.values():
            assert_sane(seen)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_no_flipped_byte_breaks_the_way_from_bytes_to_facts(data):
    body = bytearray(json.dumps([FULL, FULL]).encode())
    for _ in range(data.draw(st.integers(1, 8))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = parse_tokens(payload.decode(bytes(body), "application/json"), NOW)
    except (payload.NotJson, Malformed):
        return
    for seen in found.values():
        assert_sane(seen)


async def fetch(answer: bytes, call: str, *args: Any, **options: Any) -> tuple[Any, str]:
    """Return what a fetch makes of an answer, and the line it asked with."""
    async with serving(answer) as server, client(server, Book()) as http:
        found = await getattr(Jupiter(http), call)(*args, **options)
        return found, server.heads[0].split("\r\n")[0] if server.heads else ""


def page(*rows: Any) -> bytes:
    return reply(json.dumps(rows).encode())


async def test_a_search_asks_by_mint_and_maps_by_id_whatever_the_order():
    rows = [{"id": mint(n), "symbol": f"S{n}"} for n in (3, 99, 1)]
    found, line = await fetch(page(*rows), "fetch_search", [mint(1), mint(2), mint(3)], "enrich")
    assert line == f"GET /tokens/v2/search?query={mint(1)}%2C{mint(2)}%2C{mint(3)} HTTP/1.1"
    assert {m: o.metadata.symbol for m, o in found.items()} == {mint(1): "S1", mint(3): "S3"}  # 99 was not asked for


async def test_prices_are_asked_at_the_price_endpoint():
    answer = reply(json.dumps({mint(1): {"usdPrice": 2}}).encode())
    found, line = await fetch(answer, "fetch_prices", [mint(1), mint(2)], "refresh")
    assert line == f"GET /price/v3?ids={mint(1)}%2C{mint(2)} HTTP/1.1"
    assert list(found) == [mint(1)]


@pytest.mark.parametrize(
    ("call", "line"),
    [
        ("fetch_recent", "GET /tokens/v2/recent HTTP/1.1"),
        ("fetch_verified", "GET /tokens/v2/tag?query=verified HTTP/1.1"),
    ],
)
async def test_the_feeds_return_every_token_they_name(call, line):
    found, asked = await fetch(page(FULL, {"id": mint(2)}), call, purpose="detect", max_wait_s=1)
    assert [seen.mint for seen in found] == [mint(1), mint(2)]
    assert asked == line


@pytest.mark.parametrize(("call", "most"), [("fetch_search", 100), ("fetch_prices", 50)])
async def test_more_mints_than_a_call_takes_are_refused_before_anything_is_sent(call, most):
    with pytest.raises(ValueError, match=f"takes {most} mints"):
        await fetch(page(), call, [mint(n) for n in range(most + 1)], "enrich")


async def test_no_mints_need_no_call():
    assert await fetch(page(), "fetch_search", [], "enrich") == ({}, "")


async def test_discarded_rows_are_counted_in_one_line():
    with structlog.testing.capture_logs() as events:
        await fetch(page(FULL, 5, None), "fetch_recent")
    lines = [event for event in events if event["event"] == "rows.discarded"]
    assert [(line["rows"], line["of"], line["log_level"]) for line in lines] == [(2, 3, "info")]


async def test_a_malformed_page_counts_against_jupiter():
    book = Book()
    async with serving(reply(b'{"error":"schema changed"}')) as server, client(server, book) as http:
        with pytest.raises(Malformed):
            await Jupiter(http).fetch_recent()
    assert book.outcomes == ["failed"]


def test_the_factory_knows_every_plan_and_shows_no_key():
    for plan in ("keyless", "free", "developer", "launch", "pro"):
        made = jupiter.jupiter("https://api.jup.ag", "jup_canary", plan)
        assert repr(made) == "Jupiter(Http('jupiter', 'api.jup.ag'))"


TOKENS, PRICES = parse_tokens, parse_prices
EXPECTED = {  # file: how it is read, tokens, of these priced; None: malformed, and why
    "error-401.json": (TOKENS, None),
    "error-403-firewall.json": (TOKENS, None),
    "error-429-gateway.json": (PRICES, None),
    "price-v2-1.json": (PRICES, None),  # a retired shape: prices under "data"
    "price-v3-2.json": (PRICES, (2, 2)),
    "price-v3-unknown-1.json": (PRICES, (0, 0)),
    "tokens-v1-all-1.json": (TOKENS, None),  # retired: the mint is under "address"
    "tokens-v1-new-1.json": (TOKENS, None),
    "tokens-v1-token-1.json": (TOKENS, None),
    "tokens-v2-category-1.json": (TOKENS, (1, 1)),
    "tokens-v2-recent-1.json": (TOKENS, (3, 2)),
    "tokens-v2-recent-2.json": (TOKENS, None),  # the documentation's example mint is not a mint
    "tokens-v2-search-2.json": (TOKENS, (1, 1)),
    "tokens-v2-search-unknown-1.json": (TOKENS, (0, 0)),
    "tokens-v2-tag-1.json": (TOKENS, (1, 0)),
    "tokens-v2-toporganicscore-1.json": (TOKENS, (25, 25)),
    "tokens-v2-toptrending-1.json": (TOKENS, (3, 3)),
}
recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded answers of ../shared are absent")


def read_recorded(name: str) -> dict[str, Observation]:
    parse = EXPECTED[name][0]
    return parse(payload.decode((RECORDED / name).read_bytes(), "application/json"), NOW)


@pytest.mark.shared
@recorded
def test_every_recorded_answer_reads_as_expected():
    assert sorted(path.name for path in RECORDED.glob("*.json")) == sorted(EXPECTED)
    for name, (_, expected) in EXPECTED.items():
        if expected is None:
            with pytest.raises(Malformed):
                read_recorded(name)
            continue
        found = read_recorded(name).values()
        assert (len(found), sum(1 for o in found if o.quote and o.quote.price_usd)) == expected, name
        for seen in found:
            assert_sane(seen)


@pytest.mark.shared
@recorded
def test_recorded_facts_survive_to_the_digit():
    altruists, hedge, _ = read_recorded("tokens-v2-recent-1.json").values()
    assert (altruists.quote, altruists.metadata.flags, altruists.metadata.launchpad) == (None, ("is_sus",), None)
    assert hedge.quote.price_usd == Decimal("0.000004622811714755")
    assert hedge.metadata.launchpad == "pump.fun"  # and its mint does not end in "pump"
    assert hedge.observed_at == datetime(2026, 10, 8, 15, 38, 12, 750_441, tzinfo=UTC)
    jup = read_recorded("tokens-v2-search-2.json")["JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN"]
    assert jup.quote.volume_24h_usd == Decimal("3838164.79")
    assert (jup.quote.market_cap_usd, jup.quote.fdv_usd) == (Decimal("459171256.1"), Decimal("971593450.82"))
    sol = read_recorded("tokens-v2-toporganicscore-1.json")[SOL]
    assert sol.quote.price_usd == Decimal("74.90435910776924")
    assert sol.metadata.holder_count == 3820662
    zec = read_recorded("tokens-v2-toptrending-1.json")["A7bdiYdS5GjqGFtxf17ppRHtDKPkkRqbKtR27dxvQXaS"]
    assert zec.metadata.flags == ("mint_authority",)
    assert zec.metadata.mint_authority == "FvULawNPGBbuwYus74ECaQoV1oH9Tk6XPN7VPN51NYds"
    assert read_recorded("price-v3-2.json")[SOL].quote.change_24h_pct == 1.29
