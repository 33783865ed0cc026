"""The public fields of a token: one table that drives the SQL, the JSON of REST and the patches of the WebSocket.

Shape: each field names the columns it reads, as Django paths from `TokenPrice` (so that every list is an inner join
walking the live table's indexes), and how their values become JSON. Prices, supplies and USD amounts are fixed-point
strings without exponent; percentages, counts and ages are numbers; times are RFC 3339 UTC; unknown is null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any


def fixed(value: Decimal | None) -> str | None:
    """Return a decimal in full, without exponent and without trailing zeros."""
    if value is None:
        return None
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def instant(value: datetime | None) -> str | None:
    """Return a time as RFC 3339 UTC with milliseconds."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def same(value: Any) -> Any:
    """Return a value that is JSON already."""
    return value


def status_word(status: str, removed_at: datetime | None) -> str:
    """Return the listing status: removal overrides how far enrichment got."""
    return "removed" if removed_at is not None else status


@dataclass(frozen=True, slots=True)
class Field:
    """One public field. `columns` are its paths from `TokenPrice`; `encode` takes their values in that order."""

    name: str
    columns: tuple[str, ...]
    encode: Callable[..., Any] = same
    is_light: bool = False
    is_linked: bool = False
    """Whether it comes from another table (socials, websites) by token id."""
    is_derived: bool = False
    """Whether it depends on the clock, and so is in rows but never in patches."""


def _token(name: str, encode: Callable[..., Any] = same, **more: bool) -> Field:
    return Field(name, (f"token__{name}",), encode, **more)


def _live(name: str, encode: Callable[..., Any] = same, **more: bool) -> Field:
    return Field(name, (name,), encode, **more)


_ALL = (
    Field("address", ("token__mint",), is_light=True),
    _token("symbol", is_light=True),
    _token("name", is_light=True),
    _token("decimals"),
    _token("description"),
    _token("image_url", is_light=True),
    _token("tags"),
    _token("launchpad"),
    _token("verified"),
    Field("status", ("token__status", "token__removed_at"), status_word),
    _token("flags"),
    _token("first_seen_at", instant),
    _token("created_at", instant),
    _live("rank"),
    _live("tier"),
    _live("price", fixed, is_light=True),
    _live("price_status"),
    _live("price_confidence"),
    _live("price_sources"),
    _live("price_observed_at", instant),
    Field("price_age_s", ("price_observed_at", "price_received_at"), is_derived=True),
    _live("change_5m"),
    _live("change_1h"),
    _live("change_6h"),
    _live("change_24h", is_light=True),
    _live("market_cap", fixed, is_light=True),
    _live("fdv", fixed),
    _live("liquidity", fixed),
    _live("volume_24h", fixed, is_light=True),
    _token("holder_count"),
    _token("total_supply", fixed),
    _token("circulating_supply", fixed),
    Field("socials", (), is_linked=True),
    Field("websites", (), is_linked=True),
    _live("updated_at", instant),
)
FIELDS: Mapping[str, Field] = {field.name: field for field in _ALL}
LIGHT: tuple[str, ...] = tuple(field.name for field in _ALL if field.is_light)
REVISION = "revision"
"""Rides along in WebSocket rows and REST answers that a client patches; not selectable."""


def age_s(observed_at: datetime | None, received_at: datetime | None, now: datetime) -> float | None:
    """Return how old a value is, in seconds: since the upstream says it was true, else since it reached us."""
    known = observed_at or received_at
    return None if known is None else round(max(0.0, (now - known).total_seconds()), 1)


def columns(names: Iterable[str]) -> list[str]:
    """Return the distinct columns that the named fields read, in order of first use."""
    return list(dict.fromkeys(column for name in names for column in FIELDS[name].columns))


class RowEncoder:
    """Turns the values of `columns(names)` into JSON rows; built once per query, used for every row."""

    def __init__(self, names: Sequence[str], now: datetime) -> None:
        self.columns = columns(names)
        place = {column: index for index, column in enumerate(self.columns)}
        self._plan = [
            (field, tuple(place[column] for column in field.columns))
            for field in (FIELDS[name] for name in names)
            if not field.is_linked
        ]
        self._now = now

    def __call__(self, values: Sequence[Any]) -> dict[str, Any]:
        """Return the JSON row of one tuple of column values; linked fields are the caller's to add."""
        row: dict[str, Any] = {}
        for field, places in self._plan:
            taken = [values[place] for place in places]
            row[field.name] = age_s(taken[0], taken[1], self._now) if field.is_derived else field.encode(*taken)
        return row
