"""DexScreener's answers: one quote a pool, and only of the pool's base token. What it does not say is unknown."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import structlog

from enrichment.upstream import dexscreener
from enrichment.upstream.dexscreener import DexScreener, DexScreenerFeeds, parse_pairs, parse_profiles
from enrichment.upstream.errors import Malformed
from tests.conftest import NOW, mint
from tests.wire import Book, client, reply, serving
from tokens.facts import Metadata, Observation, Quote
from tokens.mint import SOL, is_mint

FULL: dict[str, Any] = {
    "chainId": "solana",
    "dexId": "pumpswap",
    "url": f"https://dexscreener.com/solana/{mint(50).lower()}",
    "pairAddress": mint(50),
    "labels": ["CLMM"],
    "baseToken": {"address": mint(1), "name": "Ape Inu ", "symbol": "APE"},
    "quoteToken": {"address": SOL, "name": "Wrapped SOL", "symbol": "SOL"},
    "priceNative": "0.000008058",
    "priceUsd": "0.0008832",
    "txns": {"m5": {"buys": 3, "sells": 4}},
    "volume": {"h24": 414996.55, "h6": 72188.01, "m5": 0},
    "priceChange": {"m5": -4.83, "h1": -2, "h24": 52166.1},
    "liquidity": {"usd": 119336.33, "base": 68302069, "quote": 538.3472},
    "fdv": 855167,
    "marketCap": 855186,
    "pairCreatedAt": 1791117376000,
    "info": {
        "imageUrl": "https://cdn.example/ape.png",
        "openGraph": "https://cdn.example/og.png",
        "websites": [
            {"url": "https://ape.example", "label": "Website"},
            {"url": "https://docs.example", "label": "Docs"},
        ],
        "socials": [{"url": "https://x.com/ape", "type": "twitter"}, {"url": "https://t.me/ape", "type": "telegram"}],
    },
    "a_field_of_tomorrow": {"x": [1]},
}
PROFILE: dict[str, Any] = {
    "url": f"https://dexscreener.com/solana/{mint(1).lower()}",
    "chainId": "solana",
    "tokenAddress": mint(1),
    "icon": "https://cdn.example/ape.png",
    "description": "An ape.\nTo the moon.",
    "links": [
        {"url": "https://ape.example"},
        {"label": "Docs", "url": "https://docs.example"},
        {"type": "twitter", "url": "https://x.com/ape"},
        {"type": "warpcast", "url": "https://warpcast.example/ape"},
    ],
    "cto": False,
    "totalAmount": 10,
}


def one(**changes: Any) -> Observation:
    """Return what is read of the full pair with some fields changed; `...` leaves a field out."""
    row = {key: value for key, value in (FULL | changes).items() if value is not ...}
    (seen,) = parse_pairs([row], NOW).found
    return seen


def test_a_full_pair_becomes_one_pools_quote_for_its_base_token():
    assert one() == Observation(
        mint=mint(1),
        source="dexscreener",
        received_at=NOW,
        metadata=Metadata(
            symbol="APE",
            name="Ape Inu",
            image_url="https://cdn.example/ape.png",
            flags=(),
            socials={"twitter": "https://x.com/ape", "telegram": "https://t.me/ape"},
            websites=(("website", "https://ape.example"), ("docs", "https://docs.example")),
        ),
        quote=Quote(
            price_usd=Decimal("0.0008832"),
            pool=mint(50),
            dex="pumpswap",
            quote_mint=SOL,
            pool_created_at=datetime(2026, 10, 4, 12, 36, 16, tzinfo=UTC),
            liquidity_usd=Decimal("119336.33"),
            volume_24h_usd=Decimal("414996.55"),
            market_cap_usd=Decimal(855186),
            fdv_usd=Decimal(855167),
            change_5m_pct=-4.83,
            change_1h_pct=-2.0,
            change_6h_pct=None,  # nobody traded: the window is left out
            change_24h_pct=52166.1,
        ),
    )


@pytest.mark.parametrize("liquidity", [..., None, {}, {"base": 1}, {"usd": None}, {"usd": "NaN"}, {"usd": -1}, 5])
def test_a_bonding_curve_states_no_liquidity_and_gets_none(liquidity):
    assert one(dexId="pumpfun", liquidity=liquidity).quote.liquidity_usd is None


def test_stated_zero_liquidity_is_zero():
    assert one(liquidity={"usd": 0}).quote.liquidity_usd == 0


@pytest.mark.parametrize("price", [..., None, "", "-", "NaN", "Infinity", "0", "-1", "1e308", "1e-30", True, [], {}])
def test_an_impossible_price_is_no_price_and_drops_nothing(price):
    seen = one(priceUsd=price)
    assert (seen.quote.price_usd, seen.quote.pool, seen.metadata.symbol) == (None, mint(50), "APE")


@pytest.mark.parametrize("gone", ["info", "volume", "priceChange", "quoteToken", "fdv", "marketCap", "pairCreatedAt"])
@pytest.mark.parametrize("value", [..., None, {}, [], "x"])
def test_any_other_part_may_be_missing_or_nonsense(gone, value):
    seen = one(**{gone: value})
    assert (seen.mint, seen.quote.pool, seen.quote.price_usd) == (mint(1), mint(50), Decimal("0.0008832"))


def test_a_quote_token_may_be_only_a_symbol():
    assert one(quoteToken={"symbol": "SOL"}).quote.quote_mint is None


def test_our_mint_on_the_quote_side_gets_no_price():
    page = parse_pairs([FULL | {"baseToken": {"address": mint(2)}, "quoteToken": {"address": mint(1)}}], NOW)
    assert [seen.mint for seen in page.found] == [mint(2)]


def test_pools_of_other_chains_are_none_of_our_business():
    other = FULL | {"chainId": "injective", "baseToken": {"address": "inj19dtllzcquads0hu3ykda9m58llupksqwekkfnw"}}
    page = parse_pairs([other, FULL], NOW)
    assert (page.found, page.discarded) == ((one(),), 0)
    assert parse_pairs([other], NOW).found == ()


BAD_PAIRS: list[Any] = [
    None,
    5,
    "x",
    [],
    {},
    {"chainId": "solana"},
    FULL | {"chainId": None},
    FULL | {"baseToken": {"address": mint(1).lower()}},
    FULL | {"baseToken": {"symbol": "APE"}},
    FULL | {"baseToken": None},
    FULL | {"pairAddress": None},
    FULL | {"pairAddress": mint(50).lower()},
]


@pytest.mark.parametrize("bad", BAD_PAIRS)
def test_a_bad_pair_costs_itself_and_not_its_neighbour(bad):
    page = parse_pairs([bad, FULL, bad], NOW)
    assert (page.found, page.rows, page.discarded) == ((one(),), 3, 2)
    with pytest.raises(Malformed):
        parse_pairs([bad], NOW)


def test_a_lower_cased_address_is_refused_although_it_still_decodes():
    lowered = next(low for n in range(10_000) if is_mint(low := mint(n).lower()))
    page = parse_pairs([FULL | {"baseToken": {"address": lowered}}, FULL | {"pairAddress": lowered}, FULL], NOW)
    assert (page.found, page.discarded) == ((one(),), 2)


@pytest.mark.parametrize("payload", [[], {"schemaVersion": "1.0.0", "pairs": None}, {"pairs": []}])
def test_nothing_known_is_an_answer(payload):
    assert parse_pairs(payload, NOW).found == ()


@pytest.mark.parametrize("payload", [None, "x", 5, {}, {"pair": FULL}, {"pairs": {}}, {"pairs": False}])
def test_an_answer_without_pairs_is_malformed(payload):
    with pytest.raises(Malformed):
        parse_pairs(payload, NOW)


def test_the_older_shape_is_read_alike():
    assert parse_pairs({"schemaVersion": "1.0.0", "pairs": [FULL], "pair": FULL}, NOW).found == (one(),)


@pytest.mark.parametrize(
    ("links", "socials", "websites"),
    [
        (None, {}, ()),
        ([None, 5, {}, {"url": None}, {"url": "x.com/ape"}, {"url": "@ape", "type": "twitter"}], {}, ()),
        ([{"url": "https://a.example"}, {"url": "https://a.example", "label": "Again"}], {}, (("website",),)),
        ([{"url": "https://a.example", "type": "twitter"}, {"url": "https://b.example", "type": "Twitter"}], "a", ()),
        ([{"url": "https://a.example", "type": "__proto__"}], {}, (("__proto__",),)),  # a label, and never a key
        ([{"url": "javascript://a.example", "label": "x" * 99}], {}, (("x" * 32,),)),  # plain text, linked by nobody
    ],
)
def test_links_are_sorted_into_known_networks_and_websites(links, socials, websites):
    seen = one(info={"socials": links}).metadata
    assert seen.socials == ({"twitter": "https://a.example"} if socials == "a" else socials)
    assert tuple((label,) for label, _ in seen.websites) == websites


def test_a_profile_tells_what_its_owner_paid_to_say():
    assert parse_profiles([PROFILE], NOW).found == (
        Observation(
            mint=mint(1),
            source="dexscreener",
            received_at=NOW,
            metadata=Metadata(
                description="An ape. To the moon.",
                image_url="https://cdn.example/ape.png",
                socials={"twitter": "https://x.com/ape"},
                websites=(
                    ("website", "https://ape.example"),
                    ("docs", "https://docs.example"),
                    ("warpcast", "https://warpcast.example/ape"),
                ),
            ),
        ),
    )


def test_a_boosts_icon_is_an_images_id_and_no_url():
    bare = {"chainId": "solana", "tokenAddress": mint(1), "icon": "s3P81eRDSGkEuIde", "amount": 10}
    (seen,) = parse_profiles([bare], NOW).found
    assert seen.metadata == Metadata()


@pytest.mark.parametrize("bad", [None, 5, {}, PROFILE | {"tokenAddress": mint(1).lower()}, PROFILE | {"chainId": 5}])
def test_a_bad_profile_costs_itself_and_other_chains_cost_nothing(bad):
    other = PROFILE | {"chainId": "ethereum", "tokenAddress": "0x946BE31A1Ce0920F763E1fdAE96C971CDCCd037f"}
    page = parse_profiles([bad, other, PROFILE], NOW)
    assert ([seen.mint for seen in page.found], page.rows, page.discarded) == ([mint(1)], 3, 1)
    assert parse_profiles([other], NOW).found == ()
    with pytest.raises(Malformed):
        parse_profiles([bad], NOW)


@pytest.mark.parametrize("payload", [None, {}, {"pairs": []}, "x"])
def test_profiles_that_are_no_array_are_malformed(payload):
    with pytest.raises(Malformed):
        parse_profiles(payload, NOW)


async def fetch(answer: Any, call: str, *args: Any, kind: type = DexScreener, **options: Any) -> tuple[Any, str]:
    """Return what a fetch makes of an answer, and the line it asked with."""
    async with serving(reply(json.dumps(answer).encode())) as server, client(server, Book()) as http:
        found = await getattr(kind(http), call)(*args, **options)
        return found, server.heads[0].split("\r\n")[0] if server.heads else ""


async def test_tokens_are_asked_in_one_call_and_grouped_by_mint_and_pool():
    rows = [
        FULL | {"pairAddress": mint(51), "baseToken": {"address": mint(3)}},
        FULL | {"priceUsd": "1"},
        FULL | {"pairAddress": mint(52)},
        FULL | {"baseToken": {"address": mint(9)}},  # nobody asked
        FULL,  # the first pool once more
    ]
    found, line = await fetch(rows, "fetch_tokens", [mint(1), mint(2), mint(3), mint(1)], "enrich")
    assert line == f"GET /tokens/v1/solana/{mint(1)},{mint(2)},{mint(3)} HTTP/1.1"
    assert {of: [seen.quote.pool for seen in pools] for of, pools in found.items()} == {
        mint(1): [mint(50), mint(52)],
        mint(3): [mint(51)],
    }
    assert found[mint(1)][0].quote == one().quote


async def test_the_pools_of_one_mint_have_a_call_of_their_own():
    found, line = await fetch([FULL], "fetch_pools", mint(1), "manual")
    assert line == f"GET /token-pairs/v1/solana/{mint(1)} HTTP/1.1"
    assert [seen.quote.pool for seen in found] == [mint(50)]
    assert (await fetch([], "fetch_pools", mint(1), "manual"))[0] == []


async def test_more_mints_than_a_call_takes_are_refused_and_no_mints_need_no_call():
    with pytest.raises(ValueError, match="takes 30 mints"):
        await fetch([], "fetch_tokens", [mint(n) for n in range(31)], "enrich")
    assert await fetch([], "fetch_tokens", [], "enrich") == ({}, "")
    assert await fetch([], "fetch_tokens", ["../../token-profiles"], "enrich") == ({}, "")  # no mint, no path


@pytest.mark.parametrize("feed", ["token-profiles/latest", "token-boosts/latest", "token-boosts/top"])
async def test_the_feeds_return_the_solana_tokens_they_name(feed):
    other = PROFILE | {"chainId": "base"}
    found, line = await fetch([other, PROFILE], "fetch_feed", feed, kind=DexScreenerFeeds)
    assert line == f"GET /{feed}/v1 HTTP/1.1"
    assert [seen.mint for seen in found] == [mint(1)]


async def test_discarded_rows_are_counted_in_one_line_without_the_mints_in_the_path():
    with structlog.testing.capture_logs() as events:
        await fetch([FULL, 5, None], "fetch_tokens", [mint(1)], "enrich")
    lines = [event for event in events if event["event"] == "rows.discarded"]
    assert [(line["rows"], line["of"], line["path"]) for line in lines] == [(2, 3, "/tokens/v1/solana")]


def test_feeds_and_pairs_are_two_accounts():
    assert repr(dexscreener.dexscreener("https://a.example")) == "DexScreener(Http('dexscreener', 'a.example'))"
    made = dexscreener.dexscreener_feeds("https://a.example")
    assert repr(made) == "DexScreenerFeeds(Http('dexscreener-feeds', 'a.example'))"
