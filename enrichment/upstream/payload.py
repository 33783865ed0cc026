"""From the bytes of an answer to its JSON, whatever an upstream put into them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

INTEGER_DIGITS = 300  # a longer one is nonsense, and Python refuses to print beyond 4,300
SAMPLE_CHARS = 200


class NotJson(ValueError):
    """The bytes are something else: a web page, half an answer, nesting without end."""


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
    beginning = body[: 4 * SAMPLE_CHARS].decode("ascii", errors="backslashreplace")
    for secret in secrets:
        beginning = beginning.replace(secret, "***")
    return "".join(char if char.isprintable() else "?" for char in beginning[:SAMPLE_CHARS])


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= INTEGER_DIGITS else None


def _real(digits: str) -> Decimal | None:
    try:
        return Decimal(digits)
    except InvalidOperation:
        return None
