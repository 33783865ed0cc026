"""What happened to tokens within 5 minutes, 1, 6 and 24 hours, as Jupiter's stats objects; and absent keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from enrichment.sandbox.chance import Chance, Reals
from enrichment.sandbox.market import WINDOWS_S, Sight
from enrichment.sandbox.traits import Flags

Row = dict[str, Any]

_TRADES_PER_TRADER = 2.4  # SOL, USDC and PUMP in recordings: 2.1 to 7; small tokens: 1 to 2
_ORGANIC_SHARE = 0.12  # of volume, for verified tokens in recordings 1 to 25 %


def where(mask: Flags, values: Sequence[Any] | npt.NDArray[Any]) -> list[Any]:
    """Return the values as a list with None where the mask is false: `records` leaves those out."""
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    return [value if shown else None for value, shown in zip(listed, mask.tolist(), strict=True)]


def records(columns: Mapping[str, Sequence[Any]]) -> list[Row]:
    """Turn columns into one dict per token, without the keys whose value is None."""
    names = list(columns)
    return [
        {name: value for name, value in zip(names, values, strict=True) if value is not None}
        for values in zip(*columns.values(), strict=True)
    ]


def stats_rows(chance: Chance, sight: Sight) -> list[Row]:
    """Return stats5m … stats24h per token. A window without a trade, and an unpriced token, has none."""
    tables = {f"stats{name}": _window(chance, sight, place) for place, name in enumerate(WINDOWS_S)}
    return records({name: [row or None for row in rows] for name, rows in tables.items()})


def _window(chance: Chance, sight: Sight, window: int) -> list[Row]:
    trades = np.where(sight.is_priced, sight.trades_in(window), 0)
    volume = trades * sight.turnover_usd
    buys, traders = _buys(chance, sight, trades, window), np.ceil(trades / _TRADES_PER_TRADER)
    bought = np.divide(volume * buys, trades, out=np.zeros_like(volume), where=trades > 0)
    liquidity = (sight.liquidity_usd[0] / sight.liquidity_usd[window + 1] - 1) * 100
    turn = 0.4 * _draw(chance, "volume change", sight, window)
    organic = np.where(sight.traits.is_verified, _ORGANIC_SHARE, 0.0)
    columns = {
        "priceChange": sight.change_pct(window),
        "liquidityChange": liquidity,
        "volumeChange": np.where(sight.traits.is_launch, 0.0, np.expm1(turn) * 100),
        "buyVolume": bought,
        "sellVolume": volume - bought,
        "buyOrganicVolume": bought * organic,
        "sellOrganicVolume": (volume - bought) * organic,
    }
    counts = {
        "numBuys": buys,
        "numSells": trades - buys,
        "numTraders": traders,
        "numOrganicBuyers": np.floor(traders * organic),
        "numNetBuyers": np.floor(traders / 2),
    }
    shown = {name: where((trades > 0) & (values != 0), values) for name, values in columns.items()}
    for name, values in counts.items():
        shown[name] = where(values > 0, values.astype(np.int64))
    return records(shown)


def _buys(chance: Chance, sight: Sight, trades: Reals, window: int) -> Reals:
    """About half of the trades, and always the first one of a launch."""
    share = 0.5 + 0.08 * _draw(chance, "buyers", sight, window)
    buys: Reals = np.where(sight.traits.is_launch, np.ceil(trades * share), np.round(trades * share))
    return buys


def _draw(chance: Chance, topic: str, sight: Sight, window: int) -> Reals:
    """Draw anew at every trade, so that an unchanged token answers unchanged."""
    return chance.normal(topic, sight.traits.ids, sight.trades[0].astype(np.int64), window)
