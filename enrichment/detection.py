"""What a list holds, what is new in it and what is missing, and whether to believe it. Pure.

A list becomes a sorted array of keyed 64-bit hashes without a Python string per mint; only what is new becomes text.
The key is per source, so nobody can craft two mints that collide here.
"""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tokens.mint import SOL, USDC, USDT, Mint, is_mint

Digests = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]

SENTINELS = (SOL, USDC, USDT)
MIN_VALID_SHARE = 0.99  # requirements A6
MAX_REMOVED_SHARE, MAX_REMOVED = 0.005, 2000  # requirements A6: the greater of the two
_SHORTEST, _LONGEST = 32, 44  # characters of a base58 text of 32 bytes
_WORDS = 6  # 8-byte words that cover the longest mint
_SIEVE = np.uint64(65_536)
_ROWS = 65_536  # hashed at a time: the scratch arrays stay in cache
_COLUMN_NAMES = ("mint", "address", "id")
_PRIME, _FINAL = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0xD6E8FEB86659FD93),
)  # odd constants of splitmix-like mixers
_MASKS = np.array([(1 << (8 * n)) - 1 for n in range(9)], dtype=np.uint64)


class NotAList(ValueError):
    """The body cannot be a list; the message says why, in one word or a few."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The members of one list body.

    Shape: `digests` sorted and distinct; `hashes` in the order sent, beside each one's place in `body`.
    Units: `size` entries as sent, duplicates and rubbish included.
    """

    key: int
    size: int
    digests: Digests
    body: bytes
    hashes: Digests
    starts: Places
    lengths: Places

    def texts(self, wanted: Digests) -> list[str]:
        """Return the entries whose hash is in `wanted` (sorted), each once, in the order sent."""
        if not len(wanted):
            return []
        maybe = np.zeros(_SIEVE, dtype=np.bool_)  # a table that fits the cache rules out nearly every row
        maybe[wanted % _SIEVE] = True
        rows = np.flatnonzero(maybe[self.hashes % _SIEVE])
        rows = rows[_contains(wanted, self.hashes[rows])]
        spans = zip(self.starts[rows].tolist(), self.lengths[rows].tolist(), strict=True)
        texts = (self.body[start : start + length].decode("ascii", "replace") for start, length in spans)
        return list(dict.fromkeys(texts))

    def holds(self, mints: Iterable[Mint]) -> bool:
        """Say whether every one of `mints` is a member."""
        return bool(_contains(self.digests, digests_of(mints, self.key)).all())


@dataclass(frozen=True, slots=True)
class Delta:
    """What a list changes. `new` are mints, `missing` and `members` hashes; `invalid` counts entries that are no mints.

    Members leave out what is invalid, so that it is counted again in every run.
    """

    new: list[Mint]
    invalid: int
    missing: Digests
    members: Digests


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a list is believed, and if its absences are."""

    accepted: bool
    reason: str = ""
    believes_absence: bool = True


def unpack(body: bytes, max_bytes: int) -> bytes:
    """Return the body, gunzipped if it is gzip; raises `NotAList` when truncated or larger than `max_bytes`."""
    if body[:2] != b"\x1f\x8b":
        return body
    inflate = zlib.decompressobj(wbits=31)
    try:
        plain = inflate.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise NotAList("damaged gzip") from error
    if len(plain) > max_bytes:
        raise NotAList(f"larger than {max_bytes} bytes when unpacked")
    if not inflate.eof:
        raise NotAList("truncated gzip")
    return plain


def read(body: bytes, key: int) -> Listing:
    """Return the members of a list body: a JSON array of mints or of objects, CSV with a mint column, or lines.

    Raises: NotAList for anything else, an empty or a truncated body included.
    """
    text = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        raise NotAList("empty")
    if text[:1] == b"<":
        raise NotAList("a web page, not a list")
    if text[:1] in b"[{":
        listing = _read_plain_json(text, key) or listing_of(_json_entries(text), key)
    else:
        listing = listing_of(_line_entries(text), key)
    if not listing.size:
        raise NotAList("empty")
    return listing


def listing_of(entries: Sequence[bytes], key: int) -> Listing:
    """Return the listing of entries that are separate already."""
    lengths = np.fromiter((len(entry) for entry in entries), dtype=np.int64, count=len(entries))
    starts = np.cumsum(lengths) - lengths
    return _listing(b"".join(entries), starts, lengths, key)


def digests_of(texts: Iterable[str], key: int) -> Digests:
    """Return the sorted, distinct hashes of texts of a mint's length."""
    return listing_of([text.encode("utf-8", "replace") for text in texts], key).digests


def delta(previous: Digests | None, current: Listing) -> Delta:
    """Return what is in `current` and was not before, and the reverse. `previous` None means nothing was known."""
    before = np.empty(0, dtype=np.uint64) if previous is None else previous
    moved = _in_one_only(before, current.digests)
    is_new = _contains(current.digests, moved)
    texts = current.texts(moved[is_new])
    new = [Mint(text) for text in texts if is_mint(text)]
    members = current.digests
    if len(new) < len(texts):
        members = members[~_contains(digests_of((t for t in texts if not is_mint(t)), current.key), members)]
    return Delta(new, len(texts) - len(new), moved[~is_new], members)


def judge(listing: Listing, change: Delta, *, is_complete: bool, has_sentinels: bool, previous_size: int) -> Verdict:
    """Decide what to believe of a list. Feeds only ever add, so their absences mean nothing."""
    invalid = listing.size - len(listing.hashes) + change.invalid
    if invalid > (1 - MIN_VALID_SHARE) * listing.size:
        return Verdict(False, f"{invalid} of {listing.size} entries are no mints")
    if not is_complete:
        return Verdict(True, believes_absence=False)
    if not has_sentinels:
        return Verdict(False, "SOL, USDC or USDT is not in it, so it is not complete")
    if len(change.missing) > max(MAX_REMOVED_SHARE * previous_size, MAX_REMOVED):
        return Verdict(True, f"list_shrunk: {len(change.missing)} missing at once", believes_absence=False)
    return Verdict(True)


