"""Interleaved rounds, medians and ratios: what every suite reports with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from statistics import median


def interleaved(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return each contestant's times in ms; they take turns, so that a slow moment of the machine hits them all."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            begun = time.perf_counter()
            run()
            times[name].append(1000 * (time.perf_counter() - begun))
    return times


def report(suite: str, times: Mapping[str, list[float]], *, base: str) -> None:
    """Print every contestant's median, spread and ratio to `base`."""
    for name, samples in times.items():
        ratio = median(samples) / median(times[base])
        row = {
            "suite": suite,
            "what": name,
            "median_ms": round(median(samples), 2),
            "min_ms": round(min(samples), 2),
            "max_ms": round(max(samples), 2),
            f"ratio_to_{base}": round(ratio, 3),
        }
        print(f"{suite:28} {name:28} {row['median_ms']:>10} ms  ×{ratio:.2f} of {base}")
        print(json.dumps(row))
