"""The places that name mints, and one run over each: fetch, compare with the last snapshot, believe, register."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import structlog
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import transaction

from enrichment import detection, enrich
from enrichment.collect import MAX_WAIT_S, facts_of, open_jupiter
from enrichment.detection import Digests, Listing, NotAList
from enrichment.models import ListRun, ListSnapshot, ListSource
from enrichment.upstream.download import fetch_list
from enrichment.upstream.errors import GateShut, RateLimited, UpstreamError
from tokens import store
from tokens.facts import Observation
from tokens.leasing import Claim, claim_due, settle
from tokens.mint import Mint

log = structlog.get_logger()

LEASE = timedelta(seconds=180)  # a list's total deadline is 60 s; loading a first million rows takes the rest
KEEP_RUNS = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run saw and did. Units: counts of distinct mints; `size` entries as sent; `duration_s` seconds."""

    source: str
    size: int = 0
    valid: int = 0
    new: int = 0
    removed: int = 0
    missing: int = 0
    accepted: bool = False
    reason: str = ""
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """A source's answer: its members, and what a feed said about them beside their names."""

    listing: Listing
    observations: Sequence[Observation] = ()


def ensure_sources(now: datetime) -> None:
    """Make the configured sources exist, keeping what operators changed; an unconfigured list goes quiet."""
    feeds = {
        ListSource.Kind.JUPITER_VERIFIED: settings.JUPITER_VERIFIED_INTERVAL_S,
        ListSource.Kind.JUPITER_RECENT: settings.JUPITER_RECENT_INTERVAL_S,
    }
    for kind, interval_s in feeds.items():
        ListSource.objects.get_or_create(name=kind, defaults={"kind": kind, "interval_s": interval_s, "due_at": now})
    if settings.TOKEN_LIST_URL:
        ListSource.objects.update_or_create(
            name="list",
            defaults={"kind": ListSource.Kind.LIST, "url": settings.TOKEN_LIST_URL},
            create_defaults={
                "kind": ListSource.Kind.LIST,
                "url": settings.TOKEN_LIST_URL,
                "interval_s": settings.TOKEN_LIST_INTERVAL_S,
                "due_at": now,
            },
        )
    else:
        ListSource.objects.filter(name="list").update(url="")


def run_due(now: datetime) -> list[Outcome]:
    """Run every source that is due and that nobody else runs; after downtime each runs once, not once a slot."""
    where = "enabled AND (kind <> 'list' OR url <> '')"
    outcomes = []
    while (claim := claim_due(ListSource, now=now, limit=1, lease=LEASE, where=where)).rows:
        outcomes.append(run(claim, now))
    return outcomes


def run(claim: Claim[ListSource], now: datetime, *, is_dry: bool = False) -> Outcome:
    """Run one claimed source and settle it: the next is due one interval after this one began, whatever happened."""
    source, begun = claim.rows[0], time.monotonic()
    next_at = now + timedelta(seconds=source.interval_s)
    try:
        fetched = fetch(source)
        outcome = _take_in(claim, fetched, next_at=next_at, now=now, begun=begun, is_dry=is_dry)
    except (NotAList, UpstreamError, OSError) as error:
        next_at = max(next_at, error.retry_at) if isinstance(error, GateShut | RateLimited) else next_at
        outcome = Outcome(source.name, reason=_reason(error), duration_s=time.monotonic() - begun)
        if not is_dry:
            _record(claim, outcome, next_at=next_at, now=now)
    _log(outcome)
    return outcome


def fetch(source: ListSource) -> Fetched:
    """Return what the source holds now. Raises NotAList, UpstreamError, or OSError for a file."""
    if source.kind == ListSource.Kind.LIST:
        body = detection.unpack(_body(source.url), settings.LIST_MAX_BYTES)
        return Fetched(detection.read(body, source.digest_key))

    async def feed() -> Sequence[Observation]:
        async with open_jupiter() as client:
            ask = client.fetch_recent if source.kind == ListSource.Kind.JUPITER_RECENT else client.fetch_verified
            return await ask(purpose="detect", max_wait_s=MAX_WAIT_S)

    observations = async_to_sync(feed)()
    if not observations:
        raise NotAList("empty")
    listing = detection.listing_of([o.mint.encode() for o in observations], source.digest_key)
    return Fetched(listing, observations)


def _body(url: str) -> bytes:
    """Return a list's bytes from http(s), a file: URL or a plain path."""
    parts = urlsplit(url)
    if parts.scheme in {"http", "https"}:
        answer = async_to_sync(fetch_list)(url, max_bytes=settings.LIST_MAX_BYTES)
        body = answer.body or b""
        if not answer.complete and not body.rstrip().endswith(b"]"):
            raise NotAList("neither its length nor its form says whether it is whole")
        return body
    path = Path(parts.path if parts.scheme == "file" else url)
    if path.stat().st_size > settings.LIST_MAX_BYTES:
        raise NotAList(f"larger than {settings.LIST_MAX_BYTES} bytes")
    return path.read_bytes()


