"""The delta of a list, against plain sets; and what is believed of a list."""

from __future__ import annotations

import csv
import gzip
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrichment.detection import SENTINELS, Listing, NotAList, delta, judge, listing_of, read, unpack
from tests.conftest import SHARED, mint

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
    change = replace(delta(None, listing), missing=np.zeros(missing, dtype=np.uint64))
    return judge(listing, change, is_complete=is_complete, has_sentinels=sentinels, previous_size=before)


@pytest.mark.parametrize(
    ("before", "missing", "believes_absence"),
    [(1000, 2000, True), (1000, 2001, False), (1_000_000, 5000, True), (1_000_000, 5001, False), (0, 0, True)],
)
def test_a_list_that_shrinks_too_much_keeps_its_additions_only(
    before: int, missing: int, believes_absence: bool
) -> None:
    result = verdict(POOL, before=before, missing=missing)
    assert result.accepted
    assert result.believes_absence == believes_absence


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
