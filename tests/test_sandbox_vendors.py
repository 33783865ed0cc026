"""How each vendor treats batches, strangers, keys and limits; and that they all look at one market."""

import math
import tracemalloc
from dataclasses import replace
from decimal import Decimal

import numpy as np
import orjson
import pytest

from enrichment.sandbox import dexscreener, helius, jupiter, pumpfun
from enrichment.sandbox.gateway import Gateway
from enrichment.sandbox.journal import Journal
from enrichment.sandbox.launches import EPOCH_S
from enrichment.sandbox.limits import Meter
from enrichment.sandbox.market import Lens, Market
from enrichment.sandbox.pools import WIDEST_SPREAD, pools_of
from enrichment.sandbox.vendor import Call
from enrichment.sandbox.vendors import VENDORS
from tests.sandbox_stage import COINS, FEED, GECKO, HELIUS_KEY, NOW_S, PAIRS, PRICE, RECENT, SEARCH, Stage, objects
from tokens.mint import SOL, USDC

STRANGER = Market(seed=77).universe.mints(np.array([5], dtype=np.uint64))[0]


@pytest.fixture
def stage() -> Stage:
    return Stage(mints=1_100)


def prices_of(rows: list[dict], key: str, mint: str = "mint") -> dict[str, Decimal]:
    return {row[mint]: Decimal(str(row[key])) for row in rows if row.get(key) is not None}


async def pair_prices(stage: Stage, mints: list[str]) -> dict[str, Decimal]:
    rows = (await stage.get(f"{PAIRS}/{','.join(mints)}")).json()
    return {row["baseToken"]["address"]: Decimal(row["priceUsd"]) for row in rows if "priceUsd" in row}


async def gecko_prices(stage: Stage, mints: list[str]) -> dict[str, Decimal]:
    rows = (await stage.get(f"{GECKO}/tokens/multi/{','.join(mints)}")).json()["data"]
    return prices_of([row["attributes"] for row in rows], "price_usd", "address")


async def jupiter_prices(stage: Stage, mints: list[str]) -> dict[str, Decimal]:
    entries = (await stage.get(PRICE, ids=",".join(mints))).json()
    return {mint: Decimal(str(entry["usdPrice"])) for mint, entry in entries.items()}


def apart(first: dict[str, Decimal], second: dict[str, Decimal]) -> list[float]:
    return [abs(math.log(first[mint] / second[mint])) for mint in first.keys() & second.keys()]


