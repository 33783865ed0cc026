"""The only way out: every request to an upstream or an operator's list passes here, and only here is httpx known.

Outbound rules: TLS verified, no environment proxies, no redirects, connect/read/total deadlines, a cap on decoded
bytes. A key is added below httpx, in the transport, so that nothing httpx logs, keeps or raises ever held it. Nothing
is tried twice here: what failed is due again by its row. Whatever httpx raises becomes one of ours.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import structlog

from enrichment.upstream import errors, payload
from enrichment.upstream.errors import GateShut, Malformed, RateLimited, Unavailable, UpstreamError
from enrichment.upstream.gate import Ledger, Purpose, Wait
from enrichment.upstream.messages import Answer, Deadlines, Key, Request
from enrichment.upstream.report import Report

JSON_MAX_BYTES = 10_000_000  # decoded; the largest ordinary answer, 100 active tokens, has 250 kB
ERROR_MAX_BYTES, ERROR_READ_S = 65_536, 2.0  # an error's body is read as far as it explains itself at once
USER_AGENT = "tokensite/0.1"

log = structlog.get_logger()
for _name in ("httpx", "httpcore", "hpack", "h2"):  # they log URLs with their query at INFO and headers at DEBUG
    logging.getLogger(_name).setLevel(logging.WARNING)


class Http:
    """One upstream account's client. Use it as an async context manager, or leave it to the event loop's end.

    `secret_headers` and `secret_params` carry the key; `explain` reads the JSON (or None) of an answer other than 200
    and returns the error it is, or None to go by the status.
    """

    def __init__(
        self,
        upstream: str,
        base_url: str,
        *,
        ledger: Ledger,
        headers: Mapping[str, str] | None = None,
        secret_headers: Mapping[str, str] | None = None,
        secret_params: Mapping[str, str] | None = None,
        explain: Callable[[int, Any], UpstreamError | None] = lambda status, payload: None,
        deadlines: Deadlines | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upstream, self._base_url, self._ledger = upstream, base_url.rstrip("/"), ledger
        self._headers = {"accept": "application/json"} | dict(headers or {})
        self._key = Key(_filled(secret_headers), _filled(secret_params))
        self._explain, self._deadlines, self._transport = explain, deadlines or Deadlines(), transport
        self._sleep, self._clock = sleep, clock
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
        cost: int = 1,
    ) -> Any:
        """Return what `parse` makes of the JSON at `path`, once the gate lets the call out.

        Shape: numbers with a fraction or exponent are `Decimal`; a number nobody can mean is None.
        Units: `cost` in the plan's credits.
        Raises: UpstreamError. One out of `parse` is told to the gate like any other.
        """
        request = Request("GET", self._base_url + path, params, self._headers)
        return await self._call(request, purpose, cost=cost, max_wait_s=max_wait_s, max_bytes=max_bytes, parse=parse)

    async def post_json(
        self,
        path: str,
        *,
        body: Any,
        params: Mapping[str, str] | None = None,
        purpose: Purpose,
        max_wait_s: float,
        max_bytes: int = JSON_MAX_BYTES,
        parse: Callable[[Any], Any] = lambda payload: payload,
        cost: int = 1,
    ) -> Any:
        """Send `body` as JSON; otherwise as `get_json`."""
        headers = self._headers | {"content-type": "application/json"}
        content = json.dumps(body, separators=(",", ":")).encode()
        request = Request("POST", self._base_url + path, params or {}, headers, content)
        return await self._call(request, purpose, cost=cost, max_wait_s=max_wait_s, max_bytes=max_bytes, parse=parse)

    async def _call(
        self,
        request: Request,
        purpose: Purpose,
        *,
        cost: int,
        max_wait_s: float,
        max_bytes: int,
        parse: Callable[[Any], Any],
    ) -> Any:
        await self._pass_gate(purpose, cost, max_wait_s)
        begun, report = self._clock(), Report("neutral")  # neutral: what is told when we are cancelled
        problem: UpstreamError | None = None
        try:
            answer = await exchange(
                self._connected(),
                request,
                upstream=self._upstream,
                total_s=self._deadlines.total_s,
                max_bytes=max_bytes,
            )
            report = Report("ok", answer.headers)
            return parse(self._good(answer))
        except UpstreamError as error:
            problem = error
            report = replace(report, outcome=error.outcome)
            raise
        finally:
            opens_at = await self._ledger.told(replace(report, took_s=self._clock() - begun))
            if problem is not None:
                self._finish(problem, opens_at)

    async def _pass_gate(self, purpose: Purpose, cost: int, max_wait_s: float) -> None:
        waited_s = 0.0
        while isinstance(decision := await self._ledger.ask(purpose, cost), Wait):
            waited_s += decision.wait_s
            if waited_s > max_wait_s:
                retry_at = datetime.fromtimestamp(decision.until, UTC)
                raise GateShut(self._upstream, f"the gate is shut ({decision.reason})", retry_at=retry_at)
            await self._sleep(decision.wait_s)

    def _connected(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:  # connections belong to the loop that opened them
            self._client, self._loop = open_client(self._deadlines, self._key, self._transport), loop
        return self._client

    def _good(self, answer: Answer) -> Any:
        """Return the JSON of a good answer. Raises: what any other answer means."""
        content = None
        try:
            content = payload.decode(answer.body, answer.headers.get("content-type", ""))
        except payload.NotJson:
            if answer.status == 200:
                sample = payload.sample(answer.body, self._key.secrets)
                raise Malformed(self._upstream, "an answer that is not JSON", sample=sample) from None
        if answer.status != 200:
            raise self._explain(answer.status, content) or errors.of_status(self._upstream, answer.status)
        return content

    def _finish(self, error: UpstreamError, opens_at: float) -> None:
        """Tell `error` when the gate opens, and take out of it what a vendor may have quoted of our key."""
        error.args = (payload.masked(str(error), self._key.secrets),)
        if isinstance(error, Malformed):
            error.sample = payload.masked(error.sample, self._key.secrets)
        if isinstance(error, RateLimited):
            error.retry_at = datetime.fromtimestamp(opens_at, UTC)


def _filled(values: Mapping[str, str] | None) -> dict[str, str]:
    return {name: value for name, value in (values or {}).items() if value}


async def exchange(
    client: httpx.AsyncClient, request: Request, *, upstream: str, total_s: float, max_bytes: int
) -> Answer:
    """Ask once and return whatever status the answer has. Raises: Unavailable, Malformed."""
    try:
        async with (
            asyncio.timeout(total_s),
            client.stream(
                request.method, request.url, params=request.params, headers=request.headers, content=request.content
            ) as response,
        ):
            body = await (_body(response, max_bytes) if response.status_code == 200 else _explanation(response))
        log.debug("call.answered", upstream=upstream, path=response.url.path, status=response.status_code)
        return Answer(response.status_code, response.headers, body, _is_framed(response))
    except payload.Unreadable as error:
        raise Malformed(upstream, str(error)) from None
    except TimeoutError:
        problem = f"no complete answer within {total_s:g} s"
    except payload.CutShort as error:
        problem = str(error)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        problem = type(error).__name__
    raise Unavailable(upstream, problem)  # out here, so that it drags along no request with its headers


async def _body(response: httpx.Response, max_bytes: int) -> bytes:
    body = payload.Body(response.headers.get("content-encoding", "identity").lower(), max_bytes)
    async for raw in response.aiter_raw():
        body.add(raw)
    return body.whole()


async def _explanation(response: httpx.Response) -> bytes:
    """Return an error's body, or nothing: its status has been received and stands, whatever becomes of the rest."""
    try:
        async with asyncio.timeout(ERROR_READ_S):
            return await _body(response, ERROR_MAX_BYTES)
    except (TimeoutError, httpx.HTTPError, ValueError):
        return b""


