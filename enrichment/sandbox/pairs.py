"""Pools in DexScreener's words: its pair rows, and the profiles and boosts of its feeds.

Prices are strings of four significant digits, sizes are numbers, addresses in URLs are lower-cased, a window without a
trade has no price change, a curve no liquidity. Source: recordings of 2026-10-08, and of 2022 and 2024 where noted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from enrichment.sandbox.chance import Reals
from enrichment.sandbox.faces import Face, pool_faces
from enrichment.sandbox.figures import ms, rounded
from enrichment.sandbox.market import WINDOWS_S, Market
from enrichment.sandbox.onchain import addresses_of
from enrichment.sandbox.pools import DEXES, Pools
from enrichment.sandbox.stats import Row, records, where

_WINDOWS = tuple(zip(("m5", "h1", "h6", "h24"), range(len(WINDOWS_S)), strict=True))
_CLAIMED = 0.40  # of tokens have somebody who paid for their page
# Of pairs lack the caps, lack the price, have an address for a dexId, say no more of the quote than its symbol (2022).
_NO_CAPS, _NO_PRICE, _RAW_DEX, _BARE_QUOTE = 0.02, 0.003, 0.003, 0.003
_WHOLE = (1e5, 1e15)  # sizes in between come as whole numbers
_HEADERS = 0.5
_OTHER_CHAINS = ("ethereum", "robinhood", "base", "bsc")
_OTHER_CHAIN_SHARE = 0.35  # of the rows of its feeds
_HOST = "https://screener.sandbox.example"


def pair_rows(market: Market, pools: Pools, now_s: float) -> list[Row]:
    """Return one pair object per pool."""
    if not len(pools.ids):
        return []
    faces = pool_faces(market, pools)
    addresses = market.universe.addresses(pools.ids, pools.places)
    columns: dict[str, Sequence[Any]] = {
        "chainId": ["solana"] * len(addresses),
        "dexId": _dexes(market, pools),
        "url": [f"{_HOST}/solana/{address.lower()}" for address in addresses],
        "pairAddress": addresses,
        "labels": [[DEXES[dex].label] if DEXES[dex].label else None for dex in pools.dex.tolist()],
        "baseToken": [_token(base) for base, _ in faces],
        "quoteToken": _quote_tokens(market, pools, [quote for _, quote in faces]),
        "priceNative": [rounded(price, 4) for price in (pools.price_usd[0] / pools.quote_usd).tolist()],
        "priceUsd": where(
            _lacks(market, pools, "usd") >= _NO_PRICE, [rounded(p, 4) for p in pools.price_usd[0].tolist()]
        ),
        "txns": _txns(market, pools),
        "volume": _volumes(pools),
        "priceChange": _changes(pools),
        "liquidity": _liquidity(pools),
        **_caps(market, pools),
        "pairCreatedAt": [ms(at_s) for at_s in pools.born_s.tolist()],
        "info": _infos(market, pools, [base for base, _ in faces], now_s),
    }
    return records(columns)


def profile_rows(market: Market, pools: Pools, now_s: float) -> list[Row]:
    """Return one profile per pool's token: the feed of token pages, with other chains' tokens among them."""
    return [
        row | {"description": description, "links": links, "cto": False}
        for row, description, links in zip(
            _feed_rows(market, pools, now_s, icon=_HOST + "/images/{}.png"),
            _descriptions(market, pools),
            [[{"label": "Website", "url": f"{_HOST}/page"}] for _ in pools.ids],
            strict=True,
        )
    ]


def boost_rows(market: Market, pools: Pools, now_s: float, *, with_amount: bool) -> list[Row]:
    """Return one boost per pool's token; its icon is a bare id, and half of them have nothing but an address."""
    rows = _feed_rows(market, pools, now_s, icon="{}")
    amounts = (10 * (1 + market.chance.bits("boost", pools.ids) % np.uint64(50))).tolist()
    is_bare = (market.chance.unit("bare boost", pools.ids) < 0.5).tolist()
    texts = _descriptions(market, pools)
    return [
        {key: value for key, value in row.items() if not (bare and key in ("icon", "header"))}
        | ({} if bare else {"description": text, "links": [{"url": f"{_HOST}/page"}]})
        | ({"totalAmount": amount, "amount": 10} if with_amount else {"totalAmount": amount})
        for row, amount, bare, text in zip(rows, amounts, is_bare, texts, strict=True)
    ]


def _lacks(market: Market, pools: Pools, topic: str) -> Reals:
    return market.chance.unit(f"pair {topic}", pools.ids, pools.places)


def _dexes(market: Market, pools: Pools) -> list[str]:
    strange = addresses_of(market.chance, "dex", pools.ids)
    is_strange = (_lacks(market, pools, "dex") < _RAW_DEX).tolist()
    rows = zip(pools.dex.tolist(), strange, is_strange, strict=True)
    return [address if is_raw else DEXES[dex].screener for dex, address, is_raw in rows]


def _size(value: float) -> int | float:
    least, most = _WHOLE
    return round(value) if value < most and (value >= least or value.is_integer()) else round(value, 2)


