"""How numbers read to a person: prices, amounts, changes and ages. Pure; `static/tokens/format.js` says the same.

Both are held to `tests/format_vectors.json`. Rounding is half up on the decimal digits, never on a float, and a
value that is not zero never reads as zero. Unknown reads as a dash.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Literal

UNKNOWN = "—"
MINUS = "\u2212"
PRICE_DIGITS = 4  # significant digits below one dollar
SUBSCRIPT_FROM = 4  # zeros after the point from which they are counted instead of written
LONG_DIGITS = Context(prec=80, rounding=ROUND_HALF_UP)  # wider than any stored column
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_UNITS = ((12, "T"), (9, "B"), (6, "M"), (3, "K"), (0, ""))
_AGES = ((60, 1, "s"), (3600, 60, "m"), (172_800, 3600, "h"), (5_184_000, 86_400, "d"), (63_072_000, 2_592_000, "mo"))
_YEAR_S = 31_536_000

Direction = Literal["up", "down", "flat"]


def price(value: Decimal | None) -> str:
    """Return a price in USD, with the zeros of tiny ones counted: 0.00000003 reads $0.0₇3."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return "$0"
    return f"{MINUS if value < 0 else ''}${_price_text(abs(value))}"


def amount(value: Decimal | None) -> str:
    """Return an amount in USD to three significant digits: $1.23M. Below one dollar it reads as a price."""
    if value is None or abs(value) < 1:
        return price(value)
    return f"{MINUS if value < 0 else ''}${_compact(abs(value))}"


def percent(value: float | None) -> str:
    """Return a change in percent, signed."""
    if value is None:
        return UNKNOWN
    size = _two_decimals(value)
    text = _compact(size) if size >= 1000 else f"{size:.2f}"
    return {"up": "+", "down": MINUS, "flat": ""}[direction(value)] + text + "%"


def direction(value: float | None) -> Direction:
    """Return which way a change goes, as far as its two decimals show."""
    if value is None or _two_decimals(value) == 0:
        return "flat"
    return "up" if value > 0 else "down"


def age(seconds: float | None) -> str:
    """Return a span in its largest fitting unit, rounded down."""
    if seconds is None:
        return UNKNOWN
    whole = max(0, int(seconds))
    for below, unit, name in _AGES:
        if whole < below:
            return f"{whole // unit}{name}"
    return f"{whole // _YEAR_S}y"


def count(value: int | None) -> str:
    """Return a whole number with thousands separated."""
    return UNKNOWN if value is None else f"{value:,}"


def _price_text(size: Decimal) -> str:
    if size < 1:
        size = _significant(size, PRICE_DIGITS)
    if size < 1:
        return _below_one(size)
    size = _rounded(size, 4 if size < 1000 else 2)
    if size >= 1_000_000:
        return _compact(size)
    return _at_least_two_decimals(f"{_rounded(size, 2) if size >= 1000 else size:,f}")


def _below_one(size: Decimal) -> str:
    """Return a size below one, already rounded; `zeros` follow the point before the first digit that counts."""
    zeros = -size.adjusted() - 1
    if zeros < SUBSCRIPT_FROM:
        return _at_least_two_decimals(f"{size:f}")
    digits = "".join(map(str, size.as_tuple().digits)).rstrip("0")
    return f"0.0{str(zeros).translate(_SUBSCRIPTS)}{digits}"


def _compact(size: Decimal) -> str:
    size = _significant(size, 3)
    exponent, suffix = next((e, s) for e, s in _UNITS if size.adjusted() >= e)
    whole_digits = size.adjusted() - exponent + 1
    return f"{size.scaleb(-exponent):,.{max(0, 3 - whole_digits)}f}{suffix}"


def _at_least_two_decimals(text: str) -> str:
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def _two_decimals(value: float) -> Decimal:
    return _rounded(abs(Decimal(repr(float(value)))), 2)


def _significant(value: Decimal, digits: int) -> Decimal:
    return Context(prec=digits, rounding=ROUND_HALF_UP).plus(value)


def _rounded(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-decimals), context=LONG_DIGITS)
