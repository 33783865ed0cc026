"""The five adapters against the sandbox's five vendors: one market seen five ways, through real HTTP and real gates."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from asgiref.sync import async_to_sync

from enrichment.upstream.dexscreener import dexscreener, dexscreener_feeds
from enrichment.upstream.geckoterminal import geckoterminal
from enrichment.upstream.helius import helius
from enrichment.upstream.jupiter import jupiter
from enrichment.upstream.pumpfun import pumpfun
from tests.upstreams import Upstreams
from tokens.facts import Observation
from tokens.mint import SOL, Mint

pytestmark = pytest.mark.django_db


def ask(client: Any, question: Callable[[Any], Awaitable[Any]]) -> Any:
    """Ask one vendor one question and hang up."""

    async def run() -> Any:
        async with client:
            return await question(client)

    return async_to_sync(run)()


def mints_of(upstreams: Upstreams, count: int) -> list[Mint]:
    """Return the first settled tokens' mints, the most traded first."""
    return [Mint(text) for text in upstreams.market.universe.mints(np.arange(count, dtype=np.uint64))]


def best_price(observations: list[Observation]) -> Decimal | None:
    """Return the price of the deepest pool, or of the source's own aggregate."""
    quotes = [o.quote for o in observations if o.quote is not None and o.quote.price_usd is not None]
    deepest = max(quotes, key=lambda quote: quote.liquidity_usd or 0, default=None)
    return None if deepest is None else deepest.price_usd


def test_three_vendors_price_the_traded_tokens_within_a_few_percent_of_each_other(upstreams: Upstreams) -> None:
    mints = mints_of(upstreams, 30)
    swaps: Mapping[Mint, Observation] = ask(
        jupiter(f"{upstreams.url}/jupiter", "jup_pro_sandbox", "pro"), lambda c: c.fetch_search(mints, purpose="enrich")
    )
    pairs = ask(dexscreener(f"{upstreams.url}/dexscreener"), lambda c: c.fetch_tokens(mints, purpose="enrich"))
    pools = ask(
        geckoterminal(f"{upstreams.url}/geckoterminal/api/v2"), lambda c: c.fetch_tokens(mints, purpose="enrich")
    )
    compared = 0
    for mint in mints:
        jupiters = best_price([swaps[mint]]) if mint in swaps else None
        for other in (best_price(pairs.get(mint, [])), best_price(pools.get(mint, []))):
            if jupiters is not None and other is not None:
                compared += 1
                assert abs(other / jupiters - 1) < Decimal("0.25"), (mint, jupiters, other)
    assert compared >= 20


def test_helius_knows_every_mint_of_the_others_and_a_stranger_is_absent(upstreams: Upstreams) -> None:
    mints, stranger = mints_of(upstreams, 200), Mint("11111111111111111111111111111112")
    assets = ask(
        helius(f"{upstreams.url}/helius", "helius_business_sandbox", "business"),
        lambda c: c.fetch_assets([*mints, stranger], purpose="enrich"),
    )
    assert set(mints) - set(assets) == set()
    assert stranger not in assets
    assert assets[SOL].metadata.decimals == 9


def test_the_feeds_name_mints_that_the_search_knows(upstreams: Upstreams) -> None:
    coins = ask(
        pumpfun(f"{upstreams.url}/pumpfun"),
        lambda c: c.fetch_coins("created_timestamp", "DESC", offset=0, limit=20, purpose="detect"),
    )
    fresh = ask(
        geckoterminal(f"{upstreams.url}/geckoterminal/api/v2"), lambda c: c.fetch_new_pools(1, purpose="detect")
    )
    profiles = ask(
        dexscreener_feeds(f"{upstreams.url}/dexscreener"),
        lambda c: c.fetch_feed("token-profiles/latest", purpose="detect"),
    )
    for named in (coins, fresh, profiles):
        mints = list({observation.mint for observation in named})
        assert mints
        known = upstreams.market.universe.find(mints, time.time())
        assert len(known) >= 0.9 * len(mints)
