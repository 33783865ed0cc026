"""pump.fun's bonding curve: a constant product of virtual reserves, so that the price alone says what is in it.

Source: pump.fun's own figures in recorded answers (2026-04 and 2026-10): 30 SOL and 1.073 billion tokens at first,
115.005 SOL and 279.9 million tokens when it is sold out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from enrichment.sandbox.chance import Reals

LAMPORTS, UNITS = 1e9, 1e6  # in a SOL, in a pump.fun token
_FIRST_SOL, _FIRST_TOKENS = 30e9, 1.073e15  # lamports, units
_LAST_SOL, LAST_TOKENS = 115_005_359_057.0, 279_900_000_000_000.0
_PRODUCT = _FIRST_SOL * _FIRST_TOKENS


@dataclass(frozen=True, slots=True)
class Reserves:
    """Columns, one entry per coin. Units: lamports and token units; `progress_pct` of what is for sale."""

    sol: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int64]
    real_sol: npt.NDArray[np.int64]
    real_tokens: npt.NDArray[np.int64]
    progress_pct: Reals


def reserves_of(price_sol: Reals, *, is_sold_out: npt.NDArray[np.bool_]) -> Reserves:
    """Return what a curve holds at that price in SOL per token, within what it can hold."""
    sol = np.clip(np.sqrt(_PRODUCT * price_sol * LAMPORTS / UNITS), _FIRST_SOL, 0.99 * _LAST_SOL)
    sol = np.where(is_sold_out, _LAST_SOL, sol)
    tokens = np.where(is_sold_out, LAST_TOKENS, _PRODUCT / sol)
    progress = 100 * (_FIRST_TOKENS - tokens) / (_FIRST_TOKENS - LAST_TOKENS)
    return Reserves(
        sol=sol.astype(np.int64),
        tokens=tokens.astype(np.int64),
        real_sol=np.where(is_sold_out, 0, sol - _FIRST_SOL).astype(np.int64),
        real_tokens=np.maximum(tokens - LAST_TOKENS, 0).astype(np.int64),
        progress_pct=np.where(is_sold_out, 100.0, progress),
    )