async def test_all_vendors_see_one_market_each_a_little_differently(stage):
    mints = stage.mints(*range(3, 33))
    jupiters, pairs = await jupiter_prices(stage, mints), await pair_prices(stage, mints)
    off = apart(jupiters, pairs)
    assert len(off) >= 19
    assert 0 < sorted(off)[len(off) // 2] < 0.01
    assert sorted(off)[-2] <= WIDEST_SPREAD + 0.0005  # DexScreener rounds to four digits; one pool may be poisoned
    assets = (await stage.ask(ids=mints)).json()["result"]
    helius_prices = {
        asset["id"]: Decimal(str(asset["token_info"]["price_info"]["price_per_token"]))
        for asset in assets
        if "price_info" in asset.get("token_info", {})
    }
    stage.now_s = NOW_S // 600 * 600  # when Helius fills its cache
    assert max(apart(helius_prices, await jupiter_prices(stage, mints))) < 1e-6
    listed = (await stage.get(COINS, sort="market_cap")).json()
    caps = {row["mint"]: Decimal(str(row["usd_market_cap"])) / 1_000_000_000 for row in listed}
    common = [mint for mint in mints if mint in caps]
    assert common
    assert max(apart(caps, await jupiter_prices(stage, common))) < 1e-9


async def test_geckoterminal_tells_what_the_others_told_half_a_minute_to_a_minute_ago(stage):
    mints = stage.mints(*range(3, 33))
    before = await pair_prices(stage, mints)
    stage.now_s += 30 - stage.now_s % 30 + 30  # its cache turns over twice
    now = await gecko_prices(stage, mints)
    late = sorted(apart(now, before))
    assert len(late) >= 19
    assert late[len(late) // 2] < WIDEST_SPREAD
    stage.now_s += 29.9
    assert await gecko_prices(stage, mints) == now
    stage.now_s += 0.2
    assert await gecko_prices(stage, mints) != now


async def test_prices_of_all_vendors_change_together(stage):
    mints = stage.mints(*range(3, 33))
    before = [await ask(stage, mints) for ask in (jupiter_prices, pair_prices, gecko_prices)]
    stage.now_s += 4 * 3_600
    after = [await ask(stage, mints) for ask in (jupiter_prices, pair_prices, gecko_prices)]
    moves = [
        {mint: math.log(late[mint] / early[mint]) for mint in early.keys() & late.keys()}
        for early, late in zip(before, after, strict=True)
    ]
    common = sorted(set.intersection(*(set(move) for move in moves)))
    ours, pairs, geckos = (np.array([move[mint] for mint in common]) for move in moves)
    assert len(common) >= 15
    assert np.corrcoef(ours, pairs)[0, 1] > 0.99
    assert np.corrcoef(ours, geckos)[0, 1] > 0.9


async def test_the_sources_do_not_know_the_same_tokens(stage):
    mints = stage.mints(*range(1_000, 1_050))
    jupiters = set(await jupiter_prices(stage, mints))
    pairs = set(await pair_prices(stage, mints[:30])) | set(await pair_prices(stage, mints[30:]))
    geckos = set(await gecko_prices(stage, mints[:30])) | set(await gecko_prices(stage, mints[30:]))
    assert pairs - jupiters
    assert jupiters - pairs or jupiters - geckos
    assert pairs - geckos


async def test_chain_facts_are_the_same_everywhere(stage):
    mints = stage.mints(*range(3, 33))
    rows = {row["id"]: row for row in (await stage.get(SEARCH, query=",".join(mints))).json()}
    geckos = (await stage.get(f"{GECKO}/tokens/multi/{','.join(mints)}")).json()["data"]
    for asset in (await stage.ask(ids=mints)).json()["result"]:
        row, info = rows[asset["id"]], asset["token_info"]
        assert info["decimals"] == row["decimals"]
        assert info["supply"] == round(row["totalSupply"] * 10 ** row["decimals"])
        assert info["token_program"] == row["tokenProgram"]
        assert info.get("mint_authority") == row.get("mintAuthority")
    for gecko in geckos:
        row = rows[gecko["attributes"]["address"]]
        assert gecko["attributes"]["total_supply"] == f"{round(row['totalSupply'] * 10 ** row['decimals'])}.0"
        details = gecko["attributes"].get("launchpad_details")
        assert bool(details) == ("launchpad" in row)
        assert (details or {}).get("migrated_destination_pool_address") == row.get("graduatedPool")


async def test_helius_answers_in_order_with_null_for_strangers_and_repeats_once(stage):
    one, two = stage.mints(5, 6)
    response = await stage.ask(ids=[two, STRANGER, one, one, two])
    result = response.json()["result"]
    assert [row and row["id"] for row in result] == [two, None, one, two]
    assert response.json()["id"] == "1"


@pytest.mark.parametrize("bad", ["", "nonsense", f"0{SOL[1:]}", f"{SOL} "])
async def test_one_bad_id_fails_a_helius_batch_inside_status_200(stage, bad):
    response = await stage.ask(ids=[*stage.mints(5, 6), bad])
    assert response.status_code == 200
    assert response.json()["error"] == {"code": -32000, "message": f"Pubkey Validation Err: {bad} is invalid"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"[]", -32700),
        (b'{"method":"getAssetBatch"}', -32602),
        (b'{"method":"getAssetBatch","params":{"ids":[1]}}', -32602),
        (b'{"method":"getAssetBatch","params":[]}', -32602),
        (b'{"method":"searchAssets","params":{}}', -32601),
        (b'{"method":"getAsset","params":{"id":3}}', -32000),
    ],
)
async def test_what_helius_cannot_read_is_an_error_with_its_number(stage, body, code):
    response = await stage.client.post("/helius/", params={"api-key": HELIUS_KEY}, content=body)
    assert response.json()["error"]["code"] == code


async def test_helius_takes_a_thousand_ids_and_refuses_more(stage):
    assert len((await stage.ask(ids=stage.mints(*range(1_000)))).json()["result"]) == 1_000
    error = (await stage.ask(ids=stage.mints(*range(1_001)))).json()["error"]
    assert error["message"] == "Batch Size Error. Batch size should not be greater than 1000."


