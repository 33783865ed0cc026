"""How much is left to learn, and how long that takes at the plan's pace."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Count, Min, Q

from enrichment.models import EnrichmentState
from enrichment.upstream.gate import PLANS, SHARES

_KNOWN = 9  # enrich.AGAIN: learnt about already and looked at again; not imported, for what that would load


@dataclass(frozen=True, slots=True)
class Backlog:
    """Units: counts of tokens never learnt about; `eta_s` seconds at the plan's pace, if prices take their full share.

    `oldest_at` is since when the one that waits longest has been due; None when none is.
    """

    pending: int
    due: int
    oldest_at: datetime | None
    eta_s: int


def backlog(now: datetime) -> Backlog:
    """Return what enrichment owes, read from the queue's index alone."""
    is_due = Q(due_at__lte=now)
    found = EnrichmentState.objects.filter(priority__lt=_KNOWN).aggregate(
        pending=Count("priority"), due=Count("priority", filter=is_due), oldest_at=Min("due_at", filter=is_due)
    )
    return Backlog(**found, eta_s=eta_s(found["pending"]))


def eta_s(pending: int) -> int:
    """Return the seconds that `pending` tokens take, when every other purpose uses what is reserved for it."""
    plan = PLANS["jupiter"][settings.JUPITER_PLAN]
    reserved = sum(share for purpose, share in SHARES.items() if purpose != "enrich")
    calls = math.ceil(pending / settings.ENRICH_BATCH_SIZE)
    return math.ceil(calls / (plan.rate_rps * (1 - reserved)))
