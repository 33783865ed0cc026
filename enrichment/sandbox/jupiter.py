"""Jupiter's endpoints over the simulated market: path and query in, status and JSON out.

Source: Jupiter's tokens/v2 and price/v3 pages (2026-08-21) and what third parties saw of the live API until 2026-10.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from enrichment.sandbox.chance import Words
from enrichment.sandbox.market import WINDOWS_S, Market
from enrichment.sandbox.names import names_of
from enrichment.sandbox.rows import price_entries, token_rows
from enrichment.sandbox.traits import KINDS, VERIFIED_RANKS
from enrichment.sandbox.universe import SENTINELS
from tokens.mint import is_mint

Query = Mapping[str, str]

SEARCH_MINTS = 100  # documented maximum of a comma list
SEARCH_ROWS = 20  # documented for a text search
PRICE_IDS = 50  # documented maximum; the surplus is dropped without a word (seen 2026-10-03)
RECENT_ROWS = 30  # rows of every recorded answer
CATEGORY_ROWS = (1, 50, 100)  # documented least, default and most
# 75 to 77 rows came back for limit=100 (2026-08): what a category filters, it filters after the cut.
_CATEGORY_KEPT = 0.76
_CATEGORIES = ("toporganicscore", "toptraded", "toptrending")
# Categories and text search look at what anybody trades or has just launched, not at a million sleepers.
_RANKED, _FRESH = 2_000, 300


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is put on the wire. `asked` counts the mints or ids the request named."""

    status: int
    body: Any
    asked: int = 0


def answer(market: Market, path: str, query: Query, now_s: float) -> Reply:
    """Answer `GET path?query` (the path below the vendor's origin) at time `now_s`."""
    endpoint = _ENDPOINTS.get(path)
    if endpoint is not None:
        return endpoint(market, query, now_s)
    category, _, window = path.removeprefix("/tokens/v2/").partition("/")
    if path.startswith("/tokens/v2/") and category in _CATEGORIES and window in WINDOWS_S:
        return _category(market, category, window, query, now_s)
    return Reply(404, {"error": "Not Found"})  # also for the dead v1, price/v2 and strict paths


def _search(market: Market, query: Query, now_s: float) -> Reply:
    text = query.get("query", "").strip()
    if not text:
        return Reply(400, {"error": "query is required"})
    words = text.split(",")
    if len(words) == 1 and not is_mint(text):
        return Reply(200, token_rows(market, _named(market, text.casefold(), now_s), now_s))
    if len(words) > SEARCH_MINTS:
        return Reply(400, {"error": f"at most {SEARCH_MINTS} mints"}, len(words))
    found = np.array(market.universe.find(words, now_s), dtype=np.uint64)
    order = np.argsort(market.chance.bits("order", found, int(now_s)))
    return Reply(200, token_rows(market, found[order], now_s), len(words))


def _named(market: Market, text: str, now_s: float) -> Words:
    ids = _candidates(market, now_s)
    names = names_of(market.chance, market.universe, market.observe(ids, now_s).traits)
    hits = [place for place, pair in enumerate(names) if any(text in part.casefold() for part in pair)]
    return ids[hits[:SEARCH_ROWS]]


def _recent(market: Market, query: Query, now_s: float) -> Reply:
    return Reply(200, token_rows(market, market.universe.newest(now_s, RECENT_ROWS), now_s))


def _tag(market: Market, query: Query, now_s: float) -> Reply:
    tag = query.get("query", "")
    ids = np.arange(min(market.universe.size, VERIFIED_RANKS + len(SENTINELS)), dtype=np.uint64)
    traits = market.observe(ids, now_s).traits
    if tag == "verified":
        return Reply(200, token_rows(market, ids[traits.is_verified], now_s))
    if tag in KINDS:
        return Reply(200, token_rows(market, ids[traits.kind == KINDS.index(tag)], now_s))
    return Reply(400, {"error": "unknown tag"})


def _category(market: Market, category: str, window: str, query: Query, now_s: float) -> Reply:
    least, usual, most = CATEGORY_ROWS
    limit = query.get("limit", str(usual))
    if not (re.fullmatch("[0-9]{1,3}", limit) and least <= int(limit) <= most):
        return Reply(400, {"error": f"limit must be {least} to {most}"})
    ids = _candidates(market, now_s)
    sight = market.observe(ids, now_s)
    place = list(WINDOWS_S).index(window)
    traded = sight.trades_in(place) * sight.turnover_usd
    if category == "toptraded":
        score = traded
    elif category == "toptrending":
        score = np.log1p(traded) * np.abs(sight.change_pct(place)) * (ids >= len(SENTINELS))
    else:
        score = np.minimum(traded, sight.liquidity_usd[0]) * sight.traits.is_verified
    best = ids[np.argsort(-score * sight.is_priced, kind="stable")[: int(limit)]]
    kept = (best < len(SENTINELS)) | (market.chance.unit(category, best) < _CATEGORY_KEPT)
    return Reply(200, token_rows(market, best[kept], now_s))


def _candidates(market: Market, now_s: float) -> Words:
    ranked = np.arange(min(market.universe.size, _RANKED), dtype=np.uint64)
    return np.concatenate([ranked, market.universe.newest(now_s, _FRESH)])


def _price(market: Market, query: Query, now_s: float) -> Reply:
    wanted = query.get("ids", "")
    if not wanted:
        return Reply(400, {"error": "ids is required"})
    texts = wanted.split(",")
    found = market.universe.find(texts[:PRICE_IDS], now_s)
    return Reply(200, price_entries(market, np.array(found, dtype=np.uint64), now_s), len(texts))


_ENDPOINTS: Mapping[str, Callable[[Market, Query, float], Reply]] = {
    "/tokens/v2/search": _search,
    "/tokens/v2/recent": _recent,
    "/tokens/v2/tag": _tag,
    "/price/v3": _price,
}
