"""When a source starts: at a fixed rate, each on its own phase, so that they do not all start together. Pure."""

from __future__ import annotations

import math
import zlib
from datetime import UTC, datetime


def phase_s(name: str, interval_s: int) -> float:
    """Return a source's offset into its interval, the same on every machine."""
    return float(zlib.crc32(name.encode()) % interval_s)


def next_start(now: datetime, *, interval_s: int, phase_s: float) -> datetime:
    """Return the smallest phase + k · interval after `now`. Missed ones are not made up for."""
    return datetime.fromtimestamp(phase_s + (_slot(now, interval_s, phase_s) + 1) * interval_s, UTC)


def skipped(previous: datetime | None, now: datetime, *, interval_s: int, phase_s: float) -> int:
    """Return how many starts lay between the previous one and the slot that `now` is in."""
    if previous is None:
        return 0
    return max(0, _slot(now, interval_s, phase_s) - _slot(previous, interval_s, phase_s) - 1)


def _slot(at: datetime, interval_s: int, phase_s: float) -> int:
    return math.floor((at.timestamp() - phase_s) / interval_s)
