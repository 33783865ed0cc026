"""What every test may ask for: a moment, made-up mints, and facts about them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import structlog
from django.db import transaction
from pytest_django import Settings

from enrichment import sources
from enrichment.detection import SENTINELS
from enrichment.intake import Outcome
from enrichment.models import ListSource
from tests.upstreams import Upstreams, running
from tokens import store
from tokens.facts import Facts, Metadata, Price
from tokens.mint import Mint, encode

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SHARED = Path(__file__).resolve().parents[2] / "shared"


def mint(number: int) -> Mint:
    """Return the made-up but valid mint of a number."""
    return Mint(encode(sha256(f"mint {number}".encode()).digest()))


def facts(number: int, price: str | None = "1.5", *, at: datetime = NOW, **more: object) -> Facts:
    """Return facts about mint `number`; `more` overrides fields of the metadata or of the price."""
    of_metadata = {k: v for k, v in more.items() if k in Metadata.__dataclass_fields__}
    of_price = {k: v for k, v in more.items() if k in Price.__dataclass_fields__}
    usd = None if price is None else Decimal(price)
    status = "unavailable" if price is None else "low"
    return Facts(
        mint=mint(number),
        metadata=Metadata(**({"symbol": f"T{number}", "name": f"Token {number}"} | of_metadata)),  # type: ignore[arg-type]
        price=Price(**({"usd": usd, "status": status, "received_at": at, "sources": ("jupiter",)} | of_price)),  # type: ignore[arg-type]
    )


@pytest.fixture
def known(db: None) -> Callable[..., list[int]]:
    """Register mints 0 … n-1 as announced tokens and return their ids."""

    def make(count: int, *, announce: bool = True) -> list[int]:
        with transaction.atomic():
            fresh = store.register([mint(n) for n in range(count)], source="test", now=NOW, announce=announce)
        by_mint = {r.mint: r.token_id for r in fresh}
        return [by_mint[mint(n)] for n in range(count)]

    return make


class Lists:
    """The configured complete list as a file, run a minute later each time; no other source runs."""

    def __init__(self, path: Path) -> None:
        self.path, self.now = path, NOW

    def __call__(self, members: list[str] | bytes, *, after: timedelta = timedelta(minutes=1)) -> Outcome:
        """Write the list and run it."""
        self.path.write_bytes(members if isinstance(members, bytes) else json.dumps(members).encode())
        return self.again(after=after)

    def again(self, *, after: timedelta = timedelta(minutes=1)) -> Outcome:
        """Run the list as it is."""
        self.now += after
        sources.ensure_sources(self.now)
        ListSource.objects.exclude(name="list").filter(kind__startswith="jupiter").update(enabled=False)
        (outcome,) = sources.run_due(self.now)
        return outcome


@pytest.fixture
def run_list(settings: Settings, tmp_path: Path, db: None) -> Lists:
    """The configured complete list, as a test writes it."""
    settings.TOKEN_LIST_URL = str(tmp_path / "list")
    return Lists(tmp_path / "list")


def world(count: int, first: int = 0) -> list[str]:
    """Return a complete list: the sentinels and `count` made-up mints."""
    return [*SENTINELS, *(mint(n) for n in range(first, first + count))]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Upstreams]:
    """The sandbox, once a run."""
    with running() as upstreams:
        yield upstreams


@pytest.fixture
def upstreams(sandbox: Upstreams, settings: Settings, db: None) -> Upstreams:
    """The sandbox as the configured upstreams, on the largest plan: tests wait for no rate."""
    settings.JUPITER_URL = f"{sandbox.url}/jupiter"
    settings.JUPITER_PLAN, settings.JUPITER_API_KEY = "pro", "jup_pro_sandbox"
    settings.TOKEN_LIST_URL = f"{sandbox.url}/lists/all.json"
    return sandbox


@pytest.fixture
def capture_log() -> Iterator[list[dict[str, Any]]]:
    """What our code logs during the test, as dictionaries."""
    with structlog.testing.capture_logs() as entries:
        yield entries  # type: ignore[misc]
