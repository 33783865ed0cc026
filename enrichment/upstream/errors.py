"""What can go wrong between us and an upstream; `http.py` translates everything else into these, once.

    UpstreamError            upstream, status; `outcome` is what the account's gate is told
    ├── Unavailable          no usable answer: timeout, reset, truncation, 3xx, 5xx. Counts, try again later
    │   └── Declined         400, 404, 414 and the like: this one request is at fault, nothing counts
    ├── Malformed            an answer that is not what it should be. Counts, its first bytes are kept in `sample`
    ├── Refused              401, 402, 403: the account is stopped until a human looks
    ├── RateLimited          429: wait until `retry_at`, never counts as a failure
    │   └── QuotaExhausted   the month's credits are gone: wait for hours, not seconds
    └── GateShut             our own gate: nothing was sent, ask again at `retry_at`

An adapter raises any but GateShut out of `parse` or `explain` when a body says more than its status. A mint that an
upstream does not know is no error: it is absent from the answer. No message holds a query or a key.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from enrichment.upstream.report import DECLINED, REFUSED, Outcome

UNKNOWN_AT = datetime.min.replace(tzinfo=UTC)  # until `Http` has asked the gate when it opens


class UpstreamError(Exception):
    """Something went wrong with `upstream`; `status` is the HTTP status where one was received."""

    outcome: ClassVar[Outcome] = "failed"

    def __init__(self, upstream: str, message: str, *, status: int | None = None) -> None:
        super().__init__(f"{upstream}: {message}")
        self.upstream = upstream
        self.status = status


class Unavailable(UpstreamError):
    """No usable answer."""


class Declined(Unavailable):
    """The upstream is well and will not answer this request, however often it is sent."""

    outcome = "neutral"


class Malformed(UpstreamError):
    """An answer of the wrong shape. `sample` is its beginning in printable ASCII, secrets removed."""

    def __init__(self, upstream: str, message: str, *, sample: str = "") -> None:
        super().__init__(upstream, message)
        self.sample = sample


class Refused(UpstreamError):
    """The upstream does not accept our key, or us."""

    outcome = "refused"


class RateLimited(UpstreamError):
    """The upstream asks us to wait until `retry_at` (aware UTC); an adapter leaves that to the gate."""

    outcome: ClassVar[Outcome] = "throttled"

    def __init__(self, upstream: str, message: str, *, retry_at: datetime = UNKNOWN_AT) -> None:
        super().__init__(upstream, message, status=429)
        self.retry_at = retry_at


class QuotaExhausted(RateLimited):
    """The account has used up what it may use in a month."""

    outcome = "exhausted"


class GateShut(UpstreamError):
    """Our gate lets no call out before `retry_at` (aware UTC)."""

    outcome = "neutral"

    def __init__(self, upstream: str, message: str, *, retry_at: datetime) -> None:
        super().__init__(upstream, message)
        self.retry_at = retry_at


def of_status(upstream: str, status: int) -> UpstreamError:
    """Return the error that an HTTP status other than 200 is, where no body says more."""
    if status == 429:
        return RateLimited(upstream, "too many requests")
    if status in REFUSED:
        return Refused(upstream, f"answered {status}: it does not accept the key, the plan or us", status=status)
    if status in DECLINED:
        return Declined(upstream, f"answered {status}", status=status)
    hint = ": a redirect, which is never followed" if 300 <= status < 400 else ""
    return Unavailable(upstream, f"answered {status}{hint}", status=status)


def named_retry(error: Exception) -> datetime | None:
    """Return when `error` itself says to ask again; None for a failure, which names no time."""
    return error.retry_at if isinstance(error, GateShut | RateLimited) else None
