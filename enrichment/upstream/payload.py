"""From the bytes of an answer to its JSON, whatever an upstream put into them. Pure."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

INTEGER_DIGITS = 300  # a longer one is nonsense, and Python refuses to print beyond 4,300
SAMPLE_CHARS = 200


class NotJson(ValueError):
    """The bytes are something else: a web page, half an answer, nesting without end."""


class Unreadable(ValueError):
    """Bytes that no amount of patience makes an answer of; the message says why."""


class CutShort(ValueError):
    """The bytes end before their packing does."""


class Body:
    """An answer's body as it arrives: unpacked, and never more than `max_bytes` of it, however small it travels.

    Raises: Unreadable, from every method; CutShort from `whole`.
    """

    def __init__(self, encoding: str, max_bytes: int) -> None:
        if encoding not in ("identity", "gzip"):
            raise Unreadable("an encoding nobody asked for")
        self._inflate = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
        self._bytes = io.BytesIO()
        self._max_bytes = max_bytes

    def add(self, raw: bytes) -> None:
        """Take in what arrived, and stop as soon as it is too much."""
        room_bytes = self._max_bytes + 1 - self._bytes.tell()
        try:
            self._bytes.write(self._inflate.decompress(raw, room_bytes) if self._inflate else raw)
        except zlib.error:
            raise Unreadable("broken gzip") from None
        if self._bytes.tell() > self._max_bytes:
            raise Unreadable(f"an answer of more than {self._max_bytes} bytes")

    def whole(self) -> bytes:
        """Return all of it, once the answer has ended."""
        if self._inflate and (not self._inflate.eof or self._inflate.unused_data):
            raise CutShort("a gzip stream that does not end where the answer does")
        return self._bytes.getvalue()


def decode(body: bytes, content_type: str) -> Any:
    """Return the JSON in `body`; numbers with a fraction or exponent are `Decimal`, never binary floats.

    A number nobody can mean (NaN, 5,000 digits, an exponent of twenty) is None: it costs its field, not the page.
    Raises: NotJson.
    """
    if "html" in content_type.lower():
        raise NotJson
    try:
        return json.loads(body, parse_int=_integer, parse_float=_real, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        raise NotJson from None


def sample(body: bytes, secrets: Iterable[str]) -> str:
    """Return the beginning of `body` as printable ASCII, with every secret masked before anything is cut."""
    beginning = masked(body[: 4 * SAMPLE_CHARS].decode("ascii", errors="backslashreplace"), secrets)
    return "".join(char if char.isprintable() else "?" for char in beginning[:SAMPLE_CHARS])


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with every secret in it masked, also where it stands as in a URL."""
    for secret in secrets:
        text = text.replace(secret, "***").replace(quote(secret, safe=""), "***")
    return text


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= INTEGER_DIGITS else None


def _real(digits: str) -> Decimal | None:
    try:
        return Decimal(digits)
    except InvalidOperation:
        return None
