"""Events owed to the world: appended in the writer's transaction, numbered and published afterwards by one relay.

A database sequence is handed out before commit, so a reader that follows one can step over a late committer. The
public `seq` is therefore given here, by the relay, to what is committed already: contiguous and never reused.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import connection, transaction

from tokens import bulk
from tokens.models import OutboxEvent, RelayState

CHANNEL = "tokensite_outbox"
"""The NOTIFY channel that wakes the relay; polling is the truth, this is only haste."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `data` holds public fields in their wire encoding."""

    type: str
    at: datetime
    mint: str | None = None
    revision: int | None = None
    data: dict[str, Any] | None = None

    def body(self) -> str:
        """Return the wire message without its `seq`, as JSON text."""
        stamp = self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message: dict[str, Any] = {"v": 1, "type": self.type, "ts": stamp}
        if self.mint is not None:
            message |= {"address": self.mint, "revision": self.revision}
        return orjson.dumps(message | {"data": self.data or {}}).decode()


def append(events: Sequence[Event]) -> None:
    """Owe the events to the world. Must run inside the transaction that makes them true."""
    if not events:
        return
    if not connection.in_atomic_block:
        raise RuntimeError("an event is appended in the transaction of the change it tells of")
    rows = [{"type": e.type, "mint": e.mint, "body": e.body(), "created_at": e.at} for e in events]
    bulk.insert(OutboxEvent, rows, ["type", "mint", "body", "created_at"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])


@dataclass(frozen=True, slots=True)
class Published:
    """An event with its public number. `frame` is the complete wire message."""

    seq: int
    type: str
    mint: str | None
    frame: str


def frame(seq: int, body: str) -> str:
    """Return the wire message of an outbox row: its body with the public sequence in front."""
    return f'{{"seq":{seq},{body[1:]}'


def number(limit: int) -> list[Published]:
    """Give the oldest unnumbered events their sequence and return them; one transaction, one relay at a time."""
    with transaction.atomic():
        state = _locked_state()
        rows = list(OutboxEvent.objects.filter(seq__isnull=True).order_by("id")[:limit])
        first = state.last_seq + 1
        numbered = [{"id": row.id, "seq": seq} for seq, row in enumerate(rows, start=first)]
        bulk.update(OutboxEvent, numbered, ["seq"])
        RelayState.objects.filter(id=state.id).update(last_seq=state.last_seq + len(rows))
    return [Published(seq, row.type, row.mint, frame(seq, row.body)) for seq, row in enumerate(rows, start=first)]


def unconfirmed(limit: int) -> list[Published]:
    """Return the oldest events that have a number but perhaps were not published."""
    rows = OutboxEvent.objects.filter(seq__gt=_state().published_seq).order_by("seq")[:limit]
    return [Published(row.seq or 0, row.type, row.mint, frame(row.seq or 0, row.body)) for row in rows]


def confirm(seq: int) -> None:
    """Record that everything up to `seq` was handed to the channel layer."""
    RelayState.objects.filter(id=1, published_seq__lt=seq).update(published_seq=seq)


def prune(keep: int) -> int:
    """Forget published events older than the newest `keep`; return how many."""
    deleted, _ = OutboxEvent.objects.filter(seq__lte=_state().published_seq - keep).delete()
    return deleted


def _state() -> RelayState:
    state, _ = RelayState.objects.get_or_create(id=1, defaults={"epoch": uuid.uuid4()})
    return state


def _locked_state() -> RelayState:
    _state()
    return RelayState.objects.select_for_update().get(id=1)
