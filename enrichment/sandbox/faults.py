"""The ways an upstream can fail, by name, and what each does to an answer."""

from __future__ import annotations

from collections.abc import Sequence

# Answers to any Jupiter request.
LATENCY, HTTP_500, RATE_LIMITED, HTML, TRUNCATED, EMPTY = (
    "latency", "http_500", "rate_limited", "html", "truncated", "empty",
)  # fmt: skip
# Answers to a request for the complete list.
HALF_LIST, EMPTY_LIST, HTML_LIST, TRUNCATED_LIST = "half_list", "empty_list", "html_list", "truncated_list"
FAULTS = (
    LATENCY, HTTP_500, RATE_LIMITED, HTML, TRUNCATED, EMPTY,
    HALF_LIST, EMPTY_LIST, HTML_LIST, TRUNCATED_LIST,
)  # fmt: skip

LATENCY_S = 3.0  # 25 times the slow end of real answers (119 ms at the 95th percentile)
# What a content delivery network says in front of a troubled or suspicious API, with status 200 at times.
HTML_PAGE = (
    b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser.</body></html>"
)


class UnknownFault(ValueError):
    """A fault nobody knows; the message names the known ones."""


def chosen(names: Sequence[object]) -> frozenset[str]:
    """Return the named faults. Raises: UnknownFault."""
    unknown = [str(name)[:40] for name in names if name not in FAULTS]
    if unknown:
        raise UnknownFault(f"unknown fault {', '.join(unknown)}; known are {', '.join(FAULTS)}")
    return frozenset(str(name) for name in names)
