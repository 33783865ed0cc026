"""The gate of each upstream account as one row that every process of the installation shares.

Each decision is a short transaction of its own under the row's lock, by the database's clock, so that two clusters
together keep one plan and no worker's clock matters. Redis has no part in it, so flushing Redis lets no burst out.
Inside another transaction it raises: the lock would be held.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import structlog
from asgiref.sync import sync_to_async
from django.db import transaction

from enrichment.models import Upstream
from enrichment.upstream import gate
from enrichment.upstream.gate import Grant, Plan, Purpose, Standing, State, Wait
from enrichment.upstream.report import Report
from tokens.leasing import database_now

PAUSED_S = 60.0  # how soon an account that an operator stopped is looked at again
SEVERITY: dict[Standing, int] = {"ok": 0, "throttled": 1, "open": 2, "exhausted": 3, "refused": 4}
# What only a human can end, and what to tell them.
HINTS: dict[Standing, str] = {
    "exhausted": "the month's credits are used up: wait, or take a larger plan",
    "refused": "it does not accept us: check the key and its plan",
}

Clock = Callable[[], datetime]
log = structlog.get_logger()


def ask(upstream: str, plan: Plan, purpose: Purpose, *, cost: int = 1, clock: Clock = database_now) -> Grant | Wait:
    """Ask the account's gate for one call of `cost` credits and keep what it decided. An operator's stop is a Wait."""
    with _locked(upstream, clock) as (row, now):
        state = State.from_json(row.gate)
        if row.paused or row.forced == Upstream.Forced.OPEN:
            return Wait(state, now + PAUSED_S, PAUSED_S, "paused" if row.paused else "forced")
        decision = gate.ask(state, plan, purpose=purpose, now=now, cost=cost)
        _keep(row, decision.state)
        return decision


def told(upstream: str, plan: Plan, report: Report, *, clock: Clock = database_now) -> float:
    """Tell the account's gate how a call ended; return when it opens next (epoch seconds)."""
    jitter = random.random()  # noqa: S311 - spreads retries, guards nothing
    with _locked(upstream, clock) as (row, now):
        before, may_open = State.from_json(row.gate), row.forced != Upstream.Forced.CLOSED
        after = gate.told(before, plan, report=report, now=now, jitter=jitter, may_open=may_open)
        _keep(row, after)
    _log_transition(upstream, before, after)
    return gate.opens_at(after)


def force(upstream: str, to: Upstream.Forced, *, by: str) -> None:
    """Hold the account's breaker open or closed until `reset`, as the operator `by` orders."""
    with _locked(upstream) as (row, now):
        state = State.from_json(row.gate)
        _order(row, to, by=by, now=now)
        _keep(row, gate.closed(state) if to == Upstream.Forced.CLOSED else state)
    log.warning("upstream.forced", upstream=upstream, to=str(to), by=by)


def reset(upstream: str, *, by: str) -> None:
    """Give the breaker back to itself and forget the account's troubles; calls and credits spent still count."""
    with _locked(upstream) as (row, now):
        _order(row, "", by=by, now=now)
        _keep(row, gate.reset(State.from_json(row.gate)))
    log.warning("upstream.reset", upstream=upstream, by=by)


class Ledger:
    """One account's ledger for `Http`; the database work runs on the calling thread's own connection."""

    def __init__(self, upstream: str, plan: Plan, clock: Clock = database_now) -> None:
        self._upstream, self._plan, self._clock = upstream, plan, clock

    async def ask(self, purpose: Purpose, cost: int) -> Grant | Wait:
        """Count a call of `cost` credits, or say how long to wait."""
        return await sync_to_async(ask)(self._upstream, self._plan, purpose, cost=cost, clock=self._clock)

    async def told(self, report: Report) -> float:
        """Take in how a call ended; return when the gate opens next."""
        return await sync_to_async(told)(self._upstream, self._plan, report, clock=self._clock)


@contextmanager
def _locked(upstream: str, clock: Clock = database_now) -> Iterator[tuple[Upstream, float]]:
    with transaction.atomic(durable=True):
        row, _ = Upstream.objects.select_for_update().get_or_create(name=upstream)
        now = clock()  # read under the lock: whoever held it before us has written an earlier one
        yield row, now.timestamp()


def _keep(row: Upstream, state: State) -> None:
    row.gate = state.to_json()
    row.save(update_fields=["gate", "updated_at"])


def _order(row: Upstream, forced: str, *, by: str, now: float) -> None:
    row.forced, row.forced_by, row.forced_at = forced, by, datetime.fromtimestamp(now, UTC)
    row.save(update_fields=["forced", "forced_by", "forced_at"])


def _log_transition(upstream: str, before: State, after: State) -> None:
    """Write one line when the account's standing changes, none while it lasts."""
    was, now = before.standing, after.standing
    if SEVERITY[now] < SEVERITY[was]:
        log.info("upstream.recovered", upstream=upstream, was=was, now=now)
    elif SEVERITY[now] > SEVERITY[was]:
        until = datetime.fromtimestamp(gate.opens_at(after), UTC).isoformat(timespec="seconds")
        if now in HINTS:
            log.error(f"upstream.{now}", upstream=upstream, next_try_at=until, hint=HINTS[now])
        else:
            log.warning(f"upstream.{'opened' if now == 'open' else now}", upstream=upstream, until=until)
