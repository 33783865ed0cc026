"""The operators' view of the lists: sources, runs, and what is held back until somebody decides. Staff only."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.http import QueryDict
from rest_framework.authentication import SessionAuthentication
from rest_framework.parsers import BaseParser
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from enrichment import decisions
from enrichment.backlog import backlog
from enrichment.models import ListQuarantine, ListRun, ListSource
from tokens import filters
from tokens.errors import Problem
from tokens.fields import instant
from tokens.leasing import database_now

MAX_ROWS = 1000
_RUN = ("started_at", "duration_s", "size", "valid", "new", "removed", "missing", "quarantined", "skipped", "accepted",
        "reason")  # fmt: skip
_QUARANTINE = ("id", "source", "kind", "state", "at", "seen_at", "count", "decided_by", "decided_at")
_TIMES = {"started_at", "at", "seen_at", "decided_at", "due_at", "oldest_at"}


class NoBody(BaseParser):
    """Reads nothing: a decision is all in its path, so whatever is sent along is neither parsed nor refused."""

    media_type = "*/*"

    def parse(self, *_: Any, **__: Any) -> QueryDict:
        """Return no data."""
        return QueryDict()


class StaffView(APIView):
    """Who is logged in as staff; a change needs the CSRF token of the session."""

    authentication_classes = (SessionAuthentication,)
    permission_classes = (IsAdminUser,)
    parser_classes = (NoBody,)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Keep what staff sees out of every cache."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers["Cache-Control"] = "no-store"
        return response

    def options(self, request: Any, *_: Any, **__: Any) -> Response:
        """Answer with the Allow header alone."""
        return Response(status=204)


class Lists(StaffView):
    """`GET /api/v3/lists/`: each source with its newest run, and the backlog they left."""

    def get(self, request: Request) -> Response:
        """Answer with every source."""
        filters.strict(request.query_params, {})
        now = database_now()
        sources = ListSource.objects.select_related("snapshot").defer("snapshot__digests").order_by("name")
        runs = ListRun.objects.order_by("source", "-started_at").distinct("source")
        newest = {run.source_id: run for run in runs}
        data = [_source_row(source, newest.get(source.name)) for source in sources]
        return Response({"status": "success", "data": data, "backlog": _json(asdict(backlog(now)))})


class Runs(StaffView):
    """`GET /api/v3/lists/runs`: the newest runs first."""

    def get(self, request: Request) -> Response:
        """Answer with up to `limit` runs, of one source or of all."""
        names = ListSource.objects.order_by("name").values_list("name", flat=True)
        parsers = {"source": filters.choice(*names), "limit": filters.integer(1, MAX_ROWS)}
        values = filters.strict(request.query_params, parsers)
        runs = ListRun.objects.order_by("-started_at", "-id")
        if "source" in values:
            runs = runs.filter(source=values["source"])
        rows = runs[: values.get("limit", 100)].values("source", *_RUN)
        return Response({"status": "success", "data": [_json(row) for row in rows]})


class Quarantines(StaffView):
    """`GET /api/v3/lists/quarantine`: what was held back, the newest first."""

    def get(self, request: Request) -> Response:
        """Answer with up to a thousand quarantines."""
        filters.strict(request.query_params, {})
        rows = ListQuarantine.objects.order_by("-id").values(*_QUARANTINE)[:MAX_ROWS]
        return Response({"status": "success", "data": [_json(row) for row in rows]})


class Decision(StaffView):
    """`POST /api/v3/lists/quarantine/{id}/approve` and `…/reject`: repeating a decision is harmless."""

    def post(self, request: Request, quarantine_id: int, word: str) -> Response:
        """Decide, or say how it was decided before."""
        filters.strict(request.query_params, {})
        is_approval = word == "approve"
        try:
            decided = decisions.decide(
                quarantine_id, approve=is_approval, by=request.user.get_username(), now=database_now()
            )
        except decisions.Unknown as error:
            raise Problem(404, str(error)) from error
        except decisions.Decided as error:
            raise Problem(409, str(error), code="already-decided") from error
        row = {name: getattr(decided, "source_id" if name == "source" else name) for name in _QUARANTINE}
        return Response({"status": "success", "data": _json(row)})


def _source_row(source: ListSource, run: ListRun | None) -> dict[str, Any]:
    snapshot = source.snapshot
    return _json({
        "name": source.name,
        "kind": source.kind,
        "enabled": source.enabled,
        "interval_s": source.interval_s,
        "due_at": source.due_at,
        "is_running": source.lease_id is not None,
        "members": None if snapshot is None else snapshot.size,
        "last_run": None if run is None else _json({name: getattr(run, name) for name in _RUN}),
    })  # fmt: skip


def _json(row: dict[str, Any]) -> dict[str, Any]:
    return {name: instant(value) if name in _TIMES else value for name, value in row.items()}
