"""Jupiter's endpoints over the simulated market: path and query in, status and JSON out.

Source: Jupiter's tokens/v2, price/v3 and platform pages (2026-08-21) and what third parties saw of the live API until
2026-10.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping

import numpy as np

from enrichment.sandbox.faces import named
from enrichment.sandbox.limits import Verdict
from enrichment.sandbox.market import WINDOWS_S, Market
from enrichment.sandbox.rows import price_entries, token_rows
from enrichment.sandbox.traits import KINDS, VERIFIED_RANKS
from enrichment.sandbox.universe import SENTINELS
from enrichment.sandbox.vendor import Account, Call, Headers, Reply, Terms, Trouble, Vendor, keyed_account
from tokens.mint import is_mint

# One sliding minute an organisation, whatever it calls; credits a month are counted on the paid plans.
CALLS_PER_WINDOW = {"keyless": 30, "free": 60, "developer": 600, "launch": 3_000, "pro": 9_000}
CREDITS = {"developer": 25_000_000, "launch": 100_000_000, "pro": 500_000_000}
_COSTS = {"/tokens/v2/search": 10, "/tokens/v2/tag": 50, "/tokens/v2/recent": 1, "/price/v3": 1}  # whatever it carries
_CATEGORY_COST = 5

SEARCH_MINTS = 100  # documented maximum of a comma list
SEARCH_ROWS = 20  # documented for a text search
PRICE_IDS = 50  # documented maximum; the surplus is dropped without a word (seen 2026-10-03)
RECENT_ROWS = 30  # rows of every recorded answer
CATEGORY_ROWS = (1, 50, 100)  # documented least, default and most
# 75 to 77 rows came back for limit=100 (2026-08): what a category filters, it filters after the cut.
_CATEGORY_KEPT = 0.76
_CATEGORIES = ("toporganicscore", "toptraded", "toptrending")


def account_of(key: str | None) -> Account | None:
    """Return the account of an `x-api-key`, None for a key that is refused. `jup_pro_…` names its own plan."""
    return keyed_account(key, "jup_", CALLS_PER_WINDOW, "free") if key else Account("keyless", "keyless")


def _terms(market: Market, call: Call, account: Account) -> Terms:
    budget = CREDITS.get(account.plan)
    usual = _CATEGORY_COST if _category_of(call.path) else 0
    cost = _COSTS.get(call.path, usual) if budget else 0
    return Terms(account.name, CALLS_PER_WINDOW[account.plan], cost=cost, credits=budget)


def _headers(status: int, verdict: Verdict | None) -> Headers:
    """Return the documented headers: limits on 200 and 429 only, remaining may be negative, never a Retry-After."""
    headers = [(b"x-api-gateway-request-id", uuid.uuid4().hex.encode())]
    if verdict is None or status not in (200, 429):
        return headers
    numbers = {"remaining": verdict.remaining, "current": verdict.current, "reset": verdict.reset_at_s}
    return headers + [(f"x-ratelimit-{name}".encode(), str(number).encode()) for name, number in numbers.items()]


def _refuse(call: Call, trouble: Trouble) -> Reply:
    """Answer in the gateway's words. Nobody has shown what it says when the credits are used up: we say too many."""
    if trouble == "unauthorized":
        return Reply(401, {"code": 401, "message": "Unauthorized"})
    if trouble == "broken":
        return Reply(500, {"error": "Internal Server Error"})
    return Reply(429, {"code": 429, "message": "[API Gateway] Too many requests"})


def _answer(market: Market, call: Call) -> Reply:
    endpoint = _ENDPOINTS.get(call.path)
    if endpoint is not None:
        return endpoint(market, call.query, call.now_s)
    category = _category_of(call.path)
    if category is not None:
        return _category(market, *category, call)
    return Reply(404, {"error": "Not Found"})  # also for the dead v1, price/v2 and strict paths


def _category_of(path: str) -> tuple[str, str] | None:
    category, _, window = path.removeprefix("/tokens/v2/").partition("/")
    is_one = path.startswith("/tokens/v2/") and category in _CATEGORIES and window in WINDOWS_S
    return (category, window) if is_one else None


def _search(market: Market, query: Mapping[str, str], now_s: float) -> Reply:
    text = query.get("query", "").strip()
    if not text:
        return Reply(400, {"error": "query is required"})
    words = text.split(",")
    if len(words) == 1 and not is_mint(text):
        return Reply(200, token_rows(market, named(market, market.notable(now_s), text)[:SEARCH_ROWS], now_s))
    if len(words) > SEARCH_MINTS:
        return Reply(400, {"error": f"at most {SEARCH_MINTS} mints"}, words)
    found = market.find(words, now_s)
    order = np.argsort(market.chance.bits("order", found, int(now_s)))
    return Reply(200, token_rows(market, found[order], now_s), words)


def _recent(market: Market, query: Mapping[str, str], now_s: float) -> Reply:
    return Reply(200, token_rows(market, market.universe.newest(now_s, RECENT_ROWS), now_s))


def _tag(market: Market, query: Mapping[str, str], now_s: float) -> Reply:
    tag = query.get("query", "")
    ids = np.arange(min(market.universe.size, VERIFIED_RANKS + len(SENTINELS)), dtype=np.uint64)
    traits = market.traits(ids)
    if tag == "verified":
        return Reply(200, token_rows(market, ids[traits.is_verified], now_s))
    if tag in KINDS:
        return Reply(200, token_rows(market, ids[traits.kind == KINDS.index(tag)], now_s))
    return Reply(400, {"error": "unknown tag"})


def _category(market: Market, category: str, window: str, call: Call) -> Reply:
    least, usual, most = CATEGORY_ROWS
    limit = call.whole("limit", usual, least, most)
    if limit is None:
        return Reply(400, {"error": f"limit must be {least} to {most}"})
    ids = market.notable(call.now_s)
    sight = market.observe(ids, call.now_s)
    place = list(WINDOWS_S).index(window)
    traded = sight.trades_in(place) * sight.turnover_usd
    if category == "toptraded":
        score = traded
    elif category == "toptrending":
        score = np.log1p(traded) * np.abs(sight.change_pct(place)) * (ids >= len(SENTINELS))
    else:
        score = np.minimum(traded, sight.liquidity_usd[0]) * sight.traits.is_verified
    best = ids[np.argsort(-score * sight.is_priced, kind="stable")[:limit]]
    kept = (best < len(SENTINELS)) | (market.chance.unit(category, best) < _CATEGORY_KEPT)
    return Reply(200, token_rows(market, best[kept], call.now_s))


def _price(market: Market, query: Mapping[str, str], now_s: float) -> Reply:
    wanted = query.get("ids", "")
    if not wanted:
        return Reply(400, {"error": "ids is required"})
    texts = wanted.split(",")
    return Reply(200, price_entries(market, market.find(texts[:PRICE_IDS], now_s), now_s), texts)


_ENDPOINTS: Mapping[str, Callable[[Market, Mapping[str, str], float], Reply]] = {
    "/tokens/v2/search": _search,
    "/tokens/v2/recent": _recent,
    "/tokens/v2/tag": _tag,
    "/price/v3": _price,
}

VENDOR = Vendor(
    name="jupiter",
    account=lambda call: account_of(call.headers.get("x-api-key")),
    terms=_terms,
    answer=_answer,
    refuse=_refuse,
    headers=_headers,
    price_keys=frozenset({"usdPrice"}),
    id_keys=frozenset({"id"}),
)
