"""For these mints, ask the sources; never raises. One source so far: Jupiter's token search, 100 mints a call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from asgiref.sync import async_to_sync
from django.conf import settings

from enrichment import price
from enrichment.upstream.errors import UpstreamError
from enrichment.upstream.gate import Purpose
from enrichment.upstream.jupiter import Jupiter, jupiter
from tokens.facts import Facts, Observation
from tokens.mint import Mint

MAX_WAIT_S = 5.0  # how long a job waits for its gate before it gives its rows back


@dataclass(frozen=True, slots=True)
class Collected:
    """What the sources said. A mint absent from `facts` was asked for and is unknown to them, unless `error` is set."""

    facts: dict[Mint, Facts]
    error: UpstreamError | None = None


def open_jupiter() -> Jupiter:
    """Return the configured account's client; an async context manager."""
    return jupiter(settings.JUPITER_URL, settings.JUPITER_API_KEY, settings.JUPITER_PLAN, settings.JUPITER_BILLING_DAY)


def collect(mints: Sequence[Mint], purpose: Purpose) -> Collected:
    """Ask for up to 100 mints, in one call on the account of `purpose`'s share."""

    async def search() -> dict[Mint, Observation]:
        async with open_jupiter() as client:
            return await client.fetch_search(mints, purpose=purpose, max_wait_s=MAX_WAIT_S)

    try:
        found = async_to_sync(search)()
    except UpstreamError as error:
        return Collected({}, error)
    return Collected({facts.mint: facts for facts in facts_of(found.values())})


def facts_of(observations: Iterable[Observation]) -> list[Facts]:
    """Return one source's observations as what the store writes."""
    return [Facts(mint=o.mint, metadata=o.metadata, price=price.aggregate([o])) for o in observations]
