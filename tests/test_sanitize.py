"""What strangers write becomes storable values, whatever they write."""

from __future__ import annotations

import csv
import gzip
import json
import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokens import sanitize

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
REAL_MINT = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
REAL_MINTS = Path(__file__).parents[2] / "shared" / "data" / "mints.csv.gz"
HUGE_INT = 10**5_000
NESTED: list[object] = []
for _ in range(5_000):
    NESTED = [NESTED]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=6,
)
nasty_text = st.text(
    st.sampled_from("aB1 .\t\0\u200b\u200d\ufe0f\u202e\u0301\u0316\u0334\u2800\U0001f468\U0001f3fb\U0001f1e9Яא语")
    | st.characters(),
    max_size=120,
)


@pytest.mark.parametrize(
    ("raw", "value", "flags"),
    [
        ("Bonk", "Bonk", set()),
        ("STRK\0\0\0", "STRK", {"has_control"}),
        ("\0\0", None, {"has_control"}),
        ("\x1ccrypto czar\x1d", "crypto czar", {"has_control"}),
        ("clear\x1b[2J", "clear[2J", {"has_control"}),
        ("bad\ufffename\U0010ffff", "badname", {"has_control"}),
        ("half \ud83d of a pair", "half \ufffd of a pair", {"has_control"}),
        ("\u202edogwifhat", "dogwifhat", {"has_bidi"}),
        ("\u200f\u200e", None, {"has_bidi"}),
        ("U\u200bSDC", "USDC", {"has_zero_width"}),
        ("U\ufe0fSD\u200dC", "USDC", {"has_zero_width"}),
        ("\U000e004d\U000e0069", None, {"has_zero_width"}),
        ("GameStop" + "\u2800" * 60 + "TUHdFNA", "GameStop TUHdFNA", {"has_zero_width"}),
        ("\u3164", None, {"has_zero_width"}),
        ("  Fartcoin\t ", "Fartcoin", set()),
        ("two \n lines", "two lines", set()),
        (" ", None, set()),
        ("", None, set()),
        ("e\u0301", "é", set()),
        ("x" + "\u0301\u0302\u0303\u0304\u0305" * 9, "x\u0301\u0302\u0303", set()),
        ("👨‍👩‍👧‍👦 👩🏽‍🚀 ❤️‍🔥 5️⃣ 🇩🇪", "👨‍👩‍👧‍👦 👩🏽‍🚀 ❤️‍🔥 5️⃣ 🇩🇪", set()),
        ("ما شاء الله", "ما شاء الله", set()),
        ("ソル Dog 英伟达", "ソル Dog 英伟达", set()),
        ("<script>alert(1)</script>", "<script>alert(1)</script>", set()),
        ("{{7*7}} ${7*7}", "{{7*7}} ${7*7}", set()),
        ("FUВВВ", "FUВВВ", {"mixed_script"}),
        ("Wrapped Ωmega", "Wrapped Ωmega", {"mixed_script"}),
        ("Собака", "Собака", set()),
        ("USDТ".replace("T", "Т"), "USDТ", {"mixed_script"}),
        ("Trump.fun", "Trump.fun", {"has_url"}),
        ("http://cha", "http://cha", {"has_url"}),
        ("Mr. Beast v2.0", "Mr. Beast v2.0", set()),
        (f"USDC {REAL_MINT}", f"USDC {REAL_MINT}", {"has_foreign_mint"}),
        (5, None, set()),
        (True, None, set()),
        (None, None, set()),
        (["a"], None, set()),
        ({"a": 1}, None, set()),
        (NESTED, None, set()),
    ],
)
def test_a_name_is_cleaned_and_what_was_wrong_with_it_is_flagged(raw, value, flags):
    assert sanitize.name(raw) == sanitize.Cleaned(value, frozenset(flags))


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("x" * 10_000_000, "x" * 64),
        ("é" * 100, "é" * 64),
        ("语" * 100, "语" * 64),
        ("👨‍👩‍👧‍👦" * 100, "👨‍👩‍👧‍👦" * 10),  # 25 bytes each, 256 allowed: never half a family
        ("a" * 63 + " tail", "a" * 63),
        ("🇩🇪" * 100, "🇩🇪" * 32),
    ],
)
def test_a_long_name_is_cut_at_a_whole_character(raw, value):
    assert sanitize.name(raw).value == value


