"""Tokens in Jupiter's words: the rows of its token lists and the entries of its price answer.

A key without a value is absent, never null, and so is a count of zero: the recorded answers are like that.
Web addresses are under names reserved by RFC 2606: nothing simulated points at anybody.
Source: Jupiter's tokens/v2 and price/v3 specifications (2026-08-21), recordings of August and October 2026.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from enrichment.sandbox.chance import Chance, Reals, Words
from enrichment.sandbox.launches import DAY_S
from enrichment.sandbox.market import WINDOWS_S, Market, Sight
from enrichment.sandbox.mints import texts_of
from enrichment.sandbox.names import names_of
from enrichment.sandbox.stats import Row, records, stats_rows, where
from enrichment.sandbox.traits import KINDS, LAUNCHPADS, NO_LAUNCHPAD, Flags, Traits
from enrichment.sandbox.universe import SENTINELS
from tokens.mint import USDC, USDT

_PROGRAMS = ("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA", "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
# Token-2022: almost every launch of late 2026, half of what is older.
_SETTLED_2022, _LAUNCHED_2022 = 0.50, 0.95

# How often a field is there, of 230 rows recorded on 2026-08-14.
_SHARES = {"icon": 0.98, "dev": 0.996, "holderCount": 0.996, "createdAt": 0.987}
_MINTABLE, _FREEZABLE, _SUSPICIOUS, _GRADUATED = 0.11, 0.07, 0.02, 0.80
_HOLDERS_KNOWN_AFTER_S = 3  # the count of a token seconds old is missing in recordings

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


def token_rows(market: Market, ids: Words, now_s: float) -> list[Row]:
    """Return one MintInformation object per id."""
    sight = market.observe(ids, now_s)
    traits, mints = sight.traits, market.universe.mints(ids)
    tables = (
        _introductions(market, traits, mints),
        _links(market.chance, ids, mints),
        _origins(market.chance, traits),
        _numbers(market.chance, sight, now_s),
        stats_rows(market.chance, sight),
        _histories(market.chance, traits, mints),
        _judgements(market.chance, sight),
    )
    return [{key: value for part in parts for key, value in part.items()} for parts in zip(*tables, strict=True)]


def price_entries(market: Market, ids: Words, now_s: float) -> dict[str, Row]:
    """Return price/v3's entry per mint; an unpriced token has none. `priceChange24h` may be null."""
    sight = market.observe(ids, now_s)
    day = list(WINDOWS_S).index("24h")
    entries = records(
        {
            "createdAt": [iso(at_s) for at_s in sight.traits.born_s.tolist()],
            "liquidity": sight.liquidity_usd[0].tolist(),
            "usdPrice": sight.price_usd[0].tolist(),
            "blockId": sight.slots.astype(np.int64).tolist(),
            "decimals": sight.traits.decimals.tolist(),
        }
    )
    changes = where(sight.trades_in(day) > 0, sight.change_pct(day))
    answer = zip(market.universe.mints(ids), entries, changes, sight.is_priced.tolist(), strict=True)
    return {mint: entry | {"priceChange24h": change} for mint, entry, change, is_priced in answer if is_priced}


def iso(at_s: float, digits: int = 0) -> str:
    """Return an ISO time with up to `digits` (0, 3 or 9) fractional digits, without trailing zeros like Jupiter."""
    whole, fraction = divmod(at_s, 1)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
    decimals = f"{int(fraction * 10**digits):0{digits}d}".rstrip("0") if digits else ""
    return f"{text}.{decimals}Z" if decimals else f"{text}Z"


def _introductions(market: Market, traits: Traits, mints: Sequence[str]) -> list[Row]:
    names = names_of(market.chance, market.universe, traits)
    icons = [f"https://icons.sandbox.example/{mint}.png" for mint in mints]
    return records(
        {
            "id": mints,
            "name": [name for name, _ in names],
            "symbol": [symbol for _, symbol in names],
            "icon": where(_has(market.chance, "icon", traits.ids), icons),
            "decimals": traits.decimals.tolist(),
        }
    )


def _links(chance: Chance, ids: Words, mints: Sequence[str]) -> list[Row]:
    has_any = chance.unit("any link", ids) < _ANY_LINK
    columns = {}
    for kind, (share, form) in _LINKS.items():
        odd = (chance.unit(f"odd {kind}", ids) < _ODD_LINK_SHARE).tolist()
        which = (chance.bits(f"odd {kind}", ids) % np.uint64(len(_ODD_LINKS))).tolist()
        links = [
            _ODD_LINKS[place] if is_odd else form.format(mint[:12].lower())
            for mint, is_odd, place in zip(mints, odd, which, strict=True)
        ]
        columns[kind] = where(has_any & (chance.unit(kind, ids) < share), links)
    return records(columns)


def _origins(chance: Chance, traits: Traits) -> list[Row]:
    ids = traits.ids
    is_mintable, is_freezable = _authorities(chance, traits)
    born_digits = np.where(traits.is_launch, 0, 3 * (chance.unit("born digits", ids) < 0.3))
    born_at = [iso(at_s, digits) for at_s, digits in zip(traits.born_s.tolist(), born_digits.tolist(), strict=True)]
    return records(
        {
            "dev": where((ids >= len(SENTINELS)) & _has(chance, "dev", ids), _addresses(chance, "dev", ids)),
            "circSupply": _amounts(traits.circulating),
            "totalSupply": _amounts(traits.total_supply),
            "tokenProgram": [_PROGRAMS[is_2022] for is_2022 in _is_2022(chance, traits).tolist()],
            "launchpad": [_launchpad(place) for place in traits.launchpad.tolist()],
            "mintAuthority": where(is_mintable, _addresses(chance, "mint authority", ids)),
            "freezeAuthority": where(is_freezable, _addresses(chance, "freeze authority", ids)),
            "createdAt": where(_has(chance, "createdAt", ids), born_at),
        }
    )


