"""The imitation upstreams as a plain ASGI application: a vendor each under its name, a partner's list under /lists.

No framework: the sandbox answers in milliseconds and must not share the code it tests. Everything it says carries
a header that marks it as simulated.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson

from enrichment.sandbox import faults, lists
from enrichment.sandbox.gateway import Gateway
from enrichment.sandbox.journal import JOURNAL_SIZE, KEPT_IDS, Journal
from enrichment.sandbox.listing import Listing
from enrichment.sandbox.market import Market
from enrichment.sandbox.vendors import VENDORS
from enrichment.sandbox.wire import Answer, Message, Receive, Request, Send, json, read, write

JOURNAL, FAULTS = "/control/journal", "/control/faults"


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
        kept_ids: int = KEPT_IDS,
    ) -> None:
        self._market, self._clock, self._sleep = market, clock, sleep
        self._faults = faults.chosen(fault_names)
        self._journal = Journal(journal_size, kept_ids)
        self._gateway = Gateway(market, self._journal, clock=clock, sleep=sleep)
        self._lists = lists.ListDesk(Listing(market, since_s), self._journal, clock=clock, sleep=sleep)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request = await read(scope, receive)
        answer = await self._answer(request)
        await write(answer, receive, send, with_body=request.method != "HEAD", sleep=self._sleep)

    async def _answer(self, request: Request) -> Answer:
        vendor = VENDORS.get(request.path[1:].partition("/")[0])
        if vendor is not None:
            if request.method not in vendor.methods:
                return json(405, {"error": "method not allowed"})
            return await self._gateway.answer(vendor, request, self._faults.of(vendor.name))
        if request.path == FAULTS and request.method == "POST":
            return self._set_faults(request)
        if request.method not in ("GET", "HEAD"):
            return json(405, {"error": "method not allowed"})
        if request.path == lists.PATH:
            return await self._lists.answer(request, self._faults.of(faults.LIST_UPSTREAM))
        pages = {"/": self._about, JOURNAL: self._read_journal, FAULTS: self._read_faults}
        page = pages.get(request.path)
        return json(404, {"error": "not found"}) if page is None else json(200, page(request))

    def _read_journal(self, request: Request) -> dict[str, Any]:
        after = request.query.get("after", "0")
        requests = self._journal.read(
            upstream=request.query.get("upstream"),
            after=int(after) if after.isascii() and after.isdigit() else 0,
            with_ids=request.query.get("ids") == "1",
        )
        return {"total": self._journal.total, "credits": self._gateway.credits_used(), "requests": requests}

    def _read_faults(self, request: Request) -> dict[str, Any]:
        return {"faults": list(self._faults), "known": faults.FAULTS}

    def _set_faults(self, request: Request) -> Answer:
        """Replace all faults, or those of the one upstream that is named."""
        try:
            order = orjson.loads(request.body)
            names, upstream = list(order["faults"]), order.get("upstream")
            self._faults = faults.chosen(names) if upstream is None else self._faults.replaced(str(upstream), names)
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            return json(400, {"error": 'send {"faults": [name, …]}, perhaps with "upstream": its name'})
        except faults.UnknownFault as error:
            return json(400, {"error": str(error)})
        return json(200, self._read_faults(request))

    def _about(self, request: Request) -> dict[str, Any]:
        return {
            "simulated": True,
            "about": "Imitation upstream APIs of tokensite: nothing here is real, no price, no token, no link.",
            "seed": self._market.seed,
            "speed": self._market.launches.speed,
            "mints": self._market.universe.size,
            "launched": self._market.launches.count(self._clock()),
            "faults": list(self._faults),
            "paths": [*(f"/{name}" for name in VENDORS), lists.PATH, JOURNAL, FAULTS],
        }
