"""The imitation upstreams as a plain ASGI application: Jupiter under /jupiter, a partner's list under /lists.

No framework: the sandbox answers in milliseconds and must not share the code it tests. Everything it says carries
a header that marks it as simulated.
"""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

import orjson

from enrichment.sandbox import faults, jupiter
from enrichment.sandbox.limits import Limiter, account_of
from enrichment.sandbox.listing import Body, Listing
from enrichment.sandbox.market import Market

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JUPITER, LIST, JOURNAL, FAULTS = "/jupiter", "/lists/all.json", "/control/journal", "/control/faults"
JOURNAL_SIZE = 100_000  # requests; ten minutes of the largest plan
_MAX_CONTROL_BYTES = 65_536
_MAX_PATH_LETTERS = 200  # of a path kept in the journal
_HTML = b"text/html; charset=utf-8"
# Jupiter's gateway in its own words (platform pages on responses and the firewall, 2026-08-21).
_UNAUTHORIZED = {"code": 401, "message": "Unauthorized"}
_TOO_MANY = {"code": 429, "message": "[API Gateway] Too many requests"}


@dataclass(frozen=True, slots=True)
class Request:
    """What of an HTTP request matters here."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out. A content type of None means that there is no body."""

    status: int
    body: bytes | Body = b""
    content_type: bytes = b"application/json"
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


