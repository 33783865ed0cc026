"""Every error has one shape, whoever raised it, and none says more than a stranger may know."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from rest_framework.exceptions import NotAuthenticated, Throttled
from rest_framework.request import Request
from rest_framework.response import Response

from tests.conftest import mint
from tokens import errors
from tokens.views import PublicView

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
RAISES: dict[str, Exception] = {
    "bug": ValueError("the key is hunter2"),
    "denied": PermissionDenied(),
    "gone": Http404(),
    "suspicious": SuspiciousOperation("internals"),
    "database": OperationalError("password=hunter2"),
    "throttled": Throttled(wait=7),
    "anonymous": NotAuthenticated(),
}


class Raising(PublicView):
    def get(self, request: Request, name: str) -> Response:
        raise RAISES[name]


def plain(request: HttpRequest, name: str) -> HttpResponse:
    raise RAISES[name]


urlpatterns = [
    path("api/raise/<str:name>", Raising.as_view()),
    path("api/plain/<str:name>", plain),
    path("raise/<str:name>", plain),
    path("", include("tokens.urls")),
]
handler400, handler403 = errors.bad_request, errors.permission_denied
handler404, handler500 = errors.not_found, errors.server_error


@pytest.fixture
def client() -> Client:
    """A client that sees what a stranger sees, also of our bugs."""
    return Client(raise_request_exception=False)


def problem(response: Any) -> dict[str, Any]:
    """The body, once its shape is right."""
    assert response["Content-Type"] == "application/problem+json"
    assert response["Cache-Control"] == "no-store"
    body = orjson.loads(response.content)
    assert list(body) == ["type", "title", "status", "detail", "instance", "request_id", "errors"]
    assert (body["status"], body["request_id"]) == (response.status_code, response["X-Request-ID"])
    assert all(list(error) == ["param", "code", "message", "allowed"] for error in body["errors"])
    return body


@pytest.mark.parametrize(
    ("where", "status"),
    [
        ("/api/v3/tokens?limit=0", 400), ("/api/v3/tokens/abc", 400), (f"/api/v3/tokens/{mint(1)}", 404),
        ("/api/v3/tokens/", 404), ("/api/v3/nothing", 404), ("/api/v3/tokens/../../etc/passwd", 404), ("/api/", 404),
        ("/api/v3/tokens?" + "&".join(f"a{n}" for n in range(1001)), 400),
        ("/api/raise/bug", 500), ("/api/raise/denied", 403), ("/api/raise/gone", 404), ("/api/raise/suspicious", 400),
        ("/api/raise/database", 503), ("/api/raise/throttled", 429), ("/api/raise/anonymous", 403),
        ("/api/plain/bug", 500), ("/api/plain/denied", 403), ("/api/plain/gone", 404), ("/api/plain/suspicious", 400),
    ],
)  # fmt: skip
def test_every_error_is_a_problem_that_gives_nothing_away(client: Client, where: str, status: int) -> None:
    response = client.get(where)
    assert problem(response)["status"] == status
    for secret in ("hunter2", "internals", "Traceback", "ValueError", "tokens/"):
        assert secret not in orjson.loads(response.content)["detail"]


@pytest.mark.parametrize(("name", "wait"), [("database", "5"), ("throttled", "7")])
def test_an_error_that_passes_says_when(client: Client, name: str, wait: str) -> None:
    assert client.get(f"/api/raise/{name}")["Retry-After"] == wait


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "trace"])
@pytest.mark.parametrize("where", ["/api/v3/tokens", f"/api/v3/tokens/{mint(1)}", "/api/v3/changes", "/api/health"])
def test_what_is_only_read_refuses_every_other_method(client: Client, method: str, where: str) -> None:
    response = getattr(client, method)(where, headers={"X-HTTP-Method-Override": "GET"})
    assert (problem(response)["status"], response["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_a_foreign_host_is_refused(client: Client) -> None:
    assert problem(client.get("/api/v3/tokens", headers={"Host": "evil.example"}))["status"] == 400


@pytest.mark.parametrize(
    ("accept", "status"), [("text/xml", 406), ("*/*", 200), ("application/json", 200), ("text/html,*/*;q=0.1", 200)]
)
def test_only_json_is_spoken(client: Client, accept: str, status: int) -> None:
    response = client.get("/api/v3/tokens", headers={"Accept": accept})
    assert response.status_code == status
    if status != 200:
        problem(response)


def test_people_get_a_page_and_not_json(client: Client) -> None:
    for where, status in (("/nothing", 404), ("/raise/bug", 500), ("/raise/denied", 403), ("/raise/suspicious", 400)):
        response = client.get(where)
        assert (response.status_code, response["Content-Type"]) == (status, "text/html; charset=utf-8")


def test_a_made_up_path_comes_back_quoted_and_short(client: Client) -> None:
    instance = problem(client.get("/api/<script>" + "é" * 500))["instance"]
    assert instance.startswith("/api/%3Cscript%3E%C3%A9")
    assert len(instance) == 300
