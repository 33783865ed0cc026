"""The places that name mints, and one run over each: fetch, compare with the last snapshot, believe, register."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import transaction

from enrichment import detection, enrich, intake, quarantine, schedule
from enrichment.collect import MAX_WAIT_S, facts_of, open_jupiter
from enrichment.detection import NotAList
from enrichment.intake import Fetched, Outcome
from enrichment.models import ListRun, ListSource
from enrichment.upstream.download import ListBody, fetch_list
from enrichment.upstream.errors import UpstreamError, named_retry
from tokens import store
from tokens.facts import Observation
from tokens.leasing import Claim, claim_due, settle
from tokens.models import Installation

log = structlog.get_logger()

LEASE = timedelta(seconds=180)  # a list's total deadline is 60 s; loading a first million rows takes the rest
KEEP_RUNS = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of one claimed source."""

    claim: Claim[ListSource]
    now: datetime
    next_at: datetime
    is_dry: bool
    begun_s: float

    @property
    def source(self) -> ListSource:
        return self.claim.rows[0]


def ensure_sources(now: datetime) -> None:
    """Make the configured sources exist, keeping what operators changed; an unconfigured list goes quiet."""
    feeds = {
        ListSource.Kind.JUPITER_VERIFIED: settings.JUPITER_VERIFIED_INTERVAL_S,
        ListSource.Kind.JUPITER_RECENT: settings.JUPITER_RECENT_INTERVAL_S,
    }
    for kind, interval_s in feeds.items():
        ListSource.objects.get_or_create(name=kind, defaults={"kind": kind, "interval_s": interval_s, "due_at": now})
    if settings.TOKEN_LIST_URL:
        set_list(settings.TOKEN_LIST_URL, now)
    else:
        ListSource.objects.filter(name="list").update(url="")


def set_list(url: str, now: datetime) -> None:
    """Make `url` the complete list; what an operator tuned stays."""
    ListSource.objects.filter(name="list").exclude(url=url).update(url=url, etag="")
    interval_s = settings.TOKEN_LIST_INTERVAL_S
    created = {"kind": ListSource.Kind.LIST, "url": url, "interval_s": interval_s, "due_at": now}
    ListSource.objects.get_or_create(name="list", defaults=created)


def run_due(now: datetime) -> list[Outcome]:
    """Run every source that is due and that nobody else runs; after downtime each runs once, not once a slot."""
    where = "enabled AND (kind <> 'list' OR url <> '')"
    outcomes, begun, begun_s = [], now, time.monotonic()
    while (claim := claim_due(ListSource, now=now, limit=1, lease=LEASE, where=where)).rows:
        outcomes.append(run(claim, now))
        now = begun + timedelta(seconds=time.monotonic() - begun_s)  # a feed may have waited seconds for its gate
    return outcomes


def run(claim: Claim[ListSource], now: datetime, *, is_dry: bool = False) -> Outcome:
    """Run one claimed source and settle it: whatever happened, it is due again at the next start of its fixed rate.

    A shut gate sets its own time, earlier or later: a feed that holds 70 s of mints is not left for another 30.
    """
    source = claim.rows[0]
    phase_s = schedule.phase_s(source.name, source.interval_s)
    next_at = schedule.next_start(now, interval_s=source.interval_s, phase_s=phase_s)
    this = _Run(claim, now, next_at, is_dry, begun_s=time.monotonic())
    outcome = Outcome(source.name, skipped=_skipped(source, now, phase_s))
    try:
        fetched = fetch(source, is_dry=is_dry)
    except (NotAList, UpstreamError, OSError) as error:
        outcome = _settled(
            replace(this, next_at=named_retry(error) or next_at), replace(outcome, reason=_reason(error))
        )
    else:
        outcome = _take_in(this, fetched, outcome)
    _log(outcome)
    return outcome


