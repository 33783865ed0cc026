"""What a list changed too much to be believed at once: absences nobody counts yet, and new mints let in drop by drop.

A quarantine is opened once, with one warning, however many lists show the same change. Operators decide
(`enrichment.decisions`); a change that no list has shown for half an hour is over by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from enrichment import enrich
from enrichment.detection import CONFIRM_SPAN, Doubts, Verdict
from enrichment.models import ListQuarantine, ListSource, QuarantinedMint
from tokens import bulk, digests
from tokens.digests import Digests
from tokens.mint import Mint

log = structlog.get_logger()

_CHUNK = 20_000  # rows a statement, as the store writes them
_OPEN, _APPROVED, _REJECTED, _DONE = ListQuarantine.State
_SHRUNK, _FLOOD = ListQuarantine.Kind


def shrinks(source: ListSource) -> list[ListQuarantine]:
    """Return the shrinks of this list that are in force: asked about, or decided and not over."""
    rows = ListQuarantine.objects.filter(source=source, kind=_SHRUNK).exclude(state=_DONE)
    return list(rows.exclude(digests=b"").order_by("id"))


def doubts(rows: Iterable[ListQuarantine]) -> Doubts:
    """Return what those shrinks mean for judging the next list."""
    by_state: dict[str, Digests] = {}
    for row in rows:
        known = by_state.get(row.state, digests.unpacked(b""))
        by_state[row.state] = digests.union(known, digests.unpacked(row.digests))
    nothing = digests.unpacked(b"")
    return Doubts(by_state.get(_APPROVED, nothing), by_state.get(_REJECTED, nothing), by_state.get(_OPEN))


def note_shrink(
    source: ListSource, rows: Sequence[ListQuarantine], verdict: Verdict, *, missing: Digests, now: datetime
) -> None:
    """Keep the shrinks in step with a list that was accepted: seen again, carried out, over, or new."""
    for row in rows:
        held = ListQuarantine.objects.filter(pk=row.pk, state=row.state)
        if digests.contains(missing, digests.unpacked(row.digests)).any():
            held.update(seen_at=now, **({"state": _DONE} if row.state == _APPROVED else {}))
        elif now - row.seen_at >= CONFIRM_SPAN:
            held.update(**({"digests": b""} if row.state == _REJECTED else {"state": _DONE}))
    if verdict.doubted is None or any(row.state == _OPEN for row in rows):
        return
    ListQuarantine.objects.create(
        source=source,
        kind=_SHRUNK,
        at=now,
        seen_at=now,
        count=len(verdict.doubted),
        digests=digests.packed(verdict.doubted),
    )
    log.warning("list.shrunk", source=source.name, missing=len(verdict.doubted))


def withheld(source: ListSource, mints: Sequence[Mint]) -> set[str]:
    """Return those of the mints that are held for this source already, or were rejected for good."""
    if not mints or not QuarantinedMint.objects.exists():
        return set()
    barred = Q(quarantine__source=source) | Q(quarantine__state=_REJECTED)
    found: set[str] = set()
    for chunk in bulk.chunks(mints, _CHUNK):
        found.update(QuarantinedMint.objects.filter(barred, mint__in=chunk).values_list("mint", flat=True))
    return found


def hold(source: ListSource, mints: Sequence[Mint], *, key: int, now: datetime) -> None:
    """Hold a flood of mints back instead of registering them."""
    flood, is_first = ListQuarantine.objects.get_or_create(
        source=source,
        kind=_FLOOD,
        state=_OPEN,
        defaults={"at": now, "seen_at": now, "count": 0, "drip_at": now},
    )
    hashed = digests.signed(digests.of(mints, key))
    rows = [
        {"quarantine_id": flood.pk, "mint": mint, "digest": digest} for mint, digest in zip(mints, hashed, strict=True)
    ]
    for chunk in bulk.chunks(rows, _CHUNK):
        bulk.insert(QuarantinedMint, chunk, ["quarantine_id", "mint", "digest"])
    ListQuarantine.objects.filter(pk=flood.pk).update(count=F("count") + len(mints), seen_at=now, drip_at=now)
    if is_first:
        log.warning("list.flooded", source=source.name, mints=len(mints))


def held_among(source: ListSource, missing: Digests) -> Digests:
    """Return those of the missing that this source's quarantines hold: they are no tokens, so nothing is removed."""
    found: list[int] = []
    if len(missing) and QuarantinedMint.objects.exists():
        for chunk in bulk.chunks(digests.signed(missing), _CHUNK):
            rows = QuarantinedMint.objects.filter(quarantine__source=source, digest__in=chunk)
            found += rows.values_list("digest", flat=True).distinct()
    return digests.unsigned(found)


def drop(source: ListSource, gone: Digests) -> None:
    """Forget held mints that their list no longer names; rejected ones are kept, so that they stay rejected."""
    if not len(gone):
        return
    waiting = ListQuarantine.objects.filter(source=source, kind=_FLOOD, state__in=(_OPEN, _APPROVED))
    ids = list(waiting.select_for_update().values_list("id", flat=True))  # so that no drip has them in hand
    for chunk in bulk.chunks(digests.signed(gone), _CHUNK):
        QuarantinedMint.objects.filter(quarantine__in=ids, digest__in=chunk).delete()


def drip(now: datetime) -> int:
    """Register the next batch of held mints, or all of an approved flood; return how many were new."""
    with transaction.atomic():
        floods = ListQuarantine.objects.filter(kind=_FLOOD, state__in=(_APPROVED, _OPEN))
        # An approved one goes first ("approved" sorts before "open"), then the oldest; one at a time keeps the pace.
        flood = floods.select_for_update(skip_locked=True).order_by("state", "id").first()
        if flood is None or (flood.state == _OPEN and flood.drip_at is not None and flood.drip_at > now):
            return 0
        return _drip(flood, now)


def _drip(flood: ListQuarantine, now: datetime) -> int:
    mints = flood.mints.order_by("id")
    batch = list(mints if flood.state == _APPROVED else mints[: settings.DRIP_BATCH])
    fresh = enrich.admit([Mint(held.mint) for held in batch], source=flood.source_id, now=now)
    QuarantinedMint.objects.filter(id__in=[held.id for held in batch]).delete()
    if batch:
        flood.drip_at = now + timedelta(seconds=settings.DRIP_DELAY_S)
        is_over = not flood.mints.exists()
    else:  # all of it vanished from the list: a list that alternates brings it back, and is no news then
        flood.drip_at = flood.seen_at + CONFIRM_SPAN
        is_over = now >= flood.drip_at or flood.state == _APPROVED
    flood.state = _DONE if is_over else flood.state
    flood.save(update_fields=["drip_at", "state"])
    return len(fresh)
