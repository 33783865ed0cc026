"""What is asked for behind no gate: an operator's own list, and whether Jupiter answers here at all."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from enrichment.upstream import errors
from enrichment.upstream.errors import Malformed, UpstreamError
from enrichment.upstream.http import JSON_MAX_BYTES, exchange, open_client
from enrichment.upstream.messages import Deadlines, Request

LIST_MAX_BYTES = 150_000_000  # decoded; a million mints as a JSON array have 47 MB
LIST_DEADLINES = Deadlines(total_s=60.0)


@dataclass(frozen=True, slots=True)
class ListBody:
    """An operator's list as downloaded; `body` is None when it is still what `etag` named.

    `complete` is False when the answer stated no length, so that nobody can tell whether its end is missing.
    """

    body: bytes | None
    etag: str | None
    complete: bool


async def fetch_list(
    url: str,
    *,
    etag: str | None = None,
    max_bytes: int = LIST_MAX_BYTES,
    deadlines: Deadlines = LIST_DEADLINES,
) -> ListBody:
    """Download an operator's list; one cut short is an error. Raises: Unavailable, Malformed."""
    request = Request("GET", url, headers={"if-none-match": etag} if etag else {})
    async with open_client(deadlines) as client:
        answer = await exchange(client, request, upstream="list", total_s=deadlines.total_s, max_bytes=max_bytes)
    if answer.status == 304 and etag:
        return ListBody(None, etag, complete=True)
    if answer.status != 200:
        raise errors.of_status("list", answer.status)
    if "html" in answer.headers.get("content-type", "").lower():
        raise Malformed("list", "a web page instead of a list")
    return ListBody(answer.body, answer.headers.get("etag"), answer.is_framed)


def answers(base_url: str, timeout_s: float = 3.0) -> bool:
    """Say whether Jupiter's API answers at `base_url` within the time. Never raises, also where DNS hangs."""
    verdict: SimpleQueue[bool] = SimpleQueue()
    threading.Thread(target=lambda: verdict.put(asyncio.run(_is_alive(base_url, timeout_s))), daemon=True).start()
    try:
        return verdict.get(timeout=timeout_s)
    except Empty:
        return False


async def _is_alive(base_url: str, timeout_s: float) -> bool:
    request = Request("GET", base_url.rstrip("/") + "/tokens/v2/recent")
    deadlines = Deadlines(connect_s=timeout_s, read_s=timeout_s, total_s=timeout_s)
    try:
        async with open_client(deadlines) as client:
            answer = await exchange(client, request, upstream="jupiter", total_s=timeout_s, max_bytes=JSON_MAX_BYTES)
    except UpstreamError:
        return False
    return answer.status < 500 and "json" in answer.headers.get("content-type", "")
