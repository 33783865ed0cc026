"""GeckoTerminal's endpoints over the simulated market, half a minute to a minute behind it.

Source: GeckoTerminal's swagger and FAQ, CoinGecko's description of the same API (2026-06-22), recordings until 2026-10.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import numpy as np

from enrichment.sandbox.candles import AGGREGATES, SPANS_S, Span, candles
from enrichment.sandbox.chance import Reals, Words
from enrichment.sandbox.figures import ms
from enrichment.sandbox.gecko_tokens import info_resource, token_resources, totals_of
from enrichment.sandbox.market import Market
from enrichment.sandbox.pools import DEXES, Pools
from enrichment.sandbox.resources import WINDOWS_S, included, pool_resources, seen_pools
from enrichment.sandbox.vendor import Account, Call, Reply, Terms, Trouble, Vendor, firewall_page, public_account

# About 30 a minute and address by its FAQ; others are refused from 25 on: every minute has a limit of its own.
FEWEST_PER_MINUTE, MOST_PER_MINUTE = 25, 30
MOST_ADDRESSES = 30  # documented; we refuse more, nobody tells what it does
PAGE_ROWS, MOST_PAGES = 20, 10  # documented, ten pages on the public tier
CANDLES = (1, 100, 1_000)  # documented least, default and most
CACHE_S = 30.0  # its answers state max-age=30, and are up to that old when they are made
_LAUNCHES_BACK = 30_000  # how far back a launch may lie that has graduated just now: a day
_NEWEST = 600

_DURATIONS = {"5m": "m5", "1h": "h1", "6h": "h6", "24h": "h24"}

_Score = Callable[[Pools], Reals]


def _terms(market: Market, call: Call, account: Account) -> Terms:
    minute = int(call.now_s // 60)
    draw = int(market.chance.bits("gecko limit", minute)[0] % np.uint64(MOST_PER_MINUTE - FEWEST_PER_MINUTE + 1))
    return Terms(account.name, FEWEST_PER_MINUTE + draw)


def _refuse(call: Call, trouble: Trouble) -> Reply:
    """Refuse in one of the two ways seen, by turns of a second; the Retry-After of the one is 0."""
    if trouble == "unauthorized":
        return firewall_page(403)
    if trouble == "broken":
        return _error(500, "Internal Server Error")
    if int(call.now_s) % 2:
        return _error(429, "Rate Limited")
    message = "You've exceeded the Rate Limit. Please wait."
    return Reply(429, {"status": {"error_code": 429, "error_message": message}}, headers=[(b"retry-after", b"0")])


def _error(status: int, title: str) -> Reply:
    return Reply(status, {"errors": [{"status": str(status), "title": title}]})


def _answer(market: Market, call: Call) -> Reply:
    then_s = _seen_at(market, call.now_s)
    parts = call.path.removeprefix("/api/v2").strip("/").split("/")
    match parts:
        case ["networks", "solana", "tokens", "multi", mints]:
            return _tokens(market, mints.split(","), call, then_s)
        case ["networks", "solana", "tokens", mint, *rest]:
            return _token(market, mint, rest, call, then_s)
        case ["simple", "networks", "solana", "token_price", mints]:
            return _simple(market, mints.split(","), call, then_s)
        case ["networks", "solana", "pools", "multi", addresses]:
            return _pools(market, addresses.split(","), call, then_s)
        case ["networks", "solana", "pools", address]:
            return _pools(market, [address], call, then_s, is_single=True)
        case ["networks", "solana", "pools", address, "ohlcv", frame] if frame in SPANS_S:
            return _ohlcv(market, address, frame, call, then_s)
        case ["networks", "solana", "new_pools"]:
            ids = np.concatenate([market.universe.newest(then_s, _NEWEST), market.graduates(then_s, _LAUNCHES_BACK)])
            return _page(market, np.unique(ids), call, then_s, score=lambda pools: pools.born_s)
        case ["networks", "solana", "trending_pools" | "pools"]:
            return _trending(market, call, then_s)
        case ["networks", "solana", "dexes", dex, "pools"]:
            return _trending(market, call, then_s, dex)
    return _error(404, "Not Found")


def _seen_at(market: Market, now_s: float) -> float:
    """Return the moment it shows now: the start of the half-minute before the present one, in market time."""
    step_s = CACHE_S / market.launches.speed
    return float(np.floor(now_s / step_s) - 1) * step_s


def _tokens(market: Market, asked: list[str], call: Call, then_s: float) -> Reply:
    if len(asked) > MOST_ADDRESSES:
        return _error(400, f"Exceeded maximum number of addresses of {MOST_ADDRESSES}")
    ids = market.find(asked, then_s)
    ids = ids[np.argsort(market.chance.bits("gecko order", ids, int(then_s)))]
    pools = seen_pools(market, ids, then_s)
    body: dict[str, Any] = {"data": token_resources(market, ids, pools, then_s)}
    if "top_pools" in _included(call):
        body["included"] = pool_resources(market, pools, then_s)
    return Reply(200, body, asked)


def _token(market: Market, mint: str, rest: list[str], call: Call, then_s: float) -> Reply:
    ids = market.find([mint], then_s)
    if not len(ids) or rest not in ([], ["info"], ["pools"]):
        return _error(404, "Not Found")
    pools = seen_pools(market, ids, then_s)
    if rest == ["pools"]:
        return _listed(market, pools.at(np.argsort(-pools.volume_usd[-1])), call, then_s, [mint])
    row = info_resource(market, ids, then_s) if rest else token_resources(market, ids, pools, then_s)[0]
    return Reply(200, {"data": row}, [mint])


def _simple(market: Market, asked: list[str], call: Call, then_s: float) -> Reply:
    if len(asked) > MOST_ADDRESSES:
        return _error(400, f"Exceeded maximum number of addresses of {MOST_ADDRESSES}")
    ids = market.find(asked, then_s)
    totals = zip(market.universe.mints(ids), totals_of(market, ids, seen_pools(market, ids, then_s)), strict=True)
    attributes = {"token_prices": {mint: total.price_usd for mint, total in totals if total.price_usd is not None}}
    return Reply(
        200, {"data": {"id": _reference(market, call), "type": "simple_token_price", "attributes": attributes}}, asked
    )


def _pools(market: Market, asked: list[str], call: Call, then_s: float, *, is_single: bool = False) -> Reply:
    if len(asked) > MOST_ADDRESSES:
        return _error(400, f"Exceeded maximum number of addresses of {MOST_ADDRESSES}")
    found = _found(market, asked, then_s)
    if is_single and not len(found.ids):
        return _error(404, "Not Found")
    rows = pool_resources(market, found, then_s)
    body: dict[str, Any] = {"data": rows[0] if is_single else rows}
    return Reply(200, body | _along(market, found, call), asked)


def _found(market: Market, asked: list[str], then_s: float) -> Pools:
    pairs = market.universe.find_addresses(asked, then_s)
    pools = seen_pools(market, np.array(sorted({token for token, _ in pairs}), dtype=np.uint64), then_s)
    wanted = [pair in pairs for pair in zip(pools.ids.tolist(), pools.places.tolist(), strict=True)]
    return pools.at(np.array(wanted, dtype=bool))


def _ohlcv(market: Market, address: str, frame: str, call: Call, then_s: float) -> Reply:
    pool = _found(market, [address], then_s)
    if not len(pool.ids):
        return _error(404, "Not Found")
    allowed = AGGREGATES[frame]
    aggregate = call.whole("aggregate", 1, 1, 99)
    if aggregate not in allowed:
        values = ", ".join(str(value) for value in allowed)
        refused = _error(400, f"Invalid aggregate. Allowed values: {values}")
        return Reply(400, refused.body | {"meta": {"ref_id": _reference(market, call)}})
    limit, before = call.whole("limit", CANDLES[1], CANDLES[0], CANDLES[2]), call.whole("before_timestamp", 0, 0, 2**40)
    if limit is None or before is None:
        return _error(400, "Invalid parameters")
    span = Span(aggregate * SPANS_S[frame], limit, min(float(before) or then_s, then_s))
    rows = candles(market, pool, then_s, span, in_quote=call.query.get("currency") == "token")
    data = {"id": _reference(market, call), "type": "ohlcv_request_response", "attributes": {"ohlcv_list": rows}}
    sides = included(market, pool, ("base_token", "quote_token"))
    keys = ("name", "symbol", "coingecko_coin_id", "address")
    base, quote = ({key: side["attributes"][key] for key in keys} for side in sides)
    return Reply(200, {"data": data, "meta": {"base": base, "quote": quote}}, [address])


def _reference(market: Market, call: Call) -> str:
    words = market.chance.bits("reference", ms(call.now_s), np.arange(2, dtype=np.uint64)).tolist()
    return str(uuid.UUID(int=words[0] << 64 | words[1]))


def _trending(market: Market, call: Call, then_s: float, dex: str | None = None) -> Reply:
    duration = call.query.get("duration", "24h")
    if duration not in _DURATIONS:
        return _error(400, f"Invalid duration. Allowed values: {', '.join(_DURATIONS)}")
    window = list(WINDOWS_S).index(_DURATIONS[duration])
    return _page(market, market.notable(then_s), call, then_s, score=lambda pools: pools.volume_usd[window], dex=dex)


def _page(market: Market, ids: Words, call: Call, then_s: float, *, score: _Score, dex: str | None = None) -> Reply:
    page = call.whole("page", 1, 1, MOST_PAGES)
    if page is None:
        return _error(400, f"Invalid page. Allowed values: 1 to {MOST_PAGES}")
    pools = seen_pools(market, ids, then_s)
    if dex is not None:
        pools = pools.at(np.array([DEXES[place].gecko == dex for place in pools.dex.tolist()], dtype=bool))
    best = np.argsort(-score(pools), kind="stable")
    return _listed(market, pools.at(best[(page - 1) * PAGE_ROWS : page * PAGE_ROWS]), call, then_s, [])


def _listed(market: Market, pools: Pools, call: Call, then_s: float, ids: list[str]) -> Reply:
    body: dict[str, Any] = {"data": pool_resources(market, pools, then_s)}
    return Reply(200, body | _along(market, pools, call), ids)


def _along(market: Market, pools: Pools, call: Call) -> dict[str, Any]:
    kinds = _included(call)
    return {"included": included(market, pools, kinds)} if kinds else {}


def _included(call: Call) -> list[str]:
    return [kind for kind in call.query.get("include", "").split(",") if kind]


VENDOR = Vendor(
    name="geckoterminal",
    account=public_account,
    terms=_terms,
    answer=_answer,
    refuse=_refuse,
    price_keys=frozenset({"price_usd", "base_token_price_usd"}),
    id_keys=frozenset({"address"}),
)
