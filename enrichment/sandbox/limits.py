"""How many calls an account has left in its sliding window, and how many credits in its month."""

from __future__ import annotations

import math
import time
from collections import OrderedDict, deque
from dataclasses import dataclass

_MAX_ACCOUNTS = 1_000  # any key opens an account here; the oldest are forgotten so that memory stays bounded


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a call passes, and the numbers its headers state. `reset_at_s`: when one slot frees, unix seconds."""

    is_allowed: bool
    limit: int
    current: int
    reset_at_s: int

    @property
    def remaining(self) -> int:
        """How many calls are left; negative for a call that was refused."""
        return self.limit - self.current


class Limiter:
    """The sliding windows of all accounts, in real time whatever the market's speed."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, deque[float]] = OrderedDict()

    def admit(self, bucket: str, limit: int, now_s: float, span_s: float = 60.0) -> Verdict:
        """Count a call if it passes; a call that is refused costs nothing, so nobody is locked out."""
        calls = self._window(bucket, now_s - span_s)
        is_allowed = len(calls) < limit
        if is_allowed:
            calls.append(now_s)
        current = len(calls) + (not is_allowed)
        return Verdict(is_allowed, limit, current, math.ceil(calls[0] + span_s))

    def _window(self, bucket: str, ended_s: float) -> deque[float]:
        calls = self._calls.setdefault(bucket, deque())
        self._calls.move_to_end(bucket)
        if len(self._calls) > _MAX_ACCOUNTS:
            self._calls.popitem(last=False)
        while calls and calls[0] <= ended_s:
            calls.popleft()
        return calls


class Meter:
    """The credits every account has used since the first of its month (UTC)."""

    def __init__(self) -> None:
        self._used: OrderedDict[tuple[str, int, int], int] = OrderedDict()

    def charge(self, account: str, cost: int, budget: int | None, now_s: float) -> bool:
        """Count the cost of a call; False, and nothing counted, when the month's budget does not cover it."""
        month = (account, *time.gmtime(now_s)[:2])
        used = self._used.get(month, 0)
        if budget is not None and used + cost > budget:
            return False
        self._used[month] = used + cost
        self._used.move_to_end(month)
        if len(self._used) > _MAX_ACCOUNTS:
            self._used.popitem(last=False)
        return True

    def used(self, now_s: float) -> dict[str, int]:
        """Return what each account has used in this month, of those that used any."""
        month = tuple(time.gmtime(now_s)[:2])
        return {account: used for (account, *when), used in self._used.items() if used and tuple(when) == month}
