"""Jobs of the bottom layer that django-q2 runs."""

from __future__ import annotations

from django.conf import settings

from tokens import history, outbox
from tokens.leasing import database_now


def upkeep() -> None:
    """Make tomorrow's partitions, drop expired ones, forget events no client can resume from."""
    now = database_now()
    history.ensure_partitions(now)
    history.drop_expired(now, settings.HISTORY_KEEP_DAYS)
    outbox.prune(settings.OUTBOX_KEEP_EVENTS)
