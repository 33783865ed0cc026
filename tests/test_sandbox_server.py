import json
from pathlib import Path

import numpy as np
import pytest

from enrichment.sandbox.faults import FAULTS
from enrichment.sandbox.market import Market
from tests.sandbox_stage import KEY, LIST, NOW_S, PRICE, RECENT, SEARCH, Stage
from tokens.mint import SOL, USDC, USDT

RECORDED = Path(__file__).resolve().parents[2] / "shared" / "recorded" / "jupiter"
STRANGER = Market(seed=77).universe.mints(np.array([5], dtype=np.uint64))[0]


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_a_search_by_mint_answers_the_known_ones_in_any_order(stage):
    mints = [*stage.mints(*range(97)), STRANGER, "nonsense", SOL.lower()]
    rows = (await stage.get(SEARCH, query=",".join(mints))).json()
    assert {row["id"] for row in rows} == set(mints[:97])
    assert [row["id"] for row in rows] != mints[:97]


async def test_a_search_for_strangers_is_empty_and_not_an_error(stage):
    for query in (STRANGER, f"{STRANGER},nonsense", "no token is called this"):
        response = await stage.get(SEARCH, query=query)
        assert (response.status_code, response.json()) == (200, [])


async def test_a_text_search_answers_at_most_twenty_of_that_name(stage):
    rows = (await stage.get(SEARCH, query="FROG")).json()
    assert len(rows) == 20
    assert all("frog" in (row["name"] + row["symbol"]).casefold() for row in rows)


async def test_recent_are_the_thirty_newest_and_move_on(stage):
    before = [row["id"] for row in (await stage.get(RECENT)).json()]
    stage.now_s += 60
    after = [row["id"] for row in (await stage.get(RECENT)).json()]
    assert len(before) == len(after) == 30
    fresh = after.index(before[0])
    assert fresh > 0
    assert after[fresh:] == before[: 30 - fresh]


async def test_the_verified_tag_is_a_whole_list(stage):
    rows = (await stage.get("/jupiter/tokens/v2/tag", query="verified")).json()
    assert 350 < len(rows) < 430
    assert all(row["isVerified"] and "verified" in row["tags"] for row in rows)
    assert {SOL, USDC, USDT} <= {row["id"] for row in rows}
    lst = (await stage.get("/jupiter/tokens/v2/tag", query="lst")).json()
    assert 0 < len(lst) < 40
    assert all("lst" in row["tags"] for row in lst)


@pytest.mark.parametrize("category", ["toporganicscore", "toptraded", "toptrending"])
@pytest.mark.parametrize("window", ["5m", "1h", "6h", "24h"])
async def test_a_category_answers_fewer_rows_than_asked_for(stage, category, window):
    rows = (await stage.get(f"/jupiter/tokens/v2/{category}/{window}", limit="100")).json()
    assert 60 < len(rows) < 90
    assert all("usdPrice" in row for row in rows)


async def test_the_most_traded_comes_first(stage):
    rows = (await stage.get("/jupiter/tokens/v2/toptraded/24h")).json()
    volumes = [row["stats24h"]["buyVolume"] + row["stats24h"]["sellVolume"] for row in rows]
    assert volumes == sorted(volumes, reverse=True)
    assert rows[0]["id"] == SOL


async def test_prices_beyond_fifty_ids_are_dropped_in_silence(stage):
    priced = [row["id"] for row in (await stage.get(SEARCH, query=",".join(stage.mints(*range(60))))).json()]
    answer = (await stage.get(PRICE, ids=",".join(stage.mints(*range(60))))).json()
    assert len(priced) == 60
    assert set(answer) == set(stage.mints(*range(50)))


async def test_a_mint_without_a_price_has_no_key(stage):
    mints = stage.mints(*range(500, 550))
    rows = (await stage.get(SEARCH, query=",".join(mints))).json()
    answer = (await stage.get(PRICE, ids=",".join([*mints[:49], STRANGER]))).json()
    assert 0 < len(answer) < 49
    assert set(answer) <= {row["id"] for row in rows if "usdPrice" in row}
    assert (await stage.get(PRICE, ids=STRANGER)).json() == {}


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        (SEARCH, {}, 400),
        (SEARCH, {"query": ",".join([SOL] * 101)}, 400),
        (PRICE, {}, 400),
        ("/jupiter/tokens/v2/tag", {"query": "nonsense"}, 400),
        ("/jupiter/tokens/v2/toptraded/24h", {"limit": "101"}, 400),
        ("/jupiter/tokens/v2/toptraded/24h", {"limit": "x"}, 400),
        ("/jupiter/tokens/v2/toptraded/24h", {"limit": "9" * 5_000}, 400),
        ("/jupiter/tokens/v2/toptraded/2h", {}, 404),
        ("/jupiter/tokens/v2/search/", {"query": SOL}, 404),
        ("/jupiter/tokens/v1/all", {}, 404),
        ("/jupiter/price/v2", {"ids": SOL}, 404),
        ("/jupiter/all", {}, 404),
    ],
)
async def test_what_jupiter_does_not_serve_is_a_json_error(stage, path, query, status):
    response = await stage.get(path, **query)
    assert response.status_code == status
    assert response.json().keys() == {"error"}
    assert response.headers["x-api-gateway-request-id"]
    assert "x-ratelimit-remaining" not in response.headers


