"""What the refresh pulse runs each slot."""

from __future__ import annotations

import random
import time
from datetime import datetime, timedelta

from django.conf import settings

from refresh import queue, ranks, runner
from refresh.models import RefreshRun

ADOPT_EVERY_S = 9  # three slots: a newly priced token waits no longer for its first refresh
SLOT_BUDGET_S = 2.5  # of the pulse's 3 s period; a backlog uses what is left of the slot for further full calls

_jitter = random.Random()  # noqa: S311 - spreads due times, keeps no secret
_shut_until: datetime | None = None  # this worker's memory of a shut gate, so that it does not claim in vain


def refresh(now: datetime) -> None:
    """Adopt and rank when it is time, then refresh what is due while the gate and the slot allow."""
    global _shut_until
    if int(now.timestamp()) % ADOPT_EVERY_S < 3:
        upkeep(now)
    begun = time.monotonic()
    while _shut_until is None or now >= _shut_until:
        report = runner.run_once(now, _jitter)
        _shut_until = report.retry_at
        if not report.is_full or time.monotonic() - begun > SLOT_BUDGET_S:
            break


def upkeep(now: datetime) -> None:
    """Give newly priced tokens their debts, re-rank when due, forget old runs."""
    adopted = queue.adopt(now, queue.tiers()[-1])
    if ranks.is_due(now, interval=timedelta(seconds=settings.RANK_INTERVAL_S), newly_priced=adopted):
        ranks.rank(now)
        RefreshRun.objects.filter(started_at__lt=now - runner.KEEP_RUNS).delete()
