"""The combined price of a mint from what the sources quote. Pure.

With one source answering (Jupiter) there is one vote, and one vote is published as `low`: it may be right, and
nothing contradicts or confirms it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tokens.facts import Observation, Price

MIN_LIQUIDITY_USD = Decimal(5000)  # below this a pool's price is cheap to move
ONE_VOTE, ONE_THIN_VOTE = (
    0.5,
    0.25,
)  # confidence: half of what agreement of two sources may reach, and half of that


def aggregate(observations: Sequence[Observation]) -> Price | None:
    """Return the price that one mint's observations support; None when no source said anything about prices."""
    quoted = [o for o in observations if o.quote is not None]
    if not quoted:
        return None
    best = max(
        quoted,
        key=lambda o: (o.quote.price_usd is not None, o.quote.liquidity_usd or 0) if o.quote else (False, 0),
    )
    quote = best.quote
    assert quote is not None
    is_priced = quote.price_usd is not None
    is_thin = (quote.liquidity_usd or 0) < MIN_LIQUIDITY_USD
    return Price(
        status="low" if is_priced else "unavailable",
        usd=quote.price_usd,
        confidence=(ONE_THIN_VOTE if is_thin else ONE_VOTE) if is_priced else None,
        sources=(best.source,) if is_priced else (),
        observed_at=best.observed_at,
        received_at=best.received_at,
        liquidity_usd=quote.liquidity_usd,
        volume_24h_usd=quote.volume_24h_usd,
        market_cap_usd=quote.market_cap_usd,
        fdv_usd=quote.fdv_usd,
        change_5m_pct=quote.change_5m_pct,
        change_1h_pct=quote.change_1h_pct,
        change_6h_pct=quote.change_6h_pct,
        change_24h_pct=quote.change_24h_pct,
        block_id=quote.block_id,
    )