async def test_the_thirty_first_keyless_call_in_a_minute_is_refused(stage):
    for call in range(30):
        response = await stage.get(RECENT, headers={})
        assert (response.status_code, response.headers["x-ratelimit-remaining"]) == (200, str(29 - call))
        stage.now_s += 1
    refused = await stage.get("/jupiter/no/such/path", headers={})  # the limit hides even a 404
    assert refused.status_code == 429
    assert refused.json() == {"code": 429, "message": "[API Gateway] Too many requests"}
    assert refused.headers["x-ratelimit-remaining"] == "-1"
    assert refused.headers["x-ratelimit-current"] == "31"
    assert refused.headers["x-ratelimit-reset"] == str(int(NOW_S) + 61)
    assert refused.headers["x-api-gateway-request-id"]
    assert "retry-after" not in refused.headers
    assert (await stage.get(RECENT)).status_code == 200  # another account
    stage.now_s = NOW_S + 60
    assert (await stage.get(RECENT, headers={})).status_code == 200


async def test_a_wrong_key_is_unauthorized(stage):
    response = await stage.get(RECENT, headers={"x-api-key": "wrong"})
    assert (response.status_code, response.json()) == (401, {"code": 401, "message": "Unauthorized"})


@pytest.mark.shared
@pytest.mark.skipif(not RECORDED.exists(), reason="the recordings of ../shared are not here")
async def test_refusals_have_the_recorded_bodies(stage):
    wrong = await stage.get(RECENT, headers={"x-api-key": "wrong"})
    assert wrong.json() == json.loads((RECORDED / "error-401.json").read_text())
    await stage.fail("rate_limited")
    limited = await stage.get(RECENT)
    assert limited.json() == json.loads((RECORDED / "error-429-gateway.json").read_text())


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"faults": 3}', b'{"faults": ["nonsense"]}', b'{"faults": [[]]}']
)
async def test_a_bad_fault_request_changes_nothing(stage, body):
    await stage.fail("empty")
    assert (await stage.client.post("/control/faults", content=body)).status_code == 400
    known = (await stage.get("/control/faults")).json()
    assert known == {"faults": ["empty"], "known": list(FAULTS)}


async def test_the_journal_tells_who_asked_for_how_much_and_keeps_no_key(stage):
    await stage.get(PRICE, ids=",".join(stage.mints(*range(60))))
    await stage.get(RECENT, headers={})
    await stage.get(RECENT, headers={"x-api-key": "wrong"})
    await stage.get(LIST)
    response = await stage.get("/control/journal")
    journal = response.json()
    assert journal["total"] == 4
    noted = [(entry["path"], entry["ids"], entry["status"]) for entry in journal["requests"]]
    assert noted == [(PRICE, 60, 200), (RECENT, 0, 200), (RECENT, 0, 401), (LIST, noted[3][1], 200)]
    assert len({entry["account"] for entry in journal["requests"]}) == 4
    assert {entry["time"] for entry in journal["requests"]} == {NOW_S}
    assert KEY["x-api-key"] not in response.text


async def test_the_journal_keeps_the_last_requests_and_counts_them_all():
    stage = Stage(journal_size=3)
    for count in range(5):
        await stage.get(PRICE, ids=",".join([SOL] * (count + 1)))
    journal = (await stage.get("/control/journal")).json()
    assert journal["total"] == 5
    assert [entry["ids"] for entry in journal["requests"]] == [3, 4, 5]


async def test_the_front_page_says_that_all_is_simulated(stage):
    about = (await stage.get("/")).json()
    assert about["simulated"] is True
    assert about["mints"] == 3_000


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("DELETE", LIST, 405), ("POST", RECENT, 405)]
)
async def test_other_requests_are_refused(stage, method, path, status):
    assert (await stage.client.request(method, path)).status_code == status


async def test_head_has_the_headers_and_no_body(stage):
    response = await stage.client.head(LIST)
    assert int(response.headers["content-length"]) > 100_000
    assert response.content == b""
