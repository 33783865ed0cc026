"""Chance as a pure function: same seed, topic and numbers, same draw, in any process and any order.

Everything works on whole columns (numpy, uint64 arithmetic that wraps), because a tag answer needs
hundreds of tokens and a complete list a million. This is a simulation's dice, not cryptography.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Reals = npt.NDArray[np.float64]
Octaves = tuple[tuple[float, float], ...]
"""(period in seconds, weight) of each layer of a path."""

_MASK = (1 << 64) - 1
# The increment, multipliers and shifts of splitmix64 (Steele, Lea, Flood 2014).
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31 = np.uint64(30), np.uint64(27), np.uint64(31)
# Keeps the heavy-tailed map finite: the largest swing is 1/sqrt(0.05), about 4.5 weights.
_TAIL = 1.05


def column(value: int | npt.NDArray[Any]) -> Words:
    """Return `value` as an array of words; a scalar becomes length one, so that arithmetic wraps silently."""
    if isinstance(value, int):
        return np.array([value & _MASK], dtype=np.uint64)
    return np.atleast_1d(value).astype(np.uint64, copy=False)


def mix(*values: int | npt.NDArray[Any]) -> Words:
    """Hash columns of words into one column; columns broadcast against each other."""
    return _stirred(np.zeros(1, dtype=np.uint64), *values)


def _stirred(state: Words, *values: int | npt.NDArray[Any]) -> Words:
    for value in values:
        state = (state ^ column(value)) + _STEP
        state = (state ^ (state >> _30)) * _FIRST
        state = (state ^ (state >> _27)) * _SECOND
        state = state ^ (state >> _31)
    return state


class Chance:
    """The dice of one seed. A topic names what is being drawn; the columns say for whom and when."""

    def __init__(self, seed: int) -> None:
        self._secret = str(seed).encode()[:64]
        self._keys: dict[str, int] = {}
        self._starts: dict[str, Words] = {}

    def key(self, topic: str) -> int:
        """Return the 64-bit key of `topic` under this seed."""
        if topic not in self._keys:
            digest = hashlib.blake2b(topic.encode(), digest_size=8, key=self._secret).digest()
            self._keys[topic] = int.from_bytes(digest, "big")
        return self._keys[topic]

    def _start(self, topic: str) -> Words:
        """Return the key of `topic`, mixed: where every draw of the topic begins."""
        if topic not in self._starts:
            self._starts[topic] = mix(self.key(topic))
        return self._starts[topic]

    def bits(self, topic: str, *columns: int | npt.NDArray[Any]) -> Words:
        """Draw 64 random bits."""
        return _stirred(self._start(topic), *columns)

    def unit(self, topic: str, *columns: int | npt.NDArray[Any]) -> Reals:
        """Draw uniformly from [0, 1)."""
        return _fraction(self.bits(topic, *columns))

    def normal(self, topic: str, *columns: int | npt.NDArray[Any]) -> Reals:
        """Draw from a bell curve with mean 0 and deviation 1, cut at ±3.5: the sum of four uniform draws."""
        bits = self.bits(topic, *columns)
        quarters = [(bits >> np.uint64(shift)) & np.uint64(0xFFFF) for shift in (0, 16, 32, 48)]
        return cast(Reals, (np.sum(quarters, axis=0, dtype=np.float64) / 65_536 - 2) * 3**0.5)

    def pick(self, topic: str, shares: Sequence[float], *columns: int | npt.NDArray[Any]) -> npt.NDArray[np.intp]:
        """Draw positions 0, 1, … by their `shares`; what these leave of 1 goes to one position more."""
        return np.searchsorted(np.cumsum(shares), self.unit(topic, *columns), side="right")

    def path(self, topic: str, ids: Words, at_s: Reals, octaves: Octaves) -> Reals:
        """Return a continuous random path per id at the moments `at_s`: smoothed lattice noise in octaves.

        Shape: `at_s` broadcasts against `ids`. Lattice values are heavy-tailed and bounded, so is the path.
        """
        wide = np.array(octaves).T[:, :, None, None]  # periods, then weights; all octaves at once, in the first axis
        starts = np.concatenate([self._start(f"{topic} {period_s:g}") for period_s, _ in octaves])
        own = _stirred(starts[:, None], ids)[:, None, :]
        place = np.atleast_2d(at_s) / wide[0] + _fraction(own)
        cell = np.floor(place)
        share = place - cell
        share *= share * (3 - 2 * share)
        left, right = _heavy(_stirred(own, np.stack([cell, cell + 1]).astype(np.int64)))
        # One after the other: numpy's own sum would round differently for one token than for many.
        total = functools.reduce(np.add, wide[1] * (left + (right - left) * share))
        return cast(Reals, total if at_s.ndim > 1 else total[0])


def _fraction(bits: Words) -> Reals:
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _heavy(bits: Words) -> Reals:
    draw = _fraction(bits) * 2 - 1
    return draw / np.sqrt(_TAIL - draw * draw)
