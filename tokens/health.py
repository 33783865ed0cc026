"""Whether the service works: for people and monitors, for balancers, and for supervisors. Never an error itself."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.response import Response

from tokens.fields import instant
from tokens.models import Pulse
from tokens.views import PublicView

LATE_S = 90  # a job's slot may wait a minute for a slow list; silent for longer, it is not running
_STARTED_S = time.monotonic()
_NO_STORE = {"Cache-Control": "no-store"}
_is_migrated = False


class Health(PublicView):
    """`GET /api/health`: 200 with `ok` or `degraded`, for a degraded node still serves what it knows."""

    def get(self, request: Request) -> Response:
        """Answer with the state of what this service stands on and of the jobs that feed it."""
        jobs = _jobs(datetime.now(UTC))
        states = {
            "database": "unavailable" if jobs is None else "ok",
            "cache": "ok" if _has_cache() else "unavailable",
        }
        all_states = [*states.values(), *(job["status"] for job in (jobs or {}).values())]
        body = {
            "status": "ok" if set(all_states) == {"ok"} else "degraded",
            "mode": settings.UPSTREAMS,
            "upstreams": {"mode": settings.UPSTREAMS},
            **states,
            "jobs": jobs,
            "uptime_s": round(time.monotonic() - _STARTED_S, 1),
            "version": settings.VERSION,
        }
        return Response(body, headers=_NO_STORE)


class Live(PublicView):
    """`GET /livez`: the process answers; nothing else is asked."""

    def get(self, request: Request) -> Response:
        """Answer."""
        return Response({"status": "ok"}, headers=_NO_STORE)


class Ready(PublicView):
    """`GET /readyz`: 200 when requests can be served, 503 while the database is away or not migrated."""

    def get(self, request: Request) -> Response:
        """Answer whether to send requests here."""
        is_ready = _is_ready()
        body = {"status": "ok" if is_ready else "unavailable"}
        return Response(body, status=200 if is_ready else 503, headers=_NO_STORE)


def _jobs(now: datetime) -> dict[str, dict[str, Any]] | None:
    """Return when each sub-minute job last ran; None when the database does not answer."""
    try:
        beats = dict(Pulse.objects.values_list("name", "beat_at"))
    except Error:
        return None
    return {name: _job(beats.get(name), now) for name in settings.PULSES}


def _job(beat_at: datetime | None, now: datetime) -> dict[str, Any]:
    if beat_at is None:
        return {"status": "never_ran", "beat_at": None, "age_s": None}
    age_s = round(max(0.0, (now - beat_at).total_seconds()), 1)
    return {"status": "ok" if age_s <= LATE_S else "late", "beat_at": instant(beat_at), "age_s": age_s}


def _has_cache() -> bool:
    try:
        cache.get("health")
    except (RedisError, OSError):
        return False
    return True


def _is_ready() -> bool:
    """Ask the database; the migrations only until they were once complete, since reading them takes a while."""
    global _is_migrated
    try:
        if not _is_migrated:
            executor = MigrationExecutor(connection)
            _is_migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return False
    return _is_migrated
