"""Who exists: the settled tokens, everything launched since the epoch, and which mint each of them is.

An id below `size` is a settled token, in order of importance; `LAUNCHED + k` is the k-th launch. The mint
itself decides membership, so a launch stays known for ever and costs no memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from enrichment.sandbox.chance import Chance, Words
from enrichment.sandbox.launches import Launches
from enrichment.sandbox.mint_file import MintFile
from enrichment.sandbox.mints import SUFFIXES, Keys, Mintage, keys_of, texts_of
from tokens.mint import SOL, USDC, USDT, is_mint

LAUNCHED = 1 << 40
PLACES = 8  # addresses that belong to a token besides its mint: its pools, and what impostors set up around it
SENTINELS = (SOL, USDC, USDT)
_SENTINEL_KEYS = keys_of(SENTINELS)


class Universe:
    """The tokens of one seed. `file`, when given, replaces the made-up settled tokens by real mints."""

    def __init__(self, chance: Chance, *, mints: int, launches: Launches, file: MintFile | None = None) -> None:
        self.size = mints if file is None else len(SENTINELS) + len(file)
        self.launches = launches
        self._file = file
        self._mintage = Mintage(chance)
        self._pools = Mintage(chance, "pool ", (0.0,) * len(SUFFIXES))

    def keys(self, ids: Words) -> Keys:
        """Return the 32 bytes of every id."""
        keys = self._mintage.keys(ids)
        if self._file is not None:
            settled = (ids >= len(SENTINELS)) & (ids < self.size)
            keys[settled] = self._file.keys[(ids[settled] - np.uint64(len(SENTINELS))).astype(np.intp)]
        known = ids < len(SENTINELS)
        keys[known] = _SENTINEL_KEYS[ids[known].astype(np.intp)]
        return keys

    def mints(self, ids: Words) -> list[str]:
        """Return the mint of every id."""
        return texts_of(self.keys(ids))

    def find(self, texts: Sequence[str], now_s: float) -> list[int]:
        """Return the ids of those texts that are tokens existing now, without strangers and repetitions."""
        mints = [text for text in dict.fromkeys(texts) if is_mint(text)]
        if not mints:
            return []
        launched = LAUNCHED + self.launches.count(now_s)
        made_up = self._mintage.index_of(mints)
        listed = self._file.position_of(mints) if self._file is not None else [None] * len(mints)
        found = []
        for mint, index, place in zip(mints, made_up, listed, strict=True):
            if mint in SENTINELS:
                found.append(SENTINELS.index(mint))
            elif place is not None:
                found.append(place + len(SENTINELS))
            elif index is not None and (LAUNCHED <= index < launched or self._is_settled(index)):
                found.append(index)
        return found

    def _is_settled(self, index: int) -> bool:
        return self._file is None and len(SENTINELS) <= index < self.size

    def newest(self, now_s: float, limit: int) -> Words:
        """Return the ids of the last `limit` launches, newest first."""
        count = self.launches.count(now_s)
        return np.arange(count - 1, max(count - limit, 0) - 1, -1).astype(np.uint64) + np.uint64(LAUNCHED)

    def addresses(self, ids: Words, places: Words) -> list[str]:
        """Return the address at each token's n-th place (below `PLACES`)."""
        return texts_of(self._pools.keys(ids * np.uint64(PLACES) + places))

    def find_addresses(self, texts: Sequence[str], now_s: float) -> list[tuple[int, int]]:
        """Return (id, place) of those texts that are such addresses of tokens existing now."""
        launched = LAUNCHED + self.launches.count(now_s)
        found = [index for index in self._pools.index_of(list(dict.fromkeys(texts))) if index is not None]
        pairs = [divmod(index, PLACES) for index in found]
        return [(token, place) for token, place in pairs if token < self.size or LAUNCHED <= token < launched]

    def given_name(self, token: int) -> tuple[str, str]:
        """Return the (symbol, name) the file gives a token, empty texts where it gives none."""
        if self._file is None or not len(SENTINELS) <= token < self.size:
            return "", ""
        return self._file.name_of(token - len(SENTINELS))
