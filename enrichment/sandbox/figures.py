"""Numbers and moments as vendors write them: strings of few or of sixty digits, exponents only where some were seen."""

from __future__ import annotations

import time
from decimal import Decimal


def rounded(value: float, significant: int) -> str:
    """Return a plain decimal of that many significant digits."""
    return format(Decimal(f"{value:.{significant}g}"), "f")


def amount(value: float) -> str:
    """Return a plain decimal of fifteen digits that always has a point."""
    text = rounded(value, 15)
    return text if "." in text else f"{text}.0"


def unrounded(value: float) -> str:
    """Return every digit a float holds, up to 64 after the point: what a vendor writes who divides and never rounds."""
    text = f"{value:.64f}".rstrip("0")
    return f"{text}0" if text.endswith(".") else text


def iso(at_s: float, digits: int = 0) -> str:
    """Return an ISO time with up to `digits` (0, 3 or 9) fractional digits, without trailing zeros like Jupiter."""
    whole, fraction = divmod(at_s, 1)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
    decimals = f"{int(fraction * 10**digits):0{digits}d}".rstrip("0") if digits else ""
    return f"{text}.{decimals}Z" if decimals else f"{text}Z"


def ms(at_s: float) -> int:
    """Return a moment in milliseconds."""
    return int(at_s * 1_000)