async def test_helius_knows_a_new_mint_after_some_seconds_and_prices_only_the_best_known():
    stage = Stage(mints=20_000)
    newest = stage.market.universe.newest(stage.now_s, 1).tolist()
    born_s = stage.market.observe(np.array(newest, dtype=np.uint64), stage.now_s).traits.born_s[0]
    for age_s, is_known in ((2.0, False), (3.0, True)):
        stage.now_s = float(born_s) + age_s
        (row,) = (await stage.ask(ids=stage.mints(*newest))).json()["result"]
        assert (row is not None) == is_known
    rows = (await stage.ask(ids=stage.mints(*range(9_500, 10_500)))).json()["result"]
    priced = ["price_info" in row.get("token_info", {}) for row in rows]
    assert any(priced[:500])
    assert not any(priced[500:])
    assert all(
        ("symbol" in row.get("token_info", {})) == is_priced for row, is_priced in zip(rows, priced, strict=True)
    )


async def test_helius_supplies_go_beyond_what_64_signed_bits_hold():
    stage = Stage(mints=20_000)
    rows = (await stage.ask(ids=stage.mints(*range(1_000, 2_000)))).json()["result"]
    supplies = [row["token_info"]["supply"] for row in rows if "token_info" in row]
    assert 2**63 < max(supplies) < 2**64
    assert any("token_info" not in row for row in rows)
    assert any(row["content"]["metadata"] == {} for row in rows)
    assert any(row["content"]["metadata"] == {} and "metadata" in row.get("mint_extensions", {}) for row in rows)


async def test_the_feeds_of_paid_pages_move_on_by_some_every_minute(stage):
    before = [row["tokenAddress"] for row in (await stage.get(FEED)).json()]
    stage.now_s += 60
    after = [row["tokenAddress"] for row in (await stage.get(FEED)).json()]
    assert len(before) == len(after) == 30
    assert 15 < len(set(before) & set(after)) < 30


async def test_dexscreener_drops_what_is_beyond_thirty_and_knows_no_stranger(stage):
    mints = stage.mints(*range(3, 43))
    rows = (await stage.get(f"{PAIRS}/{','.join(mints)}")).json()
    named = [row["baseToken"]["address"] for row in rows]
    assert set(named) <= set(mints[:30])
    assert len(set(named)) == len(named) > 20
    assert named != [mint for mint in mints if mint in named]
    for path in (f"{PAIRS}/{STRANGER}", f"{PAIRS}/{SOL.lower()}", f"/dexscreener/tokens/v1/ethereum/{SOL}"):
        assert (await stage.get(path)).json() == []


async def test_the_older_endpoint_holds_thirty_pairs_for_all_tokens_together(stage):
    mints = stage.mints(*range(3, 33))
    rows = (await stage.get(f"/dexscreener/latest/dex/tokens/{','.join(mints)}")).json()["pairs"]
    assert len(rows) == 30
    assert len({row["baseToken"]["address"] for row in rows}) < 25


async def test_all_pairs_of_a_token_hold_traps(stage):
    ids = np.arange(4, 500, dtype=np.uint64)
    pools = pools_of(stage.market, stage.market.observe(ids, NOW_S), NOW_S)
    quoted = ids[stage.market.chance.unit("quoted", ids) < 0.02]
    rows = []
    for mint in stage.mints(*range(3, 23), *pools.ids[pools.is_poisoned].tolist(), *quoted.tolist()):
        rows += [(mint, row) for row in (await stage.get(f"/dexscreener/token-pairs/v1/solana/{mint}")).json()]
    assert any(row["baseToken"]["address"] != mint for mint, row in rows)  # our token is the quote side
    fakes = [
        row
        for _, row in rows
        if row["quoteToken"]["symbol"] == "USDC" and row["quoteToken"].get("address", USDC) != USDC
    ]
    assert fakes
    assert min(row["liquidity"]["usd"] for row in fakes) > 1e6
    assert all("liquidity" not in row for _, row in rows if row["dexId"] == "pumpfun")
    assert any(row["priceChange"].keys() != row["txns"].keys() for _, row in rows)


async def test_geckoterminal_refuses_what_is_beyond_thirty_and_leaves_strangers_out(stage):
    mints = [*stage.mints(*range(3, 32)), STRANGER]
    rows = (await stage.get(f"{GECKO}/tokens/multi/{','.join(mints)}")).json()["data"]
    assert {row["attributes"]["address"] for row in rows} == set(mints[:-1])
    assert (await stage.get(f"{GECKO}/tokens/multi/{','.join([SOL] * 31)}")).status_code == 400


