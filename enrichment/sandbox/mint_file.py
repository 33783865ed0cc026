"""A list of real mints as the market's settled tokens: kept as packed arrays, under 100 bytes a mint."""

from __future__ import annotations

import csv
import gzip
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

from enrichment.sandbox.chance import Chance, Words
from enrichment.sandbox.mints import Keys, keys_of
from tokens.mint import KEY_BYTES, SOL, USDC, USDT, is_mint

Row = tuple[str, str, str]
"""(mint, symbol, name)."""

_CHUNK = 65_536  # rows decoded at once: 2 MB of keys
_MAX_NAME_LETTERS = 500


class BadMintFile(ValueError):
    """The file cannot serve as a universe; the message says why."""


@dataclass(frozen=True)
class MintFile:
    """Distinct mints in an order drawn by seed (files are sorted, ranks should not be), and their names.

    Shape: `keys` (n, 32); `heads` every key's first eight bytes, sorted, `places` the positions they belong
    to; row i = `rows[position]` has its symbol and name at `ends[2i]:ends[2i+1]:ends[2i+2]` of `names`.
    """

    keys: Keys
    heads: Words
    places: npt.NDArray[np.intp]
    names: bytes
    ends: npt.NDArray[np.uint64]
    rows: npt.NDArray[np.intp]

    @classmethod
    def read(cls, path: Path, seed: int) -> MintFile:
        """Read CSV with a `mint` column (and perhaps `symbol`, `name`) or text, one mint a line; .gz too.

        Raises: BadMintFile.
        """
        try:
            with _opened(path) as file:
                return cls._pack(_rows(file, path), seed, path)
        except (OSError, EOFError, zlib.error, csv.Error) as error:
            raise BadMintFile(f"{path}: {getattr(error, 'strerror', None) or error}") from error

    @classmethod
    def _pack(cls, rows: Iterable[Row], seed: int, path: Path) -> MintFile:
        chunks, names, ends = [], bytearray(), array("Q", [0])
        source = iter(rows)
        while chunk := list(islice(source, _CHUNK)):
            chunks.append(keys_of([mint for mint, _, _ in chunk]))
            for _, *texts in chunk:
                for text in texts:
                    names += text[:_MAX_NAME_LETTERS].encode("utf-8", "replace")
                    ends.append(len(names))
        if not chunks:
            raise BadMintFile(f"{path}: holds no valid mint")
        keys, kept = _distinct(np.concatenate(chunks), seed)
        heads = _heads(keys)
        places = np.argsort(heads)
        return cls(keys, heads[places], places, bytes(names), np.array(ends, dtype=np.uint64), kept)

    def __len__(self) -> int:
        return len(self.keys)

    def position_of(self, texts: Sequence[str]) -> list[int | None]:
        """Return where each text stands, None for what is not in the file. Every text must be a mint."""
        keys = keys_of(texts)
        heads = _heads(keys)
        spans = zip(np.searchsorted(self.heads, heads), np.searchsorted(self.heads, heads, "right"), strict=True)
        return [self._among(range(low, high), key) for (low, high), key in zip(spans, keys, strict=True)]

    def _among(self, span: range, key: Keys) -> int | None:
        places = (int(self.places[spot]) for spot in span)
        return next((place for place in places if np.array_equal(self.keys[place], key)), None)

    def name_of(self, position: int) -> tuple[str, str]:
        """Return (symbol, name); either may be empty."""
        row = int(self.rows[position])
        start, middle, end = self.ends[2 * row : 2 * row + 3].tolist()
        return self.names[start:middle].decode(), self.names[middle:end].decode()


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline="")
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


def _rows(file: TextIO, path: Path) -> Iterator[Row]:
    known = {SOL, USDC, USDT}  # the market has its own
    first = file.readline()
    header = next(csv.reader([first]), [])
    if "mint" in header:
        rows = ((row.get("mint"), row.get("symbol"), row.get("name")) for row in csv.DictReader(file, header))
    elif len(header) > 1:
        raise BadMintFile(f"{path}: a CSV file needs a column named mint, this one has {', '.join(header)[:200]}")
    else:
        rows = ((line, None, None) for line in (first, *file))
    for mint, symbol, name in rows:
        mint = (mint or "").strip()
        if is_mint(mint) and mint not in known:
            yield mint, symbol or "", name or ""


def _distinct(keys: Keys, seed: int) -> tuple[Keys, npt.NDArray[np.intp]]:
    """Return the distinct keys in the seed's order, and the row each came from."""
    whole = np.ascontiguousarray(keys).view(np.dtype((np.void, KEY_BYTES)))[:, 0]
    _, rows = np.unique(whole, return_index=True)
    order = np.argsort(Chance(seed).bits("file order", _heads(keys[rows])), kind="stable")
    return keys[rows[order]], rows[order]


def _heads(keys: Keys) -> Words:
    return np.ascontiguousarray(keys[:, :8]).view(">u8")[:, 0].astype(np.uint64)
