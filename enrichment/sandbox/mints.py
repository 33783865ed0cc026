"""Which made-up mint belongs to which index, both ways and without a table; base58 for whole columns.

A mint's 32 bytes are [8: the index, masked][21: a keyed tag of the index][3: free]. The tag masks the index,
so reading a mint back is: unmask, rebuild the mint of that index, compare. The free bytes make the text end
in the wanted suffix: 58⁴ < 2²⁴, so three bytes reach any four last digits without a carry into the tag.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from enrichment.sandbox.chance import Chance, Words, column, mix
from tokens.mint import ALPHABET, KEY_BYTES, is_mint

Keys = npt.NDArray[np.uint8]
"""Shape: (n, 32)."""

SUFFIXES = ("pump", "bonk")
# Of 451,523 real mints of 2021-2026, 76 % end in pump and 1 % in bonk; bonk's share of launches has grown.
SUFFIX_SHARES = (0.70, 0.03)

_GROUP_DIGITS = 5  # 58⁵ < 2³⁰: five digits at a time keep 32-bit limbs inside 64-bit arithmetic
_GROUPS = 9  # 45 digits; 32 bytes need at most 44
_GROUP = np.uint64(58**_GROUP_DIGITS)
_LETTERS = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)
_DIGITS = np.zeros(256, dtype=np.uint64)
_DIGITS[_LETTERS] = np.arange(58)
_32, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_SUFFIX_SPAN = np.uint64(58**4)
_TAG_BYTES = slice(8, 29)


def _suffix_value(suffix: str) -> int:
    value = 0
    for letter in suffix:
        value = value * 58 + ALPHABET.index(letter)
    return value


_SUFFIX_VALUES = np.array([_suffix_value(suffix) for suffix in SUFFIXES] + [0], dtype=np.uint64)


def _letters(keys: Keys) -> tuple[Keys, npt.NDArray[np.intp]]:
    """Return base58 letters padded to 45 and, per mint, how many of the leading ones are padding."""
    limbs = np.ascontiguousarray(keys).view(">u4").astype(np.uint64).T.copy()
    digits = np.empty((len(keys), _GROUPS * _GROUP_DIGITS), dtype=np.uint8)
    for group in range(_GROUPS - 1, -1, -1):
        rest = np.zeros(len(keys), dtype=np.uint64)
        for limb in limbs:
            value = (rest << _32) | limb
            limb[:] = value // _GROUP
            rest = value - limb * _GROUP
        for place in range(_GROUP_DIGITS - 1, -1, -1):
            digits[:, group * _GROUP_DIGITS + place] = rest % np.uint64(58)
            rest //= np.uint64(58)
    zero_digits = (digits != 0).argmax(axis=1)
    zero_bytes = (keys != 0).argmax(axis=1)
    return _LETTERS[digits], zero_digits - zero_bytes


def texts_of(keys: Keys) -> list[str]:
    """Return the base58 text of every key (none of them all zero)."""
    if not len(keys):
        return []
    letters, padding = _letters(keys)
    whole = letters.tobytes().decode("ascii")
    width = letters.shape[1]
    return [whole[row * width + skip : (row + 1) * width] for row, skip in enumerate(padding.tolist())]


def json_items(keys: Keys) -> bytes:
    """Return `"mint","mint",…,` for every key: the inside of a JSON array, with a comma after each."""
    letters, padding = _letters(keys)
    framed = np.empty((len(keys), letters.shape[1] + 3), dtype=np.uint8)
    framed[:, 1:-2] = letters
    framed[:, -2:] = np.frombuffer(b'",', dtype=np.uint8)
    np.put_along_axis(framed, padding[:, None], ord('"'), axis=1)
    return framed[np.arange(framed.shape[1]) >= padding[:, None]].tobytes()


def keys_of(texts: Sequence[str]) -> Keys:
    """Return the 32 bytes of every text; each must have passed `is_mint`."""
    width = _GROUPS * _GROUP_DIGITS
    padded = "".join(text.rjust(width, "1") for text in texts).encode("ascii")
    digits = _DIGITS[np.frombuffer(padded, dtype=np.uint8)].reshape(len(texts), _GROUPS, _GROUP_DIGITS)
    limbs = np.zeros((8, len(texts)), dtype=np.uint64)
    for group in range(_GROUPS):
        carry = np.zeros(len(texts), dtype=np.uint64)
        for place in range(_GROUP_DIGITS):
            carry = carry * np.uint64(58) + digits[:, group, place]
        for limb in limbs[::-1]:
            value = limb * _GROUP + carry
            limb[:] = value & _LOW
            carry = value >> _32
    return np.ascontiguousarray(limbs.T.astype(">u4")).view(np.uint8).reshape(len(texts), KEY_BYTES)


def suffixes_of(keys: Keys) -> npt.NDArray[np.intp]:
    """Return each mint's position in `SUFFIXES`, or `len(SUFFIXES)` for one that ends otherwise."""
    ends = _remainder(keys)
    return np.select([ends == value for value in _SUFFIX_VALUES[:-1]], range(len(SUFFIXES)), len(SUFFIXES))


