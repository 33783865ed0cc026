"""Upstreams in trouble for half an hour, and a key that no fault gets out of us: the real client, gate and sandbox."""

from __future__ import annotations

import heapq
import json
import logging
import traceback
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
import structlog
from asgiref.sync import async_to_sync

from bench import shared_gate
from enrichment.models import Upstream
from enrichment.sandbox import faults
from enrichment.upstream import gate
from enrichment.upstream.errors import GateShut, RateLimited, UpstreamError
from enrichment.upstream.helius import helius
from enrichment.upstream.http import Http
from enrichment.upstream.jupiter import jupiter
from enrichment.upstream.ledger import Ledger
from enrichment.upstream.messages import Deadlines
from enrichment.upstream.plans import PLANS
from enrichment.upstream.state import State
from tests.conftest import mint

T0 = shared_gate.T0
PLAN = PLANS["jupiter"]["developer"]
EVERY_S = {"jupiter": 10.0, "geckoterminal": 60.0}  # how often each caller wants a call
MARGIN_S = 2 * EVERY_S["jupiter"]  # the gate opens when it does, the caller comes when it comes
CANARY = "canary5d41402abc4b2a76b9719d911017c592"


def fault(url: str, *names: str) -> None:
    body = json.dumps({"faults": names}).encode()
    request = urllib.request.Request(f"{url}/control/faults", data=body, method="POST")  # noqa: S310 - loopback
    urllib.request.urlopen(request).close()  # noqa: S310


@dataclass
class Stage:
    """Two accounts, each with its own sandbox, under one clock that only the test turns."""

    ill_url: str = ""
    well_url: str = ""
    now_s: float = T0
    good_at: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in EVERY_S})
    told: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Stage]:
        stage = cls()
        with (
            shared_gate.sandbox(lambda: stage.now_s) as stage.ill_url,
            shared_gate.sandbox(lambda: stage.now_s) as stage.well_url,
            structlog.testing.capture_logs(processors=[stage._note]),
        ):
            yield stage

    def _note(self, _: Any, level: str, event: dict[str, Any]) -> dict[str, Any]:
        if event["event"].startswith("upstream."):
            self.told.append((self.now_s, event | {"level": level}))
        return event

    @async_to_sync
    async def live(self, seconds: float) -> None:
        """Let both accounts be asked at their pace, and again when they say so."""
        urls = {"jupiter": self.ill_url, "geckoterminal": self.well_url}
        ledgers = {name: Ledger(name, PLAN, lambda: datetime.fromtimestamp(self.now_s, UTC)) for name in urls}
        key = {"x-api-key": "jup_developer_test"}
        callers = {
            name: Http(name, f"{url}/jupiter", ledger=ledgers[name], secret_headers=key) for name, url in urls.items()
        }
        until_s = self.now_s + seconds
        due = [(self.now_s, name) for name in callers]
        while due[0][0] < until_s:
            self.now_s, name = heapq.heappop(due)
            next_s = self.now_s + EVERY_S[name]
            try:
                await callers[name].get_json("/price/v3", params={"ids": mint(1)}, purpose="detect", max_wait_s=0)
                self.good_at[name].append(self.now_s)
            except (GateShut, RateLimited) as error:
                next_s = max(next_s, error.retry_at.timestamp())
            except UpstreamError:
                pass
            heapq.heappush(due, (next_s, name))
        self.now_s = until_s
        for http in callers.values():
            await http.__aexit__(None, None, None)

    def lines(self) -> list[tuple[str, str, str]]:
        return [(event["event"], event["upstream"], event["level"]) for _, event in self.told]

    def asked_s(self) -> list[float]:
        return [request["time"] - T0 for request in shared_gate.journal(self.ill_url)]

    def is_well_undisturbed(self) -> bool:
        """Say whether the other account was answered every time, on time, to the end."""
        times = [T0, *self.good_at["geckoterminal"], self.now_s]
        return max(b - a for a, b in pairwise(times)) <= EVERY_S["geckoterminal"]


def standing(name: str) -> str:
    return State.from_json(Upstream.objects.get(name=name).gate).standing


@pytest.mark.django_db
def test_an_outage_of_half_an_hour_is_two_log_lines_and_nobody_elses_business():
    with Stage.open() as stage:
        stage.live(60)
        fault(stage.ill_url, "http_500")
        stage.live(1_800)
        in_outage = [at for at in stage.asked_s() if at >= 60]
        fault(stage.ill_url)
        healed_s = stage.now_s
        stage.live(420)
        assert stage.lines() == [
            ("upstream.opened", "jupiter", "warning"),
            ("upstream.recovered", "jupiter", "info"),
        ]
        assert stage.told[0][0] - T0 - 60 <= 60  # with ten good calls in its minute it takes as many failed ones
        assert len(in_outage) <= 20
        recovered_s = stage.told[1][0] - healed_s
        assert recovered_s <= gate.OPEN_MAX_S * 1.2 + MARGIN_S
        assert (standing("jupiter"), standing("geckoterminal")) == ("ok", "ok")
        assert stage.is_well_undisturbed()


