"""What can go wrong between us and an upstream; `http.py` translates everything else into these, once.

    UpstreamError            upstream, status
    ├── Unavailable          no usable answer: timeout, reset, truncation, 3xx, 5xx. Counts, try again later
    │                        (with status 400, 404, 410, 413, 414 or 422: the request was declined, nothing counts)
    ├── Malformed            an answer that is not what it should be. Counts, its first bytes are kept in `sample`
    ├── Refused              401, 402, 403: the account is stopped until a human looks
    ├── RateLimited          429: wait until `retry_at`, never counts as a failure
    └── GateShut             our own gate: nothing was sent, ask again at `retry_at`

A mint that an upstream does not know is no error: it is absent from the answer. No message holds a query or a key.
"""

from __future__ import annotations

from datetime import datetime


class UpstreamError(Exception):
    """Something went wrong with `upstream`; `status` is the HTTP status where one was received."""

    def __init__(self, upstream: str, message: str, *, status: int | None = None) -> None:
        super().__init__(f"{upstream}: {message}")
        self.upstream = upstream
        self.status = status


class Unavailable(UpstreamError):
    """No usable answer."""


class Malformed(UpstreamError):
    """An answer of the wrong shape. `sample` is its beginning in printable ASCII, secrets removed."""

    def __init__(self, upstream: str, message: str, *, sample: str = "") -> None:
        super().__init__(upstream, message)
        self.sample = sample


class Refused(UpstreamError):
    """The upstream does not accept our key, or us."""


class RateLimited(UpstreamError):
    """The upstream asks us to wait until `retry_at` (aware UTC)."""

    def __init__(self, upstream: str, message: str, *, retry_at: datetime) -> None:
        super().__init__(upstream, message, status=429)
        self.retry_at = retry_at


class GateShut(UpstreamError):
    """Our gate lets no call out before `retry_at` (aware UTC)."""

    def __init__(self, upstream: str, message: str, *, retry_at: datetime) -> None:
        super().__init__(upstream, message)
        self.retry_at = retry_at