def _numbers(chance: Chance, sight: Sight, now_s: float) -> list[Row]:
    traits = sight.traits
    price, priced = sight.price_usd[0], sight.is_priced
    counted = (now_s - traits.born_s > _HOLDERS_KNOWN_AFTER_S) & _has(chance, "holderCount", traits.ids)
    moments = sight.traded_at_s[0].tolist()
    return records(
        {
            "holderCount": where(counted, sight.holders.astype(np.int64)),
            "fdv": where(priced, price * traits.total_supply),
            "mcap": where(priced, price * traits.circulating),
            "usdPrice": where(priced, price),
            "priceBlockId": where(priced, sight.slots.astype(np.int64)),
            "liquidity": where(priced | (chance.unit("liquidity", traits.ids) < 0.5), sight.liquidity_usd[0]),
            "updatedAt": [iso(at_s, 9) for at_s in moments],
        }
    )


def _histories(chance: Chance, traits: Traits, mints: Sequence[str]) -> list[Row]:
    ids = traits.ids
    pools = _addresses(chance, "first pool", ids)
    curve = traits.launchpad < NO_LAUNCHPAD
    graduated = curve & ~traits.is_launch & (chance.unit("graduated", ids) < _GRADUATED)
    took_s = DAY_S * chance.unit("graduation", ids)
    firsts = zip(curve.tolist(), mints, pools, traits.born_s.tolist(), strict=True)
    return records(
        {
            "firstPool": [
                {"id": mint if on_curve else pool, "createdAt": iso(at_s)} for on_curve, mint, pool, at_s in firsts
            ],
            "graduatedPool": where(graduated, _addresses(chance, "graduated pool", ids)),
            "graduatedAt": where(graduated, [iso(at_s) for at_s in (traits.born_s + took_s).tolist()]),
        }
    )


def _judgements(chance: Chance, sight: Sight) -> list[Row]:
    traits, ids = sight.traits, sight.traits.ids
    draw = chance.unit("score", ids)
    scores = np.where(traits.is_verified, 40 + 60 * draw, 30 * draw**3)
    scores[ids < len(SENTINELS)] = 99.0
    is_mintable, is_freezable = _authorities(chance, traits)
    audits = records(
        {
            "isSus": where((chance.unit("suspicious", ids) < _SUSPICIOUS) & ~traits.is_verified, [True] * len(ids)),
            "mintAuthorityDisabled": where(~is_mintable, [True] * len(ids)),
            "freezeAuthorityDisabled": where(~is_freezable, [True] * len(ids)),
            "topHoldersPercentage": (100 * chance.unit("top holders", ids)).tolist(),
            "devMints": (1 + (20 * chance.unit("dev mints", ids) ** 6).astype(np.int64) ** 2).tolist(),
        }
    )
    programs = _is_2022(chance, traits).tolist()
    kinds = zip(traits.kind.tolist(), traits.is_verified.tolist(), programs, strict=True)
    return records(
        {
            "audit": audits,
            "organicScore": scores.tolist(),
            "organicScoreLabel": ["high" if s >= 70 else "medium" if s >= 30 else "low" for s in scores.tolist()],
            "isVerified": where(traits.is_verified, [True] * len(ids)),
            "tags": [_tags(kind, verified, is_2022) for kind, verified, is_2022 in kinds],
        }
    )


def _tags(kind: int, is_verified: bool, is_2022: bool) -> list[str]:
    tags = ["verified", "community", "strict"] if is_verified else ["unknown"]
    if kind < len(KINDS):
        tags.append(KINDS[kind])
    return [*tags, "token-2022"] if is_2022 else tags


def _authorities(chance: Chance, traits: Traits) -> tuple[Flags, Flags]:
    """Say who can still mint and who can freeze; no launchpad token can, USDC and USDT can both."""
    issued = (traits.ids == SENTINELS.index(USDC)) | (traits.ids == SENTINELS.index(USDT))
    free = (traits.launchpad == NO_LAUNCHPAD) & (traits.ids >= len(SENTINELS))
    is_mintable = issued | (free & (chance.unit("mintable", traits.ids) < _MINTABLE))
    is_freezable = issued | (free & (chance.unit("freezable", traits.ids) < _FREEZABLE))
    return is_mintable, is_freezable


def _is_2022(chance: Chance, traits: Traits) -> Flags:
    shares = np.where(traits.is_launch, _LAUNCHED_2022, _SETTLED_2022)
    is_2022: Flags = (traits.ids >= len(SENTINELS)) & (chance.unit("program", traits.ids) < shares)
    return is_2022


def _amounts(amounts: Reals) -> list[int | float]:
    """Return whole amounts as integers, others as floats: both kinds are recorded for one key."""
    return [int(amount) if amount.is_integer() else amount for amount in amounts.tolist()]


def _launchpad(place: int) -> str | None:
    return LAUNCHPADS[place] if place < NO_LAUNCHPAD else None


def _has(chance: Chance, field: str, ids: Words) -> Flags:
    flags: Flags = chance.unit(field, ids) < _SHARES[field]
    return flags


def _addresses(chance: Chance, topic: str, ids: Words) -> list[str]:
    words = np.stack([chance.bits(f"{topic} {part}", ids) for part in range(4)], axis=1)
    return texts_of(words.astype(">u8").view(np.uint8))
