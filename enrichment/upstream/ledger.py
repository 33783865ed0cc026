"""The gate of each upstream account as one row that every process of the installation shares.

Each decision is a short transaction of its own under the row's lock, by the database's clock, so that two clusters
together keep one plan and no worker's clock matters. Inside another transaction it raises: the lock would be held.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
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

PAUSED_S = 60.0  # how soon a paused account is looked at again
SEVERITY: dict[Standing, int] = {"ok": 0, "throttled": 1, "open": 2, "refused": 3}

log = structlog.get_logger()


def ask(upstream: str, plan: Plan, purpose: Purpose) -> Grant | Wait:
    """Ask the account's gate for one call and keep what it decided. An operator's pause is a Wait."""
    with _locked(upstream) as (row, now):
        state = State.from_json(row.gate)
        if row.paused:
            return Wait(state, now + PAUSED_S, PAUSED_S, "paused")
        decision = gate.ask(state, plan, purpose=purpose, now=now)
        _keep(row, decision.state)
        return decision


def told(upstream: str, plan: Plan, report: Report) -> float:
    """Tell the account's gate how a call ended; return when it opens next (epoch seconds)."""
    jitter = random.random()  # noqa: S311 - spreads retries, guards nothing
    with _locked(upstream) as (row, now):
        before = State.from_json(row.gate)
        after = gate.told(before, plan, report=report, now=now, jitter=jitter)
        _keep(row, after)
    _log_transition(upstream, before, after)
    return gate.opens_at(after)


def reset(upstream: str) -> None:
    """Forget the account's troubles, as an operator orders; the calls already made still count."""
    with _locked(upstream) as (row, _):
        _keep(row, gate.reset(State.from_json(row.gate)))


class Ledger:
    """One account's ledger for `Http`; the database work runs on the calling thread's own connection."""

    def __init__(self, upstream: str, plan: Plan) -> None:
        self._upstream = upstream
        self._plan = plan

    async def ask(self, purpose: Purpose) -> Grant | Wait:
        """Count a call, or say how long to wait."""
        return await sync_to_async(ask)(self._upstream, self._plan, purpose)

    async def told(self, report: Report) -> float:
        """Take in how a call ended; return when the gate opens next."""
        return await sync_to_async(told)(self._upstream, self._plan, report)


@contextmanager
def _locked(upstream: str) -> Iterator[tuple[Upstream, float]]:
    with transaction.atomic(durable=True):
        row, _ = Upstream.objects.select_for_update().get_or_create(name=upstream)
        yield (
            row,
            database_now().timestamp(),
        )  # read under the lock: whoever held it before us has written an earlier one


def _keep(row: Upstream, state: State) -> None:
    row.gate = state.to_json()
    row.save(update_fields=["gate", "updated_at"])


def _log_transition(upstream: str, before: State, after: State) -> None:
    """Write one line when the account's standing changes, none while it lasts."""
    was, now = before.standing, after.standing
    if SEVERITY[now] < SEVERITY[was]:
        log.info("upstream.recovered", upstream=upstream, was=was, now=now)
    elif SEVERITY[now] > SEVERITY[was]:
        until = datetime.fromtimestamp(gate.opens_at(after), UTC).isoformat(timespec="seconds")
        if now == "refused":
            log.error("upstream.refused", upstream=upstream, next_try_at=until, hint="check its key and plan")
        else:
            log.warning(f"upstream.{'opened' if now == 'open' else now}", upstream=upstream, until=until)
