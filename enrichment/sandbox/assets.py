"""Tokens in Helius' words: the assets of its digital asset API, as the chain has them.

Metadata may be empty, a name only in a mint extension, `token_info` missing, the supply beyond 2⁶³; a price is there
for the most traded only, and up to ten minutes old. Source: Helius' documentation (2026-01-16), recordings of 2024-25.
"""

from __future__ import annotations

from dataclasses import dataclass

from enrichment.sandbox.chance import Words
from enrichment.sandbox.faces import Face, faces_of
from enrichment.sandbox.market import Market, Sight
from enrichment.sandbox.onchain import PROGRAMS, Origins, origins_of
from enrichment.sandbox.stats import Row
from enrichment.sandbox.traits import LAUNCHPADS
from enrichment.sandbox.universe import LAUNCHED

PRICED_RANKS = 10_000  # documented: the top by volume
PRICE_CACHE_S = 600.0  # documented: cached for up to 600 s
PUMP_AUTHORITY = "TSLvdd1pWpHVjahSpsvCXUbgwsL3JAcvokwaKt1eokM"  # of pump.fun's classic tokens (recorded 2025-04)
_MOST_UNITS = 2**64 - 1
# Of assets, well below the recorded shares (a third had no metadata): most of ours are launchpad tokens.
_NO_METADATA, _NO_TOKEN_INFO, _NO_LINKS, _BURNT = 0.08, 0.01, 0.05, 0.002
_TRANSFER_FEE = 0.02  # of Token-2022 mints
_COMPRESSION: Row = {
    "eligible": False, "compressed": False, "data_hash": "", "creator_hash": "", "asset_hash": "", "tree": "",
    "seq": 0, "leaf_id": 0,
}  # fmt: skip
_ROYALTY: Row = {
    "royalty_model": "creators", "target": None, "percent": 0, "basis_points": 0, "primary_sale_happened": False,
    "locked": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Asset:
    """All there is to tell of one token."""

    face: Face
    is_fungible_asset: bool
    has_metadata: bool
    has_links: bool
    has_token_info: bool
    is_burnt: bool
    is_2022: bool
    has_fee: bool
    program: str
    authority: str
    mint_authority: str | None
    freeze_authority: str | None
    supply: int
    decimals: int
    price_usd: float | None


def asset_rows(market: Market, ids: Words, now_s: float) -> list[Row]:
    """Return one asset object per id."""
    return [_row(asset) for asset in _assets(market, ids, now_s)]


def _assets(market: Market, ids: Words, now_s: float) -> list[_Asset]:
    sight, chance = market.observe(ids, now_s), market.chance
    origins, prices = origins_of(chance, sight.traits), _prices(market, ids, now_s)
    draws = {topic: chance.unit(f"asset {topic}", ids) for topic in ("metadata", "links", "info", "burnt", "fee")}
    is_known = sight.traits.is_verified | sight.traits.is_launch
    bare = ~is_known & (draws["metadata"] < _NO_METADATA)
    assets = []
    for place, face in enumerate(faces_of(market, sight.traits)):
        assets.append(
            _Asset(
                face=face,
                is_fungible_asset=bool(bare[place]),
                has_metadata=not bare[place],
                has_links=bool(draws["links"][place] >= _NO_LINKS),
                has_token_info=bool(is_known[place] or draws["info"][place] >= _NO_TOKEN_INFO),
                is_burnt=bool(not is_known[place] and draws["burnt"][place] < _BURNT),
                has_fee=bool(draws["fee"][place] < _TRANSFER_FEE),
                price_usd=prices[place],
                **_identity(origins, sight, place),
                **_amounts(sight, place),
            )
        )
    return assets


def _identity(origins: Origins, sight: Sight, place: int) -> Row:
    is_2022 = bool(origins.is_2022[place])
    is_old_pump = sight.traits.launchpad[place] == LAUNCHPADS.index("pump.fun") and not is_2022
    return {
        "is_2022": is_2022,
        "program": PROGRAMS[is_2022],
        "authority": PUMP_AUTHORITY if is_old_pump else origins.makers[place],
        "mint_authority": origins.mint_authorities[place] if origins.is_mintable[place] else None,
        "freeze_authority": origins.freeze_authorities[place] if origins.is_freezable[place] else None,
    }


def _amounts(sight: Sight, place: int) -> Row:
    supply, decimals = float(sight.traits.total_supply[place]), int(sight.traits.decimals[place])
    units = int(supply) * 10**decimals + round(supply % 1 * 10**decimals)
    return {"supply": min(units, _MOST_UNITS), "decimals": decimals}


def _prices(market: Market, ids: Words, now_s: float) -> list[float | None]:
    """Return the prices of the best known, as they were when its cache was last filled."""
    step_s = PRICE_CACHE_S / market.launches.speed
    sight = market.observe(ids, now_s // step_s * step_s)
    shown = sight.is_priced & (ids < min(PRICED_RANKS, LAUNCHED))
    prices = sight.price_usd[0].tolist()
    return [float(f"{price:.8g}") if is_shown else None for price, is_shown in zip(prices, shown.tolist(), strict=True)]


def _row(asset: _Asset) -> Row:
    face = asset.face
    row: Row = {
        "interface": "FungibleAsset" if asset.is_fungible_asset else "FungibleToken",
        "id": face.mint,
        "content": _content(asset),
        "authorities": [{"address": asset.authority, "scopes": ["full"]}] if asset.has_metadata else [],
        "compression": _COMPRESSION,
        "grouping": [],
        "royalty": _ROYALTY,
        "creators": [],
        "ownership": {
            "frozen": False, "delegated": False, "delegate": None, "ownership_model": "token", "owner": "",
        },
        "supply": None,
        "mutable": True,
        "burnt": asset.is_burnt,
    }  # fmt: skip
    if asset.is_2022:
        row["mint_extensions"] = _extensions(asset)
    if asset.has_token_info:
        row["token_info"] = _token_info(asset)
    return row


def _content(asset: _Asset) -> Row:
    face, metadata, links = asset.face, {}, {}
    files: list[Row] = []
    uri = f"https://metadata.sandbox.example/{face.mint}.json" if asset.has_metadata else ""
    if asset.has_metadata:
        metadata = {"description": "", "name": face.name, "symbol": face.symbol, "token_standard": "Fungible"}
    if asset.has_links and face.icon:
        files = [{"uri": face.icon, "cdn_uri": f"https://cdn.sandbox.example//{face.icon}", "mime": "image/png"}]
        links = {"image": face.icon} | ({"external_url": face.links["website"]} if "website" in face.links else {})
    schema = "https://schema.metaplex.com/nft1.0.json"
    return {"$schema": schema, "json_uri": uri, "files": files, "metadata": metadata, "links": links}


def _extensions(asset: _Asset) -> Row:
    face = asset.face
    extensions: Row = {
        "metadata": {
            "uri": f"https://metadata.sandbox.example/{face.mint}.json",
            "mint": face.mint,
            "name": face.name,
            "symbol": face.symbol,
            "update_authority": asset.authority,
            "additional_metadata": [],
        },
        "metadata_pointer": {"authority": asset.authority, "metadata_address": face.mint},
    }
    if asset.has_fee:
        fee = {"epoch": 521, "maximum_fee": 3_900_000_000_000_000_000, "transfer_fee_basis_points": 300}
        extensions["transfer_fee_config"] = {
            "withheld_amount": 27_262_453_729_567_276,
            "newer_transfer_fee": fee,
            "older_transfer_fee": fee,
            "withdraw_withheld_authority": asset.authority,
            "transfer_fee_config_authority": asset.authority,
        }
    return extensions


def _token_info(asset: _Asset) -> Row:
    """Return supply and program; the symbol only beside a price, an authority only while it may do something."""
    info: Row = {"supply": asset.supply, "decimals": asset.decimals, "token_program": asset.program}
    if asset.price_usd is not None:
        info["symbol"] = asset.face.symbol
        info["price_info"] = {"price_per_token": asset.price_usd, "currency": "USDC"}
    if asset.mint_authority:
        info["mint_authority"] = asset.mint_authority
    if asset.freeze_authority:
        info["freeze_authority"] = asset.freeze_authority
    return info
