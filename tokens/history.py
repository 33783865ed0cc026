"""The price history's partitions, one a day: made ahead of time, dropped when their retention ends."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import structlog
from django.db import connection

log = structlog.get_logger()

AHEAD_DAYS = 3  # a scheduler that sleeps over a weekend still finds its partition
_TABLE = "token_price_history"


def partition_name(day: date) -> str:
    """Return the name of the partition that holds `day` (UTC)."""
    return f"{_TABLE}_{day:%Y%m%d}"


def ensure_partitions(now: datetime) -> None:
    """Create the partitions from yesterday to `AHEAD_DAYS` ahead; those that exist are left alone."""
    today = now.astimezone(UTC).date()
    for offset in range(-1, AHEAD_DAYS + 1):
        day = today + timedelta(days=offset)
        with connection.cursor() as cursor:
            cursor.execute(
                f"CREATE TABLE IF NOT EXISTS {partition_name(day)} PARTITION OF {_TABLE} "
                f"FOR VALUES FROM ('{day} 00:00:00+00') TO ('{day + timedelta(days=1)} 00:00:00+00')"
            )


def drop_expired(now: datetime, keep_days: int) -> list[str]:
    """Drop the partitions whose whole day is older than `keep_days`; return their names."""
    oldest = partition_name(now.astimezone(UTC).date() - timedelta(days=keep_days))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid "
            "WHERE inhparent = %s::regclass AND c.relname ~ '_[0-9]{8}$' AND c.relname < %s ORDER BY 1",
            [_TABLE, oldest],
        )
        names = [name for (name,) in cursor.fetchall()]
        for name in names:
            cursor.execute(f"DROP TABLE {name}")
            log.info("history.dropped", partition=name)
    return names
