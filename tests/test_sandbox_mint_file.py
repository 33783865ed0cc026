import gzip
from pathlib import Path

import numpy as np
import pytest

from enrichment.sandbox.market import Market
from enrichment.sandbox.mint_file import BadMintFile, MintFile
from enrichment.sandbox.names import names_of
from tokens.mint import SOL, USDC

NOW_S = 1_795_000_000.25
REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "mints.csv.gz"
MINTS = Market(seed=99).universe.mints(np.arange(10, 20, dtype=np.uint64))


def test_a_csv_gives_mints_and_names(tmp_path):
    path = tmp_path / "list.csv"
    rows = [f"{place},{mint},S{place},Näme “{place}”" for place, mint in enumerate(MINTS)]
    path.write_text("\n".join(["no,mint,symbol,name", *rows, "10,not-a-mint,X,Y", *rows, f"11,{SOL},W,Z"]))
    file = MintFile.read(path, seed=1)
    assert len(file) == len(MINTS)
    positions = file.position_of(MINTS)
    assert sorted(positions) == list(range(len(MINTS)))
    assert [file.name_of(position) for position in positions] == [(f"S{n}", f"Näme “{n}”") for n in range(10)]
    assert file.position_of([USDC]) == [None]


@pytest.mark.parametrize("name", ["list.txt", "list.txt.gz"])
def test_a_text_gives_mints_without_names(tmp_path, name):
    path = tmp_path / name
    content = ("\n".join([MINTS[0], "  " + MINTS[1] + " ", "", MINTS[0].lower(), MINTS[2]]) + "\r\n").encode()
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    file = MintFile.read(path, seed=1)
    assert sorted(file.position_of(MINTS[:3])) == [0, 1, 2]
    assert file.name_of(0) == ("", "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no valid mint"),
        (b"hello\nworld\n", "no valid mint"),
        (b"address,symbol\na,b\n", "column named mint"),
        (gzip.compress(b"x" * 5_000)[:-9], "list"),
    ],
)
def test_a_bad_file_is_one_clear_error(tmp_path, content, said):
    path = tmp_path / ("list.gz" if content[:2] == b"\x1f\x8b" else "list")
    path.write_bytes(content)
    with pytest.raises(BadMintFile, match=said):
        MintFile.read(path, seed=1)


def test_a_missing_file_is_one_clear_error(tmp_path):
    with pytest.raises(BadMintFile, match="No such file"):
        MintFile.read(tmp_path / "none.csv", seed=1)


def test_the_market_trades_the_mints_of_the_file_and_no_made_up_ones(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("mint,symbol,name\n" + "\n".join(f"{mint},ABC,A B C" for mint in MINTS))
    market = Market(file=MintFile.read(path, seed=1))
    ids = np.arange(market.universe.size, dtype=np.uint64)
    assert set(market.universe.mints(ids)) == {*MINTS, *market.universe.mints(ids[:3])}
    assert market.universe.find(market.universe.mints(ids), NOW_S) == ids.tolist()
    made_up = Market().universe.mints(ids[3:])
    assert market.universe.find(made_up, NOW_S) == []
    sight = market.observe(ids, NOW_S)
    assert names_of(market.chance, market.universe, sight.traits)[3:] == [("A B C", "ABC")] * len(MINTS)


@pytest.mark.shared
@pytest.mark.skipif(not REAL.exists(), reason="the real mints of ../shared are not here")
def test_a_real_list_is_kept_whole_and_small():
    file = MintFile.read(REAL, seed=1)
    assert len(file) + 3 == 451_523
    arrays = (file.keys, file.heads, file.places, file.ends, file.rows)
    assert sum(array.nbytes for array in arrays) + len(file.names) < 100 * len(file)
