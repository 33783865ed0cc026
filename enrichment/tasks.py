"""What the detect and enrich pulses run each slot."""

from __future__ import annotations

from datetime import datetime

from enrichment import enrich as enrichment
from enrichment import quarantine, sources

_shut_until: datetime | None = None  # this worker's memory of a shut gate, so that it does not claim in vain


def detect(now: datetime) -> None:
    """Run the list sources that are due, and let in the next of the mints that are held back."""
    sources.run_due(now)
    quarantine.drip(now)


def enrich(now: datetime) -> None:
    """Learn about one batch of pending tokens, unless the gate said not yet."""
    global _shut_until
    if _shut_until is None or now >= _shut_until:
        _shut_until = enrichment.run_once(now).retry_at
