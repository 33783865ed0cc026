"""What readers are given: rows, envelopes, snapshots and published events, straight from columns to JSON.

No model instances and no serializer classes: `fields.RowEncoder` turns column tuples into rows, orjson into bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from django.db.models import F, Q, QuerySet
from rest_framework.renderers import BaseRenderer

from tokens import counts, filters, links
from tokens.counts import Count
from tokens.fields import FIELDS, REVISION, RowEncoder, instant
from tokens.filters import Query
from tokens.models import OutboxEvent, RelayState, TokenPrice
from tokens.outbox import Published, frame

TOP = 100  # tokens in the channel `top`: the published contract
REPLAY_LIMIT = 2000  # missed events that one client is sent in one piece; a snapshot is cheaper than more
TOKEN_NEW = "token:new"  # noqa: S105 - an event type

_BY_THE_CLOCK = {name: None for name, field in FIELDS.items() if field.is_derived}


class OrjsonRenderer(BaseRenderer):
    """Renders with orjson, which is also what encodes the rows' floats and times elsewhere."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, *_: Any, **__: Any) -> bytes:
        """Return JSON bytes; no data is no body."""
        return b"" if data is None else orjson.dumps(data)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the list, and how many rows there are in all."""

    rows: list[dict[str, Any]]
    total: int
    is_estimate: bool
    has_next: bool


def read_rows(
    selected: QuerySet[TokenPrice], names: Sequence[str], now: datetime, *, with_revision: bool = False
) -> list[dict[str, Any]]:
    """Return the selected tokens as JSON rows of the named fields: one query, and two more when links are asked for."""
    encode = RowEncoder(names, now)
    values = list(selected.values_list(*encode.columns, REVISION, "token_id"))
    rows = [encode(value) for value in values]
    if with_revision:
        for row, value in zip(rows, values, strict=True):
            row[REVISION] = value[-2]
    if linked := [name for name in names if FIELDS[name].is_linked]:
        _add_links(rows, [value[-1] for value in values], linked)
    return rows


def _add_links(rows: list[dict[str, Any]], token_ids: list[int], names: Sequence[str]) -> None:
    found = links.of(token_ids)
    for row, token_id in zip(rows, token_ids, strict=True):
        socials, websites = found[token_id]
        both = {"socials": socials, "websites": websites}
        row.update({name: both[name] for name in names})


def read_page(query: Query, now: datetime) -> Page:
    """Return the page that the query asks for. One row more than fits tells whether another page follows."""
    selected = filters.select(query)
    window = filters.ordered(selected, query)[query.offset : query.offset + query.limit + 1]
    rows = read_rows(window, query.fields, now)
    has_next = len(rows) > query.limit
    seen = query.offset + len(rows)
    is_last = not has_next and (rows or query.page == 1)
    count = Count(seen) if is_last else counts.quick(selected)
    return Page(rows[: query.limit], max(count.value, seen if rows else 0), count.is_estimate, has_next)


def pagination(query: Query, page: Page) -> dict[str, Any]:
    """Return where in the list the page is."""
    return {
        "page": query.page,
        "limit": query.limit,
        "total": page.total,
        "total_is_estimate": page.is_estimate,
        "total_pages": -(-page.total // query.limit),
        "has_next": page.has_next,
        "has_previous": query.page > 1,
        "next_cursor": None,
    }


def version(content: Mapping[str, Any]) -> str:
    """Return a digest of what an answer says, for its ETag: everything but what the clock alone changes.

    So a 304 means that no value moved, whoever wrote it and whether or not an event told of it; `price_age_s` of the
    answer that the client holds still counts from that answer's `generated_at`.
    """
    if isinstance(data := content.get("data"), list):
        content = {**content, "data": [row | _BY_THE_CLOCK for row in data]}
    elif isinstance(data, dict):
        content = {**content, "data": data | _BY_THE_CLOCK}
    return hashlib.blake2b(orjson.dumps(content), digest_size=12).hexdigest()


def meta(*, now: datetime, seq: int, request_id: str | None, warnings: Sequence[str] = ()) -> dict[str, Any]:
    """Return what an answer says about itself. A WebSocket that starts after `seq` misses nothing newer than it."""
    return {
        "generated_at": instant(now),
        "seq": seq,
        "request_id": request_id,
        "upstreams": settings.UPSTREAMS,
        "warnings": list(warnings),
    }


def last_seq() -> int:
    """Return the newest public sequence. Read it before rows, never after: then the rows hold all it stands for."""
    return RelayState.objects.filter(id=1).values_list("last_seq", flat=True).first() or 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Rows with their revisions, in which every event up to `seq` has had its effect."""

    seq: int
    rows: list[dict[str, Any]]


def snapshot(addresses: Collection[str], now: datetime) -> Snapshot:
    """Return what is known of the addresses; unknown ones have no row."""
    return _snapshot(TokenPrice.objects.filter(token__mint__in=addresses), now)


def top_snapshot(now: datetime) -> Snapshot:
    """Return the first tokens by rank."""
    ranked = TokenPrice.objects.filter(rank__isnull=False).order_by(F("rank").asc(nulls_last=True), "token_id")
    return _snapshot(ranked[:TOP], now)


def _snapshot(selected: QuerySet[TokenPrice], now: datetime) -> Snapshot:
    seq = last_seq()
    return Snapshot(seq, read_rows(selected, tuple(FIELDS), now, with_revision=True))


def published(after: int, limit: int, only: Q | None = None) -> list[Published]:
    """Return published events with a sequence above `after`, oldest first, of those that `only` selects."""
    events = OutboxEvent.objects.filter(only or Q(), seq__gt=after).order_by("seq")
    values = events.values_list("seq", "type", "mint", "body")[:limit]
    return [Published(seq, type_, mint, frame(seq, body)) for seq, type_, mint, body in values if seq is not None]


def is_replayable(after: int, last: int) -> bool:
    """Say whether every event from `after` to `last` is still kept.

    Ask it after reading them: events are forgotten oldest first, so if the first is there now, all were there then.
    """
    return after == last or (after < last and OutboxEvent.objects.filter(seq=after + 1).exists())


@dataclass(frozen=True, slots=True)
class Replay:
    """The events that a client missed; none was left out up to `seq`."""

    seq: int
    events: list[Published]


def missed(after: int, addresses: Collection[str], *, with_new: bool) -> Replay | None:
    """Return the events after `after` about the addresses, and all new tokens if asked; None: not kept, or too many."""
    last = last_seq()
    wanted = Q(mint__in=addresses)
    if with_new:
        wanted |= Q(type=TOKEN_NEW)
    events = published(after, REPLAY_LIMIT + 1, wanted & Q(seq__lte=last))
    if len(events) > REPLAY_LIMIT or not is_replayable(after, last):
        return None
    return Replay(last, events)
