"""What templates need to show a token: our formats, the mint's picture and the explorers' addresses."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.conf import settings

from tokens import avatar, fields, format
from tokens.mint import is_mint, short
from tokens.models import TokenPrice

EXPLORERS = (  # each one's own address of a mint's page, 2026-11-22
    ("Solscan", "Solscan", "https://solscan.io/token/"),
    ("DexScreener", "Dex", "https://dexscreener.com/solana/"),
    ("Jupiter", "Jupiter", "https://jup.ag/tokens/"),
)
FRESH_S = 120  # an `ok` price older than this loses its solid dot
GRAVE_FLAGS = frozenset({"spoof_of", "is_sus", "has_foreign_mint", "mixed_script"})  # signs of an impostor

register = template.Library()
register.filter("price", format.price)
register.filter("amount", format.amount)
register.filter("percent", format.percent)
register.filter("direction", format.direction)
register.filter("count", format.count)
register.filter("short", short)
register.filter("fixed", fields.fixed)
register.filter("instant", fields.instant)
register.filter("is_mint", is_mint)


@register.filter
def since(at: datetime | None, now: datetime) -> str:
    """Return how long ago `at` was."""
    return format.age(None if at is None else (now - at).total_seconds())


@register.filter
def word(flag: str) -> str:
    """Return a flag as words: `spoof_of` reads "spoof", `mint_authority` "mint authority"."""
    return flag.removeprefix("is_").removesuffix("_of").replace("_", " ")


@register.filter
def is_grave(flag: str) -> bool:
    """Whether a flag warns of an impostor, and not only of a power somebody holds."""
    return flag in GRAVE_FLAGS


@register.filter
def gravest_first(flags: list[str]) -> list[str]:
    """Return the flags in the order in which they deserve the little room there is."""
    return sorted(flags, key=is_grave, reverse=True)


@register.filter
def standing(live: TokenPrice) -> str:
    """Return the one word for how far to believe the row: the price's status, unless the token's says more."""
    listed = fields.status_word(live.token.status, live.token.removed_at)
    if listed == "removed" or (listed == "pending" and live.price is None):
        return listed
    return live.price_status


@register.filter
def seen_at(live: TokenPrice) -> datetime | None:
    """Return when the price was true, as far as anybody said; else when it reached us."""
    return live.price_observed_at or live.price_received_at


@register.filter
def is_fresh(live: TokenPrice, now: datetime) -> bool:
    """Whether the price deserves the solid dot."""
    age_s = fields.age_s(live.price_observed_at, live.price_received_at, now)
    return standing(live) == "ok" and age_s is not None and age_s <= FRESH_S


@register.simple_tag
def explorers() -> tuple[tuple[str, str, str], ...]:
    """Return (name, short name, address without the mint) of each explorer."""
    return EXPLORERS


@register.simple_tag
def upstreams() -> str:
    """Return `live` or `sandbox`."""
    return settings.UPSTREAMS


@register.inclusion_tag("tokens/_avatar.html")
def picture(mint: str) -> dict[str, avatar.Avatar]:
    """Draw a mint's picture."""
    return {"avatar": avatar.avatar(mint)}
