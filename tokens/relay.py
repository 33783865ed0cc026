"""Publishes what was committed: numbers outbox events and hands them to the channel layer, one relay at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import structlog
from channels.layers import get_channel_layer
from django.db import connections
from redis.exceptions import RedisError

from tokens import outbox
from tokens.outbox import Published

log = structlog.get_logger()

GROUP = "events"
"""The channel-layer group that every web process's hub joins, once."""

BATCH = 500  # events a message: 500 updates of ~300 bytes stay far below Redis' buffers
POLL_S = 1.0  # the truth when a NOTIFY is missed
_LOCK = 7_266_121  # an arbitrary number of ours: the advisory lock that keeps a second relay waiting

Publish = Callable[[Sequence[Published]], None]


def message(events: Sequence[Published]) -> dict[str, Any]:
    """Return the channel-layer message of a batch. Shape: each event is [seq, type, mint or None, frame]."""
    rows = [[event.seq, event.type, event.mint, event.frame] for event in events]
    return {"type": "relay.batch", "first_seq": rows[0][0], "last_seq": rows[-1][0], "events": rows}


def relay_once(publish: Publish) -> int:
    """Publish everything committed; return how many events went out.

    What an earlier relay numbered but did not confirm goes first, so a crash repeats events and never loses one.
    Published means handed over, not received: hubs notice a gap in `seq` and fill it from the outbox.
    """
    count = 0
    while batch := outbox.unconfirmed(BATCH) or outbox.number(BATCH):
        publish(batch)
        outbox.confirm(batch[-1].seq)
        count += len(batch)
    return count


def run(should_stop: Callable[[], bool]) -> None:
    """Relay until told to stop. A second relay waits its turn on the advisory lock; a dead one's lock frees itself.

    Uses a connection of its own for the lock and LISTEN, which live as long as their session. Raises what the
    database raises when it goes away: the process ends and its supervisor starts another.
    """
    connection = connections["default"].copy()
    with closing(connection), asyncio.Runner() as runner, connection.cursor() as cursor:
        while not should_stop() and not _try_lock(cursor):
            time.sleep(POLL_S)
        cursor.execute(f"LISTEN {outbox.CHANNEL}")
        log.info("relay.started")
        layer: Any = get_channel_layer()
        is_stalled = False
        while not should_stop():
            is_stalled = _round(lambda events: runner.run(layer.group_send(GROUP, message(events))), is_stalled)
            for _ in connection.connection.notifies(timeout=POLL_S, stop_after=1):
                pass


def _round(publish: Publish, was_stalled: bool) -> bool:
    """Relay once and say whether Redis is away; meanwhile the events wait in the outbox, where hubs find them too."""
    try:
        relay_once(publish)
    except (RedisError, OSError) as error:
        if not was_stalled:
            log.warning("relay.stalled", error=type(error).__name__)
        return True
    if was_stalled:
        log.info("relay.recovered")
    return False


def _try_lock(cursor: Any) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
    return bool(cursor.fetchone()[0])