def _is_framed(response: httpx.Response) -> bool:
    is_measured = "content-length" in response.headers or "transfer-encoding" in response.headers
    return is_measured or response.http_version == "HTTP/2"


class _Keyed(httpx.AsyncBaseTransport):
    """Adds the key to a copy of each request as it leaves; the request that httpx knows has none."""

    def __init__(self, inner: httpx.AsyncBaseTransport, key: Key) -> None:
        self._inner, self._key = inner, key

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url.copy_merge_params(dict(self._key.params)) if self._key.params else request.url
        headers = [*request.headers.multi_items(), *self._key.headers.items()]
        sent = httpx.Request(request.method, url, headers=headers, stream=request.stream, extensions=request.extensions)
        return await self._inner.handle_async_request(sent)

    async def aclose(self) -> None:
        await self._inner.aclose()


def open_client(
    deadlines: Deadlines, key: Key | None = None, transport: httpx.AsyncBaseTransport | None = None
) -> httpx.AsyncClient:
    """Return a client that obeys the outbound rules; close it."""
    return httpx.AsyncClient(
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(deadlines.read_s, connect=deadlines.connect_s),
        transport=_Keyed(
            transport or httpx.AsyncHTTPTransport(verify=_tls(), trust_env=False, http2=True), key or Key()
        ),
        headers={"user-agent": USER_AGENT, "accept-encoding": "gzip"},
    )


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)  # 10 ms to build, so once a process
