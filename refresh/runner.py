"""One refresh batch: claim what is due, ask, store, settle. Safe in any number of processes."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction

from enrichment.collect import collect
from enrichment.upstream.errors import UpstreamError, named_retry
from refresh import policy, queue
from refresh.models import RefreshRun, RefreshState
from refresh.policy import Outcome, Tier
from tokens import store
from tokens.facts import Facts, Price
from tokens.leasing import Claim
from tokens.mint import Mint
from tokens.models import Token

log = structlog.get_logger()

BATCH = 100  # Jupiter search's maximum: twice the prices of price/v3 for one slot of a request-limited plan
TOP_POSITION = 1  # CRITICAL and HIGH: a call that holds one of theirs has the top tiers' share of the plan
AFTER_OUTAGE = timedelta(seconds=15)
KEEP_RUNS = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Report:
    """What one batch did. Shape: `outcomes` counts tokens by outcome; `retry_at` is when a shut gate opens."""

    outcomes: Mapping[str, int]
    retry_at: datetime | None = None

    @property
    def is_full(self) -> bool:
        """Whether the batch used its whole call, so that more may be waiting."""
        return sum(self.outcomes.values()) >= BATCH


def run_once(now: datetime, jitter: random.Random) -> Report:
    """Refresh up to one call's worth of due tokens; every outcome sets the next due time."""
    tiers, begun = queue.tiers(), time.monotonic()
    claim = queue.claim(now, BATCH, [tier.position for tier in tiers])
    if not claim.rows:
        return Report({})
    mints = dict(Token.objects.filter(id__in=[s.token_id for s in claim.rows]).values_list("id", "mint"))
    is_top = min(state.position for state in claim.rows) <= TOP_POSITION
    collected = collect([Mint(mint) for mint in mints.values()], "top" if is_top else "refresh")
    if collected.error is not None:
        return _put_off(claim, collected.error, now, begun)
    facts = {mint: collected.facts.get(Mint(mint)) or _absent(Mint(mint), now) for mint in mints.values()}
    with transaction.atomic():
        changed = {p.token_id for p in store.apply(list(facts.values()), now) if p.is_price_change}
        outcomes = {s.token_id: _outcome(s, facts[mints[s.token_id]], changed) for s in claim.rows}
        rows = [_settled(s, outcomes[s.token_id], tiers, now, jitter.random()) for s in claim.rows]
        if queue.settle(claim, rows) < len(rows):
            transaction.set_rollback(True)
            log.warning("refresh.lease_lost", tokens=len(rows))
            return Report({})
        counts = _record(outcomes.values(), now, begun)
    log.debug("batch.refreshed", **counts)
    return Report(counts)


def _absent(mint: Mint, now: datetime) -> Facts:
    """State that a mint was asked for and nobody quotes it: information, unlike a failure."""
    return Facts(mint=mint, price=Price(status="unavailable", received_at=now))


def _outcome(state: RefreshState, facts: Facts, changed: set[int]) -> Outcome:
    if facts.price is None or facts.price.usd is None:
        return Outcome.ABSENT
    return Outcome.FRESH if state.token_id in changed else Outcome.SAME


def _settled(
    state: RefreshState, outcome: Outcome, tiers: Sequence[Tier], now: datetime, jitter: float
) -> dict[str, Any]:
    tier = next((t for t in tiers if t.position == state.position), tiers[-1])
    misses = state.misses + 1 if outcome is Outcome.ABSENT else 0
    return {
        "token_id": state.token_id,
        "misses": misses,
        "last_outcome": outcome,
        "refreshed_at": now,
        "due_at": now + policy.next_gap(tier, misses=misses, jitter=jitter),
    }


def _put_off(claim: Claim[RefreshState], error: UpstreamError, now: datetime, begun: float) -> Report:
    """Give the batch back: a shut gate or an outage says nothing about any token."""
    named_at = named_retry(error)
    is_wait, retry_at = named_at is not None, named_at or now + AFTER_OUTAGE
    rows = [
        {
            "token_id": s.token_id,
            "misses": s.misses,
            "last_outcome": s.last_outcome if is_wait else Outcome.FAILED,
            "refreshed_at": s.refreshed_at,
            "due_at": max(now, retry_at),
        }
        for s in claim.rows
    ]
    queue.settle(claim, rows)
    if is_wait:
        return Report({}, retry_at)
    return Report(_record([Outcome.FAILED] * len(rows), now, begun, error=type(error).__name__), retry_at)


def _record(outcomes: Any, now: datetime, begun: float, *, error: str = "") -> dict[str, int]:
    counts = {str(outcome): count for outcome, count in Counter(outcomes).items()}
    RefreshRun.objects.create(started_at=now, duration_s=time.monotonic() - begun, error=error, **counts)
    return counts
