"""Mints: which texts are addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens.mint import ALPHABET, SOL, USDC, USDT, encode, is_mint, short


def decoded_length(text: str) -> int | None:
    """Decode the slow, obvious way: the oracle of `is_mint`."""
    number = 0
    for character in text:
        if character not in ALPHABET:
            return None
        number = number * 58 + ALPHABET.index(character)
    zeros = len(text) - len(text.lstrip("1"))
    return zeros + (number.bit_length() + 7) // 8


@given(st.binary(min_size=32, max_size=32))
def test_every_32_byte_key_is_a_mint(key: bytes) -> None:
    assert is_mint(encode(key))


@given(st.binary(min_size=28, max_size=36).map(lambda key: b"\0" * (key[0] % 4) + key))
def test_a_text_is_a_mint_exactly_when_it_decodes_to_32_bytes(key: bytes) -> None:
    text = encode(key)
    assert is_mint(text) == (len(key) == 32)
    assert decoded_length(text) == len(key)


@given(st.text(alphabet=ALPHABET, min_size=30, max_size=46))
def test_any_base58_text_agrees_with_the_slow_decoder(text: str) -> None:
    assert is_mint(text) == (decoded_length(text) == 32)


@pytest.mark.parametrize("text", [SOL, USDC, USDT, "1" * 32])
def test_well_known_addresses_are_mints(text: str) -> None:
    assert is_mint(text)


@pytest.mark.parametrize(
    "text",
    ["", "1" * 31, "1" * 33, "1" * 45, "0" * 44, "O" * 44, "l" * 44, f" {SOL}", f"{SOL}\n", SOL[:-1] + "é",
     "0x" + "a" * 40, "z" * 44, "So1111…1111"],
)  # fmt: skip
def test_other_texts_are_no_mints(text: str) -> None:
    assert not is_mint(text)


def test_the_short_form_keeps_both_ends() -> None:
    assert short(USDC) == "EPjF…Dt1v"
