"""A real server on a loopback port that says exactly the bytes a test wants, and a gate without a database."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from enrichment.upstream import gate
from enrichment.upstream.gate import Grant, Wait
from enrichment.upstream.http import Http
from enrichment.upstream.messages import Deadlines
from enrichment.upstream.plans import Plan, Purpose
from enrichment.upstream.report import Report
from enrichment.upstream.state import State

T0 = 1_790_000_000.0
BRIEF = Deadlines(connect_s=1.0, read_s=0.05, total_s=0.2)


@dataclass
class Book:
    """A ledger for one test: the real gate, kept in memory, by a clock that stands still."""

    plan: Plan = field(default_factory=lambda: Plan(rpm=1_000, burst=1_000))
    state: State = field(default_factory=State)
    now: float = T0
    reports: list[Report] = field(default_factory=list)

    async def ask(self, purpose: Purpose, cost: int) -> Grant | Wait:
        decision = gate.ask(self.state, self.plan, purpose=purpose, now=self.now, cost=cost)
        self.state = decision.state
        return decision

    async def told(self, report: Report) -> float:
        self.reports.append(report)
        self.state = gate.told(self.state, self.plan, report=report, now=self.now, jitter=0.5)
        return gate.opens_at(self.state)

    @property
    def outcomes(self) -> list[str]:
        return [report.outcome for report in self.reports]


@dataclass
class Server:
    """Where it listens, and what it was asked: the heads and bodies of the requests, over how many connections."""

    url: str
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0


def reply(body: bytes, status: str = "200 OK", *, kind: str = "application/json", **headers: str) -> bytes:
    """Return a whole HTTP answer; `headers` with underscores for dashes."""
    fields = {"content-type": kind, "content-length": str(len(body))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


@asynccontextmanager
async def serving(
    *pieces: bytes, pause_s: float = 0.0, hangs: bool = False, keeps: bool = False
) -> AsyncIterator[Server]:
    """Answer every request with `pieces`, then hang up; or go silent, or keep the connection for the next."""
    server, done = Server(""), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        length = re.search(r"content-length: (\d+)", server.heads[-1], re.IGNORECASE)
        server.bodies.append(await reader.readexactly(int(length[1])) if length else b"")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        try:
            await answer(reader, writer)
            while keeps:
                await answer(reader, writer)
            if hangs:
                await done.wait()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client had enough
        finally:
            writer.close()

    listener = await asyncio.start_server(handle, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        done.set()
        listener.close()


@asynccontextmanager
async def client(server: Server, book: Book | None = None, **options: object) -> AsyncIterator[Http]:
    """Open the real client of `server`; `options` as for `Http`."""
    options = {"ledger": book or Book(), "deadlines": Deadlines(total_s=5)} | options
    async with Http("jupiter", server.url, **options) as http:  # type: ignore[arg-type]
        yield http
