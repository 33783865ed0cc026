"""What goes out of a vendor that is ill: a test for every fault, and for whom it befalls."""

import gzip
import json
import math
import re
import socket
import threading
import zlib
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import numpy as np
import pytest
import uvicorn

from enrichment.sandbox import faults
from enrichment.sandbox.faults import ANSWERS, FAULTS, LISTS, UnknownFault, chosen
from enrichment.sandbox.market import Market
from enrichment.sandbox.server import Sandbox
from enrichment.sandbox.spoil import HOSTILE_NUMBERS
from enrichment.sandbox.vendors import VENDORS
from enrichment.sandbox.wire import HungUp, bomb
from tests.sandbox_stage import COINS, GECKO, HELIUS_KEY, KEY, LIST, NOW_S, PAIRS, PRICE, RECENT, SEARCH, Stage, objects
from tokens.mint import SOL

# The tokens asked about, and where each vendor keeps the address and the price of one.
IDS = range(3, 23)
ADDRESS = {"jupiter": "id", "helius": "id", "dexscreener": "baseToken", "geckoterminal": "address", "pumpfun": "mint"}
PRICES = {
    "jupiter": "usdPrice",
    "helius": "price_per_token",
    "dexscreener": "priceUsd",
    "geckoterminal": "price_usd",
    "pumpfun": "usd_market_cap",
}


@pytest.fixture
def stage() -> Stage:
    return Stage(mints=400)


async def ask(stage: Stage, vendor: str) -> httpx.Response:
    mints = stage.mints(*IDS)
    stage.now_s += 1  # Helius counts seconds, GeckoTerminal minutes
    if vendor == "helius":
        return await stage.ask(ids=mints)
    paths = {
        "jupiter": f"{SEARCH}?query={','.join(mints)}",
        "dexscreener": f"{PAIRS}/{','.join(mints)}",
        "geckoterminal": f"{GECKO}/tokens/multi/{','.join(mints)}",
        "pumpfun": f"{COINS}?sort=market_cap",
    }
    return await stage.client.get(paths[vendor], headers=KEY)


async def seen(stage: Stage, vendor: str) -> dict[str, object]:
    """Return price by address, as far as there are any."""
    rows = objects((await ask(stage, vendor)).json(), ADDRESS[vendor])
    found = {}
    for row in rows:
        address = row[ADDRESS[vendor]]
        prices = [inner[PRICES[vendor]] for inner in objects(row, PRICES[vendor]) if inner[PRICES[vendor]] is not None]
        if prices:
            found[address["address"] if isinstance(address, dict) else address] = prices[0]
    return found


def rows_of(body: object) -> list:
    if isinstance(body, list):
        return body
    return next(body[key] for key in ("result", "data", "pairs") if key in body)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_latency_comes_before_a_good_answer(stage, vendor):
    await stage.fail("latency")
    assert await seen(stage, vendor)
    assert stage.slept_s == [faults.LATENCY_S]


@pytest.mark.parametrize("vendor", VENDORS)
async def test_http_500_has_the_vendors_own_words(stage, vendor):
    await stage.fail("http_500")
    response = await ask(stage, vendor)
    assert response.status_code == (530 if vendor == "pumpfun" else 500)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(("fault", "status", "size"), [("http_503", 503, 107), ("html", 200, 107), ("blank", 200, 0)])
async def test_something_else_comes_instead_of_an_answer(stage, vendor, fault, status, size):
    await stage.fail(fault)
    response = await ask(stage, vendor)
    assert (response.status_code, len(response.content)) == (status, size)
    assert response.headers["content-type"].startswith("text/html") == bool(size)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_truncated_answer_is_whole_http_and_broken_json(stage, vendor):
    await stage.fail("truncated")
    response = await ask(stage, vendor)
    assert response.status_code == 200
    assert int(response.headers["content-length"]) == len(response.content) > 100
    with pytest.raises(json.JSONDecodeError):
        response.json()


