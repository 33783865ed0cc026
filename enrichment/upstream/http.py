"""The only way out: every request to an upstream or an operator's list passes here, and only here is httpx known.

Outbound rules: TLS verified, no environment proxies, no redirects, connect/read/total deadlines, a cap on decoded
bytes, keys added at send time. Whatever httpx raises becomes one of ours.
"""

from __future__ import annotations

import asyncio
import io
import logging
import ssl
import threading
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import httpx
import structlog

from enrichment.upstream import payload
from enrichment.upstream.errors import GateShut, Malformed, RateLimited, Refused, Unavailable, UpstreamError
from enrichment.upstream.gate import Grant, Purpose, Wait
from enrichment.upstream.report import Report, outcome_of

JSON_MAX_BYTES = 10_000_000  # decoded; the largest ordinary answer, 100 active tokens, has 250 kB
LIST_MAX_BYTES = 150_000_000  # decoded; a million mints as a JSON array have 47 MB
USER_AGENT = "tokensite/0.1"

log = structlog.get_logger()
for _name in ("httpx", "httpcore", "hpack", "h2"):  # they log URLs with their query at INFO and headers at DEBUG
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a call may take: to connect, between two reads, and altogether."""

    connect_s: float = 3.0
    read_s: float = 10.0
    total_s: float = 20.0


LIST_DEADLINES = Deadlines(total_s=60.0)


class Ledger(Protocol):
    """Who keeps the gate of an account: asked before each call, told after it."""

    async def ask(self, purpose: Purpose) -> Grant | Wait:
        """Count a call, or say how long to wait."""

    async def told(self, report: Report) -> float:
        """Take in how the call ended; return when the gate opens next (epoch seconds, the past when open)."""


@dataclass(frozen=True, slots=True)
class ListBody:
    """An operator's list as downloaded; `body` is None when it is still what `etag` named.

    `complete` is False when the answer stated no length, so that nobody can tell whether its end is missing.
    """

    body: bytes | None
    etag: str | None
    complete: bool


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes = b""
    is_framed: bool = True


class Http:
    """One upstream account's client. Use it as an async context manager, or leave it to the event loop's end."""

    def __init__(
        self,
        upstream: str,
        base_url: str,
        *,
        ledger: Ledger,
        headers: Mapping[str, str] | None = None,
        deadlines: Deadlines | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._upstream = upstream
        self._base_url = base_url.rstrip("/")
        self._ledger = ledger
        self._headers = {name: value for name, value in (headers or {}).items() if value}
        self._deadlines = deadlines or Deadlines()
        self._transport = transport
        self._sleep = sleep
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"Http({self._upstream!r}, {urlsplit(self._base_url).hostname!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def get_json(
        self,
        path: str,
        *,
        params: Mapping[str, str],
        purpose: Purpose,
        max_wait_s: float,
        max_bytes: int = JSON_MAX_BYTES,
        parse: Callable[[Any], Any] = lambda payload: payload,
    ) -> Any:
        """Return what `parse` makes of the JSON at `path`, once the gate lets the call out.

        Shape: numbers with a fraction or exponent are `Decimal`; a number nobody can mean is None.
        Raises: UpstreamError. A Malformed out of `parse` counts against the upstream like any other.
        """
        await self._pass_gate(purpose, max_wait_s)
        report, result = Report("neutral"), None  # neutral: what is told when we are cancelled
        try:
            answer = await self._get(path, params, max_bytes)
            report = Report(outcome_of(answer.status), answer.headers)
            result = parse(self._decoded(answer)) if answer.status == 200 else None
        except UpstreamError:
            report = replace(report, outcome="failed")
            raise
        finally:
            opens_at = await self._ledger.told(report)
        if answer.status != 200:
            raise self._error(answer.status, opens_at)
        return result

    async def _pass_gate(self, purpose: Purpose, max_wait_s: float) -> None:
        waited_s = 0.0
        while isinstance(decision := await self._ledger.ask(purpose), Wait):
            waited_s += decision.wait_s
            if waited_s > max_wait_s:
                retry_at = datetime.fromtimestamp(decision.until, UTC)
                raise GateShut(self._upstream, f"the gate is shut ({decision.reason})", retry_at=retry_at)
            await self._sleep(decision.wait_s)

    async def _get(self, path: str, params: Mapping[str, str], max_bytes: int) -> _Answer:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:  # connections belong to the loop that opened them
            self._client, self._loop = _client(self._deadlines, self._transport), loop
        return await _exchange(
            self._client,
            self._base_url + path,
            params=params,
            headers=self._headers | {"accept": "application/json"},
            upstream=self._upstream,
            max_bytes=max_bytes,
            total_s=self._deadlines.total_s,
        )

    def _decoded(self, answer: _Answer) -> Any:
        try:
            return payload.decode(answer.body, answer.headers.get("content-type", ""))
        except payload.NotJson:
            sample = payload.sample(answer.body, self._headers.values())
            raise Malformed(self._upstream, "an answer that is not JSON", sample=sample) from None

    def _error(self, status: int, opens_at: float) -> UpstreamError:
        outcome = outcome_of(status)
        if outcome == "throttled":
            return RateLimited(self._upstream, "too many requests", retry_at=datetime.fromtimestamp(opens_at, UTC))
        if outcome == "refused":
            return Refused(self._upstream, f"answered {status}: check the key and its plan", status=status)
        return _unusable(self._upstream, status)


async def fetch_list(
    url: str,
    *,
    etag: str | None = None,
    max_bytes: int = LIST_MAX_BYTES,
    deadlines: Deadlines = LIST_DEADLINES,
) -> ListBody:
    """Download an operator's list, behind no gate; one cut short is an error. Raises: Unavailable, Malformed."""
    headers = {"if-none-match": etag} if etag else {}
    async with _client(deadlines) as client:
        answer = await _exchange(
            client, url, headers=headers, upstream="list", max_bytes=max_bytes, total_s=deadlines.total_s
        )
    if answer.status == 304 and etag:
        return ListBody(None, etag, complete=True)
    if answer.status != 200:
        raise _unusable("list", answer.status)
    if "html" in answer.headers.get("content-type", "").lower():
        raise Malformed("list", "a web page instead of a list")
    return ListBody(answer.body, answer.headers.get("etag"), answer.is_framed)


