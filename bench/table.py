"""Interleaved rounds, medians and ratios: what every suite reports with."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median

PACKAGES = ("numpy", "orjson", "msgspec", "redis", "hiredis", "psycopg")


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Contestant:
    """One way to do the job; `prepare` runs before every round, unmeasured."""

    name: str
    run: Callable[[], object]
    prepare: Callable[[], object] = _nothing
    rounds: int = 7


def interleaved(contestants: Sequence[Contestant]) -> dict[str, list[float]]:
    """Return each contestant's times in ms; they take turns, so that a slow moment of the machine hits them all."""
    times: dict[str, list[float]] = {each.name: [] for each in contestants}
    for number in range(max(each.rounds for each in contestants)):
        for each in contestants:
            if number < each.rounds:
                times[each.name].append(_timed(each))
    return times


def _timed(contestant: Contestant) -> float:
    contestant.prepare()
    begun = time.perf_counter()
    answer = contestant.run()
    taken_ms = 1000 * (time.perf_counter() - begun)
    del answer  # freeing the answer is not part of it: a parser's strings would be charged to the parser
    return taken_ms


def report(suite: str, times: Mapping[str, list[float]], *, bases: Sequence[str], items: Mapping[str, int]) -> None:
    """Print every contestant's median, spread, time per item and ratios to `bases`: the table, then its JSON lines."""
    width = max(len(name) for name in times)
    head = "".join(f"{'× ' + base:>18}" for base in bases)
    print(f"\n## {suite}\n{'':{width}} {'median ms':>10} {'min':>9} {'max':>9} {'rounds':>6} {'ns each':>8}{head}")
    lines = []
    for name, samples in times.items():
        mid = median(samples)
        ratios = {base: mid / median(times[base]) for base in bases}
        each_ns = 1e6 * mid / items[name]
        cells = "".join(f"{ratio:>18.2f}" for ratio in ratios.values())
        spread = f"{mid:>10.2f} {min(samples):>9.2f} {max(samples):>9.2f} {len(samples):>6} {each_ns:>8.1f}"
        print(f"{name:{width}} {spread}{cells}")
        row = {"suite": suite, "what": name, "median_ms": round(mid, 3), "min_ms": round(min(samples), 3)}
        row |= {"max_ms": round(max(samples), 3), "rounds": len(samples), "each_ns": round(each_ns, 1)}
        lines.append(json.dumps(row | {f"ratio_to_{base}": round(ratio, 3) for base, ratio in ratios.items()}))
    print(*lines, sep="\n", flush=True)


def figure(suite: str, what: str, **values: object) -> None:
    """Print one figure that is not a race: its row and its JSON line."""
    print(f"\n{suite}: {what:28}", *(f"{name} {value}" for name, value in values.items()), sep="  ")
    print(json.dumps({"suite": suite, "what": what, **values}), flush=True)


def environment() -> None:
    """Print what the figures depend on: when, the machine, the versions, and how busy it is with other things."""
    versions = {name: version(name) for name in PACKAGES}
    load = [round(value, 2) for value in os.getloadavg()]
    at = datetime.now(UTC).isoformat(timespec="seconds")
    machine = {"machine": platform.machine(), "system": platform.system(), "cores": os.cpu_count(), "cpu": _cpu()}
    figure("environment", at, python=platform.python_version(), load=load, **machine, **versions)


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            return next(line.partition(":")[2].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
