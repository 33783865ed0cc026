"""Rows and events for tests of the reading side, written directly: what the writer does is its own tests' matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from tests.conftest import NOW, mint
from tokens import outbox
from tokens.models import Social, Token, TokenPrice, Website
from tokens.outbox import Event, Published

_LIVE = {field.attname for field in TokenPrice._meta.concrete_fields} - {"token_id", "updated_at"}


def token(
    number: int, *, socials: dict[str, str] | None = None, websites: Sequence[str] = (), **columns: Any
) -> TokenPrice:
    """Insert token `number`, ranked by it unless said otherwise; a column goes to the table that has it."""
    live = {"rank": number, "revision": 1} | {name: value for name, value in columns.items() if name in _LIVE}
    static = {"symbol": f"T{number}"} | {name: value for name, value in columns.items() if name not in _LIVE}
    dated = {"first_seen_at": NOW, "updated_at": NOW, "first_source": "test"}
    row = Token.objects.create(**({"mint": mint(number)} | dated | static))
    Social.objects.bulk_create(Social(token=row, type=kind, url=url) for kind, url in (socials or {}).items())
    Website.objects.bulk_create(Website(token=row, label="site", url=url) for url in websites)
    return TokenPrice.objects.create(token=row, updated_at=NOW, **live)


def update(number: int, revision: int = 2, type: str = "token:update", **data: Any) -> Event:
    """Return an event about token `number`."""
    return Event(type, NOW, mint(number), revision, data)


def publish(*events: Event) -> list[Published]:
    """Commit the events and give them their sequence, as the writer and the relay do; the bus does not hear of it."""
    with transaction.atomic():
        outbox.append(events)
    return outbox.number(len(events))
