"""Keyed 64-bit hashes of mints, thousands at a time, and the set arithmetic of sorted arrays of them. Pure.

The key is an installation's own, so nobody can craft two mints that collide here. PostgreSQL has no unsigned numbers:
`signed` and `unsigned` reinterpret the same bits for a bigint column and back.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Digests = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

SHORTEST, LONGEST = 32, 44  # characters of a base58 text of 32 bytes
_ROWS = 16_384  # worked on at a time: the scratch arrays stay in cache
# Odd constants of splitmix-like mixers.
_PRIME, _FINAL = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_SIEVE = 65_536


def of(texts: Iterable[str], key: int) -> Digests:
    """Return the hash of each text, in order."""
    return of_spans(*joined([text.encode("utf-8", "replace") for text in texts]), key)


def of_spans(body: bytes, starts: Places, lengths: Places, key: int) -> Digests:
    """Return the hash of each span of `body`, read as unaligned little-endian words, with zeros past its end.

    One copy of the bytes every mint has takes half as long as reading them word by word.
    Raises: ValueError when a span is shorter or longer than a mint.
    """
    hashes = np.full(len(starts), key, dtype=np.uint64)
    if not len(starts):
        return hashes
    if lengths.min() < SHORTEST or lengths.max() > LONGEST:
        raise ValueError("only texts as long as mints can be hashed")
    heads = np.ndarray((len(body) - SHORTEST + 1,), dtype=f"V{SHORTEST}", buffer=body, strides=(1,))
    for first in range(0, len(starts), _ROWS):
        rows = slice(first, first + _ROWS)
        mixed = hashes[rows]
        for word in heads[starts[rows]].view("<u8").reshape(-1, SHORTEST // 8).T:
            _mix(mixed, word)
        for offset in range(SHORTEST, LONGEST, 8):
            _mix(mixed, _tail(body, starts[rows], lengths[rows], offset))
        mixed ^= mixed >> np.uint64(32)
        mixed *= _FINAL
        mixed ^= mixed >> np.uint64(29)
    return hashes


def joined(entries: list[bytes]) -> tuple[bytes, Places, Places]:
    """Return separate entries as one body and their spans in it."""
    lengths = np.fromiter(map(len, entries), dtype=np.int64, count=len(entries))
    return b"".join(entries), np.cumsum(lengths) - lengths, lengths


def signed(digests: Digests) -> list[int]:
    """Return the values as a bigint column keeps them."""
    values: list[int] = digests.view(np.int64).tolist()
    return values


def unsigned(values: Iterable[int]) -> Digests:
    """Return, sorted, what a bigint column kept."""
    return np.sort(np.fromiter(values, dtype=np.int64).view(np.uint64))


def packed(digests: Digests) -> bytes:
    """Return the values as a bytea column keeps them: little-endian, 8 bytes each."""
    return digests.astype("<u8").tobytes()


def unpacked(stored: bytes | memoryview | None) -> Digests:
    """Return what a bytea column kept."""
    return np.frombuffer(bytes(stored or b""), dtype="<u8")


def contains(members: Digests, values: Digests) -> Flags:
    """Say of each value whether it is among the sorted members."""
    if not len(members):
        return np.zeros(len(values), dtype=np.bool_)
    place = np.searchsorted(members, values)
    place[place == len(members)] = 0
    found: Flags = members[place] == values
    return found


def sieved(members: Digests, values: Digests) -> Places:
    """Return where among many `values` the few sorted members are: a table that fits the cache rules out nearly all."""
    maybe = np.zeros(_SIEVE, dtype=np.bool_)
    maybe[members % _SIEVE] = True
    rows: Places = np.flatnonzero(maybe[values.view(np.int64) & (_SIEVE - 1)])
    return rows[contains(members, values[rows])]


def distinct(values: Digests) -> Digests:
    """Return sorted values without repetitions; np.unique takes forty times as long on numbers already sorted."""
    once: Digests = values[_differs_from_previous(values)]
    return once


def in_one_only(first: Digests, second: Digests) -> Digests:
    """Return, sorted, what is in only one of two sorted sets of distinct values: what stands alone when merged."""
    cuts = np.arange(_ROWS, len(second), _ROWS)  # both are cut at the same values, so that each merge stays in cache
    pieces = zip(np.split(first, np.searchsorted(first, second[cuts])), np.split(second, cuts), strict=True)
    return np.concatenate([_alone(np.concatenate(pair)) for pair in pieces])


def union(first: Digests, second: Digests) -> Digests:
    """Return, sorted, what is in either set."""
    return np.union1d(first, second)


def without(values: Digests, others: Digests) -> Digests:
    """Return those of the sorted values that are not among the sorted others."""
    kept: Digests = values[~contains(others, values)]
    return kept


def _mix(mixed: Digests, word: Digests) -> None:
    mixed ^= word
    mixed *= _PRIME
    mixed ^= mixed >> np.uint64(29)


def _tail(body: bytes, starts: Places, lengths: Places, offset: int) -> Digests:
    """Return the word at `offset` of each span, read as far ahead as it must be to stay inside, and shifted back."""
    words = np.ndarray((len(body) - 7,), dtype="<u8", buffer=body, strides=(1,))
    ahead = np.maximum(offset + 8 - lengths, 0)
    tail: Digests = words[starts + (offset - ahead)] >> (8 * ahead).view(np.uint64)
    return tail


def _alone(values: Digests) -> Digests:
    values.sort()
    begins = _differs_from_previous(values)
    ends = np.append(begins[1:], True)
    alone: Digests = values[begins & ends[: len(values)]]
    return alone


def _differs_from_previous(values: Digests) -> Flags:
    differs = np.ones(len(values), dtype=np.bool_)
    np.not_equal(values[1:], values[:-1], out=differs[1:])
    return differs