def fetch(source: ListSource, *, is_dry: bool = False) -> Fetched:
    """Return what the source holds now. Raises NotAList, UpstreamError, or OSError for a file."""
    key = Installation.current().digest_key
    if source.kind == ListSource.Kind.LIST:
        # Whole, when somebody wants to see it or a decision about its absences is to be carried out.
        is_whole = is_dry or source.snapshot_id is None or quarantine.shrinks(source)
        answer = _body(source.url, "" if is_whole else source.etag)
        if answer.body is None:
            return Fetched(None)
        body = detection.unpack(answer.body, settings.LIST_MAX_BYTES)
        return Fetched(detection.read(body, key), etag=answer.etag or "")

    async def feed() -> Sequence[Observation]:
        async with open_jupiter() as client:
            ask = client.fetch_recent if source.kind == ListSource.Kind.JUPITER_RECENT else client.fetch_verified
            return await ask(purpose="detect", max_wait_s=MAX_WAIT_S)

    observations = async_to_sync(feed)()
    if not observations:
        raise NotAList("empty")
    return Fetched(detection.listing_of([o.mint.encode() for o in observations], key), observations)


def _body(url: str, etag: str) -> ListBody:
    """Return a list's bytes from http(s), a file: URL or a plain path."""
    parts = urlsplit(url)
    if parts.scheme in {"http", "https"}:
        answer = async_to_sync(fetch_list)(url, etag=etag or None, max_bytes=settings.LIST_MAX_BYTES)
        if answer.body is not None and not answer.complete and not answer.body.rstrip().endswith(b"]"):
            raise NotAList("neither its length nor its form says whether it is whole")
        return answer
    path = Path(parts.path if parts.scheme == "file" else url)
    if path.stat().st_size > settings.LIST_MAX_BYTES:
        raise NotAList(f"larger than {settings.LIST_MAX_BYTES} bytes")
    return ListBody(path.read_bytes(), None, complete=True)


def _take_in(this: _Run, fetched: Fetched, outcome: Outcome) -> Outcome:
    """Compare, and when the list is believed change everything it changes in the transaction that ends the run."""
    source, now = this.source, this.now
    change = None if fetched.listing is None else intake.compare(source, fetched.listing, fetched.etag)
    if change is not None:
        outcome = intake.describe(outcome, source, change)
        if this.is_dry or not outcome.accepted:
            return _settled(this, replace(outcome, new=len(change.delta.new) if this.is_dry else 0))
    with transaction.atomic():
        believed = intake.repeat if change is None else partial(intake.absorb, change=change)
        outcome = _settled(this, believed(outcome, source, now=now))
        if not outcome.accepted:
            transaction.set_rollback(True)
    if outcome.accepted and fetched.observations:
        facts = facts_of(fetched.observations)
        store.apply(facts, now)
        enrich.note_learnt(facts, now)
    return outcome


def _settled(this: _Run, outcome: Outcome) -> Outcome:
    """Give the source back and keep the run's row; an outcome that is refused when the lease was lost meanwhile."""
    outcome = replace(outcome, duration_s=time.monotonic() - this.begun_s)
    with transaction.atomic():
        if not settle(this.claim, [{"name": this.source.name, "due_at": this.next_at}], []):
            lost = "another worker took the run over"
            return replace(outcome, new=0, quarantined=0, removed=0, accepted=False, reason=lost)
        if not this.is_dry:
            row = asdict(outcome)
            del row["source"]
            ListRun.objects.create(source=this.source, started_at=this.now, **row)
            ListRun.objects.filter(source=this.source, started_at__lt=this.now - KEEP_RUNS).delete()
    return outcome


def _skipped(source: ListSource, now: datetime, phase_s: float) -> int:
    last = ListRun.objects.filter(source=source).order_by("-started_at").values_list("started_at", flat=True).first()
    return schedule.skipped(last, now, interval_s=source.interval_s, phase_s=phase_s)


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
        is_news = outcome.new or outcome.removed or outcome.quarantined or not was_accepted
        level = log.info if is_news else log.debug
        level("list.accepted", **fields, duration_s=round(outcome.duration_s, 3))
    else:
        (log.warning if was_accepted else log.debug)("list.refused", **fields)
