"""pump.fun's list of coins over the simulated market: an unofficial API that ignores half of what it is asked.

Source: recordings until 2026-10-08 and what third parties saw; nothing of it is promised by anybody.
"""

from __future__ import annotations

import numpy as np

from enrichment.sandbox.chance import Reals, Words
from enrichment.sandbox.coins import coin_rows, metadata_row, searched_rows
from enrichment.sandbox.faces import named
from enrichment.sandbox.limits import Verdict
from enrichment.sandbox.market import Market
from enrichment.sandbox.traits import LAUNCHPADS, Flags
from enrichment.sandbox.vendor import (
    Account,
    Call,
    Headers,
    Reply,
    Terms,
    Trouble,
    Vendor,
    firewall_page,
    public_account,
)

# Calls a minute and route, as its headers stated on 2025-11-08; for the routes not seen, what the most alike states.
CALLS_PER_WINDOW = {"search-v2": 20}
USUAL_CALLS = 60
MOST_ROWS, DEEPEST = 70, 1_000  # rows of an answer; beyond that offset every answer is empty (2026-10)
_USUAL_ROWS = 50
_SEARCH_ROWS = 10
_NEWEST = 1_500  # of launches hold the deepest page: five in six are its own
_LAUNCHES_BACK = 110_000  # hold a thousand graduates: four days
_SORTS = ("created_timestamp", "market_cap", "ath_market_cap", "reply_count", "last_reply", "last_trade_timestamp")
# Answered with status 200 and nothing at all in April 2026.
_EMPTY = ("currently-live", "king-of-the-hill", "for-you", "latest")
_PUMP_FUN = LAUNCHPADS.index("pump.fun")


def _terms(market: Market, call: Call, account: Account) -> Terms:
    route = call.path.removeprefix("/coins").strip("/").partition("/")[0]
    known = route in CALLS_PER_WINDOW or route in _EMPTY
    bucket = f"{account.name} {route if known else 'coin' if route else 'coins'}"
    return Terms(bucket, CALLS_PER_WINDOW.get(route, USUAL_CALLS))


def _headers(status: int, verdict: Verdict | None) -> Headers:
    if verdict is None:
        return []
    numbers = {"limit": verdict.limit, "remaining": max(verdict.remaining, 0), "reset": verdict.reset_at_s}
    return [(f"x-ratelimit-{name}".encode(), str(number).encode()) for name, number in numbers.items()]


def _refuse(call: Call, trouble: Trouble) -> Reply:
    """Refuse as its network does, 403 and 530; the words of its 429 nobody recorded: those of its framework."""
    if trouble == "unauthorized":
        return firewall_page(403)
    if trouble == "broken":
        return firewall_page(530)
    return Reply(429, {"statusCode": 429, "message": "ThrottlerException: Too Many Requests"})


def _answer(market: Market, call: Call) -> Reply:
    match call.path.strip("/").split("/"):
        case ["coins"]:
            return _listed(market, call)
        case ["coins", "search-v2"]:
            return Reply(200, searched_rows(market, _named(market, call)[:_SEARCH_ROWS], call.now_s))
        case ["coins", name] if name in _EMPTY:
            return Reply(200, b"")
        case ["coins", mint]:
            ids = _own(market, market.find([mint], call.now_s))
            return Reply(200, coin_rows(market, ids, call.now_s)[0] if len(ids) else b"", [mint])
        case ["coins", "metadata", mint]:
            ids = _own(market, market.find([mint], call.now_s))
            return Reply(200, metadata_row(market, ids, call.now_s) if len(ids) else b"", [mint])
    return Reply(404, {"statusCode": 404, "message": f"Cannot GET {call.path[:100]}", "error": "Not Found"})


def _listed(market: Market, call: Call) -> Reply:
    """List coins; times and creators in the query are ignored, and so is an order that it does not know."""
    offset, limit = call.whole("offset", 0, 0, 10**8), call.whole("limit", _USUAL_ROWS, 0, 10**8)
    sort = call.query.get("sort", _SORTS[0])
    if offset is None or limit is None or sort not in _SORTS:
        return Reply(400, {"statusCode": 400, "message": "Bad Request"})
    if offset > DEEPEST:
        return Reply(200, [])
    ids = _named(market, call) if call.query.get("searchTerm") else _candidates(market, call, sort)
    ids = _sorted(market, _matching(market, ids, call), sort, call)
    return Reply(200, coin_rows(market, ids[offset : offset + min(limit, MOST_ROWS)], call.now_s))


def _candidates(market: Market, call: Call, sort: str) -> Words:
    if call.query.get("order", "DESC").upper() == "ASC" or sort != _SORTS[0]:
        return _own(market, market.notable(call.now_s))
    if call.query.get("complete") == "true":
        return _own(market, market.graduates(call.now_s, _LAUNCHES_BACK))
    return _own(market, market.universe.newest(call.now_s, _NEWEST))


def _matching(market: Market, ids: Words, call: Call) -> Words:
    wanted = call.query.get("complete")
    if wanted not in ("true", "false"):
        return ids
    kept: Flags = (market.traits(ids).graduated_s <= call.now_s) == (wanted == "true")
    return ids[kept]


def _sorted(market: Market, ids: Words, sort: str, call: Call) -> Words:
    score = market.traits(ids).born_s if sort == _SORTS[0] else _score(market, ids, sort, call.now_s)
    is_rising = call.query.get("order", "DESC").upper() == "ASC"
    order = np.argsort(score if is_rising else -score, kind="stable")
    return ids[order]


def _score(market: Market, ids: Words, sort: str, now_s: float) -> Reals:
    sight = market.observe(ids, now_s)
    if sort in ("reply_count", "last_reply"):
        return sight.holders
    score: Reals = sight.traded_at_s[0]
    return score if sort == "last_trade_timestamp" else sight.price_usd[0] * sight.traits.total_supply


def _named(market: Market, call: Call) -> Words:
    return named(market, _own(market, market.notable(call.now_s)), call.query.get("searchTerm", ""))


def _own(market: Market, ids: Words) -> Words:
    """Return which of the tokens were launched here."""
    own: Flags = market.traits(ids).launchpad == _PUMP_FUN
    return ids[own]


VENDOR = Vendor(
    name="pumpfun",
    account=public_account,
    terms=_terms,
    answer=_answer,
    refuse=_refuse,
    headers=_headers,
    price_keys=frozenset({"usd_market_cap", "market_cap_usd", "market_cap", "market_cap_quote"}),
    id_keys=frozenset({"mint"}),
)
