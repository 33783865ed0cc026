"""Requests in and answers out over ASGI, and the ways in which an answer can fail to arrive.

ASGI knows no reset: to break off, the application raises in the middle of a body, whereupon the server closes the
connection. The peer sees a body that ends early, never a TCP RST.
"""

from __future__ import annotations

import asyncio
import itertools
import zlib
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol
from urllib.parse import parse_qsl

import orjson

from enrichment.sandbox import faults
from enrichment.sandbox.vendor import HTML, HTML_PAGE, JSON, Headers

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Sleep = Callable[[float], Awaitable[None]]

MAX_BODY_BYTES = 1_000_000  # of a request; a thousand mints have 47 kB
_BOMB_BLOCK, _BOMB_BLOCKS = b" " * (1 << 20), 160  # above any cap of ours, in a sixth of a megabyte


class HungUp(Exception):
    """The answer is broken off on purpose. The server logs it unless told not to."""


class Sized(Protocol):
    """A body that is handed out in blocks."""

    def __len__(self) -> int: ...

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes."""


@dataclass(frozen=True, slots=True)
class Request:
    """What of an HTTP request matters here."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    client: str
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out. `broken` names the fault that befalls its transport, if one does."""

    status: int
    body: bytes | Sized = b""
    content_type: bytes = JSON
    headers: Headers = field(default_factory=list)
    broken: str = ""


def json(status: int, value: object, headers: Sequence[tuple[bytes, bytes]] = ()) -> Answer:
    """Return an answer that says `value`."""
    return Answer(status, orjson.dumps(value), headers=list(headers))


def instead_of_answer(wrong: frozenset[str]) -> Answer | None:
    """Return what any upstream with these faults sends in place of an answer."""
    if faults.HTTP_503 in wrong:
        return Answer(503, HTML_PAGE, HTML)
    if faults.HTML in wrong:
        return Answer(200, HTML_PAGE, HTML)
    if faults.BLANK in wrong:
        return Answer(200)
    return Answer(200, bomb(), headers=[(b"content-encoding", b"gzip")]) if faults.GZIP_BOMB in wrong else None


def breakage(wrong: frozenset[str]) -> str:
    """Return the fault that befalls the transport, the first of those that are on."""
    return next(
        (fault for fault in (faults.STALL, faults.RESET, faults.CUT_CHUNKS, faults.SLOW_DRIP) if fault in wrong), ""
    )


@cache
def bomb() -> bytes:
    """Return gzip that is small on the wire and unpacks to 160 MiB: a JSON array of nothing but blanks."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    first = packer.compress(b"[" + _BOMB_BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
    # What lies between two full flushes refers to nothing before it, so it can be repeated.
    block = packer.compress(_BOMB_BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
    last = packer.compress(b"]") + packer.flush()
    check = zlib.crc32(b"[" + _BOMB_BLOCK)
    for _ in range(_BOMB_BLOCKS - 1):
        check = zlib.crc32(_BOMB_BLOCK, check)
    size = len(_BOMB_BLOCK) * _BOMB_BLOCKS + 2
    end = zlib.crc32(b"]", check).to_bytes(4, "little") + size.to_bytes(4, "little")
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + first + block * (_BOMB_BLOCKS - 1) + last + end


async def read(scope: Message, receive: Receive) -> Request:
    """Read a request to its end, or until nothing sensible can come any more."""
    body = b""
    while len(body) <= MAX_BODY_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    client = scope.get("client")
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        client=client[0] if client else "local",
        body=body,
    )


async def write(answer: Answer, receive: Receive, send: Send, *, with_body: bool, sleep: Sleep) -> None:
    """Send the answer. Raises: HungUp when it is to break off."""
    await send({"type": "http.response.start", "status": answer.status, "headers": _headers(answer)})
    if not with_body:
        await send({"type": "http.response.body", "body": b""})
    elif answer.broken:
        await _break(answer, receive, send, sleep)
    else:
        for block in _blocks(answer.body):
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _headers(answer: Answer) -> Headers:
    headers = [(b"x-simulated", b"tokensite-sandbox"), *answer.headers]
    if answer.status == 304:
        return headers
    headers.append((b"content-type", answer.content_type))
    if answer.broken != faults.CUT_CHUNKS:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    return headers


def _blocks(body: bytes | Sized) -> Iterator[bytes]:
    return iter([body]) if isinstance(body, bytes) else body.blocks()


async def _break(answer: Answer, receive: Receive, send: Send, sleep: Sleep) -> None:
    """Let the body stall before its first byte, end in the middle, or come a byte at a time."""
    if answer.broken == faults.STALL:
        await _pause(faults.STALL_S, receive, sleep)
        raise HungUp
    if answer.broken == faults.SLOW_DRIP:
        for byte in itertools.chain.from_iterable(_blocks(answer.body)):
            await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
            if not await _pause(faults.DRIP_S, receive, sleep):
                raise HungUp
        await send({"type": "http.response.body", "body": b""})
        return
    first = next(_blocks(answer.body))
    await send({"type": "http.response.body", "body": first[: len(first) // 2], "more_body": True})
    raise HungUp


async def _pause(span_s: float, receive: Receive, sleep: Sleep) -> bool:
    """Wait; say whether the peer is still there afterwards."""
    nap, gone = asyncio.ensure_future(sleep(span_s)), asyncio.ensure_future(receive())
    await asyncio.wait({nap, gone}, return_when=asyncio.FIRST_COMPLETED)
    is_there = not gone.done()
    for task in (nap, gone):
        task.cancel()
    await asyncio.gather(nap, gone, return_exceptions=True)
    return is_there
