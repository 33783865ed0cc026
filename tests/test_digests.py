"""Hashes of mints: the same wherever they are computed, whole through a bigint column, and set arithmetic on them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrichment.detection import listing_of
from tests.conftest import mint
from tokens import digests
from tokens.digests import Digests

values = st.lists(st.integers(0, 2**64 - 1), max_size=40)


def of(numbers: list[int]) -> Digests:
    return np.array(sorted(set(numbers)), dtype=np.uint64)


def test_a_mint_has_the_same_hash_alone_and_in_a_list() -> None:
    mints = [mint(n) for n in range(200)]
    together = listing_of([m.encode() for m in mints], 77).digests
    alone = [int(digests.of([m], 77)[0]) for m in mints]
    assert sorted(alone) == together.tolist()
    assert digests.of(mints, 77).tolist() == alone


def test_another_key_gives_other_hashes() -> None:
    assert digests.of([mint(1)], 1) != digests.of([mint(1)], 2)


@given(values)
def test_the_columns_keep_every_bit(numbers: list[int]) -> None:
    hashed = of(numbers)
    assert digests.unsigned(digests.signed(hashed)).tolist() == hashed.tolist()
    assert digests.unpacked(digests.packed(hashed)).tolist() == hashed.tolist()


@given(values, values)
def test_set_arithmetic_is_that_of_plain_sets(first: list[int], second: list[int]) -> None:
    one, two = of(first), of(second)
    assert digests.in_one_only(one, two).tolist() == sorted(set(first) ^ set(second))
    assert digests.without(one, two).tolist() == sorted(set(first) - set(second))
    assert digests.union(one, two).tolist() == sorted(set(first) | set(second))
    assert digests.contains(two, one).tolist() == [int(v) in set(second) for v in one]


@pytest.mark.parametrize("stored", [None, b"", memoryview(b"")])
def test_nothing_stored_is_an_empty_set(stored: bytes | memoryview | None) -> None:
    assert len(digests.unpacked(stored)) == 0
