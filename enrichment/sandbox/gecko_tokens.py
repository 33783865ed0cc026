"""Tokens in GeckoTerminal's words: what their pools add up to, and what it says about them beyond prices.

Source: recordings of GeckoTerminal (2026-10-08), CoinGecko's examples of the same resources (2026-06-22).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enrichment.sandbox.chance import Words
from enrichment.sandbox.curve import reserves_of
from enrichment.sandbox.faces import faces_of
from enrichment.sandbox.figures import amount, iso, rounded
from enrichment.sandbox.market import Market, Sight
from enrichment.sandbox.onchain import origins_of
from enrichment.sandbox.pools import MAIN, Pools, money_usd
from enrichment.sandbox.resources import WINDOWS_S, reserves_usd, token_resource, told
from enrichment.sandbox.stats import Row
from enrichment.sandbox.traits import LAUNCHPADS

_DAY = list(WINDOWS_S).index("h24")
_NO_DECIMALS = 0.005
_HOLDERS_UNKNOWN = 0.3


@dataclass(frozen=True, slots=True)
class Totals:
    """What a token's pools add up to, as strings; no price for a token nobody traded for a day."""

    price_usd: str | None
    reserve_usd: str
    volume_usd: str
    pool_ids: list[str]


def totals_of(market: Market, ids: Words, pools: Pools) -> list[Totals]:
    """Return the totals of every token; `pools` are those of the same ids. Its price is that of the busiest pool."""
    reserves, addresses = reserves_usd(market, pools), market.universe.addresses(pools.ids, pools.places)
    totals = []
    for token in range(len(ids)):
        own = np.flatnonzero(pools.token == token)
        own = own[np.argsort(-pools.volume_usd[_DAY][own], kind="stable")]
        is_alive = len(own) > 0 and pools.trades[_DAY][own[0]] > 0
        totals.append(
            Totals(
                price_usd=rounded(float(pools.price_usd[0][own[0]]), 11) if is_alive else None,
                reserve_usd=amount(float(reserves[own].sum())),
                volume_usd=amount(float(pools.volume_usd[_DAY][own].sum())),
                pool_ids=[f"solana_{addresses[place]}" for place in own.tolist()],
            )
        )
    return totals


def token_resources(market: Market, ids: Words, pools: Pools, then_s: float) -> list[Row]:
    """Return one token resource per id with its figures and its pools."""
    sight = market.observe(ids, then_s)
    faces, totals = faces_of(market, sight.traits), totals_of(market, ids, pools)
    rows = []
    for place, (face, total, extra) in enumerate(zip(faces, totals, _launchpads(market, sight, then_s), strict=True)):
        row = token_resource(told(face), _decimals(market, sight, place))
        row["attributes"] |= _figures(sight, place, total) | extra
        refs = [{"id": pool_id, "type": "pool"} for pool_id in total.pool_ids]
        rows.append(row | {"relationships": {"top_pools": {"data": refs}}})
    return rows


def info_resource(market: Market, ids: Words, then_s: float) -> Row:
    """Return what is said about a single token beyond its figures."""
    sight = market.observe(ids, then_s)
    face = told(faces_of(market, sight.traits)[0])
    row = token_resource(face, int(sight.traits.decimals[0]))
    attributes: Row = row["attributes"]
    attributes |= {"image": dict.fromkeys(("thumb", "small", "large"), face.icon), "banner_image_url": None}
    attributes |= {"websites": [link] if (link := face.links.get("website")) else []}
    attributes |= dict.fromkeys(("discord_url", "farcaster_url", "zora_url"))
    for kind in ("telegram", "twitter"):
        attributes[f"{kind}_handle"] = face.links[kind].rpartition("/")[2] if kind in face.links else None
    attributes |= {"description": None, **_scores(market, sight), **_standing(market, sight, then_s)}
    attributes |= _launchpads(market, sight, then_s)[0]
    return row


def _decimals(market: Market, sight: Sight, place: int) -> int | None:
    known = market.chance.unit("gecko decimals", sight.traits.ids)[place] >= _NO_DECIMALS
    return int(sight.traits.decimals[place]) if known else None


def _figures(sight: Sight, place: int, total: Totals) -> Row:
    traits = sight.traits
    supply, decimals = float(traits.total_supply[place]), int(traits.decimals[place])
    price = None if total.price_usd is None else float(total.price_usd)
    has_cap = price is not None and traits.is_verified[place]
    return {
        "total_supply": f"{round(supply * 10**decimals)}.0",
        "normalized_total_supply": amount(supply),
        "price_usd": total.price_usd,
        "fdv_usd": None if price is None else amount(price * supply),
        "total_reserve_in_usd": total.reserve_usd,
        "volume_usd": {"h24": total.volume_usd},
        "market_cap_usd": amount(price * float(traits.circulating[place])) if price is not None and has_cap else None,
    }


def _launchpads(market: Market, sight: Sight, then_s: float) -> list[Row]:
    """Return the progress along the curve of every token that was launched on one; a graduate's is 100."""
    traits = sight.traits
    has_graduated = traits.graduated_s <= then_s
    price_sol = sight.price_usd[0] / money_usd(market, then_s)[0]
    progress = reserves_of(price_sol, is_sold_out=has_graduated).progress_pct
    pools = market.universe.addresses(traits.ids, np.full(len(traits.ids), MAIN, dtype=np.uint64))
    rows = zip(
        traits.is_curve.tolist(),
        progress.tolist(),
        has_graduated.tolist(),
        traits.graduated_s.tolist(),
        pools,
        strict=True,
    )
    return [
        {
            "launchpad_details": {
                "graduation_percentage": round(pct, 2),
                "completed": completed,
                "completed_at": iso(at_s) if completed else None,
                "migrated_destination_pool_address": pool if completed else None,
            }
        }
        if on_curve
        else {}
        for on_curve, pct, completed, at_s, pool in rows
    ]


def _scores(market: Market, sight: Sight) -> Row:
    names = ("pool", "transaction", "creation", "info", "holders")
    parts = {name: round(100 * float(market.chance.unit(f"gecko {name}", sight.traits.ids)[0]), 3) for name in names}
    pad = int(sight.traits.launchpad[0])
    is_pump = pad == LAUNCHPADS.index("pump.fun")
    return {
        "gt_score": sum(parts.values()) / len(parts),
        "gt_score_details": parts,
        "gt_verified": bool(sight.traits.is_verified[0]),
        "categories": ["Pump Fun"] if is_pump else [],
        "gt_category_ids": ["pump-fun"] if is_pump else [],
    }


def _standing(market: Market, sight: Sight, then_s: float) -> Row:
    """Return holders and authorities. Its count of holders lags by up to 100 minutes and is often missing."""
    origins = origins_of(market.chance, sight.traits)
    draw = float(market.chance.unit("gecko holders", sight.traits.ids)[0])
    shares = dict(zip(("top_10", "11_20", "21_40", "rest"), ("73.7977", "8.7309", "5.6147", "11.8567"), strict=True))
    known = {
        "count": int(sight.holders[0]),
        "distribution_percentage": shares,
        "last_updated": iso(then_s - 6_000 * draw),
    }
    return {
        "holders": dict.fromkeys(known) if draw < _HOLDERS_UNKNOWN else known,
        "mint_authority": origins.mint_authorities[0] if origins.is_mintable[0] else "no",
        "freeze_authority": origins.freeze_authorities[0] if origins.is_freezable[0] else "no",
        "is_honeypot": "unknown",
        "developer_address": origins.makers[0],
        "developer_holding_percentage": "0.0",
    }
