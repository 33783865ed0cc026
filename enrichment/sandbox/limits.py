"""Jupiter's gateway: which account a key stands for, and how many calls it has left in the sliding minute.

Source: Jupiter's platform pages on keys, plans, rate limits and responses (2026-08-21).
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict, deque
from dataclasses import dataclass

WINDOW_S = 60.0
CALLS_PER_WINDOW = {"keyless": 30, "free": 60, "developer": 600, "launch": 3_000, "pro": 9_000}
_KEY_START = "jup_"
_MAX_ACCOUNTS = 1_000  # any key opens an account here; the oldest are forgotten so that memory stays bounded


@dataclass(frozen=True, slots=True)
class Account:
    """Who calls. `name` tells accounts apart without giving their key away."""

    name: str
    plan: str


def account_of(key: str | None) -> Account | None:
    """Return the account of an `x-api-key`, None for a key that is refused. `jup_pro_…` names its own plan."""
    if not key:
        return Account("keyless", "keyless")
    if not key.startswith(_KEY_START):
        return None
    plan = key.removeprefix(_KEY_START).partition("_")[0]
    plan = plan if plan in CALLS_PER_WINDOW else "free"
    return Account(f"{plan}:{hashlib.sha256(key.encode()).hexdigest()[:8]}", plan)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a call passes, and the numbers its headers state. `reset_at_s`: when one slot frees, unix seconds."""

    is_allowed: bool
    limit: int
    current: int
    reset_at_s: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the three documented headers; remaining may be negative, and there is no Retry-After."""
        numbers = {"remaining": self.limit - self.current, "current": self.current, "reset": self.reset_at_s}
        return [(f"x-ratelimit-{name}".encode(), str(number).encode()) for name, number in numbers.items()]


class Limiter:
    """The sliding windows of all accounts, in real time whatever the market's speed."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, deque[float]] = OrderedDict()

    def admit(self, account: Account, now_s: float) -> Verdict:
        """Count a call if it passes; a call that is refused costs nothing, so nobody is locked out."""
        calls = self._window(account.name, now_s)
        limit = CALLS_PER_WINDOW[account.plan]
        is_allowed = len(calls) < limit
        if is_allowed:
            calls.append(now_s)
        current = len(calls) if is_allowed else len(calls) + 1
        return Verdict(is_allowed, limit, current, math.ceil(calls[0] + WINDOW_S))

    def _window(self, name: str, now_s: float) -> deque[float]:
        calls = self._calls.setdefault(name, deque())
        self._calls.move_to_end(name)
        if len(self._calls) > _MAX_ACCOUNTS:
            self._calls.popitem(last=False)
        while calls and calls[0] <= now_s - WINDOW_S:
            calls.popleft()
        return calls