class Sandbox:
    """The ASGI application. `clock` gives unix seconds; `since_s` is when the list began to gather launches."""

    def __init__(
        self,
        market: Market,
        *,
        since_s: float,
        fault_names: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        journal_size: int = JOURNAL_SIZE,
    ) -> None:
        self._market, self._clock, self._sleep = market, clock, sleep
        self._faults = faults.chosen(fault_names)
        self._limiter = Limiter()
        self._listing, self._listing_lock = Listing(market, since_s), asyncio.Lock()
        self._journal: deque[dict[str, Any]] = deque(maxlen=journal_size)
        self._requests = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request = await _read(scope, receive)
        answer = await self._answer(request)
        await _write(send, answer, with_body=request.method != "HEAD")

    async def _answer(self, request: Request) -> Answer:
        if request.path == FAULTS and request.method == "POST":
            return self._set_faults(request)
        if request.method not in ("GET", "HEAD"):
            return _json(405, {"error": "method not allowed"})
        if request.path.startswith(f"{JUPITER}/"):
            return await self._jupiter(request)
        if request.path == LIST:
            return await self._list(request)
        pages = {"/": self._about, JOURNAL: self._read_journal, FAULTS: self._read_faults}
        return _json(200, pages[request.path]()) if request.path in pages else _json(404, {"error": "not found"})

    async def _jupiter(self, request: Request) -> Answer:
        """Pass the gateway (key, then limit, whatever the path), then the endpoint, then the faults."""
        now_s = self._clock()
        account = account_of(request.headers.get("x-api-key"))
        gateway = [(b"x-api-gateway-request-id", uuid.uuid4().hex.encode())]
        if account is None:
            self._note(request, now_s, account="refused", asked=0, status=401)
            return _json(401, _UNAUTHORIZED, gateway)
        verdict = self._limiter.admit(account, now_s)
        if faults.RATE_LIMITED in self._faults:
            verdict = replace(verdict, is_allowed=False, current=verdict.limit + 1, reset_at_s=math.ceil(now_s + 1))
        if not verdict.is_allowed:
            self._note(request, now_s, account=account.name, asked=0, status=429)
            return _json(429, _TOO_MANY, gateway + verdict.headers())
        if faults.LATENCY in self._faults:
            await self._sleep(faults.LATENCY_S)
        reply = jupiter.answer(self._market, request.path.removeprefix(JUPITER), request.query, now_s)
        answer = self._spoilt(reply)
        self._note(request, now_s, account=account.name, asked=reply.asked, status=answer.status)
        return replace(answer, headers=gateway + (verdict.headers() if answer.status == 200 else []))

    def _spoilt(self, reply: jupiter.Reply) -> Answer:
        if faults.HTTP_500 in self._faults:
            return _json(500, {"error": "Internal Server Error"})
        if faults.HTML in self._faults:
            return Answer(200, faults.HTML_PAGE, _HTML)
        if faults.EMPTY in self._faults and reply.status == 200:
            return _json(200, type(reply.body)())
        answer = _json(reply.status, reply.body)
        if faults.TRUNCATED in self._faults and isinstance(answer.body, bytes):
            return replace(answer, body=answer.body[: len(answer.body) // 2])
        return answer

    async def _list(self, request: Request) -> Answer:
        now_s = self._clock()
        packed = "gzip" in request.headers.get("accept-encoding", "")
        async with self._listing_lock:  # a million mints take seconds the first time: other requests go on
            await asyncio.to_thread(self._listing.extend, now_s)
            if packed:
                await asyncio.to_thread(self._listing.pack)
            answer = self._spoilt_list() or self._whole_list(request, packed)
        self._note(request, now_s, account="partner", asked=len(self._listing), status=answer.status)
        return answer

    def _whole_list(self, request: Request, packed: bool) -> Answer:
        etag = f'"{self._listing.etag}{"-gzip" if packed else ""}"'
        headers = [(b"etag", etag.encode()), (b"vary", b"accept-encoding")]
        if etag in [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]:
            return Answer(304, headers=headers)
        if not packed:
            return Answer(200, self._listing.plain(), headers=headers)
        return Answer(200, self._listing.gzipped(), headers=[*headers, (b"content-encoding", b"gzip")])

    def _spoilt_list(self) -> Answer | None:
        if faults.HTML_LIST in self._faults:
            return Answer(200, faults.HTML_PAGE, _HTML)
        if faults.EMPTY_LIST in self._faults:
            return Answer(200, b"[]")
        if faults.HALF_LIST in self._faults:
            return Answer(200, self._listing.half())
        if faults.TRUNCATED_LIST in self._faults:
            return Answer(200, replace(self._listing.half(), tail=b',"So1111111'))
        return None

    def _note(self, request: Request, now_s: float, *, account: str, asked: int, status: int) -> None:
        self._requests += 1
        path = request.path[:_MAX_PATH_LETTERS]
        entry = {"time": now_s, "account": account, "path": path, "ids": asked, "status": status}
        self._journal.append(entry)

    def _read_journal(self) -> dict[str, Any]:
        return {"total": self._requests, "requests": list(self._journal)}

    def _read_faults(self) -> dict[str, Any]:
        return {"faults": sorted(self._faults), "known": faults.FAULTS}

    def _set_faults(self, request: Request) -> Answer:
        try:
            names = orjson.loads(request.body)["faults"]
            self._faults = faults.chosen(list(names))
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return _json(400, {"error": 'send {"faults": [name, …]}'})
        except faults.UnknownFault as error:
            return _json(400, {"error": str(error)})
        return _json(200, self._read_faults())

    def _about(self) -> dict[str, Any]:
        return {
            "simulated": True,
            "about": "Imitation upstream APIs of tokensite: nothing here is real, no price, no token, no link.",
            "seed": self._market.seed,
            "speed": self._market.launches.speed,
            "mints": self._market.universe.size,
            "launched": self._market.launches.count(self._clock()),
            "faults": sorted(self._faults),
            "paths": [JUPITER, LIST, JOURNAL, FAULTS],
        }


def _json(status: int, value: object, headers: Sequence[tuple[bytes, bytes]] = ()) -> Answer:
    return Answer(status, orjson.dumps(value), headers=list(headers))


async def _read(scope: Message, receive: Receive) -> Request:
    body = b""
    while len(body) <= _MAX_CONTROL_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        body=body,
    )


async def _write(send: Send, answer: Answer, *, with_body: bool) -> None:
    headers = [
        (b"x-simulated", b"tokensite-sandbox"),
        (b"content-type", answer.content_type),
        (b"content-length", str(len(answer.body)).encode()),
        *answer.headers,
    ]
    if answer.status == 304:
        headers = [pair for pair in headers if not pair[0].startswith(b"content-")]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    blocks = answer.body.blocks() if isinstance(answer.body, Body) else [answer.body]
    for block in blocks if with_body else ():
        await send({"type": "http.response.body", "body": block, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
