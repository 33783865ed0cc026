"""How a token presents itself, to every source alike: mint, name, symbol, icon, links.

Web addresses are under names reserved by RFC 2606: nothing simulated points at anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from enrichment.sandbox.chance import Chance, Words
from enrichment.sandbox.market import Market
from enrichment.sandbox.names import names_of
from enrichment.sandbox.pools import FAKE_QUOTE, Pools
from enrichment.sandbox.traits import Traits

# 44.5 % of 451,523 real tokens have any link; these are the kinds among those that have.
_ANY_LINK = 0.45
_LINKS = {
    "twitter": (0.85, "https://x.example/{}"),
    "website": (0.60, "https://{}.example"),
    "telegram": (0.25, "https://t.example/{}"),
    "tiktok": (0.06, "https://tiktok.example/@{}"),
    "instagram": (0.04, "https://instagram.example/{}"),
    "discord": (0.02, "https://discord.example/{}"),
}
# One link in fifty is what people really type there, or what nobody should follow.
_ODD_LINK_SHARE = 0.02
_ODD_LINKS = (
    "javascript:alert(document.domain)",
    "https://123",
    "data:text/html,<script>alert(1)</script>",
    "http://127.0.0.1:22/",
    "https://user@evil.example/",
    "soon",
)
_ICON_SHARE = 0.98  # of 230 rows recorded on 2026-08-14


@dataclass(frozen=True, slots=True)
class Face:
    """One token's presentation; `links` by kind, only those there are."""

    mint: str
    name: str
    symbol: str
    icon: str | None
    links: dict[str, str]


def faces_of(market: Market, traits: Traits) -> list[Face]:
    """Return the face of every token."""
    mints = market.universe.mints(traits.ids)
    names = names_of(market.chance, market.universe, traits)
    has_icon = (market.chance.unit("icon", traits.ids) < _ICON_SHARE).tolist()
    rows = zip(mints, names, has_icon, _links(market.chance, traits.ids, mints), strict=True)
    return [
        Face(mint, name, symbol, f"https://icons.sandbox.example/{mint}.png" if is_shown else None, links)
        for mint, (name, symbol), is_shown, links in rows
    ]


def named(market: Market, ids: Words, text: str) -> Words:
    """Return those of the tokens whose name or symbol holds the text, whatever its case; for an empty text none."""
    text = text.strip().casefold()
    names = names_of(market.chance, market.universe, market.traits(ids))
    hits = [place for place, pair in enumerate(names) if text and any(text in part.casefold() for part in pair)]
    return ids[hits]


def pool_faces(market: Market, pools: Pools) -> list[tuple[Face, Face]]:
    """Return the faces of base and quote of every pool. A poisoned pool's quote looks like USDC and is not."""
    ids = np.unique(np.concatenate([pools.ids, pools.quotes]))
    known = dict(zip(ids.tolist(), faces_of(market, market.traits(ids)), strict=True))
    fakes = market.universe.addresses(pools.ids, np.full(len(pools.ids), FAKE_QUOTE, dtype=np.uint64))
    pairs = zip(pools.ids.tolist(), pools.quotes.tolist(), pools.is_poisoned.tolist(), fakes, strict=True)
    return [
        (known[base], Face(fake, "USD Coin", "USDC", None, {}) if is_poisoned else known[quote])
        for base, quote, is_poisoned, fake in pairs
    ]


def _links(chance: Chance, ids: Words, mints: Sequence[str]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = [{} for _ in mints]
    has_any = chance.unit("any link", ids) < _ANY_LINK
    for kind, (share, form) in _LINKS.items():
        odd = (chance.unit(f"odd {kind}", ids) < _ODD_LINK_SHARE).tolist()
        which = (chance.bits(f"odd {kind}", ids) % np.uint64(len(_ODD_LINKS))).tolist()
        for place in np.flatnonzero(has_any & (chance.unit(kind, ids) < share)).tolist():
            found[place][kind] = _ODD_LINKS[which[place]] if odd[place] else form.format(mints[place][:12].lower())
    return found
