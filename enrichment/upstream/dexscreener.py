"""DexScreener: the pools a mint trades in, one quote each, and the tokens somebody paid to show. No key.

Source: docs.dexscreener.com/api/reference (2026-11-22) and answers recorded until 2026-10-08. The vendor commits to
none of it, says nothing now and then where it knew something before, and serves what is 30–60 s old from a cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal

from enrichment.upstream.adapter import (
    MAX_WAIT_S,
    Adapter,
    Page,
    address,
    batch,
    by_mint,
    label,
    link,
    part,
    read_rows,
)
from enrichment.upstream.errors import Malformed
from enrichment.upstream.http import Http
from enrichment.upstream.ledger import Ledger
from enrichment.upstream.plans import PLANS, Purpose
from tokens import sanitize
from tokens.facts import Metadata, Observation, Quote
from tokens.mint import Mint

UPSTREAM = "dexscreener"
FEEDS = "dexscreener-feeds"  # the feeds have an allowance of their own, so an account and a gate of their own
CHAIN = "solana"
MINTS_MAX = 30  # documented
# Their words for what is an account rather than a website. Ours alone: a stranger's word must not become a key.
NETWORKS = ("twitter", "telegram", "discord", "instagram", "tiktok", "youtube", "github", "medium", "facebook")

Feed = Literal["token-profiles/latest", "token-boosts/latest", "token-boosts/top"]


def parse_pairs(payload: Any, received_at: datetime) -> Page[Observation]:
    """Return what an answer says of each pool's base token; a pool of another chain is none of our business.

    Shape: a bare array (tokens/v1, token-pairs/v1) or an object with `pairs` (the older endpoints); null is an empty
    list. Raises: Malformed.
    """
    if isinstance(payload, dict) and "pairs" in payload:
        payload = [] if payload["pairs"] is None else payload["pairs"]
    if not isinstance(payload, list):
        raise Malformed(UPSTREAM, "pairs that are no array")
    return read_rows(UPSTREAM, payload, partial(_pair, received_at=received_at))


def parse_profiles(payload: Any, received_at: datetime) -> Page[Observation]:
    """Return what a feed of profiles or boosts says of the Solana tokens in it. Raises: Malformed."""
    if not isinstance(payload, list):
        raise Malformed(UPSTREAM, "profiles that are no array")
    return read_rows(UPSTREAM, payload, partial(_profile, received_at=received_at))


def _pair(row: Any, received_at: datetime) -> Sequence[Observation] | None:
    """Return one pool's quote for its base token.

    Its price is the base token's, so a mint that stands on the quote side gets nothing from this pool. Without the
    pool's own address nobody could tell it from the pools that another source names.
    """
    if not isinstance(row, dict) or not isinstance(row.get("chainId"), str):
        return None
    if row["chainId"] != CHAIN:
        return ()
    mint, pool = address(part(row, "baseToken").get("address")), address(row.get("pairAddress"))
    if mint is None or pool is None:
        return None
    metadata, quote = _metadata(row, received_at), _quote(row, pool, received_at)
    return (Observation(mint=mint, source=UPSTREAM, received_at=received_at, metadata=metadata, quote=quote),)


def _metadata(row: Mapping[str, Any], received_at: datetime) -> Metadata:
    base, info = part(row, "baseToken"), part(row, "info")
    symbol, name = sanitize.symbol(base.get("symbol")), sanitize.name(base.get("name"))
    links = [*_entries(info.get("websites")), *_entries(info.get("socials"))]
    return Metadata(
        symbol=symbol.value,
        name=name.value,
        image_url=link(info.get("imageUrl")),
        flags=tuple(sorted(symbol.flags | name.flags)),
        socials=_socials(links),
        websites=_websites(links),
    )


def _quote(row: Mapping[str, Any], pool: Mint, received_at: datetime) -> Quote:
    change = part(row, "priceChange")
    return Quote(
        price_usd=sanitize.price_usd(row.get("priceUsd")),
        pool=pool,
        dex=label(row.get("dexId")),
        quote_mint=address(part(row, "quoteToken").get("address")),
        pool_created_at=sanitize.instant(row.get("pairCreatedAt"), received_at),
        liquidity_usd=sanitize.amount_usd(part(row, "liquidity").get("usd")),  # absent on a bonding curve
        volume_24h_usd=sanitize.amount_usd(part(row, "volume").get("h24")),
        market_cap_usd=sanitize.amount_usd(row.get("marketCap")),
        fdv_usd=sanitize.amount_usd(row.get("fdv")),
        change_5m_pct=sanitize.percent(change.get("m5")),
        change_1h_pct=sanitize.percent(change.get("h1")),
        change_6h_pct=sanitize.percent(change.get("h6")),
        change_24h_pct=sanitize.percent(change.get("h24")),
    )


def _profile(row: Any, received_at: datetime) -> Sequence[Observation] | None:
    if not isinstance(row, dict) or not isinstance(row.get("chainId"), str):
        return None
    if row["chainId"] != CHAIN:
        return ()
    mint = address(row.get("tokenAddress"))  # never out of `url`, where it stands in small letters
    if mint is None:
        return None
    links = list(_entries(row.get("links")))
    metadata = Metadata(
        description=sanitize.description(row.get("description")).value,
        image_url=link(row.get("icon")),  # of a boost only the id of an image
        socials=_socials(links),
        websites=_websites(links),
    )
    return (Observation(mint=mint, source=UPSTREAM, received_at=received_at, metadata=metadata),)


def _entries(links: Any) -> Iterator[tuple[str, str]]:
    """Yield (what it is, where it leads) of a list of links; what is no link is left out."""
    for entry in links if isinstance(links, list) else ():
        if isinstance(entry, dict) and (url := link(entry.get("url"))):
            yield (label(entry.get("type")) or label(entry.get("label")) or "website").lower(), url


def _socials(links: Sequence[tuple[str, str]]) -> dict[str, str]:
    return {kind: url for kind, url in reversed(links) if kind in NETWORKS}  # of two of a kind the first counts


def _websites(links: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    labels = {url: kind for kind, url in reversed(links) if kind not in NETWORKS}
    return tuple((kind, url) for url, kind in reversed(labels.items()))


class DexScreener(Adapter):
    """DexScreener's pools and tokens."""

    upstream = UPSTREAM

    async def fetch_tokens(
        self, mints: Sequence[Mint], purpose: Purpose, *, max_wait_s: float = MAX_WAIT_S
    ) -> dict[Mint, list[Observation]]:
        """Return the pools of up to 30 mints, as a rule the greatest of each; a mint without one is absent.

        Raises: ValueError for more mints.
        """
        wanted = batch(mints, MINTS_MAX, "tokens/v1")
        return await self._pools(f"/tokens/v1/{CHAIN}", wanted, purpose=purpose, max_wait_s=max_wait_s)

    async def fetch_pools(self, mint: Mint, purpose: Purpose, *, max_wait_s: float = MAX_WAIT_S) -> list[Observation]:
        """Return up to 30 pools of one mint; above 30 the rest is silently cut."""
        route = f"/token-pairs/v1/{CHAIN}"
        wanted = batch([mint], 1, "token-pairs/v1")
        return (await self._pools(route, wanted, purpose=purpose, max_wait_s=max_wait_s)).get(mint, [])

    async def _pools(
        self, route: str, mints: Sequence[Mint], *, purpose: Purpose, max_wait_s: float
    ) -> dict[Mint, list[Observation]]:
        if not mints:
            return {}
        path = f"{route}/{','.join(mints)}"
        return by_mint(await self._get(path, parse_pairs, route=route, purpose=purpose, max_wait_s=max_wait_s), mints)


class DexScreenerFeeds(Adapter):
    """DexScreener's feeds: sliding windows of about 30 tokens of all chains, without pages."""

    upstream = FEEDS

    async def fetch_feed(
        self, feed: Feed, *, purpose: Purpose = "detect", max_wait_s: float = MAX_WAIT_S
    ) -> list[Observation]:
        """Return the Solana tokens in a feed; poll it each minute and merge."""
        path = f"/{feed}/v1"
        return list(await self._get(path, parse_profiles, route=path, purpose=purpose, max_wait_s=max_wait_s))


def dexscreener(base_url: str) -> DexScreener:
    """Return a client of the public API's pairs and tokens."""
    return DexScreener(Http(UPSTREAM, base_url, ledger=Ledger(UPSTREAM, PLANS[UPSTREAM]["public"])))


def dexscreener_feeds(base_url: str) -> DexScreenerFeeds:
    """Return a client of the public API's feeds."""
    return DexScreenerFeeds(Http(FEEDS, base_url, ledger=Ledger(FEEDS, PLANS[FEEDS]["public"])))
