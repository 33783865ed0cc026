"""Where the WebSocket lives, and which browser pages may open it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from channels.routing import URLRouter
from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.urls import path, re_path

from tokens.consumers import Receive, Send, refuse, stream

websocket_urlpatterns: list[Any] = [
    path("ws/v3/", stream),  # type: ignore[arg-type]  # an ASGI application, which is what URLRouter takes
    re_path("", refuse),  # type: ignore[arg-type]
]
_router = URLRouter(websocket_urlpatterns)


async def websocket(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """Serve programs, which send no Origin, and pages of our hosts or of CORS_ALLOWED_ORIGINS; refuse other pages.

    Channels' own validator also turns away every client that is no browser, and raises on an Origin like `http://[`.
    """
    origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
    application = _router if _are_allowed(origins) else refuse
    await application(scope, receive, send)


def _are_allowed(origins: Iterable[str]) -> bool:
    return all(origin in settings.CORS_ALLOWED_ORIGINS or _is_ours(origin) for origin in origins)


def _is_ours(origin: str) -> bool:
    try:
        url = urlsplit(origin)
    except ValueError:
        return False
    host, _ = split_domain_port(url.netloc)
    return url.scheme in {"http", "https"} and validate_host(host, settings.ALLOWED_HOSTS)
