"""The ways an upstream can fail, by name, and which upstream each one is switched on for.

A name alone switches a fault on for every upstream it can befall: those of `ANSWERS` all vendors, those of `LISTS` the
partner's list. `helius:stall` is for one upstream only; the list, `lists`, can have faults of both kinds that way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from enrichment.sandbox.market import Lens
from enrichment.sandbox.vendors import VENDORS

LIST_UPSTREAM = "lists"
UPSTREAMS = (*VENDORS, LIST_UPSTREAM)

# How the bytes arrive.
LATENCY, STALL, RESET, CUT_CHUNKS, SLOW_DRIP, GZIP_BOMB = (
    "latency", "stall", "reset", "cut_chunks", "slow_drip", "gzip_bomb",
)  # fmt: skip
# What comes instead of an answer.
HTTP_500, HTTP_503, HTML, BLANK = "http_500", "http_503", "html", "blank"
INSTEAD = (LATENCY, STALL, RESET, CUT_CHUNKS, SLOW_DRIP, GZIP_BOMB, HTTP_500, HTTP_503, HTML, BLANK)
# Refusals: as the vendor words them, and the ways a 429 can name a time or not.
RATE_LIMITED, RATE_LIMITED_BARE, RATE_LIMITED_SECONDS, RATE_LIMITED_DATE, RATE_LIMITED_PAST, RATE_LIMITED_GARBAGE = (
    "rate_limited", "rate_limited_bare", "rate_limited_seconds", "rate_limited_date", "rate_limited_past",
    "rate_limited_garbage",
)  # fmt: skip
RATE_LIMITED_200, AUTH_REFUSED, QUOTA_EXHAUSTED = "rate_limited_200", "auth_refused", "quota_exhausted"
THROTTLES = (
    RATE_LIMITED, RATE_LIMITED_BARE, RATE_LIMITED_SECONDS, RATE_LIMITED_DATE, RATE_LIMITED_PAST, RATE_LIMITED_GARBAGE,
    RATE_LIMITED_200,
)  # fmt: skip
# What is wrong with the body, and what with the market behind it.
TRUNCATED, EMPTY, HALF, DUPLICATE, SCHEMA_DRIFT, SCHEMA_DRIFT_IDS, BAD_NUMBERS = (
    "truncated", "empty", "half", "duplicate", "schema_drift", "schema_drift_ids", "bad_numbers",
)  # fmt: skip
WRONG_UNITS, POISONED_POOLS, STALE, FLAPPING, PRICES_GONE, STRANGERS = (
    "wrong_units", "poisoned_pools", "stale", "flapping", "prices_gone", "strangers",
)  # fmt: skip
ANSWERS = (
    *INSTEAD, *THROTTLES, AUTH_REFUSED, QUOTA_EXHAUSTED,
    TRUNCATED, EMPTY, HALF, DUPLICATE, SCHEMA_DRIFT, SCHEMA_DRIFT_IDS, BAD_NUMBERS,
    WRONG_UNITS, POISONED_POOLS, STALE, FLAPPING, PRICES_GONE, STRANGERS,
)  # fmt: skip
# Answers to a request for the complete list.
HALF_LIST, EMPTY_LIST, HTML_LIST, TRUNCATED_LIST, DUPLICATE_LIST, FLAPPING_LIST = (
    "half_list", "empty_list", "html_list", "truncated_list", "duplicate_list", "flapping_list",
)  # fmt: skip
LISTS = (HALF_LIST, EMPTY_LIST, HTML_LIST, TRUNCATED_LIST, DUPLICATE_LIST, FLAPPING_LIST)
FAULTS = (*ANSWERS, *LISTS)

LATENCY_S = 3.0  # 25 times the slow end of real answers (119 ms at the 95th percentile)
STALL_S, DRIP_S = 300.0, 1.0  # longer than any deadline; between two bytes
STALE_S, FLAPPING_S = 86_400.0, 600.0  # how far behind, in market time, the one mirror is and every other answer
UNITS = 1e6  # what a price is off by when its source confuses six decimals with none


class UnknownFault(ValueError):
    """A fault nobody knows; the message names the known ones."""


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults that are on, as they were named."""

    names: frozenset[str] = frozenset()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.names))

    def of(self, upstream: str) -> frozenset[str]:
        """Return what is wrong with one upstream."""
        own = {name.removeprefix(f"{upstream}:") for name in self.names if name.startswith(f"{upstream}:")}
        return self.names.intersection(LISTS if upstream == LIST_UPSTREAM else ANSWERS) | own

    def replaced(self, upstream: str, names: Sequence[object]) -> Faults:
        """Return these faults with those of one upstream replaced. Raises: UnknownFault."""
        others = [name for name in self.names if not name.startswith(f"{upstream}:")]
        return chosen([*others, *(f"{upstream}:{name}" for name in names)])


def chosen(names: Sequence[object]) -> Faults:
    """Return the named faults. Raises: UnknownFault."""
    unknown = [str(name)[:60] for name in names if not _is_known(name)]
    if unknown:
        raise UnknownFault(
            f"unknown fault {', '.join(unknown)}; known are {', '.join(FAULTS)}, each also as {_scopes()}"
        )
    return Faults(frozenset(str(name) for name in names))


def lens_of(wrong: frozenset[str]) -> Lens:
    """Return how an upstream with these faults sees the market."""
    return Lens(
        units=UNITS if WRONG_UNITS in wrong else 1.0,
        is_priceless=PRICES_GONE in wrong,
        is_poisoned=POISONED_POOLS in wrong,
        adds_strangers=STRANGERS in wrong,
    )


def _is_known(name: object) -> bool:
    upstream, _, fault = str(name).rpartition(":")
    if not upstream:
        return fault in FAULTS
    return upstream in UPSTREAMS and fault in ((*INSTEAD, *LISTS) if upstream == LIST_UPSTREAM else ANSWERS)


def _scopes() -> str:
    return ", ".join(f"{upstream}:…" for upstream in UPSTREAMS)