def _take_in(
    claim: Claim[ListSource],
    fetched: Fetched,
    *,
    next_at: datetime,
    now: datetime,
    begun: float,
    is_dry: bool,
) -> Outcome:
    source, listing = claim.rows[0], fetched.listing
    before = _digests(source)
    change = detection.delta(before, listing)
    has_sentinels = source.is_complete and listing.holds(detection.SENTINELS)
    verdict = detection.judge(
        listing,
        change,
        is_complete=source.is_complete,
        has_sentinels=has_sentinels,
        previous_size=0 if before is None else len(before),
    )
    outcome = Outcome(
        source.name,
        size=listing.size,
        valid=len(change.members),
        missing=len(change.missing) if source.is_complete else 0,
        accepted=verdict.accepted,
        reason=verdict.reason,
        duration_s=time.monotonic() - begun,
    )
    if not verdict.accepted or is_dry:
        outcome = replace(outcome, new=len(change.new) if is_dry else 0)
        if not is_dry:
            _record(claim, outcome, next_at=next_at, now=now)
        return outcome
    with transaction.atomic():
        new = _register(source, change.new, now)
        _move_snapshot(
            source, change.members, before, keeps_absent=source.is_complete and not verdict.believes_absence, now=now
        )
        outcome = replace(outcome, new=new, duration_s=time.monotonic() - begun)
        if not _record(claim, outcome, next_at=next_at, now=now):
            transaction.set_rollback(True)
            return replace(outcome, new=0, accepted=False, reason="another worker took the run over")
    if fetched.observations:
        facts = facts_of(fetched.observations)
        store.apply(facts, now)
        enrich.note_learnt(facts, now)
    return outcome


def _register(source: ListSource, mints: Sequence[Mint], now: datetime) -> int:
    """Give new mints their rows and their enrichment debts; a bulk load is announced as it is enriched."""
    is_bulk = len(mints) > settings.ANNOUNCE_LIMIT
    fresh = store.register(mints, source=source.name, now=now, announce=not is_bulk)
    enrich.owe([r.token_id for r in fresh], priority=enrich.BULK if is_bulk else enrich.FRESH, now=now)
    return len(fresh)


def _digests(source: ListSource) -> Digests | None:
    if source.snapshot_id is None:
        return None
    snapshot = ListSnapshot.objects.get(pk=source.snapshot_id)
    return np.frombuffer(bytes(snapshot.digests), dtype="<u8")


def _move_snapshot(
    source: ListSource, members: Digests, before: Digests | None, *, keeps_absent: bool, now: datetime
) -> None:
    """Make the list's members the source's snapshot; absences that are not believed stay members."""
    if before is not None:
        members = np.union1d(members, before) if keeps_absent else members
        if np.array_equal(members, before):
            return
    snapshot = ListSnapshot.objects.create(
        source=source, accepted_at=now, size=len(members), digests=members.astype("<u8").tobytes()
    )
    ListSource.objects.filter(pk=source.pk).update(snapshot=snapshot)
    ListSnapshot.objects.filter(source=source).exclude(pk=snapshot.pk).delete()


def _record(claim: Claim[ListSource], outcome: Outcome, *, next_at: datetime, now: datetime) -> bool:
    """Keep the run's row and give the source back; False when the lease was lost meanwhile."""
    source = claim.rows[0]
    with transaction.atomic():
        if not settle(claim, [{"name": source.name, "due_at": next_at}], []):
            return False
        row = asdict(outcome)
        del row["source"]
        ListRun.objects.create(source=source, started_at=now, **row)
        ListRun.objects.filter(source=source, started_at__lt=now - KEEP_RUNS).delete()
    return True


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot read {error.filename}: {error.strerror}" if error.filename else str(error)
    return str(error)


def _log(outcome: Outcome) -> None:
    """Tell of a run: a line when something changed, a warning only for the first refusal in a row."""
    fields = {name: value for name, value in asdict(outcome).items() if name != "duration_s"}
    runs = ListRun.objects.filter(source=outcome.source).order_by("-started_at")[1:2]
    was_accepted = all(run.accepted for run in runs)
    if outcome.accepted:
        level = log.info if outcome.new or outcome.missing or not was_accepted else log.debug
        level("list.accepted", **fields, duration_s=round(outcome.duration_s, 3))
    else:
        (log.warning if was_accepted else log.debug)("list.refused", **fields)
