"""What was asked of the sandbox: every request, and as many of the named mints as fit."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

JOURNAL_SIZE = 100_000  # requests; ten minutes of the largest plan
KEPT_IDS = 1_000_000  # mints and pools named by the latest requests: 45 MB of text
_MAX_PATH_LETTERS = 200
_MAX_ID_LETTERS = 64  # what is no mint at all is kept as far as it might have been one
_MAX_IDS = 2_000  # of one request: twice the largest batch any vendor takes

Entry = dict[str, Any]


class Journal:
    """The latest requests, oldest first. The ids are forgotten before the requests that named them."""

    def __init__(self, size: int = JOURNAL_SIZE, kept_ids: int = KEPT_IDS) -> None:
        self.total = 0
        self._entries: deque[Entry] = deque(maxlen=size)
        self._named: deque[tuple[int, str, int]] = deque()  # (number of the request, ids as one text, how many)
        self._kept, self._kept_ids = 0, kept_ids

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def note(self, entry: Entry, ids: Sequence[str], count: int | None = None) -> None:
        """Write down one request that named `ids`, or was about `count`. What is beyond reason is cut."""
        self.total += 1
        told = len(ids) if count is None else count
        entry = entry | {"number": self.total, "path": entry["path"][:_MAX_PATH_LETTERS], "ids": told}
        self._entries.append(entry)
        if ids:
            kept = [text[:_MAX_ID_LETTERS] for text in ids[:_MAX_IDS]]
            self._named.append((self.total, ",".join(kept), len(kept)))
            self._kept += len(kept)
        oldest = self._entries[0]["number"]
        while self._named and (self._kept > self._kept_ids or self._named[0][0] < oldest):
            self._kept -= self._named.popleft()[2]

    def read(self, *, upstream: str | None = None, after: int = 0, with_ids: bool = False) -> list[Entry]:
        """Return the requests numbered above `after`; `mints` is null where none were named or they are forgotten."""
        chosen = [
            entry
            for entry in self._entries
            if entry["number"] > after and (upstream is None or entry["upstream"] == upstream)
        ]
        if not with_ids:
            return chosen
        named = {number: text.split(",") for number, text, _ in self._named if number > after}
        return [entry | {"mints": named.get(entry["number"])} for entry in chosen]
