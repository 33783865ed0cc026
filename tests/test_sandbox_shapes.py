"""No vendor says what it was never recorded saying: keys and types against the recordings."""

import pytest

from tests.sandbox_stage import COINS, FEED, GECKO, PAIRS, RECORDED, Stage, objects, paths, recorded

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not RECORDED.exists(), reason="the recordings of ../shared are not here"),
]


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage(mints=20_000)


async def bodies(stage: Stage, *addresses: str, **query: str) -> list[object]:
    answers = []
    for address in addresses:
        stage.now_s += 60
        response = await stage.get(address, **query)
        assert response.status_code == 200, address
        answers.append(response.json())
    return answers


def batches(stage: Stage, size: int) -> list[str]:
    """Known tokens, sleepers, and every newborn of the last minutes, as comma lists."""
    fresh = stage.market.universe.newest(stage.now_s - 300, 3 * size).tolist()
    mints = stage.mints(*range(4 * size), *range(9_000, 9_000 + 3 * size), *fresh)
    return [",".join(mints[start : start + size]) for start in range(0, len(mints), size)]


async def test_dexscreener_pairs(stage):
    said = await bodies(stage, *(f"{PAIRS}/{batch}" for batch in batches(stage, 30)))
    said += await bodies(stage, *(f"/dexscreener/token-pairs/v1/solana/{mint}" for mint in stage.mints(*range(30))))
    rows, seen = objects(said, "pairAddress"), objects(recorded("dexscreener"), "pairAddress")
    assert len(rows) > 300
    # labels and other socials are documented; the recordings that show them are not here
    documented = {".labels[]:str", ".quoteToken.address:str", ".quoteToken.name:str"}
    assert set().union(*map(paths, rows)) <= set().union(*map(paths, seen)) | documented
    assert all(row["url"].rpartition("/")[2] == row["pairAddress"].lower() for row in rows)


async def test_dexscreener_feeds(stage):
    boosts = [f"/dexscreener/token-boosts/{order}/v1" for order in ("latest", "top")]
    rows = objects(await bodies(stage, FEED, *boosts), "tokenAddress")
    seen = set().union(*map(paths, objects(recorded("dexscreener"), "tokenAddress")))
    assert set().union(*map(paths, rows)) <= seen
    assert len({row["chainId"] for row in rows}) > 2
    assert any(not row["icon"].startswith("http") for row in rows if "icon" in row)


async def test_dexscreener_legacy_envelopes(stage):
    (mint,), stranger = stage.mints(5), "11111111111111111111111111111112"
    known, unknown = await bodies(stage, *(f"/dexscreener/latest/dex/tokens/{m}" for m in (mint, stranger)))
    assert [unknown] == recorded("dexscreener", "latest-dex-tokens-unknown-1")
    pair = f"/dexscreener/latest/dex/pairs/solana/{known['pairs'][0]['pairAddress']}"
    (single,) = await bodies(stage, pair)
    assert single.keys() == recorded("dexscreener", "latest-dex-pairs-1")[0].keys()
    assert single["pair"] == single["pairs"][0]


def told(bodies_: list[object], kind: str) -> set[str]:
    found = [row for row in objects(bodies_, "type") if row["type"] == kind and "attributes" in row]
    assert found, kind
    return set().union(*map(paths, found))


async def test_geckoterminal_resources(stage):
    lists = [f"{GECKO}/{name}" for name in ("new_pools", "trending_pools", "pools", "dexes/pumpswap/pools")]
    said = await bodies(stage, *lists, include="base_token,quote_token,dex")
    said += await bodies(stage, *(f"{GECKO}/tokens/multi/{batch}" for batch in batches(stage, 30)), include="top_pools")
    seen = recorded("geckoterminal")
    # null decimals, and what becomes of a graduate, are documented; the recordings that show them are not here
    details = ".attributes.launchpad_details"
    documented = {
        ".attributes.decimals:NoneType",
        f"{details}.completed_at:str",
        f"{details}.migrated_destination_pool_address:str",
    }
    for kind in ("pool", "token", "dex"):
        assert told(said, kind) <= told(seen, kind) | documented, kind


