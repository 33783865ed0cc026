"""Every error of the API in the one shape of RFC 9457, whether a view, Django itself or the database raised it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

import orjson
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.encoding import iri_to_uri
from django.views import defaults
from rest_framework.exceptions import APIException
from rest_framework.response import Response

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 5  # a restarted database or a drained pool is usually back by then
_INSTANCE_CHARS = 300  # of a path that a stranger made up, enough to recognise it
_BLANK = "about:blank"  # RFC 9457: the problem is no more than its HTTP status says


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one parameter, and what would be right."""

    param: str
    code: str
    message: str
    allowed: Sequence[str] | None = None


class Problem(Exception):
    """An answer that is an error. `code` names the kind for programs; None where the status says it all."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str | None = None,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.faults = status, detail, faults
        self.type = f"urn:tokensite:problem:{code}" if code else _BLANK
        self.headers = {"Cache-Control": "no-store"} | dict(headers or {})

    def body(self, request: HttpRequest) -> dict[str, Any]:
        """Return the problem as JSON, with the id under which our log knows the request."""
        return {
            "type": self.type,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "instance": iri_to_uri(request.path)[:_INSTANCE_CHARS],
            "request_id": getattr(request, "id", None),
            "errors": [asdict(fault) for fault in self.faults],
        }


def handle(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Answer what a view raised; None leaves a bug to Django, which logs it and calls `server_error`."""
    problem = _problem_of(error)
    if problem is None:
        return None
    body = problem.body(context["request"]._request)
    return Response(body, status=problem.status, headers=problem.headers, content_type=CONTENT_TYPE)


def _problem_of(error: Exception) -> Problem | None:
    match error:
        case Problem():
            return error
        case APIException():
            return Problem(error.status_code, str(error.detail), headers=_headers(error))
        case Http404():
            return Problem(404, "nothing is here")
        case PermissionDenied():
            return Problem(403, "not allowed")
        case SuspiciousOperation():
            return Problem(400, "the request is malformed")
        case OperationalError() | InterfaceError():
            return Problem(503, "the database does not answer", headers={"Retry-After": str(RETRY_AFTER_S)})
    return None


def _headers(error: APIException) -> dict[str, str]:
    headers = {}
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = f"{wait:.0f}"
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    return headers


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django refused before any view saw it, such as one for a foreign host."""
    return _answer(request, Problem(400, "the request is malformed"), defaults.bad_request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what is forbidden."""
    return _answer(request, Problem(403, "not allowed"), defaults.permission_denied, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a path that no route matches."""
    return _answer(request, Problem(404, "no such path"), defaults.page_not_found, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a bug of ours without showing it; the log has it under the request id."""
    return _answer(request, Problem(500, "an error of ours; it is logged"), defaults.server_error)


def _answer(
    request: HttpRequest, problem: Problem, html: Callable[..., HttpResponse], *exception: Exception
) -> HttpResponse:
    """Answer programs in JSON and people in HTML."""
    if not request.path.startswith("/api/"):
        return html(request, *exception)
    body = orjson.dumps(problem.body(request))
    return HttpResponse(body, status=problem.status, content_type=CONTENT_TYPE, headers=problem.headers)