def answers(base_url: str, timeout_s: float = 3.0) -> bool:
    """Say whether Jupiter's API answers at `base_url` within the time. Never raises, also where DNS hangs."""
    verdict: SimpleQueue[bool] = SimpleQueue()
    threading.Thread(target=lambda: verdict.put(_is_alive(base_url, timeout_s)), daemon=True).start()
    try:
        return verdict.get(timeout=timeout_s)
    except Empty:
        return False


def _is_alive(base_url: str, timeout_s: float) -> bool:
    url = base_url.rstrip("/") + "/tokens/v2/recent"
    try:
        with (
            httpx.Client(trust_env=False, timeout=timeout_s, verify=_tls()) as client,
            client.stream("GET", url, headers={"user-agent": USER_AGENT}) as response,
        ):
            return response.status_code < 500 and "json" in response.headers.get("content-type", "")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
        return False


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)  # 10 ms to build, so once a process


def _client(deadlines: Deadlines, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        http2=True,
        verify=_tls(),
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(deadlines.read_s, connect=deadlines.connect_s),
        transport=transport,
        headers={"user-agent": USER_AGENT, "accept-encoding": "gzip"},
    )


async def _exchange(
    client: httpx.AsyncClient,
    url: str,
    *,
    headers: Mapping[str, str],
    upstream: str,
    max_bytes: int,
    total_s: float,
    params: Mapping[str, str] | None = None,
) -> _Answer:
    """Ask once; return the answer, with its body only when it is a good one. Raises: Unavailable, Malformed."""
    try:
        async with asyncio.timeout(total_s), client.stream("GET", url, params=params, headers=headers) as response:
            body = await _body(response, upstream, max_bytes) if response.status_code == 200 else b""
        log.debug("call.answered", upstream=upstream, path=response.url.path, status=response.status_code)
        return _Answer(response.status_code, response.headers, body, _is_framed(response))
    except TimeoutError:
        problem = f"no complete answer within {total_s:g} s"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        problem = type(error).__name__
    raise Unavailable(upstream, problem)  # out here, so that it drags along no request with its headers


async def _body(response: httpx.Response, upstream: str, max_bytes: int) -> bytes:
    """Return the decoded body, and stop as soon as it exceeds `max_bytes`, however small it travels."""
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise Malformed(upstream, "an encoding nobody asked for")
    inflate = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    body = io.BytesIO()
    try:
        async for raw in response.aiter_raw():
            body.write(inflate.decompress(raw, max_bytes + 1 - body.tell()) if inflate else raw)
            if body.tell() > max_bytes:
                raise Malformed(upstream, f"an answer of more than {max_bytes} bytes")
    except zlib.error:
        raise Malformed(upstream, "broken gzip") from None
    if inflate and (not inflate.eof or inflate.unused_data):
        raise Unavailable(upstream, "a gzip stream that does not end where the answer does")
    return body.getvalue()


def _unusable(upstream: str, status: int) -> Unavailable:
    hint = ": a redirect, which is never followed" if 300 <= status < 400 else ""
    return Unavailable(upstream, f"answered {status}{hint}", status=status)


def _is_framed(response: httpx.Response) -> bool:
    is_measured = "content-length" in response.headers or "transfer-encoding" in response.headers
    return is_measured or response.http_version == "HTTP/2"