def _read_plain_json(text: bytes, key: int) -> Listing | None:
    """Scan `["…","…"]` without making a string per mint; None when the body is not exactly of that form."""
    data = np.frombuffer(text, dtype=np.uint8)
    quotes = np.flatnonzero(data == ord('"'))
    if len(quotes) < 2 or len(quotes) % 2 or quotes[0] != 1 or quotes[-1] != len(data) - 2 or text[-1:] != b"]":
        return None
    starts, ends = quotes[0::2] + 1, quotes[1::2]
    gaps = ends[:-1] + 1
    if (starts[1:] - ends[:-1] != 3).any() or (data[gaps] != ord(",")).any() or b"\\" in text:
        return None
    return _listing(text, starts, ends - starts, key)


class _Entry(msgspec.Struct):
    """The keys under which lists of objects name their mint."""

    mint: Any = None
    address: Any = None
    id: Any = None


def _json_entries(text: bytes) -> list[bytes]:
    shape: Any = list[_Entry] if text[1:].lstrip()[:1] == b"{" else list[str]
    try:
        try:
            entries = msgspec.json.decode(text, type=shape)
        except msgspec.ValidationError:  # a stray null or number among the rows costs that row, not the list
            entries = msgspec.json.decode(text, type=list[Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotAList("truncated JSON" if "truncated" in str(error) else f"malformed JSON: {error}") from error
    return [_entry_text(entry).encode("utf-8", "replace") for entry in entries]


def _entry_text(entry: Any) -> str:
    if isinstance(entry, _Entry):
        entry = {"mint": entry.mint, "address": entry.address, "id": entry.id}
    if isinstance(entry, dict):
        entry = next((entry[name] for name in _COLUMN_NAMES if isinstance(entry.get(name), str)), None)
    return entry if isinstance(entry, str) else ""


def _line_entries(text: bytes) -> list[bytes]:
    first, _, _ = text.partition(b"\n")
    if b"," not in first and first.strip().lower().decode("ascii", "replace") not in _COLUMN_NAMES:
        return [line.strip() for line in text.splitlines() if line.strip()]
    # Decoded as it is read: one emoji would make the whole text four bytes a character.
    rows = csv.reader(io.TextIOWrapper(io.BytesIO(text), "utf-8", errors="replace", newline=""))
    try:
        header = [cell.strip().lower() for cell in next(rows)]
        column = next((header.index(name) for name in _COLUMN_NAMES if name in header), None)
        if column is None:
            raise NotAList("no column named mint, address or id")
        return [row[column].strip().encode() for row in rows if len(row) > column]
    except csv.Error as error:
        raise NotAList(f"malformed CSV: {error}") from error


def _listing(body: bytes, starts: Places, lengths: Places, key: int) -> Listing:
    shaped = (lengths >= _SHORTEST) & (lengths <= _LONGEST)
    starts, lengths, size = starts[shaped], lengths[shaped], len(lengths)
    hashes = _hash(body, starts, lengths, key)
    return Listing(key, size, _distinct(np.sort(hashes)), body, hashes, starts, lengths)


def _hash(body: bytes, starts: Places, lengths: Places, key: int) -> Digests:
    """Return each entry's keyed hash; entries are read as unaligned little-endian words, masked past their end."""
    padded = body + bytes(8 * _WORDS)
    words = np.ndarray((len(padded) - 7,), dtype="<u8", buffer=padded, strides=(1,))
    hashes = np.empty(len(starts), dtype=np.uint64)
    for first in range(0, len(starts), _ROWS):
        rows = slice(first, first + _ROWS)
        mixed = np.full(len(starts[rows]), key, dtype=np.uint64)
        for word in range(_WORDS):
            left = np.clip(lengths[rows] - 8 * word, 0, 8)
            mixed = (mixed ^ (words[starts[rows] + 8 * word] & _MASKS[left])) * _PRIME
            mixed ^= mixed >> np.uint64(29)
        mixed = (mixed ^ (mixed >> np.uint64(32))) * _FINAL
        hashes[rows] = mixed ^ (mixed >> np.uint64(29))
    return hashes


def _contains(members: Digests, values: Digests) -> npt.NDArray[np.bool_]:
    """Say of each value whether it is among the sorted members."""
    if not len(members):
        return np.zeros(len(values), dtype=np.bool_)
    place = np.searchsorted(members, values)
    place[place == len(members)] = 0
    found: npt.NDArray[np.bool_] = members[place] == values
    return found


def _distinct(values: Digests) -> Digests:
    """Return sorted values without repetitions; np.unique takes forty times as long on numbers already sorted."""
    distinct: Digests = values[_differs_from_previous(values)]
    return distinct


def _in_one_only(first: Digests, second: Digests) -> Digests:
    """Return, sorted, what is in only one of two sorted sets of distinct values: what stands alone when merged."""
    merged = np.sort(np.concatenate((first, second)))
    begins = _differs_from_previous(merged)
    ends = np.append(begins[1:], True)
    alone: Digests = merged[begins & ends[: len(merged)]]
    return alone


def _differs_from_previous(values: Digests) -> npt.NDArray[np.bool_]:
    differs = np.ones(len(values), dtype=np.bool_)
    np.not_equal(values[1:], values[:-1], out=differs[1:])
    return differs
