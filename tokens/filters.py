"""One strict reading of a list's query parameters into a frozen `Query`, which then drives both SQL and output.

Client text never reaches `filter`, `order_by` or `values_list` as a name: every parameter, sort and field is looked
up in a table of ours, and its value is of the type that the table says, or the request is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q, QuerySet
from django.http import QueryDict

from tokens.errors import Fault, Problem
from tokens.fields import FIELDS, LIGHT
from tokens.mint import is_mint
from tokens.models import Token, TokenPrice

DEFAULT_LIMIT, MAX_LIMIT = 100, 2000  # rows a page: the published contract
MAX_ROWS_BY_PAGE = 100_000  # the contract: deeper than this only a cursor goes, since an offset costs its whole depth
MAX_ADDRESSES = 100  # the contract: larger sets belong to the batch endpoint
MAX_SEQ = 2**53  # the largest whole number that JavaScript keeps exact
_FAULTS = 20  # named in one answer; a hostile query can have a thousand
_ECHO_CHARS = 64  # of a name that a stranger made up
_HUGE = 999_999_999  # beyond this a number of rows or pages is no honest question
_INTEGER = re.compile(r"0|[1-9][0-9]{0,15}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:-]{0,63}")  # launchpads and tiers: `pump.fun`, `met-dbc`, `CRITICAL`

Parser = Callable[[str], Any]


class Refused(Exception):
    """A value that its parameter does not take."""

    def __init__(self, code: str, message: str, allowed: Iterable[str] | None = None) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.allowed = None if allowed is None else list(allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a client asked of the list, complete and valid. None means: not filtered by this."""

    limit: int = DEFAULT_LIMIT
    page: int = 1
    fields: tuple[str, ...] = tuple(FIELDS)
    sort: str = "rank"
    addresses: tuple[str, ...] | None = None
    status: str | None = None
    price_status: str | None = None
    tier: str | None = None
    verified: bool | None = None
    launchpad: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def offset(self) -> int:
        """How many rows the earlier pages hold."""
        return (self.page - 1) * self.limit


def integer(low: int, high: int, *, tolerated: int | None = None) -> Parser:
    """Return a parser of plain ASCII digits from `low` to `high`: no sign, exponent, underscore or padding.

    Values up to `tolerated` pass as well, for the caller to clamp.
    """

    def parse_integer(text: str) -> int:
        if _INTEGER.fullmatch(text) is None or not low <= int(text) <= (tolerated or high):
            raise Refused("invalid_integer", f"a whole number from {low} to {high} is needed")
        return int(text)

    return parse_integer


def choice(*allowed: str) -> Parser:
    """Return a parser that takes one of `allowed`."""

    def parse_choice(text: str) -> str:
        if text not in allowed:
            raise Refused("not_allowed", "not one of the allowed values", allowed)
        return text

    return parse_choice


def _boolean(text: str) -> bool:
    return bool(choice("true", "false")(text) == "true")


def _word(text: str) -> str:
    if _WORD.fullmatch(text) is None:
        raise Refused("invalid_word", "1 to 64 letters, digits, spaces or . _ : - are needed")
    return text


def _fields(text: str) -> tuple[str, ...]:
    wanted = set(text.split(","))
    if not wanted <= FIELDS.keys():
        raise Refused("unknown_field", "a field that does not exist", FIELDS)
    return tuple(name for name in FIELDS if name in wanted)


def _addresses(text: str) -> tuple[str, ...]:
    addresses = tuple(dict.fromkeys(text.split(",")))
    if len(addresses) > MAX_ADDRESSES:
        raise Refused("too_many", f"at most {MAX_ADDRESSES} addresses")
    if not all(map(is_mint, addresses)):
        raise Refused("invalid_address", "a comma list of base58 mint addresses is needed")
    return addresses


