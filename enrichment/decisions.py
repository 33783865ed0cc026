"""What operators say about quarantined changes of lists. The next run or drip acts on it; nothing else happens here."""

from __future__ import annotations

from datetime import datetime

import structlog

from enrichment.models import ListQuarantine

log = structlog.get_logger()

_OPEN, _APPROVED, _REJECTED, _DONE = ListQuarantine.State


class Unknown(LookupError):
    """No quarantine has that id."""


class Decided(ValueError):
    """The quarantine was decided otherwise, or is over; the message says which."""


def decide(quarantine_id: int, *, approve: bool, by: str, now: datetime) -> ListQuarantine:
    """Approve or reject an open quarantine, once: the same decision again changes nothing.

    Raises: Unknown, Decided.
    """
    wanted = _APPROVED if approve else _REJECTED
    rows = ListQuarantine.objects.defer("digests")
    is_first = rows.filter(pk=quarantine_id, state=_OPEN).update(state=wanted, decided_by=by, decided_at=now)
    quarantine = rows.filter(pk=quarantine_id).first()
    if quarantine is None:
        raise Unknown(f"no quarantine has the id {quarantine_id}")
    if decision_of(quarantine) != wanted:
        raise Decided(_standing(quarantine))
    if is_first:
        log.info(f"quarantine.{wanted}", id=quarantine.pk, kind=quarantine.kind, source=quarantine.source_id, by=by)
    return quarantine


def decision_of(quarantine: ListQuarantine) -> str | None:
    """Return how it was decided, also when that is carried out; None when nobody did."""
    if quarantine.decided_at is None:
        return None
    return _REJECTED if quarantine.state == _REJECTED else _APPROVED


def _standing(quarantine: ListQuarantine) -> str:
    if quarantine.decided_at is None:
        return "it is over: nobody needs to decide any more"
    return f"it was {decision_of(quarantine)} by {quarantine.decided_by} at {quarantine.decided_at:%F %T} UTC"
