"""The delta of a list, against plain sets; and what is believed of a list."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrichment.detection import (
    SENTINELS,
    Doubts,
    Listing,
    NotAList,
    believe,
    confirm_bounds,
    delta,
    is_flood,
    judge,
    listing_of,
    read,
    unpack,
)
from tests.conftest import NOW, SHARED, mint
from tokens import digests
from tokens.digests import Digests

KEY = 0x1234_5678_9ABC_DEF0
POOL = [mint(n) for n in range(400)]
members = st.lists(st.sampled_from(POOL), max_size=300)


def as_json(mints: list[str]) -> bytes:
    return json.dumps(mints, separators=(",", ":")).encode()


def listed(mints: list[str]) -> Listing:
    return read(as_json(mints), KEY)


@given(before=members, after=members.filter(bool))
@settings(max_examples=200)
def test_the_delta_is_that_of_plain_sets_in_any_order_and_with_duplicates(before: list[str], after: list[str]) -> None:
    previous = listing_of([m.encode() for m in before], KEY).digests
    change = delta(previous, listed(after))
    assert sorted(change.new) == sorted(set(after) - set(before))
    missing = listing_of([m.encode() for m in before], KEY).texts(change.missing)
    assert sorted(missing) == sorted(set(before) - set(after))


@pytest.mark.parametrize("size", [1, 999, 1000, 1001, 5000, 65_535, 65_536, 65_537, 140_000])
def test_lists_larger_than_a_chunk_have_exact_deltas(size: int) -> None:
    old = [mint(n) for n in range(size)]
    new = old[3:] + [mint(n) for n in range(size, size + 7)]
    change = delta(listed(old).digests, listed(new[::-1]))
    assert set(change.new) == set(new) - set(old)
    assert len(change.missing) == len(set(old) - set(new))
    assert delta(listed(old).digests, listed(old)).new == []


def test_mints_that_differ_only_in_case_are_two_mints() -> None:
    twin = POOL[0].swapcase().replace("L", "M").replace("O", "P").replace("I", "J").replace("0", "1")
    assert len(listed([POOL[0], twin]).digests) == 2


@pytest.mark.parametrize("length", range(32, 45))
def test_a_hash_depends_on_every_character_and_on_nothing_around_the_entry(length: int) -> None:
    text = (POOL[0] + POOL[1])[:length].encode()
    alone = listing_of([text], KEY).hashes[0]
    assert list(listing_of([POOL[2].encode(), text, POOL[3].encode(), text], KEY).hashes[[1, 3]]) == [alone, alone]
    others = [text[:place] + b"!" + text[place + 1 :] for place in range(length)] + [text + b"1"] * (length < 44)
    assert len({alone, *listing_of(others, KEY).hashes}) == 1 + len(others)


@pytest.mark.parametrize("length", [0, 31, 45])
def test_what_is_not_as_long_as_a_mint_is_not_hashed(length: int) -> None:
    with pytest.raises(ValueError, match="as long as mints"):
        digests.of([POOL[0], ("1" * length)], KEY)


FORMS = {
    "spaced JSON": json.dumps(POOL[:5], indent=1).encode(),
    "objects by mint": json.dumps([{"mint": m, "symbol": 'a "quoted" ]'} for m in POOL[:5]]).encode(),
    "objects by address": json.dumps([{"address": m} for m in POOL[:5]]).encode(),
    "objects by id": json.dumps([{"id": m} for m in POOL[:5]]).encode(),
    "escaped JSON": as_json(POOL[:5]).replace(b"m", b"\\u006d"),
    "lines": "\n".join(POOL[:5]).encode(),
    "windows lines": ("\r\n".join(POOL[:5]) + "\r\n").encode(),
    "marked UTF-8": b"\xef\xbb\xbf" + as_json(POOL[:5]),
    "CSV": b"symbol,mint\n" + b"".join(f'"a,\nb",{m}\n'.encode() for m in POOL[:5]),
    "CSV with one column": b"mint\n" + "\n".join(POOL[:5]).encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_documented_form_holds_the_same_members(form: str) -> None:
    listing = read(FORMS[form], KEY)
    assert sorted(delta(None, listing).new) == sorted(POOL[:5])


def test_rows_that_differ_are_known_by_the_first_of_mint_address_and_id_that_is_text() -> None:
    a, b, c, d = POOL[:4]
    rows = [{"id": "x", "address": a}, {"address": "x", "mint": b}, {"mint": 7, "id": c}, {"mint": None, "address": d}]
    assert delta(None, read(json.dumps(rows).encode(), KEY)).new == [a, b, c, d]
    assert delta(None, read(json.dumps(rows[3:]).encode(), KEY)).new == [d]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"[]", "empty"),
        (b"  \n", "empty"),
        (b"<!DOCTYPE html><p>Just a moment", "web page"),
        (as_json(POOL)[:-20], "truncated"),
        (as_json(POOL)[:-1], "truncated"),
        (as_json(POOL) + b"x", "malformed"),
        (b'{"error": "rate limited"}', "malformed"),
        (b"name,symbol\na,b\n", "no column"),
        (b"[" * 100_000, "malformed"),
    ],
)
def test_a_body_that_is_no_list_says_why(body: bytes, reason: str) -> None:
    with pytest.raises(NotAList, match=reason):
        read(body, KEY)


def test_a_stray_row_costs_itself_and_not_the_list() -> None:
    listing = read(json.dumps([*POOL[:200], None, 7, {"x": 1}]).encode(), KEY)
    assert listing.size == 203
    assert len(delta(None, listing).new) == 200


def test_rubbish_is_never_a_member_so_it_counts_again_every_time() -> None:
    listing = listed([*POOL, "O" * 40, "x" * 33])
    first = delta(None, listing)
    again = delta(first.members, listing)
    assert (first.invalid, again.invalid, again.new, len(again.missing)) == (2, 2, [], 0)


def test_gzip_is_unpacked_within_its_bound() -> None:
    packed = gzip.compress(as_json(POOL))
    assert unpack(packed, 10**6) == as_json(POOL)
    assert unpack(as_json(POOL), 10**6) == as_json(POOL)
    with pytest.raises(NotAList, match="truncated gzip"):
        unpack(packed[:-9], 10**6)
    with pytest.raises(NotAList, match="damaged gzip"):
        unpack(b"\x1f\x8b" + b"rubbish" * 9, 10**6)
    with pytest.raises(NotAList, match="larger than"):
        unpack(gzip.compress(bytes(10**7)), 10**6)


def verdict(mints: list[str], *, before: int = 0, missing: int = 0, is_complete: bool = True, sentinels: bool = True):  # type: ignore[no-untyped-def]
    listing = listed(mints)
    change = replace(delta(None, listing), missing=hashes(missing))
    return judge(listing, change, is_complete=is_complete, has_sentinels=sentinels, previous_size=before)


def hashes(count: int, first: int = 0) -> Digests:
    return np.arange(first, first + count, dtype=np.uint64)


@pytest.mark.parametrize(
    ("before", "missing", "believed"),
    [(1000, 2000, True), (1000, 2001, False), (1_000_000, 5000, True), (1_000_000, 5001, False), (0, 0, True)],
)
def test_a_list_that_shrinks_too_much_keeps_its_additions_only(before: int, missing: int, believed: bool) -> None:
    result = verdict(POOL, before=before, missing=missing)
    assert result.accepted
    assert (len(result.believed), len(result.kept)) == ((missing, 0) if believed else (0, missing))
    assert (result.doubted is None) == believed
    assert result.reason.startswith("list_shrunk") != believed


def test_absences_from_a_feed_mean_nothing() -> None:
    result = verdict(POOL, before=10_000, missing=9000, is_complete=False)
    assert (result.accepted, len(result.believed), len(result.kept), result.doubted) == (True, 0, 0, None)


SHRINK = hashes(3000)


@pytest.mark.parametrize(
    ("doubts", "missing", "believed", "doubted"),
    [
        (Doubts(), SHRINK, 0, 3000),
        (Doubts(open=SHRINK), SHRINK, 0, None),
        (Doubts(open=SHRINK), hashes(3010), 10, None),
        (Doubts(open=SHRINK), hashes(5001), 0, 2001),
        (Doubts(open=SHRINK), hashes(100), 100, None),
        (Doubts(open=SHRINK), hashes(2000), 2000, None),
        (Doubts(open=SHRINK), hashes(3000, first=9000), 0, 3000),
        (Doubts(approved=SHRINK), SHRINK, 3000, None),
        (Doubts(approved=SHRINK), hashes(3100), 3100, None),
        (Doubts(approved=SHRINK), hashes(5001), 3000, 2001),
        (Doubts(approved=SHRINK), hashes(0), 0, None),
        (Doubts(rejected=SHRINK), SHRINK, 0, None),
        (Doubts(rejected=SHRINK), hashes(3005), 5, None),
        (Doubts(rejected=SHRINK), hashes(5001), 0, 2001),
    ],
)
def test_what_operators_said_of_a_shrink_decides_about_exactly_those_absences(
    doubts: Doubts, missing: Digests, believed: int, doubted: int | None
) -> None:
    result = believe(missing, previous_size=10_000, doubts=doubts)
    assert len(result.believed) == believed
    assert (None if result.doubted is None else len(result.doubted)) == doubted
    assert sorted([*result.believed, *result.kept]) == sorted(missing)


@pytest.mark.parametrize(
    ("new", "known", "flooded"),
    [(51, 1000, True), (50, 1000, False), (999, 999, False), (10**6, 0, False), (35_001, 700_000, True),
     (35_000, 700_000, False), (0, 5000, False)],
)  # fmt: skip
def test_more_than_a_twentieth_of_a_known_set_at_once_is_a_flood(new: int, known: int, flooded: bool) -> None:
    assert is_flood(new, known) == flooded


def test_an_absence_is_confirmed_by_the_third_list_and_half_an_hour() -> None:
    assert confirm_bounds(10, NOW) == (8, NOW - timedelta(minutes=30))


@pytest.mark.parametrize(("rubbish", "accepted"), [(0, True), (4, True), (5, False)])
def test_more_than_one_entry_in_a_hundred_that_is_no_mint_refuses_the_list(rubbish: int, accepted: bool) -> None:
    assert verdict([*POOL, *["x" * (33 + n) for n in range(rubbish)]]).accepted == accepted


def test_a_complete_list_without_the_sentinels_is_refused_and_a_feed_is_not() -> None:
    assert not verdict(POOL, sentinels=False).accepted
    assert verdict(POOL, sentinels=False, is_complete=False).accepted
    assert listed([*POOL, *SENTINELS]).holds(SENTINELS)
    assert not listed([*POOL, *SENTINELS[:2]]).holds(SENTINELS)


@pytest.mark.shared
def test_the_real_list_holds_as_many_members_as_the_csv_module_finds() -> None:
    path = SHARED / "data" / "mints.csv.gz"
    if not path.exists():
        pytest.skip("the real mints are not here")
    body = unpack(path.read_bytes(), 10**9)
    rows = csv.DictReader(io.StringIO(body.decode("utf-8", "replace"), newline=""))
    assert len(read(body, KEY).digests) == len({row["mint"] for row in rows})


@pytest.mark.shared
def test_real_mints_that_were_withheld_are_exactly_what_is_new() -> None:
    path = SHARED / "data" / "mints.csv.gz"
    if not path.exists():
        pytest.skip("the real mints are not here")
    whole = read(unpack(path.read_bytes(), 10**9), KEY)
    mints = delta(None, whole).new
    withheld = set(random.Random(1000).sample(mints, 1000))
    before = listed([m for m in mints if m not in withheld])
    change = delta(before.digests, whole)
    assert set(change.new) == withheld
    assert (len(change.new), len(change.missing)) == (1000, 0)
