"""The frozen records every part exchanges: what one upstream said, and what we conclude from it.

Unknown is `None` everywhere. Money is `Decimal` in USD, changes are percent, times are aware UTC.
`observed_at` is when the upstream says a value was true (None when it does not say); `received_at` is when we got it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from tokens.mint import Mint

PriceStatus = Literal["ok", "low", "disputed", "stale", "unavailable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a source says a token is. Every text has passed `sanitize`; nothing here changes with a trade.

    Units: `decimals` 0–255; supplies in whole tokens (UI units), not base units; `holder_count` accounts.
    """

    symbol: str | None = None
    name: str | None = None
    decimals: int | None = None
    description: str | None = None
    image_url: str | None = None
    tags: tuple[str, ...] | None = None
    launchpad: str | None = None
    verified: bool | None = None
    flags: tuple[str, ...] | None = None
    created_at: datetime | None = None
    holder_count: int | None = None
    total_supply: Decimal | None = None
    circulating_supply: Decimal | None = None
    token_program: str | None = None
    mint_authority: str | None = None
    freeze_authority: str | None = None
    socials: Mapping[str, str] = field(default_factory=dict)
    websites: tuple[tuple[str, str], ...] = ()
    """(label, url) pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """One source's numbers for a mint, from one pool or (pool None) the source's own aggregate.

    Units: USD, percent for changes. `block_id` is the Solana slot of the price where the source states it.
    Of a pool: `dex` is its venue in the source's own word, `quote_mint` what the mint (always the pool's base) is
    priced in. `is_last_resort` marks a price taken over from elsewhere or derived: no vote where there is another.
    """

    price_usd: Decimal | None = None
    pool: str | None = None
    dex: str | None = None
    quote_mint: Mint | None = None
    pool_created_at: datetime | None = None
    is_last_resort: bool = False
    liquidity_usd: Decimal | None = None
    volume_24h_usd: Decimal | None = None
    market_cap_usd: Decimal | None = None
    fdv_usd: Decimal | None = None
    change_5m_pct: float | None = None
    change_1h_pct: float | None = None
    change_6h_pct: float | None = None
    change_24h_pct: float | None = None
    block_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """What one pool traded at in one interval, which begins `at`. Units: USD; all four prices are positive."""

    at: datetime
    open_usd: Decimal
    high_usd: Decimal
    low_usd: Decimal
    close_usd: Decimal
    volume_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One row of one upstream's answer about one mint: either half may be missing."""

    mint: Mint
    source: str
    received_at: datetime
    observed_at: datetime | None = None
    metadata: Metadata | None = None
    quote: Quote | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Our combined answer for a mint, with where it came from and how far to believe it.

    Units: USD, percent, `confidence` 0–1. Shape: `sources` names the votes that were used, sorted.
    `usd` None with status `unavailable` means nobody quotes the mint now; the last good price is kept, as `stale`.
    """

    status: PriceStatus
    usd: Decimal | None = None
    confidence: float | None = None
    sources: tuple[str, ...] = ()
    observed_at: datetime | None = None
    received_at: datetime | None = None
    liquidity_usd: Decimal | None = None
    volume_24h_usd: Decimal | None = None
    market_cap_usd: Decimal | None = None
    fdv_usd: Decimal | None = None
    change_5m_pct: float | None = None
    change_1h_pct: float | None = None
    change_6h_pct: float | None = None
    change_24h_pct: float | None = None
    block_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything learnt about one mint in one round: what `store.apply` writes."""

    mint: Mint
    metadata: Metadata | None = None
    price: Price | None = None
