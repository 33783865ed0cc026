"""What the adapters do alike: ask through their account's gate, read row by row, count what nobody can read.

An adapter is one file: its endpoints with their documented limits, pure and total `parse_*` from decoded JSON to a
`Page`, and a class of `fetch_*` on `Adapter`. What an upstream does not know is absent; a row that nobody can read
costs itself; an answer in which there is nothing to read is `Malformed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import structlog

from enrichment.upstream.errors import Malformed, UpstreamError
from enrichment.upstream.http import JSON_MAX_BYTES, Http
from enrichment.upstream.plans import Purpose
from tokens import sanitize
from tokens.facts import Observation
from tokens.mint import Mint, is_mint

MAX_WAIT_S = 5.0  # a place for who has had less than its share comes within seconds
LABEL_GRAPHEMES, LABEL_BYTES = 32, 64  # the longest label seen in an answer, "letsbonk.fun", has 12

T = TypeVar("T")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """What an answer said, of how many rows, and how many of these nobody can read."""

    found: tuple[T, ...]
    rows: int = 0
    discarded: int = 0


def read_rows(upstream: str, rows: Iterable[Any], read: Callable[[Any], Sequence[T] | None]) -> Page[T]:
    """Read every row by itself. `read` returns None of what is unreadable, and nothing of what is none of our business.

    Raises: Malformed when there are rows, and not one of them can be read.
    """
    answers = [read(row) for row in rows]
    discarded = sum(answer is None for answer in answers)
    if answers and discarded == len(answers):
        raise Malformed(upstream, f"{discarded} rows, and not one that can be read")
    return Page(tuple(fact for answer in answers if answer for fact in answer), len(answers), discarded)


def batch(mints: Iterable[Mint], most: int, what: str) -> list[Mint]:
    """Return the distinct mints that are mints. Raises: ValueError when they are more than `what` takes in a call."""
    distinct = [mint for mint in dict.fromkeys(mints) if is_mint(mint)]
    if len(distinct) > most:
        raise ValueError(f"{what} takes {most} mints a call, not {len(distinct)}")
    return distinct


def by_mint(observations: Iterable[Observation], mints: Iterable[Mint]) -> dict[Mint, list[Observation]]:
    """Return what was said of `mints`, in their order; of several rows about one pool of a mint the last counts."""
    rows: dict[Mint, dict[str | None, Observation]] = {mint: {} for mint in mints}
    for seen in observations:
        if seen.mint in rows:
            rows[seen.mint][seen.quote.pool if seen.quote else None] = seen
    return {mint: list(pools.values()) for mint, pools in rows.items() if pools}


def part(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the object under `key`, empty where there is none."""
    value = row.get(key)
    return value if isinstance(value, dict) else {}


def address(value: Any) -> Mint | None:
    """Return a Solana address. One without a capital was lower-cased on its way and is no longer an address.

    (Of addresses that nobody lower-cased, one in ten billion has no capital by chance.)
    """
    if not isinstance(value, str) or not is_mint(value):
        return None
    return None if value == value.lower() != value.upper() else Mint(value)


def link(value: Any) -> str | None:
    """Return a URL that names its scheme; a handle, a path or an image's id is none."""
    url = sanitize.url(value)
    return url if url and "://" in url else None


def label(value: Any) -> str | None:
    """Return a short word of an open set: a launchpad, a venue, what a link is called."""
    return sanitize.text(value, graphemes=LABEL_GRAPHEMES, size_bytes=LABEL_BYTES).value


class Adapter:
    """A client of one account; every call passes the account's gate. Use it as an async context manager.

    Every `fetch_` raises UpstreamError and waits up to `max_wait_s` for the gate before it gives up.
    """

    upstream = ""

    def __init__(self, client: Http) -> None:
        self._http = client

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._http!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def _get(
        self,
        path: str,
        parse: Callable[[Any, datetime], Page[T]],
        *,
        route: str,
        purpose: Purpose,
        max_wait_s: float,
        params: Mapping[str, str] | None = None,
    ) -> tuple[T, ...]:
        """Ask for `path`, which the log knows as `route`."""
        found: tuple[T, ...] = await self._http.get_json(
            path,
            params=params or {},
            purpose=purpose,
            max_wait_s=max_wait_s,
            max_bytes=JSON_MAX_BYTES,
            parse=lambda payload: self._read(payload, parse, route),
        )
        return found

    def _read(self, payload: Any, parse: Callable[[Any, datetime], Page[T]], route: str) -> tuple[T, ...]:
        if (error := self._refusal(payload)) is not None:
            raise error
        page = parse(payload, datetime.now(UTC))
        if page.discarded:
            log.info("rows.discarded", upstream=self.upstream, path=route, rows=page.discarded, of=page.rows)
        return page.found

    def _refusal(self, payload: Any) -> UpstreamError | None:
        """Return what an answer with status 200 means that is an error all the same."""
        return None
