import pytest

from enrichment.sandbox.journal import Journal
from enrichment.sandbox.vendors import VENDORS
from tests.sandbox_stage import COINS, GECKO, KEY, LIST, PAIRS, PRICE, SEARCH, Stage
from tokens.mint import SOL, USDC


def entry(path: str = "/x", upstream: str = "jupiter") -> dict:
    return {"time": 1.0, "upstream": upstream, "account": "a", "path": path, "cost": 0, "status": 200}


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_every_upstreams_request_is_noted_with_its_mints(stage):
    mints = stage.mints(5, 6, 7)
    await stage.get(PRICE, ids=",".join(mints))
    await stage.ask(ids=mints)
    await stage.get(f"{PAIRS}/{','.join(mints)}")
    await stage.get(f"{GECKO}/tokens/multi/{','.join(mints)}")
    await stage.get(f"{COINS}/{mints[0]}")
    await stage.get(LIST)
    noted = await stage.journal(ids="1")
    assert [row["upstream"] for row in noted] == [*VENDORS, "lists"]
    assert [row["mints"] for row in noted] == [mints, mints, mints, mints, mints[:1], None]
    assert [row["ids"] for row in noted] == [3, 3, 3, 3, 1, noted[-1]["ids"]]
    assert noted[-1]["ids"] > 3_500
    assert [row["cost"] for row in noted] == [1, 10, 0, 0, 0, 0]
    assert [row["number"] for row in noted] == [1, 2, 3, 4, 5, 6]
    assert all(row["status"] == 200 for row in noted)


async def test_the_journal_names_no_key(stage):
    await stage.ask(ids=[SOL], key="helius_business_secret")
    await stage.ask(ids=[SOL], key="secret")
    text = (await stage.client.get("/control/journal", params={"ids": "1"})).text
    assert "secret" not in text
    assert KEY["x-api-key"] not in text


async def test_the_journal_can_be_read_in_parts(stage):
    await stage.get(PRICE, ids=SOL)
    await stage.get(f"{PAIRS}/{SOL}")
    await stage.get(SEARCH, query=USDC)
    assert [row["number"] for row in await stage.journal(upstream="jupiter")] == [1, 3]
    assert [row["number"] for row in await stage.journal(after="1")] == [2, 3]
    assert [row["number"] for row in await stage.journal(after="2", upstream="dexscreener")] == []
    assert [row["number"] for row in await stage.journal(after="x")] == [1, 2, 3]
    assert all("mints" not in row for row in await stage.journal())


def test_mints_are_forgotten_before_the_requests_that_named_them():
    journal = Journal(size=100, kept_ids=10)
    for number in range(20):
        journal.note(entry(), [f"m{number}a", f"m{number}b"])
    rows = journal.read(with_ids=True)
    assert len(rows) == 20
    assert [row["mints"] for row in rows[:15]] == [None] * 15
    assert [row["mints"] for row in rows[15:]] == [[f"m{number}a", f"m{number}b"] for number in range(15, 20)]
    assert [row["ids"] for row in rows] == [2] * 20


def test_requests_are_forgotten_with_their_mints():
    journal = Journal(size=3, kept_ids=1_000)
    for number in range(5):
        journal.note(entry(), [f"m{number}"])
    assert journal.total == 5
    assert [row["mints"] for row in journal.read(with_ids=True)] == [["m2"], ["m3"], ["m4"]]
    assert [row["number"] for row in journal] == [3, 4, 5]
    assert journal._kept == 3


def test_what_is_no_mint_costs_no_more_than_one():
    journal = Journal(size=10, kept_ids=5_000)
    journal.note(entry("/" + "x" * 10_000), ["y" * 10_000] * 10_000)
    (row,) = journal.read(with_ids=True)
    assert (row["ids"], len(row["mints"]), len(row["mints"][0]), len(row["path"])) == (10_000, 2_000, 64, 200)