def _remainder(keys: Keys) -> Words:
    """Return the keys, read as big-endian numbers, modulo 58⁴: what their last four digits say."""
    rest = np.zeros(len(keys), dtype=np.uint64)
    for place in range(keys.shape[1]):
        rest = (rest * np.uint64(256) + keys[:, place]) % _SUFFIX_SPAN
    return rest


class Mintage:
    """Made-up addresses of one seed: `keys` makes them, `index_of` recognises its own and no other.

    `kind` tells mintages of one seed apart; `suffix_shares` says how often an address ends in each of `SUFFIXES`.
    """

    def __init__(self, chance: Chance, kind: str = "", suffix_shares: Sequence[float] = SUFFIX_SHARES) -> None:
        self._chance, self._kind, self._suffix_shares = chance, kind, suffix_shares

    def keys(self, indexes: Words) -> Keys:
        """Return the 32 bytes of every index."""
        keys = np.empty((len(indexes), KEY_BYTES), dtype=np.uint8)
        tag = np.stack([self._chance.bits(f"{self._kind}tag {part}", indexes) for part in range(3)], axis=1)
        keys[:, _TAG_BYTES] = tag.astype(">u8").view(np.uint8)[:, :21]
        keys[:, :8] = _bytes8(indexes ^ self._mask(keys))
        keys[:, 29:] = _bytes8(self._free_bytes(keys, indexes))[:, 5:]
        return keys

    def _indexes(self, keys: Keys) -> Words:
        """Return the index each key has if it is one of ours, which only rebuilding it proves."""
        return np.ascontiguousarray(keys[:, :8]).view(">u8")[:, 0].astype(np.uint64) ^ self._mask(keys)

    def index_of(self, texts: Sequence[str]) -> list[int | None]:
        """Return the index of every text that is a mint of this seed, None for everything else."""
        answers: list[int | None] = [None] * len(texts)
        places = [place for place, text in enumerate(texts) if is_mint(text)]
        if not places:
            return answers
        keys = keys_of([texts[place] for place in places])
        indexes = self._indexes(keys)
        ours = (self.keys(indexes) == keys).all(axis=1)
        for place, index, is_ours in zip(places, indexes.tolist(), ours.tolist(), strict=True):
            answers[place] = index if is_ours else None
        return answers

    def _mask(self, keys: Keys) -> Words:
        padded = np.zeros((len(keys), 24), dtype=np.uint8)
        padded[:, :21] = keys[:, _TAG_BYTES]
        words = padded.view(">u8").astype(np.uint64)
        return mix(self._chance.key(f"{self._kind}mask"), *(words[:, part] for part in range(3)))

    def _free_bytes(self, keys: Keys, indexes: Words) -> Words:
        high = _remainder(keys[:, :29]) * np.uint64(1 << 24) % _SUFFIX_SPAN
        suffixes = self._chance.pick(f"{self._kind}suffix", self._suffix_shares, indexes)
        wanted = (_SUFFIX_VALUES[suffixes] + _SUFFIX_SPAN - high) % _SUFFIX_SPAN
        free = self._chance.bits(f"{self._kind}tail", indexes) & np.uint64(0xFFFFFF)
        return cast(Words, np.where(suffixes < len(SUFFIXES), wanted, free))


def _bytes8(words: Words) -> Keys:
    return column(words).astype(">u8").view(np.uint8).reshape(-1, 8)
