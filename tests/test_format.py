"""Formats are held to the vectors that the page's JavaScript is held to as well (tests/browser/test_modules.py)."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import mint
from tokens import format
from tokens.avatar import avatar
from tokens.mint import short

VECTORS = json.loads((Path(__file__).parent / "format_vectors.json").read_text())


def decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


@pytest.mark.parametrize(("text", "shown"), VECTORS["price"])
def test_a_price_reads_as_agreed(text: str | None, shown: str) -> None:
    assert format.price(decimal(text)) == shown


@pytest.mark.parametrize(("text", "shown"), VECTORS["amount"])
def test_an_amount_reads_as_agreed(text: str | None, shown: str) -> None:
    assert format.amount(decimal(text)) == shown


@pytest.mark.parametrize(("value", "shown", "direction"), VECTORS["percent"])
def test_a_change_reads_as_agreed(value: float | None, shown: str, direction: str) -> None:
    assert (format.percent(value), format.direction(value)) == (shown, direction)


@pytest.mark.parametrize(("seconds", "shown"), VECTORS["age"])
def test_an_age_reads_as_agreed(seconds: float | None, shown: str) -> None:
    assert format.age(seconds) == shown


@pytest.mark.parametrize(("value", "shown"), VECTORS["count"])
def test_a_count_reads_as_agreed(value: int | None, shown: str) -> None:
    assert format.count(value) == shown


@pytest.mark.parametrize(("value", "shown"), VECTORS["short"])
def test_a_mint_reads_as_agreed(value: str, shown: str) -> None:
    assert short(value) == shown


@given(st.decimals(min_value=Decimal("1e-18"), max_value=Decimal("1e20"), places=18))
def test_what_is_not_zero_never_reads_as_zero_nor_with_an_exponent(value: Decimal) -> None:
    for text in (format.price(value), format.amount(value)):
        assert any(digit in text for digit in "123456789")
        assert "E" not in text.upper()


def test_one_mint_has_one_picture_and_neighbours_have_others() -> None:
    pictures = [avatar(mint(number)) for number in range(1000)]
    assert avatar(mint(7)) == pictures[7]
    assert len(set(pictures)) == 1000
    assert all(0 <= p.hue < 360 and 0 <= p.other_hue < 360 and min(p.dot_x, p.dot_y) >= 8 for p in pictures)
