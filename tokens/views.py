"""The public REST endpoints. They read, never write, and never wait for anything but the database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tokens import filters, serializers
from tokens.errors import Fault, Problem
from tokens.fields import FIELDS
from tokens.mint import is_mint
from tokens.models import TokenPrice

MAX_CHANGES = 2000  # events in one answer, as many as rows in a page
_ETAG = re.compile(r'(?:W/)?"([^"]*)"')


class PublicView(APIView):
    """Anybody may read: no session is looked up, so no answer depends on one."""

    authentication_classes = ()
    permission_classes = ()

    def options(self, request: Any, *_: Any, **__: Any) -> Response:
        """Answer with the Allow header alone."""
        return Response(status=204)


def answer(
    request: Request, content: Mapping[str, Any], *, now: datetime, seq: int, warnings: tuple[str, ...] = ()
) -> Response:
    """Return the content in its envelope, or 304 when the client holds the same: `no-cache` makes it ask each time."""
    tag = serializers.version(content)
    headers = {"ETag": f'W/"{tag}"', "Cache-Control": "no-cache"}
    held = request.headers.get("If-None-Match", "")
    if held == "*" or tag in _ETAG.findall(held):
        return Response(status=304, headers=headers)
    request_id = getattr(request._request, "id", None)
    meta = serializers.meta(now=now, seq=seq, request_id=request_id, warnings=warnings)
    return Response({"status": "success", **content, "meta": meta}, headers=headers)


class TokenList(PublicView):
    """`GET /api/v3/tokens`: a page of tokens."""

    def get(self, request: Request) -> Response:
        """Answer with the page that the query asks for."""
        query = filters.parse(request.query_params)
        now, seq = datetime.now(UTC), serializers.last_seq()
        page = serializers.read_page(query, now)
        content = {
            "count": len(page.rows),
            "data": page.rows,
            "pagination": serializers.pagination(query, page),
        }
        return answer(request, content, now=now, seq=seq, warnings=query.warnings)


class TokenDetail(PublicView):
    """`GET /api/v3/tokens/{address}`: all that is known of one token, and the revision that patches continue."""

    def get(self, request: Request, address: str) -> Response:
        """Answer with the token, which is looked for here and never asked for elsewhere."""
        filters.strict(request.query_params, {})
        if not is_mint(address):
            fault = Fault("address", "invalid_address", "base58 that decodes to 32 bytes is needed; case matters")
            raise Problem(400, "this is no mint address", code="invalid-parameter", faults=[fault])
        now, seq = datetime.now(UTC), serializers.last_seq()
        selected = TokenPrice.objects.filter(token__mint=address)
        rows = serializers.read_rows(selected, tuple(FIELDS), now, with_revision=True)
        if not rows:
            raise Problem(404, "no list has ever named this token", code="unknown-token")
        return answer(request, {"data": rows[0]}, now=now, seq=seq)


class Changes(PublicView):
    """`GET /api/v3/changes`: the events of the WebSocket, for clients that rather ask."""

    def get(self, request: Request) -> Response:
        """Answer with the oldest events after `since_seq`, or tell the client to start over from a list."""
        parsers = {
            "since_seq": filters.integer(0, filters.MAX_SEQ),
            "limit": filters.integer(1, MAX_CHANGES),
        }
        values = filters.strict(request.query_params, parsers)
        if "since_seq" not in values:
            fault = Fault("since_seq", "required", "the last seq you have is needed")
            raise Problem(400, "since_seq is needed", code="invalid-parameter", faults=[fault])
        content = _changes(values["since_seq"], values.get("limit", MAX_CHANGES))
        return answer(request, content, now=datetime.now(UTC), seq=content["next_since_seq"])


def _changes(since: int, limit: int) -> dict[str, Any]:
    last = serializers.last_seq()
    events = serializers.published(since, limit)
    if not serializers.is_replayable(since, last):
        return {"changes": [], "next_since_seq": last, "resync_required": True}
    return {
        "changes": [orjson.Fragment(event.frame) for event in events],
        "next_since_seq": events[-1].seq if events else since,
        "resync_required": False,
    }