async def test_geckoterminal_figures_are_odd_in_every_recorded_way():
    stage, natives, prices = Stage(mints=20_000), set(), []
    for page in range(1, 11):
        rows = (await stage.get(f"{GECKO}/new_pools", page=str(page))).json()["data"]
        natives |= {row["attributes"]["base_token_price_native_currency"] for row in rows}
        prices += [row["attributes"]["base_token_price_usd"] for row in rows]
        born = [row["attributes"]["pool_created_at"] for row in rows]
        assert born == sorted(born, reverse=True)
    assert {"NaN", None} <= natives
    assert max(len(price.partition(".")[2]) for price in prices) > 60
    assert "0.0" in {row["attributes"]["reserve_in_usd"] for row in rows}
    assert (await stage.get(f"{GECKO}/new_pools", page="11")).status_code == 400


async def test_the_api_version_in_geckoterminals_path_may_be_left_out(stage):
    paths = (f"{GECKO}/tokens/{SOL}", f"/geckoterminal/networks/solana/tokens/{SOL}")
    first, second = [(await stage.get(path)).json() for path in paths]
    assert first == second


async def test_a_launch_is_listed_on_its_curve_and_a_graduate_with_its_pool(stage):
    newest = (await stage.get(COINS, limit="70")).json()
    assert len(newest) == 70
    born = [row["created_timestamp"] for row in newest]
    assert born == sorted(born, reverse=True)
    assert stage.now_s - 900 < born[-1] / 1_000
    graduates = (await stage.get(COINS, complete="true", limit="50")).json()
    assert all(row["complete"] and row["pump_swap_pool"] for row in graduates)
    assert all(row["real_token_reserves"] == 0 for row in graduates)
    ours = {row["id"]: row for row in (await stage.get(SEARCH, query=",".join(r["mint"] for r in graduates))).json()}
    for row in graduates:
        assert ours[row["mint"]]["graduatedPool"] == row["pump_swap_pool"]
        assert ours[row["mint"]]["launchpad"] == "pump.fun"
    rows = (await stage.get(f"{PAIRS}/{','.join(row['mint'] for row in graduates[:30])}")).json()
    assert {row["pairAddress"] for row in rows} <= {row["pump_swap_pool"] for row in graduates}
    assert {row["dexId"] for row in rows} == {"pumpswap"}


async def test_pumpfun_pages_end_where_they_ended(stage):
    assert len((await stage.get(COINS, limit="100", offset="1000")).json()) == 70
    assert (await stage.get(COINS, offset="1001")).json() == []
    assert (await stage.get(COINS, sort="nonsense")).status_code == 400
    assert (await stage.get(f"{COINS}/currently-live")).content == b""
    assert (await stage.get(f"{COINS}/{USDC}")).content == b""
    mixed = (await stage.get(COINS)).json()[0]
    assert mixed["last_trade_timestamp"] > 1e12 > mixed["updated_at"] > 1e9


async def exhaust(stage: Stage, path: str) -> int:
    """Return how many calls at one moment pass."""
    for count in range(10_000):
        if (await stage.get(path)).status_code == 429:
            return count
    raise AssertionError("no limit")


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        (f"{PAIRS}/{STRANGER}", dexscreener.PAIRS_PER_MINUTE),
        (FEED, dexscreener.FEEDS_PER_MINUTE),
        (f"{COINS}/search-v2", pumpfun.CALLS_PER_WINDOW["search-v2"]),
        (f"{COINS}/{STRANGER}", pumpfun.USUAL_CALLS),
    ],
)
async def test_an_endpoint_class_has_its_own_sliding_minute(stage, path, limit):
    assert await exhaust(stage, path) == limit
    stage.now_s += 59.9
    assert (await stage.get(path)).status_code == 429
    stage.now_s += 0.1
    assert (await stage.get(path)).status_code == 200
    others = {f"{PAIRS}/{STRANGER}", FEED, f"{COINS}/search-v2", f"{COINS}/{STRANGER}"} - {path}
    assert [(await stage.get(other)).status_code for other in others] == [200] * 3


async def test_geckoterminal_refuses_from_somewhere_between_25_and_30(stage):
    seen = set()
    for _ in range(10):
        stage.now_s += 120
        seen.add(await exhaust(stage, f"{GECKO}/tokens/{STRANGER}"))
    assert seen <= set(range(25, 31))
    assert len(seen) > 3


