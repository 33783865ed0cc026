"""DexScreener's endpoints over the simulated market: one primary pair per token, all pairs of one, feeds of pages.

Source: docs.dexscreener.com/api/reference (2026-07) and what third parties saw of the live API until 2026-10.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from enrichment.sandbox.chance import Words
from enrichment.sandbox.faces import named
from enrichment.sandbox.market import Market
from enrichment.sandbox.pairs import boost_rows, pair_rows, profile_rows
from enrichment.sandbox.pools import MAIN, OTHERS, Pools, pools_of, primary_of
from enrichment.sandbox.universe import LAUNCHED, SENTINELS
from enrichment.sandbox.vendor import Account, Call, Reply, Terms, Trouble, Vendor, firewall_page, public_account

PAIRS_PER_MINUTE, FEEDS_PER_MINUTE = 300, 60  # documented, per address; two separate windows
# Documented as 30; what happens above nobody tells, and the older endpoint drops what is too much without a word.
MOST_TOKENS = 30
MOST_PAIRS = 30  # of any answer (72 of 255 tokens came back from the older endpoint)
FEED_ROWS = 30
_FEED_MINUTES, _PAID_PER_MINUTE = 6, 10  # some of them have no pool to show
_FEEDS = ("/token-profiles/", "/token-boosts/", "/community-takeovers/", "/ads/", "/orders/", "/metas/")
_SEEN, _OTHERS_SEEN = 0.98, 0.90  # of the pools there are
# A pair shows only minutes after the launch: 663 young tokens in a row had no price (2026-08).
_SHOWN_AFTER_S = (5.0, 180.0)
_QUOTED = 0.02  # of tokens also are what another token is priced in


def _terms(market: Market, call: Call, account: Account) -> Terms:
    is_feed = call.path.startswith(_FEEDS)
    bucket = f"{account.name} feeds" if is_feed else f"{account.name} pairs"
    return Terms(bucket, FEEDS_PER_MINUTE if is_feed else PAIRS_PER_MINUTE)


def _refuse(call: Call, trouble: Trouble) -> Reply:
    """Refuse as its network does: a page of HTML; with every other second's 429 a Retry-After, else none."""
    if trouble == "unauthorized":
        return firewall_page(403)
    if trouble == "broken":
        return Reply(500, {"error": "Internal Server Error"})
    page = firewall_page(429)
    return replace(page, headers=[(b"retry-after", b"30")]) if int(call.now_s) % 2 else page


def _answer(market: Market, call: Call) -> Reply:
    parts = call.path.strip("/").split("/")
    match parts:
        case ["tokens", "v1", "solana", mints]:
            return _tokens(market, mints.split(","), call)
        case ["token-pairs", "v1", "solana", mint]:
            return Reply(200, _pairs_of(market, [mint], call)[:MOST_PAIRS], [mint])
        case ["latest", "dex", "tokens", mints]:
            asked = mints.split(",")
            return Reply(200, _legacy(_pairs_of(market, asked, call)[:MOST_PAIRS]), asked)
        case ["latest", "dex", "pairs", "solana", addresses]:
            return _pools(market, addresses.split(","), call)
        case ["latest", "dex", "search"]:
            return _search(market, call)
        case ["token-profiles", "latest" | "recent-updates", "v1"]:
            return Reply(200, profile_rows(market, _promoted(market, "profile", call), call.now_s))
        case ["token-boosts", "latest" | "top" as order, "v1"]:
            pools = _promoted(market, f"boost {order}", call)
            return Reply(200, boost_rows(market, pools, call.now_s, with_amount=order == "latest"))
        case ["tokens" | "token-pairs", "v1", _, mints]:
            return Reply(200, [], mints.split(","))  # another chain: no such tokens there
    return Reply(404, {"error": "Not Found"})


def _tokens(market: Market, asked: list[str], call: Call) -> Reply:
    ids = market.find(asked[:MOST_TOKENS], call.now_s)
    if not len(ids):
        return Reply(200, [], asked)
    primary = primary_of(_seen(market, ids, call.now_s))
    order = np.argsort(market.chance.bits("pair order", primary.ids, int(call.now_s)))
    return Reply(200, pair_rows(market, primary.at(order), call.now_s), asked)