async def test_geckoterminal_information_history_and_prices(stage):
    for mint in stage.mints(*range(5, 25)):
        (info,) = await bodies(stage, f"{GECKO}/tokens/{mint}/info")
        assert paths(info) <= set().union(*map(paths, recorded("geckoterminal", "token-info-*"))) | {
            ".data.attributes.mint_authority:str",
            ".data.attributes.launchpad_details.completed_at:str",
            ".data.attributes.launchpad_details.migrated_destination_pool_address:str",
        }
    (pools,) = await bodies(stage, f"{GECKO}/tokens/{mint}/pools")
    address = pools["data"][0]["attributes"]["address"]
    (history,) = await bodies(stage, f"{GECKO}/pools/{address}/ohlcv/hour", limit="24")
    assert paths(history) <= set().union(*map(paths, recorded("geckoterminal", "ohlcv-minute-1")))
    (prices,) = await bodies(stage, f"/geckoterminal/simple/networks/solana/token_price/{mint}")
    assert prices["data"].keys() == recorded("geckoterminal", "simple-token-price-1")[0]["data"].keys()


async def test_geckoterminal_errors(stage):
    (mint,) = stage.mints(5)
    missing = await stage.get(f"{GECKO}/tokens/11111111111111111111111111111112")
    assert [missing.json()] == recorded("geckoterminal", "error-404")
    (pools,) = await bodies(stage, f"{GECKO}/tokens/{mint}/pools")
    address = pools["data"][0]["attributes"]["address"]
    wrong = await stage.get(f"{GECKO}/pools/{address}/ohlcv/minute", aggregate="7")
    (seen,) = recorded("geckoterminal", "error-400-ohlcv-aggregate")
    assert wrong.status_code == 400
    assert wrong.json()["errors"] == seen["errors"]
    assert wrong.json()["meta"].keys() == seen["meta"].keys()


async def test_helius_assets(stage):
    fresh = stage.market.universe.newest(stage.now_s, 500).tolist()
    mints = stage.mints(*range(1_000), *range(9_000, 9_500), *fresh)
    said = [(await stage.ask(ids=mints[start : start + 1_000])).json() for start in range(0, len(mints), 1_000)]
    rows, seen = objects(said, "interface"), objects(recorded("helius"), "interface")
    assert len(rows) > 1_900
    assert set().union(*map(paths, rows)) <= set().union(*map(paths, seen))
    assert said[0].keys() == recorded("helius", "getAssetBatch-1")[0].keys()


async def test_helius_errors(stage):
    known = {error["error"]["code"]: error for error in recorded("helius", "error-*")}
    refused = await stage.ask(ids=[], key="nobody")
    assert (refused.status_code, refused.json()) == (401, known[-32001])
    await stage.fail("rate_limited")
    for _ in range(2):
        stage.now_s += 1
        limited = (await stage.ask(ids=[])).json()
        assert limited["error"] == known[limited["error"]["code"]]["error"]
    await stage.fail("http_500")
    assert (await stage.ask(ids=[])).json() == known[-32000]
    await stage.fail()


async def test_pumpfun_coins(stage):
    said = await bodies(stage, COINS, limit="70")
    said += await bodies(stage, COINS, limit="70", complete="true")
    said += await bodies(stage, COINS, sort="market_cap")
    said += await bodies(stage, f"{COINS}/{said[0][0]['mint']}")
    seen = objects(recorded("pumpfun", "coins-[123]*") + recorded("pumpfun", "coins-v2-*"), "mint")
    assert set().union(*map(paths, objects(said, "mint"))) <= set().union(*map(paths, seen))


async def test_pumpfun_searches_say_null_where_lists_say_nothing(stage):
    (rows,) = await bodies(stage, f"{COINS}/search-v2", searchTerm="frog")
    (seen,) = recorded("pumpfun", "coins-search-v2-1")
    assert [row.keys() for row in rows] == [seen[0].keys()] * len(rows)
    documented = {".token_program:str", ".telegram:NoneType", ".description:NoneType", ".image_uri:NoneType"}
    assert set().union(*map(paths, rows)) <= set().union(*map(paths, seen)) | documented


async def test_pumpfun_details_are_strings_all_through(stage):
    (rows,) = await bodies(stage, COINS, complete="true")
    (details,) = await bodies(stage, f"{COINS}/metadata/{rows[0]['mint']}")
    (seen,) = recorded("pumpfun", "advanced-coin-metadata-1")
    assert paths(details) <= paths(seen)
    assert "e+" in details["topTenHoldersOwnedAmount"]
