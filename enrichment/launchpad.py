"""Which launchpad a token came from, by what the sources show of it. Pure.

A mint that ends in "pump" is no proof: of recorded pump.fun coins a tenth to a half do not, and others do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from tokens.facts import Observation

PUMP_FUN = "pump.fun"
CURVES = frozenset({"pumpfun", "pump-fun"})  # its bonding curve, as DexScreener and GeckoTerminal call it
EXCHANGE = "pumpswap"  # where it sends graduates, and where anybody else may open a pool as well

Evidence = Literal["stated", "feed", "curve", "category", "authority", "pool"]


@dataclass(frozen=True, slots=True)
class Recognised:
    """A launchpad in Jupiter's spelling, and by what it was recognised, the surest sign there was."""

    launchpad: str
    by: Evidence


def recognise(observations: Iterable[Observation]) -> Recognised | None:
    """Return the launchpad of one mint, by the first of these signs that any source shows; None without one.

    stated     Jupiter names it
    feed       pump.fun lists it as its own
    curve      it trades on pump.fun's bonding curve
    category   GeckoTerminal counts it among pump.fun's, or saw it move to pump.fun's exchange
    authority  its metadata is under pump.fun's old update authority (Helius)
    pool       it trades on pump.fun's exchange and its mint ends in "pump": two weak signs, neither of which is enough
    """
    seen = list(observations)
    for by, read in _SIGNS:
        launchpad = next((name for name in map(read, seen) if name), None)
        if launchpad:
            return Recognised(launchpad, by)
    return None


def _named_by(source: str) -> Callable[[Observation], str | None]:
    return lambda seen: seen.metadata.launchpad if seen.source == source and seen.metadata else None


def _by_curve(seen: Observation) -> str | None:
    return PUMP_FUN if seen.quote and seen.quote.dex in CURVES else None


def _by_pool(seen: Observation) -> str | None:
    return PUMP_FUN if seen.quote and seen.quote.dex == EXCHANGE and seen.mint.endswith("pump") else None


_SIGNS: tuple[tuple[Evidence, Callable[[Observation], str | None]], ...] = (
    ("stated", _named_by("jupiter")),
    ("feed", _named_by("pumpfun")),
    ("curve", _by_curve),
    ("category", _named_by("geckoterminal")),
    ("authority", _named_by("helius")),
    ("pool", _by_pool),
)
