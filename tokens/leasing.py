"""The one lease of the project: claim due rows, do the work, settle them, fenced by the lease's id.

A claim moves `due_at` to the end of the lease. A worker that dies therefore owes its rows again by itself, and one
that comes back late cannot settle what another has claimed since. Time is the database's, never the worker's.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from django.db import connection

from tokens import bulk
from tokens.models import Leased

Row = TypeVar("Row", bound=Leased)


@dataclass(frozen=True, slots=True)
class Claim(Generic[Row]):
    """Rows held until `until` under one lease."""

    lease_id: uuid.UUID
    rows: Sequence[Row]
    until: datetime


def database_now() -> datetime:
    """Return the database server's clock, the only one that all workers share."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now


def claim_due(model: type[Row], *, now: datetime, limit: int, lease: timedelta, where: str = "TRUE") -> Claim[Row]:
    """Claim up to `limit` rows due at `now`, the longest due first; rows that other workers lock are passed over.

    `where` is SQL of our own over the model's columns.
    """
    lease_id, until = uuid.uuid4(), now + lease
    return Claim(lease_id, _take(model, lease_id, until, now=now, limit=limit, where=where), until)


def _take(
    model: type[Row],
    lease_id: uuid.UUID,
    until: datetime,
    *,
    now: datetime,
    limit: int,
    where: str,
    order: str = "due_at",
) -> list[Row]:
    table, pk = model._meta.db_table, model._meta.pk
    assert pk is not None
    # ARRAY(...) makes the planner run the locking sub-select exactly once.
    sql = (
        f"UPDATE {table} SET lease_id = %s, due_at = %s WHERE {pk.column} = ANY(ARRAY("  # noqa: S608 - our own names
        f"SELECT {pk.column} FROM {table} WHERE due_at <= %s AND {where} ORDER BY {order} LIMIT %s "
        f"FOR UPDATE SKIP LOCKED)) RETURNING {table}.*"
    )
    return list(model._default_manager.raw(sql, [lease_id, until, now, limit]))


def claim_by_level(
    model: type[Row],
    *,
    now: datetime,
    limit: int,
    lease: timedelta,
    column: str,
    levels: Sequence[int],
    newest_first: bool = False,
) -> Claim[Row]:
    """Claim due rows level by level, so that a lower level gets what the levels before it leave of `limit`.

    A statement per level, each a short range of an index on (column, due_at), instead of one that walks past every
    row of a level that is not due yet. Within a level the longest due come first, or with `newest_first` the last.
    """
    order = "due_at DESC" if newest_first else "due_at"
    lease_id, until = uuid.uuid4(), now + lease
    rows: list[Row] = []
    for level in levels:
        if len(rows) == limit:
            break
        where = f"{column} = {int(level)}"
        rows += _take(model, lease_id, until, now=now, limit=limit - len(rows), where=where, order=order)
    return Claim(lease_id, rows, until)


def settle(claim: Claim[Row], rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> int:
    """Give rows back with their next `due_at` and other `columns`; return how many were still ours.

    Shape: each row maps the primary key's attribute and every column to a value; `due_at` is required.
    """
    if not claim.rows:
        return 0
    model = type(claim.rows[0])
    freed = [{**row, "lease_id": None} for row in rows]
    return bulk.update(model, freed, [*columns, "due_at", "lease_id"], where="t.lease_id = %s", params=[claim.lease_id])