def _pairs_of(market: Market, asked: list[str], call: Call) -> list[dict[str, object]]:
    ids = market.find(asked, call.now_s)
    pools = _seen(market, ids, call.now_s)
    order = np.lexsort((-pools.liquidity_usd, pools.is_curve))
    return pair_rows(market, pools.at(order), call.now_s) + _quoted(market, ids, call.now_s)


def _quoted(market: Market, ids: Words, now_s: float) -> list[dict[str, object]]:
    """Return pairs in which some of the tokens are the quote side: the price there is somebody else's."""
    settled = (ids > len(SENTINELS)) & (ids < LAUNCHED) & (market.chance.unit("quoted", ids) < _QUOTED)
    others = ids[settled] - np.uint64(1)
    if not len(others):
        return []
    pools = _seen(market, others, now_s)
    pools = pools.at(pools.places == MAIN)
    quotes = pools.ids + np.uint64(1)
    quote_usd = market.history(quotes, np.array([now_s]))[0][0]
    return pair_rows(market, replace(pools, quotes=quotes, quote_usd=quote_usd), now_s)


def _pools(market: Market, asked: list[str], call: Call) -> Reply:
    found = market.universe.find_addresses(asked[:MOST_PAIRS], call.now_s)
    ids = np.array(sorted({token for token, _ in found}), dtype=np.uint64)
    pools = _seen(market, ids, call.now_s)
    wanted = [pair in found for pair in zip(pools.ids.tolist(), pools.places.tolist(), strict=True)]
    rows = pair_rows(market, pools.at(np.array(wanted, dtype=bool)), call.now_s)
    return Reply(200, _legacy(rows) | {"pair": rows[0] if rows else None}, asked)


def _search(market: Market, call: Call) -> Reply:
    ids = named(market, market.notable(call.now_s), call.query.get("q", ""))
    primary = primary_of(_seen(market, ids[:MOST_PAIRS], call.now_s))
    return Reply(200, _legacy(pair_rows(market, primary, call.now_s)))


def _legacy(rows: list[dict[str, object]]) -> dict[str, object]:
    return {"schemaVersion": "1.0.0", "pairs": rows or None}


def _promoted(market: Market, feed: str, call: Call) -> Pools:
    """Return whose pages were paid for last, newest first: a window that moves on by some every minute."""
    minute, ids = int(call.now_s // 60), []
    for back in range(_FEED_MINUTES):
        candidates = market.notable((minute - back) * 60.0)
        draws = market.chance.bits(feed, minute - back, np.arange(_PAID_PER_MINUTE, dtype=np.uint64))
        ids.append(candidates[(draws % np.uint64(len(candidates))).astype(np.intp)])
    pools = primary_of(_seen(market, np.concatenate(ids), call.now_s))
    return pools.at(np.arange(min(FEED_ROWS, len(pools.ids))))


def _seen(market: Market, ids: Words, now_s: float) -> Pools:
    """Return the pools DexScreener knows of: almost all, some seconds or minutes after they opened."""
    pools = pools_of(market, market.observe(ids, now_s), now_s)
    is_other = (pools.places >= OTHERS[0]) & (pools.places <= OTHERS[-1])
    known = market.chance.unit("screener", pools.ids, pools.places) < np.where(is_other, _OTHERS_SEEN, _SEEN)
    soonest, latest = _SHOWN_AFTER_S
    delay = soonest + (latest - soonest) * market.chance.unit("screener delay", pools.ids) ** 2
    is_shown = pools.born_s + delay / market.launches.speed <= now_s
    return pools.at(pools.is_poisoned | (known & is_shown))  # impostors see to it that they are found


VENDOR = Vendor(
    name="dexscreener",
    account=public_account,
    terms=_terms,
    answer=_answer,
    refuse=_refuse,
    price_keys=frozenset({"priceUsd"}),
    id_keys=frozenset({"baseToken"}),
)
