"""Every answer recorded from a vendor reads as expected; what was decided about an odd one stands beside it.

(Jupiter's stand in test_jupiter.) What each shape means is tested with answers written by hand, in the adapters' tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from enrichment.launchpad import recognise
from enrichment.upstream import dexscreener, geckoterminal, helius, jsonapi, payload, pumpfun
from enrichment.upstream.adapter import Page
from enrichment.upstream.errors import Declined, Malformed, RateLimited, Refused, Unavailable
from tests.conftest import NOW, SHARED
from tests.test_jupiter import EXPECTED as JUPITERS
from tests.test_jupiter import assert_sane
from tokens.facts import Observation, Quote
from tokens.mint import SOL, USDC

RECORDED = SHARED / "recorded"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded answers of ../shared are absent"),
]

Read = Callable[[Any, datetime], Page[Any]]


def enveloped(read: Read, unwrap: Callable[[Any], Any] = lambda body: body) -> Read:
    """Read items recorded in another envelope as if they had come in ours."""
    return lambda body, received_at: read({"result": unwrap(body)}, received_at)


def items(body: Any) -> Any:
    return body["result"]["items"]


def single(body: Any) -> Any:
    return [body["result"]]


@dataclass(frozen=True)
class Seen:
    """What is read: observations, of these priced; rows nobody can read."""

    found: int
    priced: int = 0
    discarded: int = 0


ASSETS, PAIRS, PROFILES = helius.parse_assets, dexscreener.parse_pairs, dexscreener.parse_profiles
POOLS, TOKENS, CANDLES, COINS = (
    geckoterminal.parse_pools,
    geckoterminal.parse_tokens,
    geckoterminal.parse_candles,
    pumpfun.parse_coins,
)

EXPECTED: dict[str, tuple[Read, Seen | type[Malformed]]] = {
    # The recorder's JavaScript has rounded the great supplies; as they stand they are exact to us.
    "helius/getAssetBatch-1.json": (ASSETS, Seen(11, 7)),
    # A bare `result`: the snapshot is of the inside. Null in place is absent, and no bad row. Both others are NFTs.
    "helius/getAssetBatch-missing-1.json": (enveloped(ASSETS), Seen(2)),
    "helius/getAsset-1.json": (enveloped(ASSETS, single), Seen(1)),
    "helius/getAsset-2.json": (enveloped(ASSETS, lambda body: [body]), Seen(1)),  # USDC without any token_info
    "helius/getAsset-4.json": (enveloped(ASSETS, lambda body: [body]), Seen(1)),  # an NFT with a supply of 1
    # nativeBalance is an error inside a 200: beside the items, and none of our business.
    "helius/searchAssets-1.json": (enveloped(ASSETS, items), Seen(25, 15)),
    "helius/searchAssets-2.json": (enveloped(ASSETS, items), Seen(2, 2)),
    "dexscreener/tokens-v1-1.json": (PAIRS, Seen(3, 3)),
    "dexscreener/tokens-v1-unknown-1.json": (PAIRS, Seen(0)),
    "dexscreener/latest-dex-pairs-1.json": (PAIRS, Seen(1, 1)),  # `pair` repeats what `pairs` holds: not read
    "dexscreener/latest-dex-tokens-2.json": (PAIRS, Seen(0)),  # two pools of another chain
    "dexscreener/latest-dex-tokens-unknown-1.json": (PAIRS, Seen(0)),  # `pairs` is null: nothing known, no error
    "dexscreener/token-profiles-latest-v1-1.json": (PROFILES, Seen(2)),  # one of three is of another chain
    "dexscreener/token-boosts-latest-v1-1.json": (PROFILES, Seen(2)),
    "geckoterminal/new-pools-1.json": (POOLS, Seen(3, 3)),  # two of three tokens did not come along
    # CoinGecko's examples: the same schema on Ethereum, so well-formed rows that are none of our business.
    "geckoterminal/new-pools-2.json": (POOLS, Seen(0)),
    "geckoterminal/trending-pools-2.json": (POOLS, Seen(0)),
    "geckoterminal/dex-pools-1.json": (POOLS, Seen(0)),
    "geckoterminal/pools-multi-1.json": (POOLS, Seen(0)),
    "geckoterminal/search-pools-1.json": (POOLS, Seen(0)),
    "geckoterminal/token-pools-1.json": (POOLS, Seen(0)),
    # Two aggregates, one of an unpriced token, and the pool that came along.
    "geckoterminal/tokens-multi-2.json": (TOKENS, Seen(3, 2)),
    "geckoterminal/token-info-1.json": (TOKENS, Seen(1)),  # one resource instead of a list: read as a list of one
    "geckoterminal/token-info-3.json": (TOKENS, Seen(1)),
    "geckoterminal/ohlcv-minute-1.json": (CANDLES, Seen(10)),
    # Endpoints nobody asks: their rows are no pools and no tokens.
    "geckoterminal/pool-trades-1.json": (POOLS, Malformed),
    "geckoterminal/simple-token-price-1.json": (TOKENS, Malformed),
    "pumpfun/coins-1.json": (COINS, Seen(5, 5)),
    "pumpfun/coins-3.json": (COINS, Seen(10, 6)),  # four do not state their decimals, so no price can be had
    "pumpfun/coins-search-v2-1.json": (COINS, Seen(5, 0)),  # neither decimals nor a time
    "pumpfun/coins-v2-single-1.json": (lambda body, at: COINS([body], at), Seen(1, 1)),
    # 22 of 29 are not pump.fun's, SOL among them; and no price, since theirs is off by powers of ten.
    "pumpfun/advanced-coins-graduated-1.json": (COINS, Seen(7, 0)),
    # Endpoints nobody asks: they do not say which mint they are about.
    "pumpfun/advanced-coin-metadata-1.json": (COINS, Malformed),
    "pumpfun/market-activity-1.json": (COINS, Malformed),
    "pumpfun/offchain-metadata-1.json": (COINS, Malformed),
}

REFUSALS = {  # what the body alone says, whatever HTTP status it came with; `parse_*` never sees these
    "helius/error-400-doc.json": Declined,
    "helius/error-401-doc.json": Refused,
    "helius/error-403-doc.json": Refused,
    "helius/error-404-doc.json": helius.BadBatch,  # "one or more were not found": asked again in halves
    "helius/error-429-doc.json": RateLimited,
    "helius/error-429-rate-limited.json": RateLimited,
    "helius/error-500-doc.json": Unavailable,
    "geckoterminal/error-400-ohlcv-aggregate.json": Declined,
    "geckoterminal/error-404.json": Declined,
}


def decoded(name: str) -> Any:
    return payload.decode((RECORDED / name).read_bytes(), "application/json")


def read(name: str) -> Page[Any]:
    return EXPECTED[name][0](decoded(name), NOW)


def test_no_recording_is_forgotten():
    names = {str(path.relative_to(RECORDED)) for path in RECORDED.rglob("*.json")}
    assert names == {*EXPECTED, *REFUSALS, *(f"jupiter/{name}" for name in JUPITERS)}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recorded_answer_reads_as_expected(name):
    expected = EXPECTED[name][1]
    if not isinstance(expected, Seen):
        with pytest.raises(expected):
            read(name)
        return
    page = read(name)
    seen = [fact for fact in page.found if isinstance(fact, Observation)]
    priced = sum(1 for each in seen if each.quote and each.quote.price_usd)
    assert Seen(len(page.found), priced, page.discarded) == expected
    for each in seen:
        assert_sane(each)


@pytest.mark.parametrize("name", REFUSALS)
def test_a_recorded_error_is_what_it_says(name):
    if name.startswith("helius"):
        error = helius.refusal(decoded(name))
    else:
        error = jsonapi.refusal("geckoterminal", decoded(name))
    assert type(error) is REFUSALS[name]


def test_helius_facts_survive_to_the_digit():
    found = {seen.mint: seen for seen in read("helius/getAssetBatch-1.json").found}
    chili = found["GPyzPHuFFGvN4yWWixt6TYUtDG49gfMdFFi2iniTmCkh"]
    assert chili.quote == Quote(price_usd=Decimal("3.56823e-11"), is_last_resort=True)
    assert chili.metadata.total_supply == Decimal("875276560295077.60")
    oogi = found["H7Qc9APCWWGDVxGD5fJHmLTmdEgT9GFatAKFNg6sHh8A"]
    assert oogi.metadata.total_supply == Decimal("17993633250.094256000")  # 1.8e19 base units: beyond 2^63
    no_name = found["JEFFSQ3s8T3wKsvp4tnRAsUBW7Cqgnf8ukBZC4C8XBm1"].metadata
    assert (no_name.name, no_name.symbol) == (None, "sUSDC-9")
    chad, gyen = (found[f"{head}"].metadata.flags for head in (
        "G7rwEgk8KgQ4RUTnMy2W2i7dRDq4hXHD4CSp9PSmSbRW", "Crn4x1Y2HUKko7ox2EZMT6N2t2ZyH7eKtwkBGVnhEq1g",
    ))  # fmt: skip
    assert (chad, gyen) == (("transfer_fee",), ("freeze_authority", "mint_authority", "permanent_delegate"))
    nfts = [*read("helius/getAssetBatch-missing-1.json").found, *read("helius/getAsset-4.json").found]
    assert all("not_fungible" in seen.metadata.flags and seen.quote is None for seen in nfts)
    (usdc,) = read("helius/getAsset-2.json").found
    assert (usdc.mint, usdc.metadata.symbol, usdc.metadata.decimals, usdc.quote) == (USDC, "USDC", None, None)


def test_dexscreener_facts_survive_to_the_digit():
    higgs, swift, fifth = (seen.quote for seen in read("dexscreener/tokens-v1-1.json").found)
    assert (swift.price_usd, swift.liquidity_usd, swift.dex) == (Decimal("0.000008526"), None, "pumpfun")  # a curve
    assert (fifth.change_5m_pct, fifth.liquidity_usd, fifth.quote_mint) == (-88.42, 4468, SOL)
    (older,) = read("dexscreener/latest-dex-pairs-1.json").found
    assert (older.quote.change_5m_pct, older.quote.change_1h_pct) == (None, -2.14)  # nobody traded for five minutes
    assert (higgs.market_cap_usd, higgs.fdv_usd) == (855186, 855167)
    boosted, bare = read("dexscreener/token-boosts-latest-v1-1.json").found
    assert boosted.metadata.image_url is None  # the id of an image
    assert boosted.metadata.socials.keys() == {"twitter", "telegram"}
    assert bare.mint == "Bz6wXonBzHNLqLr4v8FaqtfEtSfr27iua7YeM6Qgpump"  # out of tokenAddress: `url` is lower-cased


def test_geckoterminal_facts_survive_to_the_digit():
    altruists, clone, panda = read("geckoterminal/new-pools-1.json").found
    assert altruists.quote.price_usd == Decimal("0.000033697540289247")  # of 67 digits, the 18 we store
    assert altruists.quote.liquidity_usd is None  # "0.0" of a bonding curve
    assert panda.quote.price_usd == Decimal("4.956633e-12")
    assert (altruists.metadata.name, clone.metadata) == ("The Altruists", None)
    trump, soracat, pool = read("geckoterminal/tokens-multi-2.json").found
    assert (soracat.quote.price_usd, soracat.quote.volume_24h_usd) == (None, 0)  # null is unknown, "0.0" is zero
    assert (pool.mint, pool.quote.pool) == (trump.mint, "9d9mb8kooFfaD3SctgZtkxQypkshx6ezhbKio89ixyy2")
    newest = read("geckoterminal/ohlcv-minute-1.json").found[0]
    assert (newest.at, newest.close_usd) == (datetime(2026, 10, 8, 15, 32, tzinfo=UTC), Decimal("0.000700067415318727"))
    negative = decoded("geckoterminal/new-pools-2.json")["data"][0]["attributes"]["reserve_in_usd"]
    assert Decimal(negative) < 0  # seen on another chain: no reserve we would store either


def test_pumpfun_facts_survive_to_the_digit():
    taylor = read("pumpfun/coins-1.json").found[0]
    assert taylor.metadata.created_at == datetime(2026, 10, 8, 18, 8, 12, tzinfo=UTC)  # ms
    assert taylor.observed_at == datetime(2026, 10, 8, 18, 9, 37, tzinfo=UTC)  # s, in the same object
    assert taylor.quote.price_usd == Decimal("0.000345298650031798")
    assert taylor.quote.is_last_resort
    fartcoin = read("pumpfun/coins-3.json").found[0]
    assert (fartcoin.metadata.name, fartcoin.metadata.total_supply) == ("Fartcoin", Decimal("999978899.969322"))
    (gary,) = read("pumpfun/coins-v2-single-1.json").found
    traded = read("geckoterminal/ohlcv-minute-1.json").found[0]
    assert traded.low_usd * Decimal("0.8") < gary.quote.price_usd < traded.high_usd  # eight minutes later, falling
    assert SOL not in {seen.mint for seen in read("pumpfun/advanced-coins-graduated-1.json").found}


def test_recorded_launchpads_are_recognised_by_more_than_an_ending():
    by_curve = recognise(read("dexscreener/tokens-v1-1.json").found[1:2])  # a mint without the ending
    assert (by_curve.launchpad, by_curve.by) == ("pump.fun", "curve")
    assert recognise(read("dexscreener/tokens-v1-1.json").found[2:]) is None  # on pumpswap, and no ending
    assert recognise(read("geckoterminal/new-pools-1.json").found[2:]) is None  # the ending, on another launchpad
    assert recognise(read("geckoterminal/token-info-1.json").found).by == "category"
    assert recognise(read("pumpfun/coins-1.json").found[:1]).by == "feed"
