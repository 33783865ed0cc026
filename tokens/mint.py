"""What a mint is: the address that identifies a token, and the few mints everybody knows."""

from __future__ import annotations

import re
from typing import NewType

Mint = NewType("Mint", str)

SOL = Mint("So11111111111111111111111111111111111111112")
USDC = Mint("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")
USDT = Mint("Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB")

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
KEY_BYTES = 32
_SHAPE = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,44}")


def encode(key: bytes) -> str:
    """Return the base58 text of `key`; every leading zero byte becomes one leading '1'."""
    number = int.from_bytes(key, "big")
    digits = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(ALPHABET[digit])
    zeros = len(key) - len(key.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(digits))


# Base58's digits stand in ASCII order, so of two texts of one length the greater number is the greater text.
# A text with z leading '1's therefore decodes to exactly 32 bytes iff the rest lies between the smallest and
# the largest number of 32 - z bytes, and no arithmetic is needed to know it.
_BOUNDS = tuple((encode(b"\1" + b"\0" * (n - 1)), encode(b"\xff" * n)) if n else ("", "") for n in range(KEY_BYTES + 1))


def is_mint(text: str) -> bool:
    """Say whether `text` is base58 that decodes to exactly 32 bytes. Case matters and is never repaired."""
    if _SHAPE.fullmatch(text) is None:
        return False
    rest = text.lstrip("1")
    zeros = len(text) - len(rest)
    if zeros > KEY_BYTES:
        return False
    low, high = _BOUNDS[KEY_BYTES - zeros]
    return (len(low), low) <= (len(rest), rest) <= (len(high), high)


def short(mint: str) -> str:
    """Return the form people recognise a mint by: its first and last four characters."""
    return f"{mint[:4]}…{mint[-4:]}"