def test_a_mint_pushed_out_of_view_is_still_noticed():
    assert sanitize.name("x" * 70 + " " + REAL_MINT).flags == {"has_foreign_mint"}


def test_symbols_are_shorter_and_descriptions_longer_than_names():
    assert len(sanitize.symbol("s" * 999).value) == 32
    assert len(sanitize.description("d" * 9_999).value) == 1_000
    assert sanitize.description(f"see https://x.com and {REAL_MINT}").flags == frozenset()


@settings(deadline=None)
@given(json_values | nasty_text)
def test_a_cleaned_text_is_safe_to_store_and_stays_as_it_is(raw):
    for clean in (sanitize.name, sanitize.symbol, sanitize.description):
        value = clean(raw).value
        assert clean(value).value == value
        if value is not None:
            assert value == unicodedata.normalize("NFC", value.strip()) != ""
            assert not {unicodedata.category(c) for c in value} & {"Cc", "Cs"}
            assert not set(value) & set("\u200b\u200e\u202e\u2066\ufeff\u2800\ufffe")
            value.encode()
    assert len((sanitize.name(raw).value or "").encode()) <= 256
    assert len((sanitize.symbol(raw).value or "").encode()) <= 128


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("https://jup.ag", "https://jup.ag"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        (" https://x.com/a\u200b\0 ", "https://x.com/a"),
        ("a whole paragraph as website", "a whole paragraph as website"),
        ("h" * 512, "h" * 512),
        ("h" * 513, None),
        ("h" * 10_000_000, None),
        ("\u200b", None),
        ("", None),
        (None, None),
        (7, None),
        ([], None),
    ],
)
def test_a_url_is_kept_as_plain_text_up_to_512_characters(raw, value):
    assert sanitize.url(raw) == value


@pytest.mark.parametrize(
    ("stored", "link"),
    [
        ("https://jup.ag", "https://jup.ag"),
        ("HTTPS://Jup.AG/Tokens?q=a b".replace(" ", "+"), "https://jup.ag/Tokens?q=a+b"),
        ("https://x.com/a/status/1?s=20#top", "https://x.com/a/status/1?s=20#top"),
        ("https://example.org:8443/x", "https://example.org:8443/x"),
        ("https://аpple.com/", "https://xn--pple-43d.com/"),
        ("https://münchen.de/straße", "https://xn--mnchen-3ya.de/stra%C3%9Fe"),
        ("https://ｅｖｉｌ。com", "https://evil.com"),
        ('https://ok.com/a{b}|c^"'.rstrip('"'), "https://ok.com/a%7Bb%7D%7Cc%5E"),
    ],
)
def test_a_sane_https_url_becomes_a_link_in_ascii(stored, link):
    assert sanitize.href(stored) == link


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "",
        "http://jup.ag",
        "javascript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.com",
        "https:evil.com",
        "https:///evil.com",
        "https://user:pw@evil.com/",
        "https://@votesol",
        "https://evil.com\\@good.com",
        "https://good.com\n.evil.com",
        "https://good.com /x",
        'https://good.com/"onmouseover="alert(1)',
        "https://good.com/<b>",
        "https://123",
        "https://localhost/x",
        "https://printer.local/x",
        "https://192.168.1.1/admin",
        "https://169.254.169.254/latest",
        "https://2130706433/",
        "https://0x7f.0.0.0x1/",
        "https://[::1]/",
        "https://[broken/",
        "https://host.com:99999/",
        "https://host.com:x/",
        "https://a..b.com",
        "https://-a-.com",
        "https://about:blank#blocked",
        "https://☃.net",
        "https://x.com/\ud83d",
        "https://x.com/" + "a" * 600,
    ],
)
def test_anything_else_is_never_a_link(stored):
    assert sanitize.href(stored) is None


