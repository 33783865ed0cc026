"""How many rows a query has, without reading a million of them to say so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet

EXACT_BELOW = 20_000  # rows; counting these takes a few milliseconds
TIME_LIMIT_MS = 150  # what a page may spend on a number at its edge


@dataclass(frozen=True, slots=True)
class Count:
    """A number of rows, and whether the planner guessed it."""

    value: int
    is_estimate: bool = False


def quick(rows: QuerySet[Any]) -> Count:
    """Return the exact number of a small set and the planner's estimate of a large one.

    For whole tables: a filter that few rows pass would be tried on all of them (that is `careful`'s to bound).
    """
    counted = rows.order_by()[:EXACT_BELOW].count()
    if counted < EXACT_BELOW:
        return Count(counted)
    return Count(max(counted, _planned(rows)), is_estimate=True)


def careful(rows: QuerySet[Any]) -> Count:
    """Return the exact number where counting ends within the time limit, else the planner's estimate."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {TIME_LIMIT_MS}")
            exact = rows.count()
            cursor.execute("SET LOCAL statement_timeout TO DEFAULT")  # a surrounding transaction goes on without it
            return Count(exact)
    except OperationalError:  # cancelled: the savepoint's end has lifted the limit
        return Count(_planned(rows), is_estimate=True)


def _planned(rows: QuerySet[Any]) -> int:
    plan = json.loads(rows.order_by().values("pk").explain(format="json"))
    return int(plan[0]["Plan"]["Plan Rows"])
