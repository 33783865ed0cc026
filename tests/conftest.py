"""What every test may ask for: a moment, made-up mints, and facts about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pytest
from django.db import transaction
from pytest_django import Settings

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
