"""How a call ended, and what its headers say about when the next one may leave. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Literal

Outcome = Literal["ok", "failed", "throttled", "exhausted", "refused", "neutral"]

DECLINED = frozenset({400, 404, 410, 413, 414, 422})  # this one request is at fault, not the upstream
REFUSED = frozenset({401, 402, 403})  # no key, no credit, no access
RETRY_AFTER_MAX_S = 86_400  # a longer Retry-After is looked at again after a day
RESET_MAX_S = 300  # a sliding minute frees a place sooner; later means that the vendor's clock is wrong
_NUMBER = re.compile(r"\s*-?[0-9]{1,15}(\.[0-9]{1,9})?\s*")


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one call, with the headers it carried (looked up in lower case) and how long it took.

    `failed` counts against the upstream; `neutral` (cancelled, or our own bad request) does not. `exhausted` is not
    `throttled`: the one lasts until the month's credits return, the other for seconds.
    """

    outcome: Outcome
    headers: Mapping[str, str] = field(default_factory=dict)
    took_s: float = 0.0

    @property
    def is_used_up(self) -> bool:
        """Whether the vendor says that no call is left; it also sends negative numbers."""
        return self._number("x-ratelimit-remaining") <= 0

    def reset_at(self, now: float) -> float:
        """Return the time x-ratelimit-reset names (epoch seconds); 0 for none, the past or garbage."""
        at = self._number("x-ratelimit-reset")
        return min(at, now + RESET_MAX_S) if now < at < math.inf else 0.0

    def retry_after_at(self, now: float) -> float:
        """Return the time Retry-After names (seconds or an HTTP date); 0 for none, the past or garbage."""
        at = now + self._number("retry-after")
        if at == math.inf:
            at = _http_date(self.headers.get("retry-after", ""))
        return min(at, now + RETRY_AFTER_MAX_S) if at > now else 0.0

    def _number(self, header: str) -> float:
        """Return a header's number; +inf when there is none, which is neither used up nor a time."""
        value = self.headers.get(header, "")
        return float(value) if _NUMBER.fullmatch(value) else math.inf


def _http_date(value: str) -> float:
    try:
        at = parsedate_to_datetime(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError, IndexError):
        return 0.0