@pytest.mark.django_db
def test_half_an_hour_of_429_never_opens_the_breaker_and_is_two_log_lines():
    with Stage.open() as stage:
        stage.live(60)
        fault(stage.ill_url, "rate_limited")
        stage.live(1_800)
        in_storm = [at for at in stage.asked_s() if at >= 60]
        assert standing("jupiter") == "throttled"
        fault(stage.ill_url)
        healed_s = stage.now_s
        stage.live(960)
        assert stage.lines() == [
            ("upstream.throttled", "jupiter", "warning"),
            ("upstream.recovered", "jupiter", "info"),
        ]
        assert len(in_storm) <= 60  # the ladder's pace, not one a second as its headers suggest
        first_good_s = next(at for at in stage.good_at["jupiter"] if at >= healed_s)
        assert first_good_s - healed_s <= gate.PAUSES_S[-1] + MARGIN_S
        whole_s = 1 / gate.REGROWTH_PER_S  # then the rate grows back from its floor
        assert stage.told[1][0] - healed_s <= gate.PAUSES_S[-1] + whole_s + MARGIN_S
        assert (standing("jupiter"), standing("geckoterminal")) == ("ok", "ok")
        assert stage.is_well_undisturbed()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("vendor", "fault_name", "standing_after"),
    [
        ("jupiter", "rate_limited", "throttled"),
        ("jupiter", "rate_limited_seconds", "throttled"),
        ("jupiter", "rate_limited_date", "throttled"),
        ("jupiter", "rate_limited_garbage", "throttled"),
        ("jupiter", "auth_refused", "refused"),
        ("jupiter", "http_500", "ok"),  # one failure opens nothing
        ("helius", "rate_limited", "throttled"),
        ("helius", "rate_limited_200", "throttled"),
        ("helius", "quota_exhausted", "exhausted"),
        ("helius", "auth_refused", "refused"),
    ],
)
def test_the_gate_hears_what_a_vendor_means_however_it_says_it(sandbox, vendor, fault_name, standing_after):
    @async_to_sync
    async def ask() -> None:
        async with (
            jupiter(f"{sandbox.url}/jupiter", "jup_pro_test", "pro") as one,
            helius(f"{sandbox.url}/helius", "helius_professional_test", "professional") as other,
        ):
            fetch = {"jupiter": one.fetch_prices, "helius": other.fetch_assets}[vendor]
            with pytest.raises(UpstreamError):
                await fetch([mint(1)], "enrich")

    with sandbox.failing(f"{vendor}:{fault_name}"):
        ask()
    assert standing(vendor) == standing_after


def test_a_key_is_in_no_log_error_repr_or_row_after_every_fault(transactional_db, sandbox, caplog):
    for name in ("", "httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)
    shown: list[str] = []
    with structlog.testing.capture_logs() as events:
        for name in ("", *faults.FAULTS):
            with sandbox.failing(*[name] if name else []):
                shown += ask_everything(sandbox.url)
            Upstream.objects.all().update(gate={})
    shown += [caplog.text, repr(events)]
    assert len(shown) > 3 * len(faults.FAULTS)
    assert any("Malformed" in text for text in shown)
    assert not [text for text in shown if "canary5d41" in text]


@async_to_sync
async def ask_everything(url: str) -> list[str]:
    """Call every keyed upstream with the canary key; return every text that could hold it."""
    shown: list[str] = []
    async with (
        jupiter(f"{url}/jupiter", f"jup_pro_{CANARY}", "pro") as one,
        helius(f"{url}/helius", f"helius_professional_{CANARY}", "professional") as other,
    ):
        calls = [
            one.fetch_recent(max_wait_s=0),
            one.fetch_search([mint(1)], "enrich", max_wait_s=0),
            one.fetch_prices([mint(1)], "refresh", max_wait_s=0),
            one.fetch_category("toptraded", max_wait_s=0),
            other.fetch_assets([mint(1), mint(2)], "enrich", max_wait_s=0),
        ]
        for client in (one, other):
            client._http._deadlines = Deadlines(total_s=0.1)
            shown += [repr(client), repr(vars(client)), repr(vars(client._http))]
        for call in calls:
            try:
                shown.append(repr(await call))
            except UpstreamError as error:
                shown += [repr(error), str(error), repr(vars(error)), *traceback.format_exception(error)]
    rows = [row async for row in Upstream.objects.values()]
    return [*shown, repr(rows)]