@settings(deadline=None)
@given(st.text() | nasty_text.map("https://".__add__) | nasty_text.map("https://a.com/".__add__))
def test_a_link_is_always_plain_ascii_https(stored):
    link = sanitize.href(sanitize.url(stored))
    assert link is None or (link.isascii() and link.startswith("https://") and "@" not in link.split("/")[2])
    assert link is None or not set(link) & set(" \\\"<>'\n\t") - {"'"}


@pytest.mark.parametrize(
    ("raw", "price"),
    [
        ("0.1e-9", Decimal("1E-10")),
        (4.6228117147547495e-06, Decimal("0.000004622811714755")),  # 18 decimals are what the column holds
        (0.1, Decimal("0.1")),
        (Decimal("74.90435910776924"), Decimal("74.90435910776924")),
        (147, Decimal(147)),
        ("1e12", Decimal(10) ** 12),
        ("0." + "0" * 12 + "7" * 60, Decimal("0.000000000000777778")),
        (1e-18, Decimal("1E-18")),
        (1e-19, None),
        ("1000000000000.1", None),
        (0, None),
        ("0.0", None),
        (-1, None),
        (float("nan"), None),
        (float("inf"), None),
        (Decimal("sNaN"), None),
        (Decimal("Infinity"), None),
        ("NaN", None),
        ("Infinity", None),
        ("1e308", None),
        (1e308, None),
        (Decimal("1E+999999999"), None),
        (Decimal("1E-999999999"), None),
        ("1e99999999", None),
        ("1_000", None),
        ("١٠", None),
        ("0x10", None),
        ("", None),
        ("-", None),
        (True, None),
        (None, None),
        pytest.param(HUGE_INT, None, id="an integer of 5,000 digits"),
        pytest.param("9" * 5_000, None, id="a text of 5,000 digits"),
        ([1], None),
        (NESTED, None),
    ],
)
def test_a_price_is_positive_finite_exact_and_fits_its_column(raw, price):
    assert sanitize.price_usd(raw) == price


@settings(deadline=None)
@given(json_values | st.floats(1e-30, 1e15) | st.decimals())
def test_every_number_that_comes_out_fits_where_it_will_be_stored(raw):
    price, amount, supply = sanitize.price_usd(raw), sanitize.amount_usd(raw), sanitize.supply(raw)
    assert price is None or (0 < price <= 10**12 and price.as_tuple().exponent == -18)
    assert amount is None or (0 <= amount < 10**20 and amount.as_tuple().exponent == -18)
    assert supply is None or (0 <= supply < 10**42 and supply.as_tuple().exponent == -18)
    percent, count = sanitize.percent(raw), sanitize.count(raw)
    assert percent is None or -100 <= percent <= 1e9
    assert count is None or (type(count) is int and 0 <= count < 2**63)