async def test_geckoterminal_refuses_in_two_ways_and_names_no_time(stage):
    await stage.fail("geckoterminal:rate_limited")
    bodies = []
    for _ in range(2):
        stage.now_s += 1
        response = await stage.get(f"{GECKO}/new_pools")
        bodies.append(response.json())
        assert response.headers.get("retry-after", "0") == "0"
    assert sorted(next(iter(body)) for body in bodies) == ["errors", "status"]


async def test_pumpfun_states_its_limit_per_route(stage):
    response = await stage.get(f"{COINS}/search-v2")
    headers = {name: response.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset")}
    assert headers == {"limit": "20", "remaining": "19", "reset": str(int(NOW_S) + 61)}


@pytest.mark.parametrize("plan", ["free", "developer"])
async def test_a_helius_plan_allows_its_calls_in_any_second(stage, plan):
    key, limit = f"helius_{plan}_x", helius.CALLS_PER_SECOND[plan]
    for _ in range(limit):
        assert (await stage.ask(ids=[], key=key)).status_code == 200
    assert (await stage.ask(ids=[], key=key)).status_code == 429
    assert (await stage.ask(ids=[], key=f"{key}2")).status_code == 200
    stage.now_s += 1
    assert (await stage.ask(ids=[], key=key)).status_code == 200


@pytest.mark.parametrize("key", ["", "nobody", "jup_free_x", "helius"])
async def test_a_wrong_helius_key_is_refused(stage, key):
    assert (await stage.ask(ids=[], key=key)).status_code == 401


def test_a_meter_stops_at_the_budget_and_begins_anew_with_the_month():
    meter = Meter()
    assert [meter.charge("a", 10, 25, NOW_S) for _ in range(3)] == [True, True, False]
    assert meter.charge("a", 5, 25, NOW_S)
    assert meter.charge("b", 10, 25, NOW_S)
    assert meter.used(NOW_S) == {"a": 25, "b": 10}
    next_month_s = NOW_S + 31 * 86_400
    assert meter.charge("a", 10, 25, next_month_s)
    assert meter.used(next_month_s) == {"a": 10}


async def test_a_months_credits_end(stage, monkeypatch):
    monkeypatch.setitem(helius.CREDITS, "free", 25)
    monkeypatch.setitem(jupiter.CREDITS, "developer", 25)
    key = {"x-api-key": "jup_developer_x"}
    for ask in (lambda: stage.ask(ids=[], key="helius_free_x"), lambda: stage.get(SEARCH, query=SOL, headers=key)):
        statuses = []
        for _ in range(3):
            stage.now_s += 1
            last = await ask()
            statuses.append(last.status_code)
        assert statuses == [200, 200, 429]
    stage.now_s += 1
    spent = (await stage.ask(ids=[], key="helius_free_x")).json()
    assert spent["error"] == {"code": -32429, "message": "max usage reached"}


@pytest.mark.parametrize(
    ("path", "query", "cost"),
    [
        (SEARCH, {"query": SOL}, 10),
        (PRICE, {"ids": SOL}, 1),
        (RECENT, {}, 1),
        ("/jupiter/tokens/v2/tag", {"query": "lst"}, 50),
        ("/jupiter/tokens/v2/toptraded/1h", {}, 5),
        ("/jupiter/no/such/path", {}, 0),
    ],
)
async def test_jupiter_counts_credits_for_paid_keys_only(stage, path, query, cost):
    for key in ("jup_pro_x", "jup_free_x"):
        await stage.get(path, headers={"x-api-key": key}, **query)
    assert [entry["cost"] for entry in await stage.journal()] == [cost, 0]


async def test_helius_takes_posts_and_the_others_gets(stage):
    assert (await stage.get("/helius/")).status_code == 405
    for path in (COINS, f"{GECKO}/new_pools", FEED):
        assert (await stage.client.post(path)).status_code == 405
    assert [row["status"] for row in await stage.journal()] == [405] * 4


@pytest.mark.parametrize("name", VENDORS)
async def test_an_unknown_path_is_not_found(stage, name):
    ask = stage.client.post if name == "helius" else stage.client.get
    response = await ask(f"/{name}/no/such/path", params={"api-key": HELIUS_KEY})
    assert response.status_code == 404


def calls(market: Market) -> list[tuple[str, Call]]:
    """A call of every kind about some settled tokens and the newest launches."""
    ids = np.concatenate([np.arange(3, 23, dtype=np.uint64), market.universe.newest(NOW_S - 300, 10)])
    mints = market.universe.mints(ids)
    batch, pool = ",".join(mints), market.universe.addresses(ids[3:4], np.array([1], dtype=np.uint64))[0]
    body = orjson.dumps({"id": 1, "method": "getAssetBatch", "params": {"ids": mints}})

    def call(path: str, content: bytes = b"", **query: str) -> Call:
        return Call("GET", path, query, {}, content, "127.0.0.1", NOW_S)

    return [
        ("jupiter", call("/tokens/v2/search", query=batch)),
        ("jupiter", call("/price/v3", ids=batch)),
        ("helius", call("/", body)),
        ("dexscreener", call(f"/tokens/v1/solana/{batch}")),
        ("dexscreener", call(f"/token-pairs/v1/solana/{mints[0]}")),
        ("dexscreener", call(f"/latest/dex/pairs/solana/{pool}")),
        ("geckoterminal", call(f"/networks/solana/tokens/multi/{batch}", include="top_pools")),
        ("geckoterminal", call(f"/networks/solana/pools/multi/{pool}", include="base_token,dex")),
        ("geckoterminal", call(f"/networks/solana/pools/{pool}/ohlcv/minute", limit="1000")),
        ("geckoterminal", call("/networks/solana/new_pools", page="10")),
        ("pumpfun", call("/coins", limit="70", offset="1000")),
        ("pumpfun", call("/coins", complete="true")),
        ("pumpfun", call(f"/coins/{mints[-1]}")),
    ]


def said(market: Market) -> list[bytes]:
    return [orjson.dumps(body) if not isinstance(body, bytes) else body for body in bodies(market)]


def bodies(market: Market) -> list[object]:
    return [VENDORS[name].answer(market, call).body for name, call in calls(market)]


def test_two_instances_of_a_seed_say_the_same_and_another_seed_does_not():
    first, second, other = said(Market(seed=5)), said(Market(seed=5)), said(Market(seed=6))
    assert first == second
    assert all(mine != theirs for mine, theirs in zip(first[:-1], other[:-1], strict=True))
    assert all(len(answer) > 500 for answer in first[:-1])


def test_a_million_mints_cost_no_vendor_any_memory():
    tracemalloc.start()
    try:
        said(Market(mints=1_000_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40_000_000


@pytest.mark.parametrize(
    ("lens", "now_s"),
    [
        (Lens(), EPOCH_S - 1),
        (Lens(), EPOCH_S + 60),
        (Lens(is_priceless=True), NOW_S),
        (Lens(is_poisoned=True), NOW_S),
        (Lens(adds_strangers=True), NOW_S),
    ],
)
def test_the_smallest_market_has_an_answer_to_everything_at_any_time(lens, now_s):
    market = Market(mints=10).through(lens)
    feeds = ("token-profiles/latest/v1", "token-boosts/latest/v1", "latest/dex/search")
    asked = calls(market) + [("dexscreener", Call("GET", f"/{feed}", {}, {}, b"", "", now_s)) for feed in feeds]
    for name, call in asked:
        reply = VENDORS[name].answer(market, replace(call, now_s=now_s))
        assert reply.status in (200, 404)
        assert isinstance(reply.body, bytes) or orjson.dumps(reply.body)


def test_every_price_anybody_states_is_positive_at_any_speed():
    for speed in (0.01, 10_000.0):
        answers = [orjson.loads(answer) for answer in said(Market(seed=5, speed=speed)) if answer]
        prices = [
            Decimal(str(row[key]))
            for key in ("usdPrice", "priceUsd", "price_usd", "base_token_price_usd", "price_per_token")
            for row in objects(answers, key)
            if row[key] is not None
        ]
        assert len(prices) > 50
        assert min(prices) > 0


async def test_a_call_that_is_refused_costs_no_credits():
    gateway = Gateway(Market(mints=100), Journal(), clock=lambda: NOW_S, sleep=None)
    stage = Stage()
    for _ in range(3):
        await stage.ask(ids=[], key="helius_free_x")
    await stage.ask(ids=[], key="nobody")
    assert [entry["cost"] for entry in await stage.journal()] == [10, 10, 0, 0]
    assert gateway.credits_used() == {}
    credits = (await stage.client.get("/control/journal")).json()["credits"]
    assert list(credits.values()) == [20]
    assert next(iter(credits)).startswith("helius free:")
