"""A small picture drawn from a mint, so that no stranger's image is ever fetched. `static/tokens/avatar.js` agrees.

Two tokens of one name get different pictures; one mint always gets the same.
"""

from __future__ import annotations

from dataclasses import dataclass

FNV_OFFSET, FNV_PRIME = 0x811C9DC5, 0x01000193  # FNV-1a, 32 bits: short, and the same in every language


@dataclass(frozen=True, slots=True)
class Avatar:
    """A disc, a half plane and a dot. Units: hues in degrees; `turn` in degrees; the dot in a 32 × 32 box."""

    hue: int
    other_hue: int
    turn: int
    dot_x: int
    dot_y: int


def avatar(mint: str) -> Avatar:
    """Return the picture of a mint."""
    mixed = FNV_OFFSET
    for letter in mint:
        mixed = (mixed ^ ord(letter)) * FNV_PRIME & 0xFFFFFFFF
    hue = mixed % 360
    return Avatar(
        hue=hue,
        other_hue=(hue + 40 + (mixed >> 9) % 100) % 360,
        turn=(mixed >> 16) % 24 * 15,
        dot_x=8 + (mixed >> 20) % 17,
        dot_y=8 + (mixed >> 25) % 17,
    )
