"""Tokens in Jupiter's words: the rows of its token lists and the entries of its price answer.

A key without a value is absent, never null, and so is a count of zero: the recorded answers are like that.
Source: Jupiter's tokens/v2 and price/v3 specifications (2026-08-21), recordings of August and October 2026.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from enrichment.sandbox.chance import Chance, Reals, Words
from enrichment.sandbox.faces import Face, faces_of
from enrichment.sandbox.figures import iso
from enrichment.sandbox.market import WINDOWS_S, Market, Sight
from enrichment.sandbox.onchain import Origins, origins_of
from enrichment.sandbox.pools import MAIN
from enrichment.sandbox.stats import Row, records, stats_rows, where
from enrichment.sandbox.traits import KINDS, LAUNCHPADS, NO_LAUNCHPAD, Flags, Traits
from enrichment.sandbox.universe import SENTINELS

# How often a field is there, of 230 rows recorded on 2026-08-14.
_SHARES = {"dev": 0.996, "holderCount": 0.996, "createdAt": 0.987}
_SUSPICIOUS = 0.02
_HOLDERS_KNOWN_AFTER_S = 3  # the count of a token seconds old is missing in recordings
_LIQUIDITY_KNOWN_AFTER_S = 5  # until then it is 0, says who watched new tokens (2026-08)


def token_rows(market: Market, ids: Words, now_s: float) -> list[Row]:
    """Return one MintInformation object per id."""
    sight = market.observe(ids, now_s)
    traits, faces = sight.traits, faces_of(market, sight.traits)
    origins = origins_of(market.chance, traits)
    tables = (
        _introductions(faces, traits),
        [face.links for face in faces],
        _origins(market.chance, traits, origins),
        _numbers(market.chance, sight, now_s),
        stats_rows(market.chance, sight),
        _histories(market, traits, faces, now_s),
        _judgements(market.chance, sight, origins),
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


def _introductions(faces: Sequence[Face], traits: Traits) -> list[Row]:
    return records(
        {
            "id": [face.mint for face in faces],
            "name": [face.name for face in faces],
            "symbol": [face.symbol for face in faces],
            "icon": [face.icon for face in faces],
            "decimals": traits.decimals.tolist(),
        }
    )


def _origins(chance: Chance, traits: Traits, origins: Origins) -> list[Row]:
    ids = traits.ids
    born_digits = np.where(traits.is_launch, 0, 3 * (chance.unit("born digits", ids) < 0.3))
    born_at = [iso(at_s, digits) for at_s, digits in zip(traits.born_s.tolist(), born_digits.tolist(), strict=True)]
    return records(
        {
            "dev": where((ids >= len(SENTINELS)) & _has(chance, "dev", ids), origins.makers),
            "circSupply": _amounts(traits.circulating),
            "totalSupply": _amounts(traits.total_supply),
            "tokenProgram": origins.programs,
            "launchpad": [_launchpad(place) for place in traits.launchpad.tolist()],
            "mintAuthority": where(origins.is_mintable, origins.mint_authorities),
            "freezeAuthority": where(origins.is_freezable, origins.freeze_authorities),
            "createdAt": where(_has(chance, "createdAt", ids), born_at),
        }
    )


def _numbers(chance: Chance, sight: Sight, now_s: float) -> list[Row]:
    traits = sight.traits
    price, priced = sight.price_usd[0], sight.is_priced
    counted = (now_s - traits.born_s > _HOLDERS_KNOWN_AFTER_S) & _has(chance, "holderCount", traits.ids)
    liquidity = np.where(now_s - traits.born_s > _LIQUIDITY_KNOWN_AFTER_S, sight.liquidity_usd[0], 0.0)
    moments = sight.traded_at_s[0].tolist()
    return records(
        {
            "holderCount": where(counted, sight.holders.astype(np.int64)),
            "fdv": where(priced, price * traits.total_supply),
            "mcap": where(priced, price * traits.circulating),
            "usdPrice": where(priced, price),
            "priceBlockId": where(priced, sight.slots.astype(np.int64)),
            "liquidity": where(priced | (chance.unit("liquidity", traits.ids) < 0.5), liquidity),
            "updatedAt": [iso(at_s, 9) for at_s in moments],
        }
    )


def _histories(market: Market, traits: Traits, faces: Sequence[Face], now_s: float) -> list[Row]:
    pools = market.universe.addresses(traits.ids, np.full(len(faces), MAIN, dtype=np.uint64))
    firsts = zip(traits.is_curve.tolist(), faces, pools, traits.born_s.tolist(), strict=True)
    return records(
        {
            "firstPool": [
                {"id": face.mint if on_curve else pool, "createdAt": iso(at_s)} for on_curve, face, pool, at_s in firsts
            ],
            "graduatedPool": where(traits.graduated_s <= now_s, pools),
            "graduatedAt": [iso(at_s) if at_s <= now_s else None for at_s in traits.graduated_s.tolist()],
        }
    )


def _judgements(chance: Chance, sight: Sight, origins: Origins) -> list[Row]:
    traits, ids = sight.traits, sight.traits.ids
    draw = chance.unit("score", ids)
    scores = np.where(traits.is_verified, 40 + 60 * draw, 30 * draw**3)
    scores[ids < len(SENTINELS)] = 99.0
    audits = records(
        {
            "isSus": where((chance.unit("suspicious", ids) < _SUSPICIOUS) & ~traits.is_verified, [True] * len(ids)),
            "mintAuthorityDisabled": where(~origins.is_mintable, [True] * len(ids)),
            "freezeAuthorityDisabled": where(~origins.is_freezable, [True] * len(ids)),
            "topHoldersPercentage": (100 * chance.unit("top holders", ids)).tolist(),
            "devMints": (1 + (20 * chance.unit("dev mints", ids) ** 6).astype(np.int64) ** 2).tolist(),
        }
    )
    kinds = zip(traits.kind.tolist(), traits.is_verified.tolist(), origins.is_2022.tolist(), strict=True)
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


def _amounts(amounts: Reals) -> list[int | float]:
    """Return whole amounts as integers, others as floats: both kinds are recorded for one key."""
    return [int(amount) if amount.is_integer() else amount for amount in amounts.tolist()]


def _launchpad(place: int) -> str | None:
    return LAUNCHPADS[place] if place < NO_LAUNCHPAD else None


def _has(chance: Chance, field: str, ids: Words) -> Flags:
    flags: Flags = chance.unit(field, ids) < _SHARES[field]
    return flags
