"""The partner's complete list on the wire: one growing array, gzip or not, with an ETag and with its own faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from enrichment.sandbox import faults
from enrichment.sandbox.journal import Journal
from enrichment.sandbox.listing import Listing
from enrichment.sandbox.vendor import HTML, HTML_PAGE
from enrichment.sandbox.wire import Answer, Request, Sleep, breakage, instead_of_answer

PATH = "/lists/all.json"


class ListDesk:
    """Hands the list out. One request at a time lets it grow; the others go on meanwhile."""

    def __init__(self, listing: Listing, journal: Journal, *, clock: Callable[[], float], sleep: Sleep) -> None:
        self._listing, self._journal, self._clock, self._sleep = listing, journal, clock, sleep
        self._lock = asyncio.Lock()
        self._turn = 0

    async def answer(self, request: Request, wrong: frozenset[str]) -> Answer:
        """Answer one request for the list."""
        now_s = self._clock()
        packed = "gzip" in request.headers.get("accept-encoding", "")
        if faults.LATENCY in wrong:
            await self._sleep(faults.LATENCY_S)
        async with self._lock:  # a million mints take seconds the first time
            await asyncio.to_thread(self._listing.extend, now_s)
            if packed:
                await asyncio.to_thread(self._listing.pack)
            answer = instead_of_answer(wrong) or self._spoilt(wrong) or self._whole(request, packed)
        self._note(now_s, answer.status)
        return replace(answer, broken=breakage(wrong))

    def _whole(self, request: Request, packed: bool) -> Answer:
        etag = f'"{self._listing.etag}{"-gzip" if packed else ""}"'
        headers = [(b"etag", etag.encode()), (b"vary", b"accept-encoding")]
        if etag in [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]:
            return Answer(304, headers=headers)
        if not packed:
            return Answer(200, self._listing.plain(), headers=headers)
        return Answer(200, self._listing.gzipped(), headers=[*headers, (b"content-encoding", b"gzip")])

    def _spoilt(self, wrong: frozenset[str]) -> Answer | None:
        self._turn += 1
        if faults.HTTP_500 in wrong:
            return Answer(500, b'{"error":"Internal Server Error"}')
        if faults.HTML_LIST in wrong:
            return Answer(200, HTML_PAGE, HTML)
        if faults.EMPTY_LIST in wrong:
            return Answer(200, b"[]")
        if faults.HALF_LIST in wrong or (faults.FLAPPING_LIST in wrong and self._turn % 2):
            return Answer(200, self._listing.half())  # flapping: every other answer comes from a mirror that has half
        if faults.TRUNCATED_LIST in wrong:
            return Answer(200, replace(self._listing.half(), tail=b',"So1111111'))
        return Answer(200, self._listing.doubled()) if faults.DUPLICATE_LIST in wrong else None

    def _note(self, now_s: float, status: int) -> None:
        entry = {"time": now_s, "upstream": faults.LIST_UPSTREAM, "account": "partner", "path": PATH}
        self._journal.note(entry | {"cost": 0, "status": status}, (), count=len(self._listing))
