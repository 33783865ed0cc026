import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrichment.sandbox.chance import Chance
from enrichment.sandbox.launches import Launches
from enrichment.sandbox.mints import Mintage, json_items, keys_of, texts_of
from enrichment.sandbox.universe import LAUNCHED, SENTINELS, Universe
from tokens.mint import encode, is_mint

NOW_S = 1_795_000_000.25
INDEXES = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20)


def keys(rows: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(rows), 32)


@given(INDEXES, st.integers())
def test_every_index_has_a_valid_mint_that_leads_back_to_it(indexes, seed):
    mintage = Mintage(Chance(seed))
    mints = texts_of(mintage.keys(np.array(indexes, dtype=np.uint64)))
    assert all(is_mint(mint) for mint in mints)
    assert mintage.index_of(mints) == indexes


@given(st.lists(st.binary(min_size=32, max_size=32).filter(any), min_size=1, max_size=20))
def test_base58_of_a_column_is_base58_of_each(rows):
    texts = [encode(row) for row in rows]
    assert texts_of(keys(rows)) == texts
    assert np.array_equal(keys_of(texts), keys(rows))
    assert json_items(keys(rows)) == "".join(f'"{text}",' for text in texts).encode()


@pytest.mark.parametrize("row", [b"\0" * 31 + b"\1", b"\0" + b"\xff" * 31, b"\xff" * 32, b"\1" + b"\0" * 31])
def test_base58_keeps_leading_zero_bytes(row):
    assert texts_of(keys([row])) == [encode(row)]
    assert keys_of([encode(row)]).tobytes() == row


@settings(max_examples=30)
@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=20))
def test_foreign_mints_are_strangers(rows):
    assert Mintage(Chance(1)).index_of([encode(row) for row in rows]) == [None] * len(rows)


@given(st.integers(0, 2**40), st.integers(0, 31), st.integers(1, 255))
def test_a_mint_with_any_byte_changed_is_a_stranger(index, place, change):
    mintage = Mintage(Chance(1))
    forged = mintage.keys(np.array([index], dtype=np.uint64))
    forged[0, place] ^= change
    assert mintage.index_of(texts_of(forged)) == [None]


def test_mints_of_another_seed_are_strangers():
    theirs = texts_of(Mintage(Chance(2)).keys(np.arange(50, dtype=np.uint64)))
    assert Mintage(Chance(1)).index_of(theirs) == [None] * 50


def test_suffixes_come_in_their_shares():
    mints = texts_of(Mintage(Chance(1)).keys(np.arange(5_000, dtype=np.uint64)))
    assert sum(mint.endswith("pump") for mint in mints) == pytest.approx(3_500, abs=150)
    assert sum(mint.endswith("bonk") for mint in mints) == pytest.approx(150, abs=50)
    assert len(set(mints)) == 5_000


@pytest.fixture
def universe() -> Universe:
    chance = Chance(1)
    return Universe(chance, mints=100, launches=Launches(chance))


def test_the_three_mints_everybody_knows_come_first(universe):
    assert universe.mints(np.arange(3, dtype=np.uint64)) == list(SENTINELS)
    assert universe.find(SENTINELS, NOW_S) == [0, 1, 2]


def test_only_existing_tokens_are_found(universe):
    born = universe.launches.count(NOW_S)
    ids = [3, 99, 100, 10**6, LAUNCHED, LAUNCHED + born - 1, LAUNCHED + born]
    mints = universe.mints(np.array(ids, dtype=np.uint64))
    assert universe.find(mints, NOW_S) == [3, 99, LAUNCHED, LAUNCHED + born - 1]


def test_noise_beside_a_mint_does_not_hide_it(universe):
    mint = universe.mints(np.array([7], dtype=np.uint64))[0]
    assert universe.find(["", "frog", mint.lower(), mint, "0" * 44, mint, SENTINELS[0]], NOW_S) == [7, 0]
    assert universe.find([], NOW_S) == []


def test_a_launch_stays_known_for_ever(universe):
    newest = universe.mints(universe.newest(NOW_S, 30))
    assert universe.find(newest, NOW_S - 3_600) == []
    assert len(universe.find(newest, NOW_S + 400 * 86_400)) == 30
