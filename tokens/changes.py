"""What a round of learning changes about a token, and which event it deserves. Pure.

Shape: a `Row` maps column names of `Token` and `TokenPrice` to their Python values, as stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Context, Decimal
from typing import Any

from tokens.facts import Facts, Metadata, Price
from tokens.mint import Mint

Row = Mapping[str, Any]

STATIC = (
    "symbol", "name", "decimals", "description", "image_url", "tags", "launchpad", "verified", "flags",
    "token_program", "mint_authority", "freeze_authority", "created_at", "holder_count", "total_supply",
    "circulating_supply",
)  # fmt: skip
_LIVE_NUMBERS = {
    "liquidity": "liquidity_usd",
    "volume_24h": "volume_24h_usd",
    "market_cap": "market_cap_usd",
    "fdv": "fdv_usd",
    "change_5m": "change_5m_pct",
    "change_1h": "change_1h_pct",
    "change_6h": "change_6h_pct",
    "change_24h": "change_24h_pct",
}
LIVE = (
    "price", "price_status", "price_confidence", "price_sources", "price_observed_at", "price_received_at",
    "price_changed_at", "price_block_id", *_LIVE_NUMBERS,
)  # fmt: skip
_SILENT = frozenset({"price_received_at", "price_changed_at", "price_block_id", "token_program", "mint_authority",
                     "freeze_authority"})  # fmt: skip
"""Columns that are no public field: a change in these alone is stored and told to nobody."""
_STEP, _DIGITS = Decimal("1e-18"), Context(prec=38)  # the stored scale and size: numeric(38, 18)


@dataclass(frozen=True, slots=True)
class Patch:
    """What changes about one token. `static` and `live` hold only columns that take another value.

    `is_announcement` marks the first publication of a token registered in bulk (its revision was 0).
    """

    mint: Mint
    token_id: int
    revision: int
    static: dict[str, Any] = field(default_factory=dict)
    live: dict[str, Any] = field(default_factory=dict)
    socials: dict[str, str] = field(default_factory=dict)
    websites: dict[str, str] = field(default_factory=dict)
    is_announcement: bool = False

    @property
    def is_public(self) -> bool:
        """Whether anybody outside would see a difference."""
        return bool(
            self.is_announcement or self.socials or self.websites or (self.static.keys() | self.live.keys()) - _SILENT
        )

    @property
    def is_price_change(self) -> bool:
        """Whether the price took another value, and so belongs in the history."""
        return self.live.get("price") is not None


def diff(old: Row, facts: Facts, now: datetime) -> Patch | None:
    """Return what `facts` change about the stored row, or None when they change nothing.

    Null never overwrites; a price older than the stored one is not news.
    """
    static, socials, websites = _metadata_changes(old, facts.metadata)
    live = _price_changes(old, facts.price, now)
    is_announcement = old["revision"] == 0
    if not (static or live or socials or websites or is_announcement):
        return None
    patch = Patch(facts.mint, old["token_id"], old["revision"], static, live, socials, websites, is_announcement)
    if patch.is_public:
        return Patch(facts.mint, old["token_id"], old["revision"] + 1, static, live, socials, websites, is_announcement)
    return patch


def _metadata_changes(old: Row, new: Metadata | None) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    if new is None:
        return {}, {}, {}
    static = {
        column: list(value) if isinstance(value, tuple) else value
        for column in STATIC
        if (value := getattr(new, column)) is not None and not _equal(old[column], value)
    }
    socials = {kind: url for kind, url in new.socials.items() if old["socials"].get(kind) != url}
    websites = {url: label for label, url in new.websites if old["websites"].get(url) != label}
    return static, socials, websites


def _price_changes(old: Row, new: Price | None, now: datetime) -> dict[str, Any]:
    if new is None:
        return {}
    if new.usd is None:
        return _without_price(old, new)
    if is_older(old, new):
        return {}
    price = _stored(new.usd)
    if not price:  # too small for the stored scale: unknown to us, and never zero
        return _without_price(old, new)
    fresh: dict[str, Any] = {
        "price": price,
        "price_status": new.status,
        "price_confidence": new.confidence,
        "price_sources": list(new.sources),
        "price_observed_at": new.observed_at or old["price_observed_at"],
        "price_received_at": new.received_at,
        "price_block_id": new.block_id or old["price_block_id"],
    } | _numbers(new)
    if not _equal(old["price"], price):
        fresh["price_changed_at"] = now
    return {column: value for column, value in fresh.items() if not _equal(old[column], value)}


def _stored(value: Decimal) -> Decimal:
    """Return the value as the database keeps it, so that what was stored compares equal to what arrives again."""
    return value.quantize(_STEP, context=_DIGITS)


def _numbers(new: Price) -> dict[str, Any]:
    """Return the figures beside the price that this round knows; the unknown ones keep their last value."""
    known = {column: getattr(new, name) for column, name in _LIVE_NUMBERS.items()}
    return {
        column: _stored(value) if isinstance(value, Decimal) else value
        for column, value in known.items()
        if value is not None
    }


def _without_price(old: Row, new: Price) -> dict[str, Any]:
    """Keep the last good price and say so: `stale` where there is one, `unavailable` where there never was."""
    fresh = {"price_status": "unavailable" if old["price"] is None else "stale"} | _numbers(new)
    return {column: value for column, value in fresh.items() if not _equal(old[column], value)}


def is_older(old: Row, new: Price) -> bool:
    """Say whether `new` would take the price back in time: by Solana slot where both know it, else by time."""
    if new.block_id is not None and old["price_block_id"] is not None and new.block_id != old["price_block_id"]:
        return bool(new.block_id < old["price_block_id"])
    pairs = ((new.observed_at, old["price_observed_at"]), (new.received_at, old["price_received_at"]))
    return any(mine is not None and stored is not None and mine < stored for mine, stored in pairs)


def _equal(stored: Any, value: Any) -> bool:
    if isinstance(stored, list) and isinstance(value, tuple | list):
        return stored == list(value)
    return bool(stored == value)
