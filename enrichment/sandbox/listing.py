"""A partner's complete list of mints as one JSON array: written once, then extended by every new launch."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from enrichment.sandbox.market import Market
from enrichment.sandbox.mints import json_items
from enrichment.sandbox.universe import LAUNCHED

_CHUNK = 65_536  # mints written at once: some 10 MB of working arrays
_MOST_LAUNCHES = 1_000_000  # 40 days of them; then the list is full, and so stays bounded at any speed
_BLOCK_BYTES = 1 << 20  # of the body handed out at once
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Body:
    """The first `end` bytes of a growing buffer, and what ends them: a state of the list that later growth spares."""

    buffer: bytearray
    end: int
    tail: bytes

    def __len__(self) -> int:
        return self.end + len(self.tail)

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes, a mebibyte at a time."""
        for start in range(0, self.end, _BLOCK_BYTES):
            yield bytes(self.buffer[start : min(start + _BLOCK_BYTES, self.end)])
        yield self.tail


class Listing:
    """All settled tokens and what was launched since `since_s` (unix seconds), in that order.

    One caller at a time may extend or pack; bodies taken before stay whole.
    """

    def __init__(self, market: Market, since_s: float) -> None:
        self._market = market
        self._first = market.launches.count(since_s)
        self._settled, self._launched = 0, self._first
        self._items = bytearray(b"[")  # every mint with a comma after it; the bracket is added on the way out
        self._packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP)  # base58 hardly shrinks further at level 9
        self._packed, self._packed_upto = bytearray(), 0

    def __len__(self) -> int:
        return self._settled + self._launched - self._first

    @property
    def etag(self) -> str:
        """Name this state of the list: it only ever grows, so its length does."""
        return f"{self._market.seed}-{self._market.universe.size}-{self._first}-{len(self)}"

    def extend(self, now_s: float) -> None:
        """Write down everything that exists now."""
        size, count = self._market.universe.size, self._market.launches.count(now_s)
        count = min(max(self._launched, count), self._first + _MOST_LAUNCHES)
        self._write(self._settled, size)
        self._write(LAUNCHED + self._launched, LAUNCHED + count)
        self._settled, self._launched = size, count

    def pack(self) -> None:
        """Compress what is written and not compressed yet."""
        end = self._end()
        self._packed += self._packer.compress(bytes(self._items[self._packed_upto : end]))
        self._packed_upto = end

    def plain(self) -> Body:
        """Return the whole list."""
        return Body(self._items, self._end(), b"]")

    def half(self) -> Body:
        """Return the first half of the list: well-formed, and wrong."""
        return Body(self._items, max(self._items.rfind(b",", 0, len(self._items) // 2), 1), b"]")

    def doubled(self) -> Body:
        """Return the list with its first half once more behind it."""
        half, end = self.half(), self._end()
        return Body(self._items[:end] + b"," + self._items[1 : half.end], end + half.end, b"]")

    def gzipped(self) -> Body:
        """Return the list as far as it is packed, compressed."""
        last = self._packer.copy()
        return Body(self._packed, len(self._packed), last.compress(b"]") + last.flush())

    def _end(self) -> int:
        return max(len(self._items) - 1, 1)  # without the last comma

    def _write(self, first: int, end: int) -> None:
        for start in range(first, end, _CHUNK):
            ids = np.arange(start, min(start + _CHUNK, end), dtype=np.uint64)
            self._items += json_items(self._market.universe.keys(ids))