def _token(face: Face) -> Row:
    return {"address": face.mint, "name": face.name, "symbol": face.symbol}


def _quote_tokens(market: Market, pools: Pools, quotes: Sequence[Face]) -> list[Row]:
    is_bare = (_lacks(market, pools, "quote") < _BARE_QUOTE).tolist()
    return [{"symbol": face.symbol} if bare else _token(face) for face, bare in zip(quotes, is_bare, strict=True)]


def _txns(market: Market, pools: Pools) -> list[Row]:
    share = 0.5 + 0.08 * market.chance.normal("pair buys", pools.ids, pools.places)
    buys = np.ceil(pools.trades * share).astype(np.int64)
    sells = pools.trades.astype(np.int64) - buys
    return [
        {name: {"buys": bought[window], "sells": sold[window]} for name, window in _WINDOWS}
        for bought, sold in zip(buys.T.tolist(), sells.T.tolist(), strict=True)
    ]


def _volumes(pools: Pools) -> list[Row]:
    volumes = pools.volume_usd.T.tolist()
    return [{name: _size(volume[window]) for name, window in reversed(_WINDOWS)} for volume in volumes]


def _changes(pools: Pools) -> list[Row]:
    changes = {
        name: where(pools.trades[window] > 0, np.round(pools.change_pct(window), 2)) for name, window in _WINDOWS
    }
    return records(changes)


def _liquidity(pools: Pools) -> list[Row | None]:
    half = pools.liquidity_usd / 2
    rows = zip(
        [_size(usd) for usd in pools.liquidity_usd.tolist()],
        [_size(base) for base in np.round(half / pools.price_usd[0]).tolist()],
        np.round(half / pools.quote_usd, 4).tolist(),
        pools.is_curve.tolist(),
        strict=True,
    )
    return [None if on_curve else {"usd": usd, "base": base, "quote": quote} for usd, base, quote, on_curve in rows]


def _caps(market: Market, pools: Pools) -> dict[str, list[Any]]:
    """Return fdv and marketCap by this pool's own price."""
    traits = market.traits(pools.ids)
    has_caps = _lacks(market, pools, "caps") >= _NO_CAPS
    supplies = {"fdv": traits.total_supply, "marketCap": traits.circulating}
    caps = {name: (pools.price_usd[0] * supply).tolist() for name, supply in supplies.items()}
    return {name: where(has_caps, [_size(cap) for cap in values]) for name, values in caps.items()}


def _infos(market: Market, pools: Pools, faces: Sequence[Face], now_s: float) -> list[Row | None]:
    is_claimed = (market.chance.unit("claimed", pools.ids) < _CLAIMED).tolist()
    has_header = (market.chance.unit("header", pools.ids) < _HEADERS).tolist()
    return [
        _info(face, header, now_s) if claimed else None
        for face, claimed, header in zip(faces, is_claimed, has_header, strict=True)
    ]


def _info(face: Face, has_header: bool, now_s: float) -> Row:
    info: Row = {"imageUrl": f"{_HOST}/images/{face.mint}.png?width=800&format=auto"}
    if has_header:
        info["header"] = f"{_HOST}/headers/{face.mint}.png?width=1500&format=auto"
    info["openGraph"] = f"{_HOST}/og/solana/{face.mint}?timestamp={ms(now_s // 300 * 300)}"
    website = face.links.get("website")
    info["websites"] = [{"url": website, "label": "Website"}] if website else []
    socials = [(kind, face.links[kind]) for kind in ("twitter", "telegram", "discord") if kind in face.links]
    info["socials"] = [{"url": link, "type": kind} for kind, link in socials]
    return info


def _feed_rows(market: Market, pools: Pools, now_s: float, *, icon: str) -> list[Row]:
    chains = market.chance.bits("chain", pools.ids) % np.uint64(len(_OTHER_CHAINS))
    is_other = (market.chance.unit("other chain", pools.ids) < _OTHER_CHAIN_SHARE).tolist()
    images = [f"{word:016x}" for word in market.chance.bits("image", pools.ids).tolist()]
    rows = []
    for mint, chain, other, image in zip(
        market.universe.mints(pools.ids), chains.tolist(), is_other, images, strict=True
    ):
        name, address = (_OTHER_CHAINS[chain], f"0x{image}{image}ABCDabcd") if other else ("solana", mint)
        rows.append(
            {
                "url": f"{_HOST}/{name}/{address.lower()}",
                "chainId": name,
                "tokenAddress": address,
                "icon": icon.format(image),
                "header": f"{_HOST}/headers/{image}.png",
                "openGraph": f"{_HOST}/og/{name}/{address}?timestamp={ms(now_s // 300 * 300)}",
            }
        )
    return rows


def _descriptions(market: Market, pools: Pools) -> list[str]:
    texts = ("", "To the moon and back.\n\nTwice. 🚀", "CA is on the page. No team, no tax, no idea.")
    return [texts[word] for word in (market.chance.bits("description", pools.ids) % np.uint64(len(texts))).tolist()]
