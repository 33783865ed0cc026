"""A sandbox application under test, its clock and its sleep in the test's hands."""

import httpx
import numpy as np

from enrichment.sandbox.market import Market
from enrichment.sandbox.server import Sandbox

NOW_S = 1_795_000_000.25
SEARCH, PRICE, RECENT = "/jupiter/tokens/v2/search", "/jupiter/price/v3", "/jupiter/tokens/v2/recent"
LIST = "/lists/all.json"
KEY = {"x-api-key": "jup_pro_test"}


class Stage:
    """A sandbox with its hands on the clock."""

    def __init__(self, **options) -> None:
        self.now_s, self.slept_s = NOW_S, []
        self.market = Market(mints=3_000, seed=5)
        self.app = Sandbox(self.market, since_s=NOW_S - 3_600, clock=lambda: self.now_s, sleep=self.sleep, **options)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://sandbox")

    async def sleep(self, span_s: float) -> None:
        self.slept_s.append(span_s)

    async def get(self, path: str, *, headers: dict[str, str] = KEY, **query: str) -> httpx.Response:
        response = await self.client.get(path, params=query, headers=headers)
        assert response.headers["x-simulated"] == "tokensite-sandbox"
        return response

    async def fail(self, *names: str) -> None:
        response = await self.client.post("/control/faults", json={"faults": names})
        assert response.json()["faults"] == sorted(names)

    def mints(self, *ids: int) -> list[str]:
        return self.market.universe.mints(np.array(ids, dtype=np.uint64))
