import json
from collections.abc import Callable

import httpx
import pytest

from enrichment.sandbox.faults import LATENCY_S
from enrichment.sandbox.listing import Listing
from enrichment.sandbox.market import Market
from tests.sandbox_stage import KEY, LIST, NOW_S, PRICE, RECENT, Stage
from tokens.mint import SOL, USDC, USDT, is_mint


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_the_list_holds_every_mint_once_and_only_grows(stage):
    first = (await stage.get(LIST)).json()
    assert first[:3] == [SOL, USDC, USDT]
    assert all(is_mint(mint) for mint in first)
    assert len(set(first)) == len(first) > 3_500
    assert (await stage.get(RECENT)).json()[0]["id"] == first[-1]
    stage.now_s += 120
    second = (await stage.get(LIST)).json()
    assert second[: len(first)] == first
    assert 10 < len(second) - len(first) < 100


async def test_a_restart_continues_the_list(stage):
    before = (await stage.get(LIST)).json()
    restarted = Stage()
    restarted.now_s += 600
    assert (await restarted.get(LIST)).json()[: len(before)] == before


async def test_the_list_is_the_same_compressed_and_after_growth(stage):
    for _ in range(3):
        stage.now_s += 30
        packed = await stage.get(LIST, headers={"accept-encoding": "gzip"})
        plain = await stage.get(LIST, headers={"accept-encoding": "identity"})
        assert packed.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert packed.content == plain.content
        assert int(packed.headers["content-length"]) < len(plain.content) == int(plain.headers["content-length"])


async def test_an_unchanged_list_is_not_sent_again(stage):
    tag = (await stage.get(LIST)).headers["etag"]
    again = await stage.get(LIST, headers={"if-none-match": f"W/{tag}"})
    assert (again.status_code, again.content) == (304, b"")
    stage.now_s += 120
    assert (await stage.get(LIST, headers={"if-none-match": tag})).status_code == 200


def _is_broken(response: httpx.Response) -> bool:
    with pytest.raises(json.JSONDecodeError):
        response.json()
    return response.status_code == 200 and "json" in response.headers["content-type"]


def _is_html(response: httpx.Response) -> bool:
    return response.status_code == 200 and response.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("fault", "path", "shows"),
    [
        ("http_500", RECENT, lambda response: response.status_code == 500),
        ("rate_limited", RECENT, lambda response: response.headers["x-ratelimit-remaining"] == "-1"),
        ("html", RECENT, _is_html),
        ("truncated", RECENT, _is_broken),
        ("empty", RECENT, lambda response: response.json() == []),
        ("empty", f"{PRICE}?ids={SOL}", lambda response: response.json() == {}),
        ("latency", RECENT, lambda response: len(response.json()) == 30),
        ("half_list", LIST, lambda response: 1_900 < len(response.json()) < 2_300),
        ("empty_list", LIST, lambda response: response.json() == []),
        ("html_list", LIST, _is_html),
        ("truncated_list", LIST, _is_broken),
    ],
)
async def test_a_fault_spoils_its_own_upstream_until_it_is_lifted(
    stage, fault: str, path: str, shows: Callable[[httpx.Response], bool]
):
    other = RECENT if path == LIST else LIST
    await stage.fail(fault)
    assert shows(await stage.client.get(path, headers=KEY))
    assert len((await stage.get(other)).json()) in (30, *range(3_500, 4_500))
    assert stage.slept_s == [LATENCY_S] * (fault == "latency")
    await stage.fail()
    assert (await stage.client.get(path, headers=KEY)).status_code == 200


async def test_a_fault_does_not_hide_behind_an_etag(stage):
    tag = (await stage.get(LIST)).headers["etag"]
    await stage.fail("empty_list")
    assert (await stage.get(LIST, headers={"if-none-match": tag})).json() == []


async def test_faults_are_named_at_start_or_refused():
    assert (await Stage(fault_names=["http_500"]).get(RECENT)).status_code == 500
    with pytest.raises(ValueError, match="nonsense"):
        Stage(fault_names=["nonsense"])


def test_a_list_stays_bounded_however_long_it_gathers():
    listing = Listing(Market(mints=100, speed=1_000), NOW_S - 40 * 86_400)
    listing.extend(NOW_S)
    assert len(listing) == 1_000_100
