"""Set-based writes: one statement for any number of rows, as fast as the driver allows and with every type exact.

Rows travel as one JSON document that PostgreSQL turns into a record set; decimals travel as text, so no digit is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import orjson
from django.db import connection
from django.db.models import Field, Model

Item = TypeVar("Item")


def chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Yield `items` in slices of at most `size`, in order."""
    return (items[start : start + size] for start in range(0, len(items), size))


def _json_default(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} is no column value")


def _fields(model: type[Model], names: Iterable[str]) -> list[Field[Any, Any]]:
    """Return the model's fields by attribute name (`token_id`, not `token`)."""
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    return [by_name[name] for name in names]


def _records(fields: Sequence[Field[Any, Any]]) -> str:
    columns = ", ".join(f"{field.column} {field.rel_db_type(connection)}" for field in fields)
    return f"jsonb_to_recordset(%s::jsonb) AS v({columns})"


def update(
    model: type[Model],
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    where: str = "TRUE",
    params: Sequence[Any] = (),
) -> int:
    """Set `columns` of each row's primary key to the row's values; return how many rows were written.

    `where` is SQL of our own over the target alias `t`, for fences. Values absent from a row are written as NULL.
    """
    if not rows:
        return 0
    key = model._meta.pk
    assert key is not None
    fields = _fields(model, [key.attname, *columns])
    assignments = ", ".join(f"{field.column} = v.{field.column}" for field in fields[1:])
    sql = (
        f"UPDATE {model._meta.db_table} t SET {assignments} FROM {_records(fields)} "  # noqa: S608 - names of our own models
        f"WHERE t.{key.column} = v.{key.column} AND {where}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [orjson.dumps(rows, default=_json_default).decode(), *params])
        return int(cursor.rowcount)


def insert(
    model: type[Model],
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    on_conflict: str = "DO NOTHING",
) -> int:
    """Insert the rows, in their order; a row that exists already is left alone unless `on_conflict` says otherwise."""
    if not rows:
        return 0
    fields = _fields(model, columns)
    names = ", ".join(str(field.column) for field in fields)
    sql = (
        f"INSERT INTO {model._meta.db_table} ({names}) SELECT {names} FROM {_records(fields)} "  # noqa: S608
        f"ON CONFLICT {on_conflict}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [orjson.dumps(rows, default=_json_default).decode()])
        return int(cursor.rowcount)
