"""Learning about pending tokens: claim, ask, store, settle. A dead worker's batch is due again when its lease ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction

from enrichment.collect import collect
from enrichment.models import EnrichmentState
from enrichment.upstream.errors import UpstreamError, named_retry
from tokens import bulk, store
from tokens.facts import Facts
from tokens.leasing import Claim, claim_by_level, settle
from tokens.mint import Mint
from tokens.models import Token
from tokens.store import Registered

log = structlog.get_logger()

FRESH, BULK, AGAIN = 0, 5, 9
"""Priorities: named by a feed or a small delta; part of a bulk load; known already and looked at again."""
LEVELS = (FRESH, BULK, AGAIN)

LADDER = (
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=6),
    timedelta(hours=24),
)  # requirements B3
GIVE_UP_AFTER = 5  # attempts in a row; then `failed`, and looked at again at the ladder's last rung
KNOWN_AGAIN = timedelta(days=7)  # names and supplies drift slowly; prices have their own schedule
AFTER_OUTAGE = timedelta(seconds=30)  # the source failed, not the token: its attempts are not counted

_COLUMNS = ["status", "priority", "attempts", "last_attempt_at", "last_error"]


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did. Units: counts of tokens; `retry_at` is when the gate opens again, if it was shut."""

    claimed: int = 0
    complete: int = 0
    absent: int = 0
    released: int = 0
    retry_at: datetime | None = None


def admit(mints: Sequence[Mint], *, source: str, now: datetime) -> list[Registered]:
    """Give new mints their rows and their debts; a bulk load is announced as it is learnt about.

    Runs inside the caller's transaction; returns those that were not known.
    """
    is_bulk = len(mints) > settings.ANNOUNCE_LIMIT
    fresh = store.register(mints, source=source, now=now, announce=not is_bulk)
    owe([r.token_id for r in fresh], priority=BULK if is_bulk else FRESH, now=now)
    return fresh


def owe_again(token_ids: Sequence[int], now: datetime) -> None:
    """Make known tokens due at once, from the start of the ladder; held ones are their holder's."""
    states = EnrichmentState.objects.filter(token__in=token_ids, lease_id=None)
    states.update(due_at=now, priority=FRESH, attempts=0)


def owe(token_ids: Sequence[int], *, priority: int, now: datetime) -> None:
    """Record that these new tokens are to be learnt about. In the transaction that registers them."""
    debt = {"status": Token.Status.PENDING, "priority": priority, "attempts": 0, "due_at": now, "last_error": ""}
    for chunk in bulk.chunks(token_ids, 20_000):
        bulk.insert(EnrichmentState, [{"token_id": token_id} | debt for token_id in chunk], ["token_id", *debt])


def run_once(now: datetime) -> Report:
    """Learn about up to one batch of due tokens. Safe in any number of processes."""
    lease = timedelta(seconds=settings.ENRICH_LEASE_S)
    claim = claim_by_level(
        EnrichmentState,
        now=now,
        limit=settings.ENRICH_BATCH_SIZE,
        lease=lease,
        column="priority",
        levels=LEVELS,
        newest_first=True,
    )
    if not claim.rows:
        return Report()
    mints = dict(Token.objects.filter(id__in=[s.token_id for s in claim.rows]).values_list("id", "mint"))
    collected = collect([Mint(m) for m in mints.values()], "enrich")
    if collected.error is not None:
        return _release(claim, collected.error, now)
    return _conclude(claim, mints, collected.facts, now)


def note_learnt(facts: Sequence[Facts], now: datetime) -> None:
    """Settle the debts of tokens that a feed's own answer already told about; held ones are their holder's."""
    mints = [f.mint for f in facts]
    known = {f.mint: f for f in facts}
    with transaction.atomic():
        states = list(
            EnrichmentState.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(token__mint__in=mints, lease_id=None, status=Token.Status.PENDING)
            .select_related("token")
        )
        bulk.update(
            EnrichmentState,
            [_complete(s, known[Mint(s.token.mint)], now) for s in states],
            [*_COLUMNS, "due_at"],
        )
        store.set_status({s.token_id: Token.Status.COMPLETE for s in states}, now)


def _conclude(
    claim: Claim[EnrichmentState], mints: Mapping[int, str], facts: Mapping[Mint, Facts], now: datetime
) -> Report:
    """Write what was learnt and settle the debts in one transaction; nothing of it if the lease was lost."""
    found = [s for s in claim.rows if mints[s.token_id] in facts]
    absent = [s for s in claim.rows if mints[s.token_id] not in facts]
    rows = [_complete(s, facts[Mint(mints[s.token_id])], now) for s in found] + [_absent(s, now) for s in absent]
    with transaction.atomic():
        store.apply(list(facts.values()), now)
        store.set_status({row["token_id"]: row["status"] for row in rows}, now)
        if settle(claim, rows, _COLUMNS) < len(rows):
            transaction.set_rollback(True)
            log.warning("enrichment.lease_lost", tokens=len(rows))
            return Report(claimed=len(rows))
    log.info("batch.enriched", tokens=len(rows), complete=len(found), absent=len(absent))
    return Report(claimed=len(rows), complete=len(found), absent=len(absent))


def _release(claim: Claim[EnrichmentState], error: UpstreamError, now: datetime) -> Report:
    """Give the rows back as they were: an outage touches no token's standing."""
    retry_at = named_retry(error)
    due_at = max(now, retry_at or now + AFTER_OUTAGE)
    settle(claim, [{"token_id": s.token_id, "due_at": due_at} for s in claim.rows], [])
    if retry_at is None:
        log.warning("enrichment.put_off", tokens=len(claim.rows), error=type(error).__name__)
    return Report(claimed=len(claim.rows), released=len(claim.rows), retry_at=retry_at)


def _complete(state: EnrichmentState, facts: Facts, now: datetime) -> dict[str, Any]:
    """Known. An unpriced token climbs the ladder too: a newborn often trades minutes later, an old one hardly ever."""
    if facts.price is not None and facts.price.usd is not None:
        return _row(state, Token.Status.COMPLETE, 0, now + KNOWN_AGAIN, now)
    attempts = min(state.attempts + 1, GIVE_UP_AFTER)
    return _row(state, Token.Status.COMPLETE, attempts, now + _rung(attempts), now)


def _absent(state: EnrichmentState, now: datetime) -> dict[str, Any]:
    """Nobody knows the mint (yet): climb the ladder, and say `failed` at its top."""
    attempts = min(state.attempts + 1, GIVE_UP_AFTER)
    status = Token.Status.FAILED if attempts >= GIVE_UP_AFTER else state.status
    return _row(state, status, attempts, now + _rung(attempts), now, error="unknown to every source")


def _rung(attempts: int) -> timedelta:
    return LADDER[min(attempts, len(LADDER)) - 1]


def _row(
    state: EnrichmentState, status: str, attempts: int, due_at: datetime, now: datetime, *, error: str = ""
) -> dict[str, Any]:
    return {
        "token_id": state.token_id,
        "status": status,
        "priority": AGAIN if status in (Token.Status.COMPLETE, Token.Status.FAILED) else state.priority,
        "attempts": attempts,
        "last_attempt_at": now,
        "last_error": error,
        "due_at": due_at,
    }
