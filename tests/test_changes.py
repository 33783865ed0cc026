"""What a round of learning changes about a token."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import NOW, facts
from tokens.changes import LIVE, STATIC, diff
from tokens.facts import Facts, Price

EMPTY: dict[str, Any] = (
    dict.fromkeys([*STATIC, *LIVE])
    | {"token_id": 7, "revision": 1, "socials": {}, "websites": {}}
    | {"tags": [], "flags": [], "price_sources": [], "price_status": "unavailable"}
)


def after(old: dict[str, Any], new: Facts) -> dict[str, Any]:
    patch = diff(old, new, NOW)
    assert patch is not None
    return old | patch.static | patch.live | {"revision": patch.revision}


def test_first_facts_fill_what_was_unknown() -> None:
    row = after(EMPTY, facts(1, "0.25", liquidity_usd=Decimal(9)))
    assert (row["symbol"], row["price"], row["liquidity"], row["price_changed_at"]) == ("T1", Decimal("0.25"), 9, NOW)
    assert row["revision"] == 2


def test_the_same_facts_again_change_nothing() -> None:
    row = after(EMPTY, facts(1))
    assert diff(row, facts(1), NOW) is None


def test_null_never_overwrites_a_value() -> None:
    row = after(EMPTY, facts(1, description="a coin", liquidity_usd=Decimal(9)))
    assert diff(row, facts(1, symbol=None, name=None), NOW) is None


def test_a_later_confirmation_of_the_same_price_is_stored_and_told_to_nobody() -> None:
    row = after(EMPTY, facts(1))
    patch = diff(row, facts(1, at=NOW + timedelta(seconds=15)), NOW)
    assert patch is not None
    assert patch.live == {"price_received_at": NOW + timedelta(seconds=15)}
    assert not patch.is_public
    assert not patch.is_price_change
    assert patch.revision == row["revision"]


@pytest.mark.parametrize(
    ("stored", "offered"),
    [
        ({"block_id": 10}, {"block_id": 9}),
        ({"observed_at": NOW}, {"observed_at": NOW - timedelta(seconds=1)}),
        ({"at": NOW}, {"at": NOW - timedelta(seconds=1)}),
        ({"block_id": 10, "observed_at": NOW - timedelta(hours=1)}, {"block_id": 9, "observed_at": NOW}),
    ],
)
def test_a_price_never_goes_back_in_time(stored: dict[str, Any], offered: dict[str, Any]) -> None:
    row = after(EMPTY, facts(1, "2", **stored))
    assert diff(row, facts(1, "3", **offered), NOW) is None


def test_a_higher_slot_wins_over_a_lagging_timestamp() -> None:
    row = after(EMPTY, facts(1, "2", block_id=10, observed_at=NOW))
    assert after(row, facts(1, "3", block_id=11, observed_at=NOW - timedelta(seconds=5)))["price"] == 3


def test_an_absent_price_keeps_the_last_good_one_as_stale() -> None:
    row = after(EMPTY, facts(1, "2"))
    gone = after(row, facts(1, None))
    assert (gone["price"], gone["price_status"]) == (2, "stale")
    assert diff(EMPTY, replace(facts(1, None), metadata=None), NOW) is None


def test_a_price_below_the_stored_scale_is_unknown_and_not_zero() -> None:
    patch = diff(EMPTY, Facts(mint=facts(1).mint, price=Price(status="low", usd=Decimal("1e-19"))), NOW)
    assert patch is None


def test_a_price_is_equal_to_itself_at_the_stored_scale() -> None:
    row = after(EMPTY, facts(1, "0.1234567890123456789"))
    assert row["price"] == Decimal("0.123456789012345679")
    assert diff(row, facts(1, "0.1234567890123456789"), NOW) is None


def test_amounts_beyond_the_usual_precision_keep_every_digit() -> None:
    fdv = Decimal("63412345678901234567.123456789012345678")
    assert after(EMPTY, facts(1, fdv_usd=fdv))["fdv"] == fdv


def test_a_bulk_registered_token_is_announced_by_its_first_facts_even_empty_ones() -> None:
    patch = diff(EMPTY | {"revision": 0}, Facts(mint=facts(1).mint), NOW)
    assert patch is not None
    assert (patch.is_announcement, patch.is_public, patch.revision) == (True, True, 1)


def test_links_change_by_network_and_by_address() -> None:
    row = EMPTY | {"socials": {"twitter": "https://x.com/a"}, "websites": {"https://a.example": "Website"}}
    offered = facts(
        1,
        socials={"twitter": "https://x.com/b", "telegram": "https://t.me/a"},
        websites=(("Website", "https://a.example"),),
    )
    patch = diff(row, offered, NOW)
    assert patch is not None
    assert patch.socials == {"twitter": "https://x.com/b", "telegram": "https://t.me/a"}
    assert patch.websites == {}
