"""A sandbox application under test, its clock and its sleep in the test's hands."""

import json
from pathlib import Path

import httpx
import numpy as np

from enrichment.sandbox.market import Market
from enrichment.sandbox.server import Sandbox

NOW_S = 1_795_000_000.25
RECORDED = Path(__file__).resolve().parents[2] / "shared" / "recorded"
SEARCH, PRICE, RECENT = "/jupiter/tokens/v2/search", "/jupiter/price/v3", "/jupiter/tokens/v2/recent"
PAIRS, FEED = "/dexscreener/tokens/v1/solana", "/dexscreener/token-profiles/latest/v1"
GECKO, COINS, HELIUS = "/geckoterminal/api/v2/networks/solana", "/pumpfun/coins", "/helius/"
LIST = "/lists/all.json"
KEY = {"x-api-key": "jup_pro_test"}
HELIUS_KEY = "helius_professional_test"


class Stage:
    """A sandbox with its hands on the clock."""

    def __init__(self, *, mints: int = 3_000, seed: int = 5, **options) -> None:
        self.now_s, self.slept_s = NOW_S, []
        self.market = Market(mints=mints, seed=seed)
        self.app = Sandbox(self.market, since_s=NOW_S - 3_600, clock=lambda: self.now_s, sleep=self.sleep, **options)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://sandbox")

    async def sleep(self, span_s: float) -> None:
        self.slept_s.append(span_s)

    async def get(self, path: str, *, headers: dict[str, str] = KEY, **query: str) -> httpx.Response:
        response = await self.client.get(path, params=query, headers=headers)
        assert response.headers["x-simulated"] == "tokensite-sandbox"
        return response

    async def ask(self, method: str = "getAssetBatch", *, key: str = HELIUS_KEY, **params: object) -> httpx.Response:
        """Call Helius."""
        request = {"jsonrpc": "2.0", "id": "1", "method": method, "params": params}
        return await self.client.post(HELIUS, params={"api-key": key}, json=request)

    async def fail(self, *names: str, upstream: str | None = None) -> list[str]:
        order = {"faults": names} | ({"upstream": upstream} if upstream else {})
        response = await self.client.post("/control/faults", json=order)
        assert upstream or response.json()["faults"] == sorted(names)
        return response.json()["faults"]

    async def journal(self, **query: str) -> list[dict]:
        return (await self.client.get("/control/journal", params=query)).json()["requests"]

    def mints(self, *ids: int) -> list[str]:
        return self.market.universe.mints(np.array(ids, dtype=np.uint64))


def paths(value: object, at: str = "") -> set[str]:
    """Return every key path with its JSON type, list members merged."""
    if isinstance(value, dict):
        return {path for key, inner in value.items() for path in paths(inner, f"{at}.{key}")}
    if isinstance(value, list):
        return {path for inner in value for path in paths(inner, f"{at}[]")}
    kind = "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__
    return {f"{at}:{kind}"}


def objects(value: object, key: str) -> list[dict]:
    """Return every object inside that has the key."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = [value] if isinstance(value, dict) and key in value else []
    return own + [found for part in inner for found in objects(part, key)]


def recorded(vendor: str, pattern: str = "*") -> list[object]:
    """Return the recorded answers of a vendor."""
    return [json.loads(path.read_text()) for path in sorted((RECORDED / vendor).glob(f"{pattern}.json"))]
