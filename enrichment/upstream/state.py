"""What is remembered of one upstream account, and its form in the database. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from enrichment.upstream.budget import Spending

Standing = Literal["ok", "throttled", "open", "exhausted", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that is remembered of one account. Times are epoch seconds, 0 means never; `{}` is a fresh one."""

    calls: tuple[tuple[int, str, int], ...] = ()  # (slot, purpose, calls), oldest first
    results: tuple[tuple[int, int, int], ...] = ()  # (slot, good, failed), oldest first
    slow: tuple[tuple[int, int], ...] = ()  # (slot, calls that took too long, whatever became of them), oldest first
    waiting: Mapping[str, float] = field(default_factory=dict)  # who was sent away: their place is kept until then
    paced_until: float = 0.0
    slowed_rps: float = 0.0  # the rate at `throttled_at`; 0 while the plan's own holds
    throttled_at: float = 0.0
    throttles: int = 0
    blocked_until: float = 0.0
    opens: int = 0
    open_until: float = 0.0
    good: int = 0
    exhausted_until: float = 0.0
    refused_until: float = 0.0
    probe_until: float = 0.0
    spending: Spending = field(default_factory=Spending)
    seen_at: float = 0.0

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> State:
        """Return what `to_json` wrote; keys of another version are ignored."""
        known: dict[str, Any] = {f.name: stored[f.name] for f in fields(cls) if f.name in stored}
        for rows in {"calls", "results", "slow"} & known.keys():
            known[rows] = tuple(map(tuple, known[rows]))
        if "spending" in known:
            known["spending"] = Spending.from_json(known["spending"])
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """Return the fields that say something."""
        return {name: value for name, value in asdict(self).items() if value}

    @property
    def is_suspect(self) -> bool:
        """Whether the last thing known of the upstream is trouble, so that one call at a time goes ahead."""
        return bool(self.refused_until or self.exhausted_until or self.opens or self.throttles)

    @property
    def standing(self) -> Standing:
        """What an operator should know of the upstream; a change of it is worth one log line."""
        if self.refused_until:
            return "refused"
        if self.exhausted_until:
            return "exhausted"
        if self.opens:
            return "open"
        return "throttled" if self.throttles or self.slowed_rps else "ok"
