import json
import re
from datetime import datetime
from pathlib import Path

import numpy as np
import orjson
import pytest

from enrichment.sandbox.figures import iso
from enrichment.sandbox.market import WINDOWS_S, Market
from enrichment.sandbox.names import ODDITIES, names_of
from enrichment.sandbox.rows import price_entries, token_rows

NOW_S = 1_795_000_000.25
RECORDED = Path(__file__).resolve().parents[2] / "shared" / "recorded" / "jupiter"
BASE = np.arange(3_000, dtype=np.uint64)
ALWAYS = {
    "id", "name", "symbol", "decimals", "circSupply", "totalSupply", "tokenProgram", "firstPool", "audit",
    "organicScore", "organicScoreLabel", "tags", "updatedAt",
}  # fmt: skip


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(seed=5)


@pytest.fixture(scope="module")
def settled(market) -> list[dict]:
    return orjson.loads(orjson.dumps(token_rows(market, BASE, NOW_S)))


@pytest.fixture(scope="module")
def recent(market) -> list[dict]:
    return orjson.loads(orjson.dumps(token_rows(market, market.universe.newest(NOW_S, 1_000), NOW_S)))


@pytest.fixture(scope="module")
def rows(settled, recent) -> list[dict]:
    return settled + recent


def share(rows: list[dict], *keys: str) -> float:
    return sum(any(key in row for key in keys) for row in rows) / len(rows)


def paths(value: object, at: str = "") -> set[str]:
    """Return every key path with its JSON type, list members merged."""
    if isinstance(value, dict):
        return {path for key, inner in value.items() for path in paths(inner, f"{at}.{key}")}
    if isinstance(value, list):
        return {path for inner in value for path in paths(inner, f"{at}[]")}
    kind = "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__
    return {f"{at}:{kind}"}


def test_what_is_unknown_is_absent_never_null(rows):
    assert all(row.keys() >= ALWAYS for row in rows)
    assert not any(path.endswith("NoneType") for path in paths(rows))


def test_an_unpriced_token_has_no_price_no_caps_and_no_statistics(settled):
    unpriced = [row for row in settled if "usdPrice" not in row]
    assert 0.31 < len(unpriced) / len(settled) < 0.39
    gone = {"fdv", "mcap", "priceBlockId", *(f"stats{window}" for window in WINDOWS_S)}
    assert not any(gone & row.keys() for row in unpriced)


def test_fields_come_as_often_as_recorded(settled, recent):
    assert share(settled, "icon") == pytest.approx(0.98, abs=0.01)
    assert share(settled, "twitter", "website", "telegram") == pytest.approx(0.44, abs=0.03)
    assert share(settled, "launchpad") > 0.75
    assert share(settled, "mintAuthority") < 0.05
    assert 350 < sum(row.get("isVerified", False) for row in settled) < 430
    assert 0.15 < 1 - share(recent, "usdPrice") < 0.45


def test_statistics_agree_with_the_price_and_nest(settled):
    for row in settled:
        volumes = [
            row.get(f"stats{window}", {}).get("buyVolume", 0) + row.get(f"stats{window}", {}).get("sellVolume", 0)
            for window in WINDOWS_S
        ]
        assert volumes == pytest.approx(sorted(volumes))
        if "usdPrice" in row:
            assert row["mcap"] == pytest.approx(row["usdPrice"] * row["circSupply"])
            assert row["fdv"] == pytest.approx(row["usdPrice"] * row["totalSupply"])


def test_times_are_iso_of_every_recorded_precision(rows):
    digits = set()
    for row in rows:
        for text in (row["updatedAt"], row["firstPool"]["createdAt"], row.get("createdAt", row["updatedAt"])):
            fraction = re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d{1,9}))?Z", text)
            assert fraction, text
            digits.add(len(fraction[1] or ""))
            assert datetime.fromisoformat(text).timestamp() <= NOW_S
    assert {0, 3, 9} <= digits


def test_iso_drops_trailing_zeros():
    assert iso(1_795_000_000.5, 9) == "2026-11-18T11:06:40.5Z"
    assert iso(1_795_000_000.25, 0) == "2026-11-18T11:06:40Z"


def test_authorities_are_there_exactly_when_not_disabled(rows):
    for row in rows:
        assert ("mintAuthority" in row) != row["audit"].get("mintAuthorityDisabled", False)
        assert ("freezeAuthority" in row) != row["audit"].get("freezeAuthorityDisabled", False)


def test_pump_fun_tokens_and_the_suffix_do_not_coincide(settled):
    pumps = [row["id"].endswith("pump") for row in settled if row.get("launchpad") == "pump.fun"]
    assert 0.7 < sum(pumps) / len(pumps) < 0.95
    assert any(row["id"].endswith("pump") and row.get("launchpad") != "pump.fun" for row in settled)


def test_symbols_clash_and_launches_are_cloned(settled, recent):
    symbols = [row["symbol"].casefold() for row in settled]
    shared = [symbol for symbol in symbols if symbols.count(symbol) > 1]
    assert len(shared) / len(symbols) > 0.6
    names = [row["name"] for row in recent[:30]]
    assert max(names.count(name) for name in names) >= 2


def test_every_odd_name_occurs_and_survives_json(market):
    ids = np.arange(30_000, dtype=np.uint64)
    names = names_of(market.chance, market.universe, market.observe(ids, NOW_S).traits)
    seen = "\n".join(f"{name}|{symbol}" for name, symbol in names)
    for sign in (
        "\0",
        "\u202e",
        "\u200b",
        "USD\u0421",
        "<script>",
        "🐸",
        "柴犬",
        "https://",
        "DROP TABLE",
        " |",
        "\r\n",
    ):
        assert sign in seen
    assert len(ODDITIES) > 20
    assert json.loads(orjson.dumps(names)) == [list(pair) for pair in names]


def test_a_price_entry_agrees_with_the_row_and_the_unpriced_have_none(market, settled):
    entries = price_entries(market, BASE, NOW_S)
    assert entries.keys() == {row["id"] for row in settled if "usdPrice" in row}
    for row in settled:
        if row["id"] in entries:
            entry = entries[row["id"]]
            assert entry["usdPrice"] == row["usdPrice"]
            assert entry["blockId"] == row["priceBlockId"]
            assert entry["priceChange24h"] == row.get("stats24h", {}).get("priceChange")


def test_links_lead_nowhere_real(rows):
    for row in rows:
        for key in ("icon", "twitter", "website", "telegram", "tiktok", "instagram", "discord"):
            host = re.match(r"https://[^/]*?([a-z0-9]+)(?:/|$)", row.get(key, ""))
            assert not host or host[1] in ("example", "123"), row[key]


@pytest.mark.shared
@pytest.mark.skipif(not RECORDED.exists(), reason="the recordings of ../shared are not here")
def test_nothing_is_said_that_jupiter_was_not_recorded_saying(market, rows):
    recorded = [json.loads(path.read_text()) for path in RECORDED.glob("tokens-v2-*.json")]
    assert paths(rows) <= {path for answer in recorded for path in paths(answer)}
    prices = [list(json.loads(path.read_text()).values()) for path in RECORDED.glob("price-v3-*.json")]
    entries = list(price_entries(market, BASE[:100], NOW_S).values())
    assert paths(entries) <= {path for answer in prices for path in paths(answer)}
