"""What a fault makes of a good answer: rows missing or doubled, keys renamed, numbers nobody can use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import cycle
from typing import Any

from enrichment.sandbox import faults
from enrichment.sandbox.vendor import Reply, Vendor

_ROW_KEYS = ("result", "data", "pairs")  # where vendors keep their rows whose answer is no array
# Seen or feared in place of a price. Every other row gets some, so that good rows stand beside bad ones.
HOSTILE_NUMBERS: tuple[Any, ...] = (
    0, -1, -0.5, "NaN", "Infinity", "", "-", 1e308, "0.1e-9", f"0.{'0' * 39}1", f"1.{'3' * 60}", True, [], {}, None,
    "1,234.5", "0x10", "٣",
)  # fmt: skip


def spoilt(reply: Reply, vendor: Vendor, wrong: frozenset[str]) -> Reply:
    """Return the reply as the faults leave it. An error is left alone: it has no rows."""
    if reply.status != 200 or isinstance(reply.body, bytes):
        return reply
    body = reply.body
    if faults.EMPTY in wrong:
        body = _with_rows(body, lambda rows: type(rows)())
    if faults.HALF in wrong:
        body = _with_rows(body, _half)
    if faults.DUPLICATE in wrong:
        body = _with_rows(body, lambda rows: rows + rows if isinstance(rows, list) else rows)
    if faults.SCHEMA_DRIFT in wrong:
        body = _with_rows(body, lambda rows: _renamed(rows, vendor.price_keys))
    if faults.SCHEMA_DRIFT_IDS in wrong:
        body = _with_rows(body, lambda rows: _renamed(rows, vendor.id_keys))
    if faults.BAD_NUMBERS in wrong:
        body = _with_rows(body, partial(_every_other_hostile, keys=vendor.price_keys))
    return replace(reply, body=body)


def _with_rows(body: Any, change: Callable[[Any], Any]) -> Any:
    """Change the rows of an answer: the array itself, the one inside, or an object that has an entry per mint."""
    key = next((key for key in _ROW_KEYS if isinstance(body, dict) and isinstance(body.get(key), list)), None)
    return change(body) if key is None else {**body, key: change(body[key])}


def _half(rows: Any) -> Any:
    return dict(list(rows.items())[::2]) if isinstance(rows, dict) else rows[::2]


def _renamed(value: Any, keys: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {f"{key}_v2" if key in keys else key: _renamed(inner, keys) for key, inner in value.items()}
    return [_renamed(inner, keys) for inner in value] if isinstance(value, list) else value


def _every_other_hostile(rows: Any, keys: frozenset[str]) -> Any:
    numbers, turns = cycle(HOSTILE_NUMBERS), cycle((True, False))
    if isinstance(rows, dict):
        return {mint: _hostile(row, keys, numbers) if next(turns) else row for mint, row in rows.items()}
    return [_hostile(row, keys, numbers) if next(turns) else row for row in rows]


def _hostile(value: Any, keys: frozenset[str], numbers: Iterator[Any]) -> Any:
    if isinstance(value, list):
        return [_hostile(inner, keys, numbers) for inner in value]
    if not isinstance(value, dict):
        return value
    return {key: next(numbers) if key in keys else _hostile(inner, keys, numbers) for key, inner in value.items()}