@pytest.mark.parametrize(
    ("read", "raw", "value"),
    [
        (sanitize.amount_usd, 0, Decimal(0)),
        (sanitize.amount_usd, "0.0", Decimal(0)),
        (sanitize.amount_usd, -0.0, Decimal(0)),
        (sanitize.amount_usd, "1.98e23", None),
        (sanitize.amount_usd, 99999999999999999999, None),
        (sanitize.amount_usd, -0.01, None),
        (sanitize.amount_usd, None, None),
        (sanitize.supply, 2**64, Decimal(2**64)),
        (sanitize.supply, 0, Decimal(0)),
        (sanitize.supply, 829209212753.2167, Decimal("829209212753.2167")),
        (sanitize.supply, "1" + "0" * 42, None),
        (sanitize.supply, -1, None),
        (sanitize.percent, Decimal("52166.5"), 52166.5),
        (sanitize.percent, "-8.27", -8.27),
        (sanitize.percent, 0, 0.0),
        (sanitize.percent, -100.5, None),
        (sanitize.percent, 1e99, None),
        (sanitize.percent, "NaN", None),
        (sanitize.percent, False, None),
        (sanitize.count, 857254, 857254),
        (sanitize.count, "12", 12),
        (sanitize.count, 12.0, 12),
        (sanitize.count, 12.5, None),
        (sanitize.count, -1, None),
        (sanitize.count, 2**63, None),
        (sanitize.count, True, None),
        (sanitize.decimals, "6", 6),
        (sanitize.decimals, 0, 0),
        (sanitize.decimals, 255, 255),
        (sanitize.decimals, 256, None),
        (sanitize.decimals, -1, None),
        (sanitize.decimals, 1e9, None),
        (sanitize.decimals, True, None),
        (sanitize.decimals, "6https://statics.solscan.io/", None),
        (sanitize.decimals, {}, None),
    ],
)
def test_other_numbers_are_in_range_or_unknown(read, raw, value):
    got = read(raw)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("raw", "moment"),
    [
        ("2026-10-08T15:38:09Z", datetime(2026, 10, 8, 15, 38, 9, tzinfo=UTC)),
        ("2026-02-23T04:55:12.461Z", datetime(2026, 2, 23, 4, 55, 12, 461_000, tzinfo=UTC)),
        ("2026-10-08T15:38:11.750362685Z", datetime(2026, 10, 8, 15, 38, 11, 750_362, tzinfo=UTC)),
        ("2026-10-08 15:38:09", datetime(2026, 10, 8, 15, 38, 9, tzinfo=UTC)),
        ("2026-10-08T15:38:09+02:00", datetime(2026, 10, 8, 13, 38, 9, tzinfo=UTC)),
        (1_791_474_000, datetime(2026, 10, 8, 15, 40, tzinfo=UTC)),
        (1_791_474_000_500, datetime(2026, 10, 8, 15, 40, 0, 500_000, tzinfo=UTC)),
        ("1791474000", datetime(2026, 10, 8, 15, 40, tzinfo=UTC)),
        ("2031-01-01T00:00:00Z", NOW),
        (4_000_000_000, NOW),
        ("9999-12-31T23:59:59-14:00", None),
        ("2026-13-45T99:99:99Z", None),
        ("1970-01-01T00:00:00Z", None),
        (0, None),
        (-5, None),
        (1e30, None),
        (Decimal("1E+999999999"), None),
        (float("nan"), None),
        ("yesterday", None),
        ("12:30", None),
        (":" * 10_000, None),
        (True, None),
        (None, None),
        ([2026], None),
        pytest.param(HUGE_INT, None, id="an integer of 5,000 digits"),
    ],
)
def test_a_time_is_read_in_every_form_vendors_use_and_never_lies_in_the_future(raw, moment):
    assert sanitize.instant(raw, NOW) == moment


@settings(deadline=None)
@given(json_values | st.datetimes().map(lambda at: at.isoformat() + "Z"))
def test_an_instant_is_aware_and_between_genesis_and_now(raw):
    moment = sanitize.instant(raw, NOW)
    assert moment is None or (sanitize.GENESIS <= moment <= NOW and moment.utcoffset() == timedelta(0))


@pytest.mark.parametrize(
    ("raw", "tags"),
    [
        (["verified", "Utility-Token", "utility-token", " LST "], ("verified", "utility-token", "lst")),
        ([], ()),
        (["a", None, 5, ["b"], "\0", ""], ("a",)),
        ([f"t{n}" for n in range(10_000)], tuple(f"t{n}" for n in range(32))),
        (["x" * 5_000], ("x" * 32,)),
        (NESTED, ()),
        (None, None),
        ("verified", None),
        ({"a": 1}, None),
    ],
)
def test_tags_are_lower_case_distinct_and_few(raw, tags):
    assert sanitize.tags(raw) == tags


@pytest.mark.shared
@pytest.mark.skipif(not REAL_MINTS.exists(), reason="the real mints of ../shared are absent")
def test_real_names_and_links_pass_and_only_the_empty_looking_ones_vanish():
    with gzip.open(REAL_MINTS, "rt", encoding="utf-8") as lines:
        rows = [row for row, _ in zip(csv.DictReader(lines), range(60_000), strict=False)]
    for row in rows:
        cleaned = sanitize.name(row["name"])
        unseen = all(unicodedata.category(c) in ("Cc", "Cf", "Zs") or c in "\u2800\u3164" for c in row["name"])
        assert (cleaned.value is None) == unseen
        assert json.loads(json.dumps(cleaned.value)) == cleaned.value
