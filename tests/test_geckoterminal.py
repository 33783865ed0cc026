"""GeckoTerminal's answers: figures as strings of seventy digits, "NaN" among them, names as for a web page."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from enrichment.upstream import geckoterminal
from enrichment.upstream.errors import Declined, Malformed, RateLimited, Refused, Unavailable
from enrichment.upstream.geckoterminal import GeckoTerminal, parse_candles, parse_pools, parse_tokens
from enrichment.upstream.jsonapi import refusal
from tests.conftest import NOW, mint
from tests.wire import Book, client, reply, serving
from tokens.facts import Candle, Metadata, Observation, Quote
from tokens.mint import SOL

SIXTY_DIGITS = "0.0000336975402892474935741168842050479097005333850422637769405374544"


def ref(kind: str, identity: str) -> dict[str, Any]:
    return {"data": {"id": identity, "type": kind}}


POOL: dict[str, Any] = {
    "id": f"solana_{mint(50)}",
    "type": "pool",
    "attributes": {
        "base_token_price_usd": SIXTY_DIGITS,
        "base_token_price_native_currency": "NaN",
        "quote_token_price_usd": "109.018791405824464444338839778444043009152752624",
        "base_token_price_quote_token": None,
        "address": mint(50),
        "name": "Ape / SOL 0.3%",
        "pool_created_at": "2026-10-08T15:31:31Z",
        "fdv_usd": "25421.1981111165",
        "market_cap_usd": None,
        "price_change_percentage": {"m5": "-0.355", "h1": "12", "h6": "NaN", "h24": "52166.1"},
        "transactions": {"m5": {"buys": 7, "sells": 0}},
        "volume_usd": {"m5": "753.2", "h24": "753.2656440488"},
        "reserve_in_usd": "4031.26",
    },
    "relationships": {
        "base_token": ref("token", f"solana_{mint(1)}"),
        "quote_token": ref("token", f"solana_{SOL}"),
        "dex": ref("dex", "meteora-damm-v2"),
    },
}
TOKEN: dict[str, Any] = {
    "id": f"solana_{mint(1)}",
    "type": "token",
    "attributes": {
        "address": mint(1),
        "name": "Ape &amp; Inu ",
        "symbol": "APE",
        "decimals": 6,
        "image_url": "https://cdn.example/ape.png",
        "coingecko_coin_id": None,
        "total_supply": "999999108407137.0",
        "normalized_total_supply": "999999108.407137",
        "price_usd": "2.0174050182",
        "fdv_usd": "2017403219.4789",
        "total_reserve_in_usd": "38853273.6350283264033294",
        "volume_usd": {"h24": "2099707.5067169"},
        "market_cap_usd": "478960276.377951",
    },
    "relationships": {"top_pools": {"data": [{"id": f"solana_{mint(50)}", "type": "pool"}]}},
}
METADATA = Metadata(
    symbol="APE",
    name="Ape & Inu",
    decimals=6,
    image_url="https://cdn.example/ape.png",
    flags=(),
    total_supply=Decimal("999999108.407137"),
)
QUOTE = Quote(
    price_usd=Decimal("0.000033697540289247"),
    pool=mint(50),
    dex="meteora-damm-v2",
    quote_mint=SOL,
    pool_created_at=datetime(2026, 10, 8, 15, 31, 31, tzinfo=UTC),
    liquidity_usd=Decimal("4031.26"),
    volume_24h_usd=Decimal("753.2656440488"),
    fdv_usd=Decimal("25421.1981111165"),
    change_5m_pct=-0.355,
    change_1h_pct=12.0,
    change_24h_pct=52166.1,
)


def answer(*rows: Any, included: Any = ()) -> dict[str, Any]:
    return {"data": list(rows), "included": list(included)}


def pool(**changes: Any) -> Observation:
    """Return what is read of the pool with some attributes changed; `...` leaves one out."""
    told = {key: value for key, value in (POOL["attributes"] | changes).items() if value is not ...}
    (seen,) = parse_pools(answer(POOL | {"attributes": told}), NOW).found
    return seen


def token(**changes: Any) -> Observation:
    """Return what is read of the token with some attributes changed; `...` leaves one out."""
    told = {key: value for key, value in (TOKEN["attributes"] | changes).items() if value is not ...}
    (seen,) = parse_tokens(answer(TOKEN | {"attributes": told}), NOW).found
    return seen


def test_a_pool_is_a_quote_for_its_base_token_which_came_along():
    (seen,) = parse_pools(answer(POOL, included=[TOKEN]), NOW).found
    assert seen == Observation(mint=mint(1), source="geckoterminal", received_at=NOW, metadata=METADATA, quote=QUOTE)


@pytest.mark.parametrize("included", [..., None, {}, [], [None, 5, {"id": 5, "type": "token"}, {"type": "token"}]])
def test_a_token_that_did_not_come_along_is_one_without_a_name(included):
    payload = {"data": [POOL]} if included is ... else {"data": [POOL], "included": included}
    (seen,) = parse_pools(payload, NOW).found
    assert (seen.metadata, seen.quote) == (None, QUOTE)


def test_a_token_is_the_sources_own_aggregate():
    assert token() == Observation(
        mint=mint(1),
        source="geckoterminal",
        received_at=NOW,
        metadata=METADATA,
        quote=Quote(
            price_usd=Decimal("2.0174050182"),
            liquidity_usd=Decimal("38853273.6350283264033294"),
            volume_24h_usd=Decimal("2099707.5067169"),
            market_cap_usd=Decimal("478960276.377951"),
            fdv_usd=Decimal("2017403219.4789"),
        ),
    )


def test_the_pools_that_came_with_a_token_are_quotes_of_their_own():
    aggregate, pool_of_it, _ = parse_tokens(
        answer(TOKEN, included=[POOL, POOL | {"id": f"solana_{mint(51)}"}]), NOW
    ).found
    assert (aggregate.quote.pool, pool_of_it) == (
        None,
        Observation(mint=mint(1), source="geckoterminal", received_at=NOW, quote=QUOTE),
    )


@pytest.mark.parametrize("price", [..., None, "", "NaN", "Infinity", "-", "0.0", "-1", "1e-30", True, [], {}])
def test_an_impossible_price_is_no_price_and_drops_nothing(price):
    seen = pool(base_token_price_usd=price)
    assert (seen.quote.price_usd, seen.quote.liquidity_usd) == (None, Decimal("4031.26"))
    assert token(price_usd=price).quote.price_usd is None


@pytest.mark.parametrize(
    ("reserve", "price", "liquidity"),
    [
        ("0.0", "1", None),  # a bonding curve: there is a price, so there is something it can be had for
        ("0.0", None, Decimal(0)),
        ("-97.3671492356286", "1", None),
        (None, "1", None),
        ("12.5", "1", Decimal("12.5")),
    ],
)
def test_a_zero_reserve_beside_a_price_is_unknown(reserve, price, liquidity):
    assert pool(reserve_in_usd=reserve, base_token_price_usd=price).quote.liquidity_usd == liquidity
    assert token(total_reserve_in_usd=reserve, price_usd=price).quote.liquidity_usd == liquidity


def test_a_token_without_any_figure_has_no_quote():
    gone = ("price_usd", "fdv_usd", "total_reserve_in_usd", "volume_usd", "market_cap_usd")
    assert token(**dict.fromkeys(gone)).quote is None
    assert token(**dict.fromkeys(gone)).metadata == METADATA


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("Tom &amp; Jerry", "Tom & Jerry"),
        ("&lt;script&gt;", "<script>"),
        ("&quot;&#39;&#x27;", "\"''"),
        ("&amp;amp;", "&amp;"),  # once, and not until nothing is left
        ("AT&T", "AT&T"),
        ("Rock &roll", "Rock &roll"),
        ("&#0;Ape&#8203;", "\ufffdApe"),  # what an escape hid is sanitised like the rest
        (5, None),
    ],
)
def test_escaped_names_are_plain_text_again(name, read):
    assert token(name=name).metadata.name == read


def test_a_missing_picture_is_no_picture():
    assert token(image_url="missing.png").metadata.image_url is None


@pytest.mark.parametrize(
    ("changes", "dex", "launchpad"),
    [
        ({}, "pumpswap", None),
        ({"gt_category_ids": ["ai-agents", "pump-fun"]}, "raydium", "pump.fun"),
        ({"gt_category_ids": [["pump-fun"], None]}, "raydium", None),
        ({"gt_category_ids": "pump-fun"}, "raydium", None),
        ({"launchpad_details": {"migrated_destination_pool_address": mint(50)}}, "pumpswap", "pump.fun"),
        ({"launchpad_details": {"migrated_destination_pool_address": mint(50)}}, "raydium", None),
        ({"launchpad_details": {"graduation_percentage": -0.08, "completed": False}}, "pumpswap", None),
        ({"launchpad_details": {"migrated_destination_pool_address": [1]}}, "pumpswap", None),
    ],
)
def test_a_launchpad_is_named_by_category_or_by_where_it_moved_its_token(changes, dex, launchpad):
    row = TOKEN | {"attributes": TOKEN["attributes"] | changes}
    came_along = POOL | {"relationships": POOL["relationships"] | {"dex": ref("dex", dex)}}
    assert parse_tokens(answer(row, included=[came_along]), NOW).found[0].metadata.launchpad == launchpad


def test_an_id_is_split_at_its_first_underscore_and_other_networks_are_none_of_our_business():
    others = [POOL | {"id": f"{network}_{mint(50)}"} for network in ("eth", "polygon_pos", "solana-devnet")]
    page = parse_pools(answer(*others, POOL), NOW)
    assert ([seen.mint for seen in page.found], page.rows, page.discarded) == ([mint(1)], 4, 0)
    assert parse_pools(answer(*others), NOW).found == ()
    assert parse_tokens(answer(TOKEN | {"id": "eth_0x395f"}), NOW).found == ()


BAD_ROWS: list[Any] = [
    None,
    5,
    "x",
    [],
    {},
    {"id": f"solana_{mint(1)}"},
    POOL | {"type": "trade"},
    POOL | {"id": 5},
    POOL | {"id": "solana_"},
    POOL | {"id": f"solana_{mint(50).lower()}"},
    POOL | {"relationships": {}},
    POOL | {"relationships": {"base_token": ref("token", mint(1))}},
]


@pytest.mark.parametrize("bad", BAD_ROWS)
def test_a_bad_pool_costs_itself_and_not_its_neighbour(bad):
    page = parse_pools(answer(bad, POOL, bad), NOW)
    assert ([seen.quote for seen in page.found], page.rows, page.discarded) == ([QUOTE], 3, 2)
    with pytest.raises(Malformed):
        parse_pools(answer(bad), NOW)


@pytest.mark.parametrize("bad", [None, 5, {}, TOKEN | {"type": "pool"}, TOKEN | {"id": f"solana_{mint(1).lower()}"}])
def test_a_bad_token_costs_itself_and_a_bad_pool_beside_it_too(bad):
    page = parse_tokens(answer(bad, TOKEN, included=[POOL | {"relationships": None}, POOL]), NOW)
    assert ([seen.quote.pool for seen in page.found], page.rows, page.discarded) == ([None, mint(50)], 4, 2)
    with pytest.raises(Malformed):
        parse_tokens(answer(bad), NOW)


@pytest.mark.parametrize("payload", [None, [], "x", {}, {"data": None}, {"data": "x"}, {"errors": [{"status": "404"}]}])
def test_an_answer_without_data_is_malformed(payload):
    for parse in (parse_pools, parse_tokens, parse_candles):
        with pytest.raises(Malformed):
            parse(payload, NOW)


def test_nothing_known_is_an_answer():
    assert parse_pools({"data": []}, NOW).found == parse_tokens({"data": []}, NOW).found == ()


CANDLE = [1791473460, Decimal("0.0007"), 0.0008, 0.0006, "0.00065", 2535.5]


def candles(*rows: Any, **meta: Any) -> dict[str, Any]:
    return {"data": {"id": "x", "type": "ohlcv_request_response", "attributes": {"ohlcv_list": list(rows)}}} | meta


def test_a_candle_has_four_prices_and_the_time_it_begins():
    assert parse_candles(candles(CANDLE), NOW).found == (
        Candle(
            at=datetime(2026, 10, 8, 15, 31, tzinfo=UTC),
            open_usd=Decimal("0.0007"),
            high_usd=Decimal("0.0008"),
            low_usd=Decimal("0.0006"),
            close_usd=Decimal("0.00065"),
            volume_usd=Decimal("2535.5"),
        ),
    )
    assert parse_candles(candles(), NOW).found == ()


@pytest.mark.parametrize(
    "bad",
    [
        None,
        {},
        [],
        CANDLE[:5],
        ["x", *CANDLE[1:]],
        [NOW.timestamp() + 60, *CANDLE[1:]],  # of a time that has not come
        [0, *CANDLE[1:]],
        [CANDLE[0], 0, *CANDLE[2:]],
        [CANDLE[0], -1, *CANDLE[2:]],
        [CANDLE[0], None, *CANDLE[2:]],
        [CANDLE[0], 1, 5, 2, 3, 5],  # the lowest price above another
        [CANDLE[0], 5, 2, 1, 1, 5],  # the highest below
    ],
)
def test_a_candle_that_cannot_be_costs_itself(bad):
    page = parse_candles(candles(bad, CANDLE), NOW)
    assert (len(page.found), page.discarded) == (1, 1)


def test_a_candle_without_a_volume_is_a_candle():
    assert parse_candles(candles([*CANDLE[:5], None]), NOW).found[0].volume_usd is None


def test_candles_of_another_token_are_malformed():
    meta = {"base": {"address": mint(2)}, "quote": {"address": SOL}}
    assert len(parse_candles(candles(CANDLE, meta=meta), NOW, mint(2)).found) == 1
    assert len(parse_candles(candles(CANDLE, meta=meta), NOW, SOL).found) == 1
    assert len(parse_candles(candles(CANDLE), NOW, mint(1)).found) == 1  # nothing is named, nothing contradicts
    with pytest.raises(Malformed):
        parse_candles(candles(CANDLE, meta=meta), NOW, mint(1))


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ({"errors": [{"status": "429", "title": "Rate Limited"}]}, RateLimited),
        ({"status": {"error_code": 429, "error_message": "You've exceeded the Rate Limit"}}, RateLimited),
        ({"status": {"error_code": 1015}}, RateLimited),
        ({"status": {"error_code": 1020}}, Refused),
        ({"status": {"error_code": 10002}}, Refused),
        ({"errors": [{"status": "401"}]}, Refused),
        ({"errors": [{"status": "404", "title": "Not Found"}]}, Declined),
        ({"errors": [{"status": "400"}], "meta": {}}, Declined),
        ({"errors": [{"status": 503}]}, Unavailable),
    ],
)
def test_a_refusal_in_the_body_is_what_it_says_whatever_the_status(payload, kind):
    assert type(refusal("geckoterminal", payload)) is kind


@pytest.mark.parametrize(
    "payload",
    [None, [], {}, {"errors": []}, {"errors": ["x"]}, {"errors": [{"status": []}]}, {"status": "x"}, answer(POOL),
     answer() | {"status": {"error_code": 429}}],
)  # fmt: skip
def test_an_answer_with_data_or_without_a_known_code_is_no_refusal(payload):
    assert refusal("geckoterminal", payload) is None


async def fetch(payload: Any, call: str, *args: Any, **options: Any) -> tuple[Any, str]:
    """Return what a fetch makes of an answer, and the head it asked with."""
    body = reply(json.dumps(payload, default=str).encode())
    async with serving(body) as server, client(server, Book()) as http:
        found = await getattr(GeckoTerminal(http), call)(*args, **options)
        return found, server.heads[0] if server.heads else ""


async def test_tokens_are_asked_with_their_pools_and_grouped_by_mint():
    rows = [TOKEN, TOKEN | {"id": f"solana_{mint(9)}"}]
    strange = POOL | {"id": f"solana_{mint(51)}", "relationships": {"base_token": ref("token", f"solana_{mint(2)}")}}
    found, head = await fetch(
        answer(*rows, included=[POOL, strange]), "fetch_tokens", [mint(1), mint(3), mint(1)], "enrich"
    )
    assert head.startswith(f"GET /networks/solana/tokens/multi/{mint(1)},{mint(3)}?include=top_pools HTTP/1.1")
    assert {of: [seen.quote.pool for seen in quotes] for of, quotes in found.items()} == {mint(1): [None, mint(50)]}


async def test_more_mints_than_a_call_takes_are_refused_and_no_mints_need_no_call():
    with pytest.raises(ValueError, match="takes 30 mints"):
        await fetch(answer(), "fetch_tokens", [mint(n) for n in range(31)], "enrich")
    assert await fetch(answer(), "fetch_tokens", [], "enrich") == ({}, "")


@pytest.mark.parametrize(
    ("call", "args", "line"),
    [
        ("fetch_new_pools", (), "new_pools?page=1"),
        ("fetch_trending_pools", ("5m", 2), "trending_pools?duration=5m&page=2"),
        ("fetch_pools", (), "pools?sort=h24_volume_usd_desc&page=1"),
        ("fetch_pools", ("pump-fun", 10), "dexes/pump-fun/pools?sort=h24_volume_usd_desc&page=10"),
    ],
)
async def test_the_feeds_of_pools_return_what_they_name(call, args, line):
    found, head = await fetch(answer(POOL, included=[TOKEN]), call, *args)
    assert head.startswith(f"GET /networks/solana/{line}&include=base_token%2Cquote_token%2Cdex HTTP/1.1")
    assert [(seen.mint, seen.metadata, seen.quote) for seen in found] == [(mint(1), METADATA, QUOTE)]


@pytest.mark.parametrize(
    ("call", "args"), [("fetch_new_pools", (0,)), ("fetch_pools", (None, 11)), ("fetch_pools", ("../x",))]
)
async def test_a_page_or_a_venue_that_cannot_be_is_refused_before_anything_is_sent(call, args):
    with pytest.raises(ValueError, match=r"pages 1 to 10|a venue"):
        await fetch(answer(), call, *args)


async def test_candles_come_oldest_first_without_repeats():
    rows = [[CANDLE[0] + 60, *CANDLE[1:]], CANDLE, CANDLE]
    before = datetime(2026, 10, 8, 16, tzinfo=UTC)
    found, head = await fetch(
        candles(*rows), "fetch_candles", mint(1), mint(50), timeframe="hour", aggregate=4, before=before
    )
    wanted = f"aggregate=4&limit=1000&currency=usd&token={mint(1)}&before_timestamp=1791475200"
    assert head.startswith(f"GET /networks/solana/pools/{mint(50)}/ohlcv/hour?{wanted} HTTP/1.1")
    assert [candle.at - found[0].at for candle in found] == [timedelta(0), timedelta(minutes=1)]


@pytest.mark.parametrize("options", [{"aggregate": 2}, {"timeframe": "day", "aggregate": 5}])
async def test_an_interval_that_is_not_offered_is_refused_before_anything_is_sent(options):
    with pytest.raises(ValueError, match="candles are of"):
        await fetch(candles(), "fetch_candles", mint(1), mint(50), **options)
    with pytest.raises(ValueError, match="candles are of"):
        await fetch(candles(), "fetch_candles", mint(1), "../trades")


async def test_a_refusal_inside_200_is_told_to_the_gate():
    book = Book()
    body = reply(b'{"errors":[{"status":"429","title":"Rate Limited"}]}')
    async with serving(body) as server, client(server, book) as http:
        with pytest.raises(RateLimited):
            await GeckoTerminal(http).fetch_new_pools()
    assert book.outcomes == ["throttled"]


async def test_the_version_of_the_api_is_asked_for_by_name():
    made = geckoterminal.geckoterminal("https://api.geckoterminal.com/api/v2")
    assert repr(made) == "GeckoTerminal(Http('geckoterminal', 'api.geckoterminal.com'))"
    async with serving(reply(b'{"data":[]}')) as server:
        made = geckoterminal.geckoterminal(server.url)
        made._http._ledger = Book()
        async with made:
            await made.fetch_new_pools()
    assert "accept: application/json;version=20230203\r\n" in server.heads[0].lower()
