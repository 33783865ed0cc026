"""What a list holds, what is new in it and what is missing, and whether to believe it. Pure.

A list becomes a sorted array of keyed 64-bit hashes (`tokens.digests`) without a Python string per mint; only what is
new becomes text.
"""

from __future__ import annotations

import contextlib
import csv
import io
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from types import GenericAlias
from typing import Any

import msgspec
import numpy as np

from tokens import digests as hashing
from tokens.digests import Digests, Places
from tokens.mint import SOL, USDC, USDT, Mint, is_mint

SENTINELS = (SOL, USDC, USDT)
MIN_VALID_SHARE = 0.99  # requirements A6
MAX_REMOVED_SHARE, MAX_REMOVED = 0.005, 2000  # requirements A6: the greater of the two
FLOOD_SHARE = 0.05  # requirements A6
FLOOD_KNOWN = 1000  # members; a smaller list may well grow by a twentieth
CONFIRM_LISTS, CONFIRM_SPAN = 3, timedelta(minutes=30)  # requirements A6: both
_COLUMN_NAMES = ("mint", "address", "id")


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
        rows = hashing.sieved(wanted, self.hashes)
        spans = zip(self.starts[rows].tolist(), self.lengths[rows].tolist(), strict=True)
        texts = (self.body[start : start + length].decode("ascii", "replace") for start, length in spans)
        return list(dict.fromkeys(texts))

    def holds(self, mints: Iterable[Mint]) -> bool:
        """Say whether every one of `mints` is a member."""
        return bool(hashing.contains(self.digests, digests_of(mints, self.key)).all())


@dataclass(frozen=True, slots=True)
class Delta:
    """What a list changes. `new` are mints, `missing` and `members` hashes; `invalid` counts entries that are no mints.

    Members leave out what is invalid, so that it is counted again in every run.
    """

    new: list[Mint]
    invalid: int
    missing: Digests
    members: Digests


def _none() -> Digests:
    return np.empty(0, dtype=np.uint64)


@dataclass(frozen=True, slots=True)
class Doubts:
    """What operators said of earlier shrinks of this list, as sorted hashes; `open` None: nobody is being asked."""

    approved: Digests = field(default_factory=_none)
    rejected: Digests = field(default_factory=_none)
    open: Digests | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a list is believed, and which absences are: `kept` ones are missing and stay members.

    `doubted` are those an operator has to be asked about; None when the rest of the list is believable.
    """

    accepted: bool
    reason: str = ""
    believed: Digests = field(default_factory=_none)
    kept: Digests = field(default_factory=_none)
    doubted: Digests | None = None


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
    return _listing(*hashing.joined(list(entries)), key)


def digests_of(texts: Iterable[str], key: int) -> Digests:
    """Return the sorted, distinct hashes of texts of a mint's length."""
    return listing_of([text.encode("utf-8", "replace") for text in texts], key).digests


def delta(previous: Digests | None, current: Listing) -> Delta:
    """Return what is in `current` and was not before, and the reverse. `previous` None means nothing was known."""
    before = np.empty(0, dtype=np.uint64) if previous is None else previous
    moved = hashing.in_one_only(before, current.digests)
    is_new = hashing.contains(current.digests, moved)
    texts = current.texts(moved[is_new])
    new = [Mint(text) for text in texts if is_mint(text)]
    members = current.digests
    if len(new) < len(texts):
        members = members[~hashing.contains(digests_of((t for t in texts if not is_mint(t)), current.key), members)]
    return Delta(new, len(texts) - len(new), moved[~is_new], members)


def judge(
    listing: Listing,
    change: Delta,
    *,
    is_complete: bool,
    has_sentinels: bool,
    previous_size: int,
    doubts: Doubts | None = None,
) -> Verdict:
    """Decide what to believe of a list. Feeds only ever add, so their absences mean nothing."""
    invalid = listing.size - len(listing.hashes) + change.invalid
    if invalid > (1 - MIN_VALID_SHARE) * listing.size:
        return Verdict(False, f"{invalid} of {listing.size} entries are no mints")
    if not is_complete:
        return Verdict(True)
    if not has_sentinels:
        return Verdict(False, "SOL, USDC or USDT is not in it, so it is not complete")
    return believe(change.missing, previous_size=previous_size, doubts=doubts or Doubts())


