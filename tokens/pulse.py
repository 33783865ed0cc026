"""Keeps a sub-minute job beating on django-q2, whose own scheduler passes only every 30 s.

A pulse is a task that runs its job slot by slot for `PULSE_BUDGET_S` under a lease, then hands over: to the one copy
that waits as a standby, or to a fresh copy it enqueues. A cron row is the watchdog that revives a pulse nobody beats.
No slot begins twice: the slot's number is raised in the statement that renews the lease.
"""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string

from tokens.leasing import database_now
from tokens.models import Pulse

log = structlog.get_logger()

STOP_SIGNAL = signal.SIGUSR1
"""What the cluster command sends its workers on shutdown: end after the slot in hand."""

_POLL_S = 0.5  # how often a standby looks whether the leader is gone, and a leader whether it was told to stop
_stopping = False


def ensure_schedules() -> None:
    """Create the scheduler rows of every pulse and job, and start each pulse now instead of at the first pass."""
    from django_q.models import Schedule
    from django_q.tasks import async_task

    wanted = {f"pulse {name}": ("tokens.pulse.beat", repr((name,)), "* * * * * */30") for name in settings.PULSES}
    wanted |= {path: (path, "()", cron) for path, cron in settings.JOBS.items()}
    Schedule.objects.exclude(name__in=wanted).delete()
    for name, (func, args, cron) in wanted.items():
        Schedule.objects.update_or_create(
            name=name,
            defaults={
                "func": func,
                "args": args,
                "cron": cron,
                "schedule_type": Schedule.CRON,
                "repeats": -1,
            },
        )
    for name in settings.PULSES:
        async_task("tokens.pulse.beat", name, save=False)


def beat(name: str) -> None:
    """Lead the pulse for one budget, or wait as its standby, or leave when both places are taken."""
    from django_q.tasks import async_task

    _listen_for_stop()
    Pulse.objects.get_or_create(name=name, defaults={"due_at": database_now()})
    deadline = time.monotonic() + settings.PULSE_BUDGET_S
    lease_id = _take_lead(name) or _stand_by(name, deadline)
    if lease_id is None:
        return
    _lead(name, lease_id, time.monotonic() + settings.PULSE_BUDGET_S)
    released = _execute(
        "UPDATE pulses SET lease_id = NULL, due_at = clock_timestamp() WHERE name = %s AND lease_id = %s",
        [name, lease_id],
    )
    if released and not _stopping and not _has_standby(name):
        async_task("tokens.pulse.beat", name, save=False)


def _lead(name: str, lease_id: uuid.UUID, deadline: float) -> None:
    config: dict[str, Any] = settings.PULSES[name]
    run: Callable[[datetime], Any] = import_string(config["run"])
    while time.monotonic() < deadline and not _stopping:
        now = database_now()
        slot, into_slot_s = divmod(now.timestamp(), config["period_s"])
        if _begin_slot(name, lease_id, int(slot)):
            _run_slot(name, run, now)
        elif not Pulse.objects.filter(name=name, lease_id=lease_id).exists():
            log.warning("pulse.lost", pulse=name)
            return
        else:
            time.sleep(min(config["period_s"] - into_slot_s, max(0.0, deadline - time.monotonic()), _POLL_S))


def _run_slot(name: str, run: Callable[[datetime], Any], now: datetime) -> None:
    try:
        run(now)
    except Exception:
        log.exception("pulse.failed", pulse=name)
    Pulse.objects.filter(name=name).update(beat_at=database_now())


def _begin_slot(name: str, lease_id: uuid.UUID, slot: int) -> bool:
    """Renew the lease and take the slot, both or neither."""
    sql = (
        "UPDATE pulses SET last_slot = %s, due_at = clock_timestamp() + %s * interval '1 second' "
        "WHERE name = %s AND lease_id = %s AND last_slot < %s"
    )
    return _execute(sql, [slot, settings.PULSE_LEASE_S, name, lease_id, slot])


def _take_lead(name: str) -> uuid.UUID | None:
    lease_id = uuid.uuid4()
    sql = (
        "UPDATE pulses SET lease_id = %s, due_at = clock_timestamp() + %s * interval '1 second' "
        "WHERE name = %s AND (lease_id IS NULL OR due_at < clock_timestamp())"
    )
    return lease_id if _execute(sql, [lease_id, settings.PULSE_LEASE_S, name]) else None


def _stand_by(name: str, deadline: float) -> uuid.UUID | None:
    """Wait for the lead to fall free; None when another copy waits already or the leader outlives us."""
    sql = (
        "UPDATE pulses SET standby_until = clock_timestamp() + %s * interval '1 second' "
        "WHERE name = %s AND (standby_until IS NULL OR standby_until < clock_timestamp())"
    )
    if not _execute(sql, [2 * settings.PULSE_BUDGET_S, name]):
        return None
    lease_id = None
    while lease_id is None and time.monotonic() < deadline and not _stopping:
        time.sleep(_POLL_S)
        lease_id = _take_lead(name)
    _execute("UPDATE pulses SET standby_until = NULL WHERE name = %s", [name])
    return lease_id


def _has_standby(name: str) -> bool:
    return Pulse.objects.filter(name=name, standby_until__gt=database_now()).exists()


def _execute(sql: str, params: list[Any]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return bool(cursor.rowcount > 0)


def _listen_for_stop() -> None:
    def stop(*_: Any) -> None:
        global _stopping
        _stopping = True

    signal.signal(STOP_SIGNAL, stop)
