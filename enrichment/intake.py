"""What an accepted list changes, in the one transaction that also moves its snapshot forward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from enrichment import absences, detection, enrich, quarantine
from enrichment.detection import Delta, Listing, Verdict
from enrichment.models import ListQuarantine, ListSnapshot, ListSource
from tokens import bulk, digests, store
from tokens.digests import Digests
from tokens.facts import Observation
from tokens.mint import Mint
from tokens.models import Token

_CHUNK = 20_000  # mints a statement, as the store writes rows


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run saw and did. Units: counts of distinct mints; `size` entries as sent; `duration_s` seconds.

    `missing` are absent from this list, `removed` had their removal confirmed by it, `quarantined` are held back;
    `skipped` counts the starts missed since the run before.
    """

    source: str
    size: int = 0
    valid: int = 0
    new: int = 0
    removed: int = 0
    missing: int = 0
    quarantined: int = 0
    skipped: int = 0
    accepted: bool = False
    reason: str = ""
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """A source's answer: its members, and what a feed said about them. `listing` None: what it last gave holds."""

    listing: Listing | None
    observations: Sequence[Observation] = ()
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A list against what its source held before, and what is believed of it."""

    listing: Listing
    etag: str
    before: Digests | None
    delta: Delta
    verdict: Verdict
    unheld: Digests
    shrinks: Sequence[ListQuarantine]


def compare(source: ListSource, listing: Listing, etag: str) -> Change:
    """Judge a list; changes nothing."""
    before = _members(source)
    delta = detection.delta(before, listing)
    is_complete = source.is_complete
    unheld = quarantine.held_among(source, delta.missing if is_complete else digests.unpacked(b""))
    delta = replace(delta, missing=digests.without(delta.missing, unheld))
    shrinks = quarantine.shrinks(source) if is_complete else []
    verdict = detection.judge(
        listing,
        delta,
        is_complete=is_complete,
        has_sentinels=is_complete and listing.holds(detection.SENTINELS),
        previous_size=0 if before is None else len(before),
        doubts=quarantine.doubts(shrinks),
    )
    return Change(listing, etag, before, delta, verdict, unheld, shrinks)


def describe(outcome: Outcome, source: ListSource, change: Change) -> Outcome:
    """Return the outcome with what was seen and decided."""
    return replace(
        outcome,
        size=change.listing.size,
        valid=len(change.delta.members),
        missing=len(change.delta.missing) if source.is_complete else 0,
        accepted=change.verdict.accepted,
        reason=change.verdict.reason,
    )


def absorb(outcome: Outcome, source: ListSource, *, change: Change, now: datetime) -> Outcome:
    """Carry an accepted list out. Runs inside the caller's transaction."""
    delta, verdict = change.delta, change.verdict
    new, held = _let_in(source, change, now)
    removed = 0
    if source.is_complete:
        quarantine.drop(source, change.unheld)
        quarantine.note_shrink(source, change.shrinks, verdict, missing=delta.missing, now=now)
        back = np.sort(digests.of(delta.new, change.listing.key))
        is_counted = verdict.doubted is None
        removed = absences.note(source, gone=verdict.believed, back=back, is_counted=is_counted, now=now)
    ListSource.objects.filter(pk=source.pk).exclude(etag=change.etag).update(etag=change.etag)
    _move_snapshot(source, digests.union(delta.members, verdict.kept), change.before, now)
    return replace(outcome, new=new, quarantined=held, removed=removed)


def repeat(outcome: Outcome, source: ListSource, now: datetime) -> Outcome:
    """Count the list that the source last gave once more: what it lacks is absent a little longer."""
    nothing = digests.unpacked(b"")
    size = 0 if source.snapshot is None else source.snapshot.size
    removed = absences.note(source, gone=nothing, back=nothing, is_counted=True, now=now)
    return replace(outcome, size=size, valid=size, removed=removed, accepted=True, reason="not modified")


def _let_in(source: ListSource, change: Change, now: datetime) -> tuple[int, int]:
    """Register what is new, hold a flood, take removals back; return how many are new and how many held."""
    held_already = quarantine.withheld(source, change.delta.new)
    mints = [mint for mint in change.delta.new if mint not in held_already]
    known = 0 if change.before is None else len(change.before)
    flood = _unknown(mints) if detection.is_flood(len(mints), known) else []
    if detection.is_flood(len(flood), known):
        quarantine.hold(source, flood, key=change.listing.key, now=now)
        mints = list(set(mints).difference(flood))
    else:
        flood = []
    fresh = {registered.mint for registered in enrich.admit(mints, source=source.name, now=now)}
    _take_back([mint for mint in mints if mint not in fresh], now)
    return len(fresh), len(flood)


def _unknown(mints: Sequence[Mint]) -> list[Mint]:
    known: set[str] = set()
    for chunk in bulk.chunks(mints, _CHUNK):
        known.update(Token.objects.filter(mint__in=chunk).values_list("mint", flat=True))
    return [mint for mint in mints if mint not in known]


def _take_back(mints: Sequence[Mint], now: datetime) -> None:
    """Relist those of the known mints that were removed, and owe them a fresh look."""
    for chunk in bulk.chunks(mints, _CHUNK):
        removed = Token.objects.filter(mint__in=chunk, removed_at__isnull=False)
        ids = list(removed.values_list("id", flat=True))
        store.relist(ids, now)
        enrich.owe_again(ids, now)


def _members(source: ListSource) -> Digests | None:
    if source.snapshot_id is None:
        return None
    return digests.unpacked(ListSnapshot.objects.get(pk=source.snapshot_id).digests)


def _move_snapshot(source: ListSource, members: Digests, before: Digests | None, now: datetime) -> None:
    """Make these members the source's snapshot; absences that are not believed are among them."""
    if before is not None and np.array_equal(members, before):
        return
    snapshot = ListSnapshot.objects.create(
        source=source, accepted_at=now, size=len(members), digests=digests.packed(members)
    )
    ListSource.objects.filter(pk=source.pk).update(snapshot=snapshot)
    ListSnapshot.objects.filter(source=source).exclude(pk=snapshot.pk).delete()
