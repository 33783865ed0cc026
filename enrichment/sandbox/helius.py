"""Helius' digital asset API over the simulated market: JSON-RPC by POST, the key in the query.

Source: Helius' pages on getAssetBatch, rate limits, plans and credits (2026-01-16), the reference server's code, and
what third parties saw of the live API until 2026-08.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import orjson

from enrichment.sandbox.assets import asset_rows
from enrichment.sandbox.market import Market
from enrichment.sandbox.vendor import Account, Call, Reply, Terms, Trouble, Vendor, keyed_account
from tokens.mint import is_mint

# Calls a second and credits a month, by plan; a call costs ten credits whatever it carries.
CALLS_PER_SECOND = {"free": 2, "developer": 10, "business": 50, "professional": 100}
CREDITS = {"free": 1_000_000, "developer": 10_000_000, "business": 100_000_000, "professional": 200_000_000}
CREDITS_PER_CALL = 10
MOST_IDS = 1_000  # documented
_INDEXED_AFTER_S = 2.5  # documented: a new mint appears after 2 to 3 s

_INVALID, _FAILED, _NO_SUCH_METHOD, _NO_JSON = -32602, -32000, -32601, -32700
_REFUSALS = {
    "unauthorized": (401, -32001, "Authentication failed. Missing or invalid API key."),
    "spent": (429, -32429, "max usage reached"),
    "broken": (500, -32000, "An unexpected error occurred on the server."),
}
# Two ways of saying the same, by turns of a second: the one documented, the one seen in the wild.
_TOO_MANY = ((429, -32029, "Rate limit exceeded. Please try again later."), (429, -32429, "rate limited"))


def account_of(key: str) -> Account | None:
    """Return the account of an api-key, None for a key that is refused. `helius_business_…` names its own plan."""
    return keyed_account(key, "helius_", CALLS_PER_SECOND, "free")


def _terms(market: Market, call: Call, account: Account) -> Terms:
    plan = account.plan
    return Terms(account.name, CALLS_PER_SECOND[plan], 1.0, CREDITS_PER_CALL, CREDITS[plan])


def _refuse(call: Call, trouble: Trouble) -> Reply:
    if trouble == "too_many":
        status, code, message = _TOO_MANY[int(call.now_s) % 2]
    else:
        status, code, message = _REFUSALS[trouble]
    return _error(_request(call), code, message, status)


def _request(call: Call) -> Any:
    try:
        return orjson.loads(call.body)
    except orjson.JSONDecodeError:
        return None


def _error(request: Any, code: int, message: str, status: int = 200) -> Reply:
    """Return an error; one that is about the request comes with HTTP 200, as JSON-RPC servers do."""
    number = request.get("id") if isinstance(request, dict) else None
    return Reply(status, {"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": number})


def _answer(market: Market, call: Call) -> Reply:
    request = _request(call)
    if call.path not in ("", "/"):
        return Reply(404, {"error": "Not Found"})
    if not isinstance(request, dict):
        return _error(request, _NO_JSON, "Parse error")
    params = request.get("params")
    params = params if isinstance(params, dict) else {}
    if request.get("method") == "getAssetBatch":
        return _batch(market, request, params.get("ids"), call.now_s)
    if request.get("method") == "getAsset":
        return _single(market, request, params.get("id"), call.now_s)
    return _error(request, _NO_SUCH_METHOD, "Method not found")


def _batch(market: Market, request: Any, ids: Any, now_s: float) -> Reply:
    """Answer in the order asked, null for the unknown, neighbours that repeat each other once; all or nothing."""
    if not (isinstance(ids, list) and all(isinstance(mint, str) for mint in ids)):
        return _error(request, _INVALID, "Invalid request parameters.")
    if len(ids) > MOST_IDS:
        return _error(request, _FAILED, f"Batch Size Error. Batch size should not be greater than {MOST_IDS}.")
    bad = next((mint for mint in ids if not is_mint(mint)), None)
    if bad is not None:
        return _error(request, _FAILED, f"Pubkey Validation Err: {bad[:64]} is invalid")
    known = _assets(market, ids, now_s)
    rows = [known.get(mint) for mint, _ in groupby(ids)]
    return Reply(200, {"jsonrpc": "2.0", "result": rows, "id": request.get("id")}, ids)


def _single(market: Market, request: Any, mint: Any, now_s: float) -> Reply:
    if not (isinstance(mint, str) and is_mint(mint)):
        return _error(request, _FAILED, f"Pubkey Validation Err: {str(mint)[:64]} is invalid")
    row = _assets(market, [mint], now_s).get(mint)
    if row is None:
        return _error(request, _FAILED, "Database Error: RecordNotFound Error: Asset Not Found")
    return Reply(200, {"jsonrpc": "2.0", "result": row, "id": request.get("id")}, [mint])


def _assets(market: Market, mints: list[str], now_s: float) -> dict[str, Any]:
    indexed_s = now_s - _INDEXED_AFTER_S / market.launches.speed
    return {row["id"]: row for row in asset_rows(market, market.find(mints, indexed_s), now_s)}


VENDOR = Vendor(
    name="helius",
    methods=("POST",),
    account=lambda call: account_of(call.query.get("api-key", "")),
    terms=_terms,
    answer=_answer,
    refuse=_refuse,
    price_keys=frozenset({"price_per_token"}),
    id_keys=frozenset({"id"}),
)
