"""What an imitated vendor is: who calls, what that allows, what is answered. One record of functions per vendor."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from enrichment.sandbox.limits import Verdict
from enrichment.sandbox.market import Market

Headers = list[tuple[bytes, bytes]]
# Why a vendor does not answer: the key, the rate, the month's credits, its own failure.
Trouble = Literal["unauthorized", "too_many", "spent", "broken"]

JSON, HTML = b"application/json", b"text/html; charset=utf-8"
# What a content delivery network says in front of a troubled or suspicious API, with status 200 at times.
HTML_PAGE = (
    b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser.</body></html>"
)
_MAX_KEY_LETTERS = 200


@dataclass(frozen=True, slots=True)
class Call:
    """A request as a vendor sees it: `path` is below the vendor's origin, `client` is the address it comes from."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    client: str
    now_s: float

    def whole(self, name: str, usual: int, least: int, most: int) -> int | None:
        """Return a whole number of the query, `usual` when it is not there, None when it is no such number."""
        text = self.query.get(name, str(usual))
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            return None
        return int(text) if least <= int(text) <= most else None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is put on the wire. `ids` are the mints or pools the request named, in its words.

    Shape: `body` is what JSON can say, or bytes that go out as they are.
    """

    status: int
    body: Any
    ids: Sequence[str] = ()
    content_type: bytes = JSON
    headers: Sequence[tuple[bytes, bytes]] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """Who calls. `name` tells accounts apart without giving their key away."""

    name: str
    plan: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What the account may do with this call: `calls` in any `span_s` for all of one `bucket`, and what it costs.

    `credits` is the month's budget, None where none is counted.
    """

    bucket: str
    calls: int
    span_s: float = 60.0
    cost: int = 0
    credits: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One imitated API. `price_keys` and `id_keys` are the names its rows give a price and an address."""

    name: str
    methods: Collection[str] = ("GET", "HEAD")
    account: Callable[[Call], Account | None]
    terms: Callable[[Market, Call, Account], Terms]
    answer: Callable[[Market, Call], Reply]
    refuse: Callable[[Call, Trouble], Reply]
    headers: Callable[[int, Verdict | None], Headers] = lambda status, verdict: []
    price_keys: frozenset[str]
    id_keys: frozenset[str]


def public_account(call: Call) -> Account:
    """Return the account of a vendor that knows no keys: the address the call comes from."""
    return Account(call.client, "public")


def keyed_account(key: str, start: str, plans: Collection[str], usual: str) -> Account | None:
    """Return the account of a key that names its plan (`jup_pro_…`), None for a key that begins otherwise."""
    if not key.startswith(start) or len(key) > _MAX_KEY_LETTERS:
        return None
    plan = key.removeprefix(start).partition("_")[0]
    plan = plan if plan in plans else usual
    return Account(f"{plan}:{hashlib.sha256(key.encode()).hexdigest()[:8]}", plan)


def firewall_page(status: int) -> Reply:
    """Return what a content delivery network answers in the vendor's place."""
    return Reply(status, HTML_PAGE, content_type=HTML)
