"""Tokens in pump.fun's words: coins with their curve's reserves, milliseconds beside seconds, garbage beside figures.

Source: answers recorded on 2025-11-08, 2026-04-01 and 2026-10-08; the API is unofficial and documented by nobody.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from enrichment.sandbox.chance import Reals, Words
from enrichment.sandbox.curve import UNITS, Reserves, reserves_of
from enrichment.sandbox.faces import Face, faces_of
from enrichment.sandbox.figures import ms
from enrichment.sandbox.market import Market, Sight
from enrichment.sandbox.onchain import addresses_of, origins_of
from enrichment.sandbox.pools import CURVE, MAIN, money_usd
from enrichment.sandbox.stats import Row, where
from enrichment.sandbox.traits import Flags
from tokens.mint import SOL

_GARBAGE_SHARE, _GARBAGE_CAP = 0.005, 1.98e23  # an all-time high that was recorded
_DESCRIBED, _EMPTY_LINK = 0.8, 0.3  # of coins; of links that are not there
# The route for searches has these keys always, and says null where the one for lists leaves out.
_SEARCHED = (
    "mint", "name", "symbol", "description", "image_uri", "metadata_uri", "twitter", "telegram", "bonding_curve",
    "associated_bonding_curve", "creator", "created_timestamp", "raydium_pool", "complete", "virtual_sol_reserves",
    "virtual_token_reserves", "total_supply", "website", "show_name", "king_of_the_hill_timestamp", "market_cap",
    "reply_count", "last_reply", "nsfw", "market_id", "banner_uri", "video_uri", "is_banned", "program",
    "token_program", "mayhem_state", "usd_market_cap", "is_currently_live",
)  # fmt: skip
_CONSTANT: Row = {
    "initialized": True, "show_name": True, "nsfw": False, "inverted": True, "is_banned": False,
    "livestream_ban_expiry": 0, "is_currently_live": False, "hide_banner": False, "program": "pump",
    "quote_mint": SOL, "base_decimals": 6, "quote_decimals": 9, "is_cashback_enabled": False,
    "chain_id": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "multichain_family": 1, "protocol": "pump",
    "boost_mode": "NONE", "verified": False, "is_holder_reward": False, "transfer_fee_bps": 0,
    "transfer_hook_program": "", "depth": 0,
}  # fmt: skip


def coin_rows(market: Market, ids: Words, now_s: float) -> list[Row]:
    """Return one coin per id, without the keys that have no value."""
    return [{key: value for key, value in row.items() if value is not None} for row in _rows(market, ids, now_s)]


def searched_rows(market: Market, ids: Words, now_s: float) -> list[Row]:
    """Return one coin per id as a search does: null where a list leaves out or says nothing."""
    return [{key: row.get(key) for key in _SEARCHED} for row in _rows(market, ids, now_s)]


def metadata_row(market: Market, ids: Words, now_s: float) -> Row:
    """Return what the other host says of a single coin: every value a string, large numbers with an exponent."""
    sight = market.observe(ids, now_s)
    face, (coin,) = faces_of(market, sight.traits)[0], coin_rows(market, ids, now_s)
    held = float(market.chance.unit("top holders", ids)[0]) * float(sight.traits.total_supply[0])
    return {
        "topTenHoldersOwnedAmount": f"{held:e}".replace("e+0", "e+"),
        "num_holders_v2": str(int(sight.holders[0])),
        "bonding_curve": coin["bonding_curve"],
        "name": face.name,
        "ticker": face.symbol,
        "creation_time": str(coin["created_timestamp"]),
        "graduation_date": "0",
        "ath_market_cap": f"{coin['ath_market_cap']:.2f}",
        "marketcap": f"{coin.get('usd_market_cap', 0):.2f}",
        "volume": f"{float(sight.trades_in(3)[0] * sight.turnover_usd[0]):.20f}",
        "platform": "pump",
        "program": "pump",
        "dev": coin["creator"],
        "token_program": coin["token_program"],
    }


def _rows(market: Market, ids: Words, now_s: float) -> list[Row]:
    sight, chance = market.observe(ids, now_s), market.chance
    has_graduated = sight.traits.graduated_s <= now_s
    price_sol = sight.price_usd[0] / money_usd(market, now_s)[0]
    reserves = reserves_of(price_sol, is_sold_out=has_graduated)
    described = (chance.unit("described", ids) < _DESCRIBED).tolist()
    columns: dict[str, list[Any]] = {
        **_addresses(market, ids, has_graduated),
        **_reserves(reserves),
        **_caps(market, sight, price_sol),
        **_moments(sight),
        "complete": has_graduated.tolist(),
        "reply_count": (sight.holders.astype(np.int64) // 40).tolist(),
        "token_program": origins_of(chance, sight.traits).programs,
        "creator": origins_of(chance, sight.traits).makers,
    }
    faces = zip(faces_of(market, sight.traits), described, zip(*columns.values(), strict=True), strict=True)
    names = list(columns)
    return [
        _CONSTANT | _face(face, is_described) | dict(zip(names, values, strict=True))
        for face, is_described, values in faces
    ]


def _face(face: Face, is_described: bool) -> Row:
    row: Row = {
        "mint": face.mint,
        "name": face.name,
        "symbol": face.symbol,
        "description": f"{face.name}: the coin.\r\nNothing else." if is_described else None,
        "image_uri": face.icon,
        "metadata_uri": f"https://metadata.sandbox.example/{face.mint}.json",
        "username": f"maker{face.mint[:6]}" if is_described else None,
    }
    for kind in ("twitter", "telegram", "website"):
        is_empty = ord(face.mint[7]) % 100 < 100 * _EMPTY_LINK
        row[kind] = face.links.get(kind, "" if is_empty else None)
    return row


def _addresses(market: Market, ids: Words, has_graduated: Flags) -> dict[str, list[Any]]:
    curves = market.universe.addresses(ids, np.full(len(ids), CURVE, dtype=np.uint64))
    pools = where(has_graduated, market.universe.addresses(ids, np.full(len(ids), MAIN, dtype=np.uint64)))
    return {
        "bonding_curve": curves,
        "associated_bonding_curve": addresses_of(market.chance, "associated curve", ids),
        "pump_swap_pool": pools,
        "pool_address": pools,
    }


def _reserves(reserves: Reserves) -> dict[str, list[Any]]:
    sol, real_sol = reserves.sol.tolist(), reserves.real_sol.tolist()
    return {
        "virtual_sol_reserves": sol,
        "virtual_token_reserves": reserves.tokens.tolist(),
        "virtual_quote_reserves": sol,
        "real_sol_reserves": real_sol,
        "real_token_reserves": reserves.real_tokens.tolist(),
        "real_quote_reserves": real_sol,
    }


def _caps(market: Market, sight: Sight, price_sol: Reals) -> dict[str, list[Any]]:
    """Return market caps, in SOL and in USD; the all-time high is now and then beyond all reason."""
    supply, chance = sight.traits.total_supply, market.chance
    is_shown = np.full(len(supply), not market.lens.is_priceless)
    cap_sol, cap_usd = where(is_shown, price_sol * supply), where(is_shown, sight.price_usd[0] * supply)
    high = sight.traits.start_usd * supply * np.exp(sight.traits.peak + sight.traits.climb)
    highest = np.maximum(high, sight.price_usd.max(axis=0) * supply)
    units = (supply * UNITS).astype(np.int64).tolist()
    return {
        "total_supply": units,
        "total_supply_str": [str(unit) for unit in units],
        "market_cap": cap_sol,
        "market_cap_quote": cap_sol,
        "usd_market_cap": cap_usd,
        "market_cap_usd": cap_usd,
        "ath_market_cap": np.where(
            chance.unit("garbage", sight.traits.ids) < _GARBAGE_SHARE, _GARBAGE_CAP, highest
        ).tolist(),
    }


def _moments(sight: Sight) -> dict[str, list[Any]]:
    """Return moments in milliseconds, and `updated_at` in seconds beside them; launches are dated to the second."""
    born = zip(sight.traits.born_s.tolist(), sight.traits.is_launch.tolist(), strict=True)
    traded_s = sight.traded_at_s[0].tolist()
    return {
        "created_timestamp": [ms(at_s) // 1_000 * 1_000 if is_launch else ms(at_s) for at_s, is_launch in born],
        "last_trade_timestamp": [ms(at_s) // 1_000 * 1_000 for at_s in traded_s],
        "updated_at": [int(at_s) + 1 for at_s in traded_s],
    }
