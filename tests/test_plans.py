"""What the vendors allow, as the documents print it: one figure, stated twice, must stay one figure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from enrichment.upstream import budget, dexscreener, errors, gate, geckoterminal, helius, http, jupiter, pumpfun
from enrichment.upstream.messages import Deadlines
from enrichment.upstream.plans import CREDITS, PLANS, Plan
from enrichment.upstream.report import DECLINED, REFUSED, RESET_MAX_S

DOCS = Path(__file__).resolve().parents[1] / "docs"
TEXT = (DOCS / "upstreams.md").read_text()
ADDING = (DOCS / "adding-an-upstream.md").read_text()
ACCOUNTS = {"jupiter", "helius", "dexscreener", "dexscreener-feeds", "geckoterminal", "pumpfun"}


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first line begins with `heading`, without its head."""
    block = re.search(rf"^\| {re.escape(heading)}.*\n(?:\|.*\n)+", TEXT, re.MULTILINE)
    assert block, heading
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in block[0].splitlines()[2:]]


def row(account: str, name: str, plan: Plan) -> list[str]:
    rps = f"{plan.rps:g}" if plan.rps else "—"
    credits = f"{plan.credits:,}" if plan.credits else "—"
    slowest = f"{plan.slowest_rps * 60:.3g}"
    return [f"`{account}`", name, f"{plan.rpm:,}", rps, str(plan.burst), slowest, credits]


def test_every_account_and_plan_is_documented_as_it_is():
    assert set(PLANS) == ACCOUNTS
    assert table("account") == [row(account, name, plan) for account in PLANS for name, plan in PLANS[account].items()]


def test_every_cost_is_documented_and_charged():
    assert table("call | credits") == [
        [f"`{a}` {call}", str(cost)] for a in CREDITS for call, cost in CREDITS[a].items()
    ]
    endpoints = {"search": jupiter.SEARCH, "price": jupiter.PRICES, "recent": jupiter.RECENT, "tag": jupiter.TAG}
    charged = {name: endpoint.credits for name, endpoint in endpoints.items()}
    assert charged | {"category": jupiter.CATEGORY.credits} == CREDITS["jupiter"]


def test_the_parts_of_a_month_are_documented_as_they_are_kept():
    lines = [
        [f"`{who}`", f"{kept:.0%}".replace("%", " %"), "yes" if kept else "no"] for who, kept in budget.KEPT.items()
    ]
    assert table("purpose") == lines
    assert list(budget.KEPT) == list(gate.SHARES)
    assert (budget.HEAD_START_S, budget.PACE_HOURS) == (86_400, 24)


def test_every_batch_size_is_documented_as_it_is():
    takes = {cells[0]: cells[1] for cells in table("call | takes")}
    assert takes == {
        "Jupiter `/tokens/v2/search`": f"{jupiter.SEARCH.mints_max} mints",
        "Jupiter `/price/v3`": f"{jupiter.PRICES.mints_max} mints",
        "Helius `getAssetBatch`": f"{helius.MINTS_MAX:,} mints",
        "DexScreener `/tokens/v1`": f"{dexscreener.MINTS_MAX} mints",
        "GeckoTerminal `/tokens/multi`": f"{geckoterminal.MINTS_MAX} mints",
        "GeckoTerminal pages of pools": f"{geckoterminal.PAGES_MAX} pages",
        "GeckoTerminal OHLCV": f"{geckoterminal.CANDLES_MAX:,} candles",
        "pump.fun `/coins`": f"{pumpfun.COINS_MAX} coins",
    }
    assert f"nothing beyond offset {pumpfun.OFFSET_MAX:,}" in TEXT
    assert f"{helius.CALLS_MAX} calls at most" in TEXT


@pytest.mark.parametrize(
    "words",
    [
        ", ".join(f"`{who}` {share * 100:g} %" for who, share in gate.SHARES.items()),
        f"multiplies the rate by {gate.SLOWER}, grows it back by {gate.REGROWTH_PER_S * 6_000:g} % of the plan",
        f"after {gate.BELIEVED} in a row",
        f"a random part of {', '.join(map(str, gate.PAUSES_S))} s",
        f"half of at least {gate.CALLS_TO_JUDGE} calls in a minute failed",
        f"opens the breaker for {gate.OPEN_S} s, doubling to {gate.OPEN_MAX_S} s, ±20 %",
        f"{gate.GOOD_TO_CLOSE} good ones close it",
        f"{gate.SLOW_PART * 100:g} % of at least {gate.CALLS_TO_JUDGE} calls took {gate.SLOW_S:g} s or more",
        f"{', '.join(map(str, sorted(REFUSED)))} | stops for {gate.REFUSED_S:g} s",
        f"stops for {gate.EXHAUSTED_S / 3_600:g} hours",
        f"forgets it after {gate.PROBE_S:g} s",
        f"A call counts for {(gate.WINDOW_SLOTS - 1) * gate.SLOT_S} to {gate.WINDOW_SLOTS * gate.SLOT_S:g} seconds",
        f"up to {RESET_MAX_S} s ahead",
        f"spaced {PLANS['helius']['free'].spacing * 100 - 100:g} % wider",
        f"connecting takes at most {Deadlines().connect_s:g} s, a pause between two reads {Deadlines().read_s:g} s, "
        f"all of it {Deadlines().total_s:g} s",
        f"cut off at {http.JSON_MAX_BYTES // 10**6} MB unpacked",
        f"`verified` {jupiter.TAG.max_bytes // 10**6} MB, assets {helius.ANSWER_MAX_BYTES // 10**6} MB",
    ],
)
def test_what_the_gate_does_is_documented_with_its_own_figures(words):
    assert words in re.sub(r"\s+", " ", TEXT)


def test_what_is_declined_is_documented():
    assert {400, 404, 414} < DECLINED


def test_every_error_that_an_adapter_may_raise_is_explained():
    rows = re.findall(r"^ +\| `(\w+)` \|", ADDING, re.MULTILINE)
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert sorted(rows) == sorted({c.__name__ for c in classes} - {"UpstreamError", "GateShut"})


@pytest.mark.parametrize(("account", "name", "plan"), [(a, n, p) for a in PLANS for n, p in PLANS[a].items()])
def test_a_plan_fits_into_itself(account, name, plan):
    assert plan.rate_rps * 60 <= plan.rpm
    assert plan.burst <= max(2, plan.rpm / 60)
    assert 0 < plan.slowest_rps < plan.rate_rps