def believe(missing: Digests, *, previous_size: int, doubts: Doubts) -> Verdict:
    """Decide which absences to believe: those approved, and the others unless they are too many at once.

    What was rejected is kept. While an operator is asked about a shrink those mints are kept too, and further small
    absences are believed as ever.
    """
    approved = missing[hashing.contains(doubts.approved, missing)]
    rest = hashing.without(hashing.without(missing, doubts.approved), doubts.rejected)
    limit = max(MAX_REMOVED_SHARE * previous_size, MAX_REMOVED)
    if len(rest) > limit and doubts.open is not None:
        rest = hashing.without(rest, doubts.open)
    is_doubted = len(rest) > limit
    believed = approved if is_doubted else hashing.union(approved, rest)
    kept = hashing.without(missing, believed)
    reason = f"list_shrunk: {len(kept)} missing are not believed" if len(kept) else ""
    return Verdict(True, reason, believed, kept, rest if is_doubted else None)


def is_flood(new: int, known: int) -> bool:
    """Say whether so many unknown mints at once are implausible; a first load and a small list are never a flood."""
    return known >= FLOOD_KNOWN and new > FLOOD_SHARE * known


def confirm_bounds(lists: int, now: datetime) -> tuple[int, datetime]:
    """Return the latest list and the latest moment at which an absence must have begun to be confirmed by now.

    `lists` numbers the newest accepted list; one that is absent from it alone began with that number.
    """
    return lists - CONFIRM_LISTS + 1, now - CONFIRM_SPAN


def _read_plain_json(text: bytes, key: int) -> Listing | None:
    """Scan `["…","…"]` without making a string per mint; None when the body is not exactly of that form."""
    if text[:2] != b'["' or text[-2:] != b'"]':
        return None
    data = np.frombuffer(text, dtype=np.uint8)
    quotes = np.flatnonzero(data == ord('"'))
    if len(quotes) % 2:
        return None
    starts, ends = quotes[0::2] + 1, quotes[1::2]
    gaps = ends[:-1] + 1
    if (starts[1:] - ends[:-1] != 3).any() or (data[gaps] != ord(",")).any() or b"\\" in text:
        return None
    return _listing(text, starts, ends - starts, key)


class _Entry(msgspec.Struct):
    """The keys under which lists of objects name their mint, when rows differ."""

    mint: Any = None
    address: Any = None
    id: Any = None


_NULLS = [(name, None, None) for name in _COLUMN_NAMES]
_ALIKE: dict[str, Any] = {  # rows that have the name and, as null or not at all, those that go before it
    name: GenericAlias(list, msgspec.defstruct("Row", [(name, str), *_NULLS[:place]], gc=False))
    for place, name in enumerate(_COLUMN_NAMES)
}


def _json_entries(text: bytes) -> list[bytes]:
    try:
        try:
            entries: list[Any] = _alike(text) or msgspec.json.decode(text, type=list[_Entry | str])
        except msgspec.ValidationError:  # a stray null or number among the rows costs that row, not the list
            entries = msgspec.json.decode(text, type=list[Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotAList("truncated JSON" if "truncated" in str(error) else f"malformed JSON: {error}") from error
    texts = (entry if type(entry) is str else _entry_text(entry) for entry in entries)
    return [text.encode("utf-8", "replace") for text in texts]


def _alike(text: bytes) -> list[str] | None:
    """Return the mints of objects that all name theirs under one key; None when they do not."""
    for name, rows in _ALIKE.items():
        with contextlib.suppress(msgspec.ValidationError):
            return list(map(attrgetter(name), msgspec.json.decode(text, type=rows)))
    return None


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
    shaped = (lengths >= hashing.SHORTEST) & (lengths <= hashing.LONGEST)
    starts, lengths, size = starts[shaped], lengths[shaped], len(lengths)
    hashes = hashing.of_spans(body, starts, lengths, key)
    return Listing(key, size, hashing.distinct(np.sort(hashes)), body, hashes, starts, lengths)
