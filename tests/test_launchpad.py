"""Which launchpad: the surest sign wins, two weak ones together count, and an ending proves nothing."""

from __future__ import annotations

import pytest

from enrichment.launchpad import Recognised, recognise
from tests.conftest import NOW, mint
from tokens.facts import Metadata, Observation, Quote
from tokens.mint import Mint

# Recorded: pump.fun coins without the ending, and other coins with it.
BARE, ENDING = (
    Mint("G5pUPqCZBzYVpSCwSE1b1JvhTjdGAMepJUhmDMpPn2ES"),
    Mint("EkKg6JJyjsoQhYDyt6DC5mUvgq3kpWZYkyTD2hRXpump"),
)


def said(source: str, launchpad: str | None, of: Mint = BARE) -> Observation:
    return Observation(mint=of, source=source, received_at=NOW, metadata=Metadata(launchpad=launchpad))


def pool(source: str, dex: str | None, of: Mint = BARE) -> Observation:
    return Observation(mint=of, source=source, received_at=NOW, quote=Quote(dex=dex, pool=mint(5)))


STATED, FEED = said("jupiter", "pump.fun"), said("pumpfun", "pump.fun")
CURVE, CATEGORY, AUTHORITY = (
    pool("dexscreener", "pumpfun"),
    said("geckoterminal", "pump.fun"),
    said("helius", "pump.fun"),
)


@pytest.mark.parametrize(
    ("observations", "expected"),
    [
        ([], None),
        ([said("jupiter", None), pool("dexscreener", None)], None),
        ([STATED], ("pump.fun", "stated")),
        ([said("jupiter", "letsbonk.fun")], ("letsbonk.fun", "stated")),
        ([said("jupiter", "met-dbc"), FEED, CURVE], ("met-dbc", "stated")),  # who names it knows best
        ([AUTHORITY, CATEGORY, CURVE, FEED, STATED], ("pump.fun", "stated")),
        ([said("jupiter", None), AUTHORITY, CATEGORY, CURVE, FEED], ("pump.fun", "feed")),
        ([AUTHORITY, CATEGORY, CURVE], ("pump.fun", "curve")),
        ([pool("geckoterminal", "pump-fun")], ("pump.fun", "curve")),
        ([AUTHORITY, CATEGORY], ("pump.fun", "category")),
        ([AUTHORITY, pool("dexscreener", "pumpswap", ENDING)], ("pump.fun", "authority")),
        ([pool("dexscreener", "pumpswap", ENDING)], ("pump.fun", "pool")),
        ([pool("dexscreener", "pumpswap", BARE)], None),  # anyone may open a pool there
        ([pool("geckoterminal", "meteora-dbc", ENDING)], None),  # and anyone may grind an ending
        ([said("jupiter", None, ENDING)], None),
    ],
)
def test_the_surest_sign_names_the_launchpad(observations, expected):
    assert recognise(iter(observations)) == (expected and Recognised(*expected))
