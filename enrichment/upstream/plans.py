"""What each upstream account may do and what a call costs: the vendors' figures, with source and date. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# Who asks, in the order they are served: a person's click, detection, refreshing the top tiers, refreshing the rest,
# enrichment.
Purpose = Literal["manual", "detect", "top", "refresh", "enrich"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What an account may do.

    Units: `rpm` calls in any 60 s; `rps` calls a second in the long run; `burst` calls at once; `floor_rps` the slowest
    that throttling makes us; `credits` a month, None where none are counted; `billing_day` of the month they begin.
    `spacing` stretches the time between calls where the vendor counts single seconds, so that two calls which travel
    at different speeds do not arrive in the same one.
    """

    rpm: int
    rps: float | None = None
    burst: int = 1
    floor_rps: float = 0.5
    spacing: float = 1.0
    credits: int | None = None
    billing_day: int = 1

    @property
    def rate_rps(self) -> float:
        """The steady rate that keeps both limits."""
        return min(self.rps or math.inf, self.rpm / 60) / self.spacing

    @property
    def slowest_rps(self) -> float:
        """The rate that no throttle goes below: the floor, or half the plan where that is less."""
        return min(self.floor_rps, self.rate_rps / 2)


def _das(rps: int, credits: int) -> Plan:
    return Plan(rpm=60 * rps, rps=rps, spacing=1.05, credits=credits)


PLANS: Mapping[str, Mapping[str, Plan]] = {
    # Source: developers.jup.ag/portal (jup-ag/docs, 2026-08-21): one sliding 60 s window an organisation; no credits
    # are counted below Developer. The bursts are ours: a second's worth, and two where that would be less, so that a
    # caller who wakes late catches up.
    "jupiter": {
        "keyless": Plan(rpm=30, rps=0.5, burst=2),
        "free": Plan(rpm=60, rps=1, burst=2),
        "developer": Plan(rpm=600, rps=10, burst=10, credits=25_000_000),
        "launch": Plan(rpm=3_000, rps=50, burst=50, credits=100_000_000),
        "pro": Plan(rpm=9_000, rps=150, burst=150, credits=500_000_000),
    },
    # Source: Helius billing pages on rate limits and plans (helius-labs/docs, 2026-01-16): DAS calls a second and
    # credits a month.
    "helius": {
        "free": _das(2, 1_000_000),
        "developer": _das(10, 10_000_000),
        "business": _das(50, 100_000_000),
        "professional": _das(100, 200_000_000),
    },
    # Source: docs.dexscreener.com/api/reference (2026-11-22): 300 a minute for pairs and tokens, and a second, separate
    # allowance of 60 for the profile and boost feeds. Hence two accounts, each with its gate.
    "dexscreener": {"public": Plan(rpm=300, burst=5)},
    "dexscreener-feeds": {"public": Plan(rpm=60, burst=2)},
    # Source: the vendor's FAQ says about 30 a minute and address; others see 429 from 20 to 27 and stay at 25
    # (hummingbot/condor, 2026). Throttled we go down to 10, the least that anybody reports.
    "geckoterminal": {"public": Plan(rpm=25, floor_rps=10 / 60)},
    # Source: none for what we ask, the API is unofficial. Its headers state 20 to 60 a minute on other routes (recorded
    # 2025-11); nothing depends on it.
    "pumpfun": {"public": Plan(rpm=30)},
}

# Credits a call, whatever it carries. Source: Jupiter's plans page (jup-ag/docs, 2026-08-21), Helius' billing page on
# credits (helius-labs/docs, 2026-01-16).
CREDITS: Mapping[str, Mapping[str, int]] = {
    "jupiter": {"search": 10, "tag": 50, "category": 5, "recent": 1, "price": 1},
    "helius": {"getAssetBatch": 10},
}