_SORTS: Mapping[str, tuple[Any, ...]] = {
    "rank": (F("rank").asc(nulls_last=True), "token_id"),
    "-rank": (F("rank").desc(nulls_last=True), "-token_id"),
    "first_seen_at": ("token__first_seen_at", "token_id"),
    "-first_seen_at": ("-token__first_seen_at", "-token_id"),
    "address": ("token__mint",),
    "-address": ("-token__mint",),
}
"""Each ends in something unique, so that pages neither repeat nor skip a row."""


def _with_status(status: str) -> Q:
    if status == "removed":
        return Q(token__removed_at__isnull=False)
    return Q(token__removed_at=None, token__status=status)


_FILTERS: Mapping[str, Callable[[Any], Q]] = {
    "addresses": lambda value: Q(token__mint__in=value),
    "status": _with_status,
    "price_status": lambda value: Q(price_status=value),
    "tier": lambda value: Q(tier=value),
    "verified": lambda value: Q(token__verified=value),
    "launchpad": lambda value: Q(token__launchpad=value),
}
_PARAMETERS: Mapping[str, Parser] = {
    "limit": integer(1, MAX_LIMIT, tolerated=_HUGE),
    "page": integer(1, _HUGE),
    "fields": _fields,
    "light": _boolean,
    "sort": choice(*_SORTS),
    "addresses": _addresses,
    "status": choice(*Token.Status.values, "removed"),
    "price_status": choice(*TokenPrice.Status.values),
    "tier": _word,
    "verified": _boolean,
    "launchpad": _word,
}


def parse(params: QueryDict) -> Query:
    """Return the list's query. Raises: `Problem` 400 naming every parameter that is wrong."""
    values = strict(params, _PARAMETERS)
    values |= _columns(values.pop("light", False), values.get("fields"))
    values |= _clamped(values.get("limit", DEFAULT_LIMIT))
    query = Query(**values)
    if query.offset + query.limit > MAX_ROWS_BY_PAGE:
        message = f"pages end at row {MAX_ROWS_BY_PAGE}: use cursor, or narrow the list with filters"
        raise _invalid([Fault("page", "too_deep", message)])
    return query


def strict(params: QueryDict, parsers: Mapping[str, Parser]) -> dict[str, Any]:
    """Return the parameters' values: each known, given once, and valid. Raises: `Problem` 400."""
    values: dict[str, Any] = {}
    faults = []
    for name, texts in params.lists():
        try:
            values[name] = _value(name, texts, parsers)
        except Refused as refused:
            faults.append(Fault(name[:_ECHO_CHARS], refused.code, refused.message, refused.allowed))
    if faults:
        raise _invalid(faults)
    return values


def _value(name: str, texts: list[str], parsers: Mapping[str, Parser]) -> Any:
    if name not in parsers:
        raise Refused("unknown_parameter", "this parameter does not exist here", parsers)
    if len(texts) > 1:
        raise Refused("duplicate_parameter", "give it once")
    return parsers[name](texts[0])


def _columns(is_light: bool, fields: tuple[str, ...] | None) -> dict[str, Any]:
    if not is_light:
        return {}
    if fields is not None:
        raise _invalid([Fault("light", "conflict", "give fields or light=true, not both")])
    return {"fields": LIGHT}


def _clamped(limit: int) -> dict[str, Any]:
    if limit <= MAX_LIMIT:
        return {}
    return {"limit": MAX_LIMIT, "warnings": (f"limit {limit} is above the maximum; {MAX_LIMIT} was used",)}


def _invalid(faults: list[Fault]) -> Problem:
    detail = "; ".join(f"{fault.param}: {fault.message}" for fault in faults[:_FAULTS])
    return Problem(400, detail, code="invalid-parameter", faults=faults[:_FAULTS])


def select(query: Query) -> QuerySet[TokenPrice]:
    """Return the rows that the query asks for, in no order and of every page."""
    conditions = [rule(value) for name, rule in _FILTERS.items() if (value := getattr(query, name)) is not None]
    return TokenPrice.objects.filter(*conditions)


def ordered(rows: QuerySet[TokenPrice], query: Query) -> QuerySet[TokenPrice]:
    """Return the rows in the order that the query asks for."""
    return rows.order_by(*_SORTS[query.sort])