@pytest.mark.parametrize("vendor", VENDORS)
async def test_rows_are_gone_missing_or_doubled(stage, vendor):
    whole = len(rows_of((await ask(stage, vendor)).json()))
    counts = {}
    for fault in ("empty", "half", "duplicate"):
        await stage.fail(fault)
        counts[fault] = len(rows_of((await ask(stage, vendor)).json()))
    assert counts == {"empty": 0, "half": -(-whole // 2), "duplicate": 2 * whole}


async def test_a_price_object_loses_entries_too(stage):
    mints = ",".join(stage.mints(*IDS))
    whole = (await stage.get(PRICE, ids=mints)).json()
    await stage.fail("half")
    assert len((await stage.get(PRICE, ids=mints)).json()) == -(-len(whole) // 2)
    await stage.fail("empty")
    assert (await stage.get(PRICE, ids=mints)).json() == {}


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_renamed_field_is_nowhere_under_its_old_name(stage, vendor):
    for fault, key in (("schema_drift", PRICES[vendor]), ("schema_drift_ids", ADDRESS[vendor])):
        rows = rows_of((await ask(stage, vendor)).json())
        assert objects(rows, key)
        await stage.fail(fault)
        drifted = rows_of((await ask(stage, vendor)).json())
        assert len(objects(drifted, f"{key}_v2")) > 10
        assert not objects(drifted, key)
        await stage.fail()


@pytest.mark.parametrize("vendor", VENDORS)
async def test_bad_numbers_stand_beside_good_ones(stage, vendor):
    good = await seen(stage, vendor)
    await stage.fail("bad_numbers")
    bad = await seen(stage, vendor)
    same = [address for address in good if str(bad.get(address))[:4] == str(good[address])[:4]]
    odd = {repr(price) for price in bad.values()} & {repr(number) for number in HOSTILE_NUMBERS}
    assert len(same) >= len(good) // 4  # half of them, but for those that were traded meanwhile
    assert len(odd) > 4


@pytest.mark.parametrize("vendor", VENDORS)
async def test_wrong_units_are_off_by_a_million_and_only_at_that_vendor(stage, vendor):
    good = await seen(stage, vendor)
    await stage.fail(f"{vendor}:wrong_units")
    bad = await seen(stage, vendor)
    factors = [float(bad[address]) / float(good[address]) for address in good if address in bad]
    assert len(factors) >= 10
    assert np.median(factors) == pytest.approx(1e6, rel=0.05)
    other = "jupiter" if vendor != "jupiter" else "dexscreener"
    await stage.fail()
    before = await seen(stage, other)
    await stage.fail(f"{vendor}:wrong_units")
    after = await seen(stage, other)
    assert np.median([float(after[mint]) / float(before[mint]) for mint in before]) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_prices_are_gone_in_each_vendors_way(stage, vendor):
    await stage.fail("prices_gone")
    response = await ask(stage, vendor)
    assert response.status_code == 200
    rows = rows_of(response.json())
    if vendor == "dexscreener":
        assert rows == []
    else:
        assert len(rows) >= 20
        prices = [row[PRICES[vendor]] for row in objects(rows, PRICES[vendor])]
        assert prices == ([None] * len(rows) if vendor == "geckoterminal" else [])


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_stale_answer_is_yesterdays(stage, vendor):
    now = await seen(stage, vendor)
    await stage.fail("stale")
    yesterday = await seen(stage, vendor)
    assert yesterday
    assert yesterday != now
    fresh = Stage(mints=400)
    fresh.now_s = stage.now_s - faults.STALE_S - 1
    assert await seen(fresh, vendor) == yesterday


async def test_a_flapping_vendor_answers_from_two_mirrors_by_turns(stage):
    await stage.fail("jupiter:flapping")
    firsts = [(await stage.get(RECENT)).json()[0]["id"] for _ in range(4)]
    assert firsts[0] == firsts[2] != firsts[1] == firsts[3]
    slots = [(await stage.get(PRICE, ids=SOL)).json()[SOL]["blockId"] for _ in range(2)]
    assert slots[1] - slots[0] == pytest.approx(2.5 * faults.FLAPPING_S, rel=0.01)


@pytest.mark.parametrize("vendor", ["dexscreener", "geckoterminal"])
async def test_poisoned_pools_are_the_deepest_and_lie_about_the_price(stage, vendor):
    good = await seen(stage, vendor)
    await stage.fail("poisoned_pools")
    bad = await seen(stage, vendor)
    lies = [math.log10(float(bad[mint]) / float(good[mint])) for mint in good if mint in bad]
    if vendor == "dexscreener":
        assert sorted(lies)[1] > 1.5  # one of them is poisoned on good days too
    else:  # whose price is that of the busiest pool: there, the trap is in the list of pools
        (mint,) = stage.mints(5)
        pools = (await stage.get(f"{GECKO}/tokens/{mint}/pools", include="quote_token")).json()
        reserves = [float(pool["attributes"]["reserve_in_usd"]) for pool in pools["data"]]
        assert max(reserves) > 1e6
        assert any(side["attributes"]["symbol"] == "USDC" for side in pools["included"])


@pytest.mark.parametrize("vendor", ["jupiter", "dexscreener", "geckoterminal"])
async def test_strangers_are_tokens_nobody_asked_for(stage, vendor):
    await stage.fail("strangers")
    (mint,) = stage.mints(10)
    path = {"jupiter": f"{SEARCH}?query={mint}", "dexscreener": f"{PAIRS}/{mint}"}
    body = (await stage.client.get(path.get(vendor, f"{GECKO}/tokens/multi/{mint}"), headers=KEY)).json()
    assert len(rows_of(body)) == 3


@pytest.mark.parametrize(
    ("fault", "retry_after"),
    [
        ("rate_limited_bare", None),
        ("rate_limited_seconds", "7"),
        ("rate_limited_garbage", "in a moment"),
    ],
)
@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_429_names_a_time_or_does_not(stage, vendor, fault, retry_after):
    await stage.fail(fault)
    response = await ask(stage, vendor)
    assert response.status_code == 429
    assert response.headers.get("retry-after") == retry_after
    assert not [name for name in response.headers if name.startswith("x-ratelimit")]


@pytest.mark.parametrize(("fault", "ahead_s"), [("rate_limited_date", 7), ("rate_limited_past", -86_400)])
async def test_a_429_names_a_date_to_come_or_one_that_is_over(stage, fault, ahead_s):
    await stage.fail(fault)
    response = await ask(stage, "jupiter")
    at_s = parsedate_to_datetime(response.headers["retry-after"]).timestamp()
    assert at_s - stage.now_s == pytest.approx(ahead_s, abs=1)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_refusal_can_hide_in_status_200(stage, vendor):
    await stage.fail("rate_limited")
    refused = await ask(stage, vendor)
    await stage.fail("rate_limited_200")
    stage.now_s += 1  # some vendors have two ways of saying it, by turns of a second
    hidden = await ask(stage, vendor)
    assert (refused.status_code, hidden.status_code) == (429, 200)
    assert hidden.content == refused.content


@pytest.mark.parametrize(
    ("vendor", "status"),
    [("jupiter", 401), ("helius", 401), ("dexscreener", 403), ("geckoterminal", 403), ("pumpfun", 403)],
)
async def test_a_key_or_an_address_is_refused(stage, vendor, status):
    await stage.fail("auth_refused")
    response = await ask(stage, vendor)
    assert response.status_code == status
    assert ("Just a moment" in response.text) == (status == 403)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_quota_can_be_exhausted_without_a_single_call(stage, vendor):
    await stage.fail("quota_exhausted")
    response = await ask(stage, vendor)
    assert response.status_code == 429
    if vendor == "helius":
        assert response.json()["error"]["message"] == "max usage reached"


def test_the_bomb_is_small_whole_and_unpacks_to_160_megabytes():
    packed, size, first = bomb(), 0, b""
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    data = packed
    while not unpacker.eof:
        block = unpacker.decompress(data, 1 << 24)
        first, size, data = first or block[:2], size + len(block), unpacker.unconsumed_tail
    assert len(packed) < 200_000
    assert size == 160 * (1 << 20) + 2  # and its checksum was right
    assert first == b"[ "


async def test_a_bomb_says_that_it_is_gzip(stage):
    await stage.fail("geckoterminal:gzip_bomb")
    request = stage.client.build_request("GET", f"{GECKO}/new_pools")
    response = await stage.client.send(request, stream=True)
    assert response.headers["content-encoding"] == "gzip"
    assert int(response.headers["content-length"]) == len(bomb())
    await response.aclose()


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_drip_comes_byte_by_byte(stage, vendor):
    await stage.fail("slow_drip")
    (mint,) = stage.mints(5)
    if vendor == "helius":
        response = await stage.ask(ids=[])
    else:
        paths = {
            "jupiter": f"{PRICE}?ids={mint}",
            "dexscreener": f"{PAIRS}/{mint}",
            "geckoterminal": f"{GECKO}/tokens/{mint}",
            "pumpfun": f"{COINS}?offset=1001",
        }
        response = await stage.client.get(paths[vendor], headers=KEY)
    assert response.status_code == 200
    assert response.json() is not None
    assert stage.slept_s == [faults.DRIP_S] * len(response.content)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(("fault", "slept_s"), [("stall", [faults.STALL_S]), ("reset", []), ("cut_chunks", [])])
async def test_an_answer_is_broken_off(stage, vendor, fault, slept_s):
    await stage.fail(fault)
    with pytest.raises(HungUp):
        await ask(stage, vendor)
    assert stage.slept_s == slept_s


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, Sandbox]]:
    """A real server: what a broken answer looks like from outside, no ASGI transport shows."""
    app = Sandbox(Market(mints=100, seed=5), since_s=NOW_S)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", app
        server.should_exit = True
        thread.join(10)


@pytest.mark.parametrize(
    ("fault", "error"),
    [("reset", httpx.RemoteProtocolError), ("cut_chunks", httpx.RemoteProtocolError), ("stall", httpx.ReadTimeout)],
)
def test_a_client_sees_the_headers_and_then_no_whole_body(served, fault, error):
    url, app = served
    app._faults = chosen([fault])
    received: list[bytes] = []
    timeout = httpx.Timeout(5, read=0.2)
    with httpx.stream("GET", f"{url}{RECENT}", timeout=timeout, trust_env=False) as response:
        assert response.status_code == 200
        assert ("content-length" in response.headers) == (fault != "cut_chunks")
        with pytest.raises(error):
            received.extend(response.iter_raw())
    assert bool(received) == (fault != "stall")
    app._faults = chosen([])
    assert len(httpx.get(f"{url}{RECENT}", trust_env=False).json()) == 30


@pytest.mark.parametrize("fault", ["stall", "reset", "cut_chunks"])
async def test_the_list_too_can_be_broken_off_when_it_is_named(stage, fault):
    await stage.fail(fault)
    assert (await stage.get(LIST)).status_code == 200
    await stage.fail(f"lists:{fault}")
    assert len((await stage.get(RECENT)).json()) == 30
    with pytest.raises(HungUp):
        await stage.get(LIST)


@pytest.mark.parametrize(("fault", "status"), [("http_500", 500), ("http_503", 503), ("blank", 200), ("latency", 200)])
async def test_the_list_can_have_vendors_faults_when_it_is_named(stage, fault, status):
    await stage.fail(f"lists:{fault}")
    assert (await stage.get(LIST)).status_code == status
    assert stage.slept_s == [faults.LATENCY_S] * (fault == "latency")


async def test_a_duplicate_list_names_half_of_its_mints_twice(stage):
    whole = (await stage.get(LIST)).json()
    await stage.fail("duplicate_list")
    doubled = (await stage.get(LIST)).json()
    assert doubled[: len(whole)] == whole
    assert len(whole) * 1.4 < len(doubled) < len(whole) * 1.6
    assert set(doubled) == set(whole)


async def test_a_flapping_list_is_half_at_every_other_turn(stage):
    await stage.fail("flapping_list")
    sizes = [len((await stage.get(LIST)).json()) for _ in range(4)]
    assert sizes[0] == sizes[2] < 0.6 * sizes[1]
    assert sizes[1] == sizes[3]


def test_every_fault_is_named_in_a_test():
    here = Path(__file__)
    source = here.read_text() + here.with_name("test_sandbox_listing.py").read_text()
    assert [name for name in FAULTS if not re.search(f'[":]{name}"', source)] == []


@pytest.mark.parametrize(
    ("names", "upstream", "wrong"),
    [
        (["stall"], "helius", {"stall"}),
        (["stall"], "lists", set()),
        (["half_list"], "lists", {"half_list"}),
        (["half_list"], "jupiter", set()),
        (["helius:stall"], "helius", {"stall"}),
        (["helius:stall"], "jupiter", set()),
        (["lists:html", "html"], "lists", {"html"}),
        (["stall", "helius:half"], "helius", {"stall", "half"}),
    ],
)
def test_a_fault_befalls_whom_it_names(names, upstream, wrong):
    assert chosen(names).of(upstream) == wrong


@pytest.mark.parametrize(
    "name", ["nonsense", "helius:nonsense", "nobody:stall", "helius:half_list", "lists:strangers", ":", "", "a:b:c"]
)
def test_an_unknown_fault_is_one_clear_error(name):
    with pytest.raises(UnknownFault, match="known are latency"):
        chosen([name])


def test_answers_and_lists_have_different_faults():
    assert not set(ANSWERS) & set(LISTS)
    assert len(set(FAULTS)) == len(FAULTS)


async def test_one_upstreams_faults_are_replaced_without_touching_the_others(stage):
    await stage.fail("html", "helius:stall", "jupiter:empty")
    assert await stage.fail("half", upstream="helius") == ["helius:half", "html", "jupiter:empty"]
    assert await stage.fail(upstream="helius") == ["html", "jupiter:empty"]
    for names, upstream in ((["half_list"], "helius"), (["half"], "nobody"), ([], "nobody"), (["lists:html"], "lists")):
        order = {"faults": names, "upstream": upstream}
        assert (await stage.client.post("/control/faults", json=order)).status_code == 400
    assert (await stage.client.get("/control/faults")).json()["faults"] == ["html", "jupiter:empty"]


async def test_an_ill_vendor_leaves_the_others_well(stage):
    for sick in VENDORS:
        await stage.fail(f"{sick}:http_500")
        for vendor in VENDORS:
            assert ((await ask(stage, vendor)).status_code == 200) == (vendor != sick)


async def test_a_list_that_is_gzip_stays_gzip_beside_the_faults(stage):
    await stage.fail("html")
    request = stage.client.build_request("GET", LIST, headers={"accept-encoding": "gzip"})
    response = await stage.client.send(request, stream=True)
    raw = b"".join([block async for block in response.aiter_raw()])
    assert len(json.loads(gzip.decompress(raw))) > 1_000
    assert HELIUS_KEY not in raw.decode("latin-1")
