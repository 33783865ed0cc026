"""The delta of a complete list: ours beside merely parsing the bytes, and beside plain Python sets."""

from __future__ import annotations

import os
from hashlib import sha256

import orjson

from bench.table import interleaved, report
from enrichment.detection import delta, read
from tokens.mint import encode

KEY = 0x5EED
NEW, REMOVED = 200, 20


def mints(first: int, count: int) -> list[str]:
    """Return made-up mints, the same for every run."""
    return [encode(sha256(str(n).encode()).digest()) for n in range(first, first + count)]


def suite(size: int, rounds: int) -> None:
    """Measure one size, after checking that every contestant has the right answer."""
    before = mints(0, size)
    after = before[REMOVED:] + mints(size, NEW)
    body = orjson.dumps(after)
    previous, known = read(orjson.dumps(before), KEY).digests, set(before)

    def ours() -> tuple[int, int]:
        change = delta(previous, read(body, KEY))
        return len(change.new), len(change.missing)

    def sets() -> tuple[int, int]:
        current = set(orjson.loads(body))
        return len(current - known), len(known - current)

    assert ours() == sets() == (NEW, REMOVED)
    contestants = {"orjson.loads": lambda: orjson.loads(body), "ours": ours, "python sets": sets}
    report(f"delta of {size:,}", interleaved(contestants, rounds), base="orjson.loads")


def main() -> None:
    """Run the sizes in BENCH_SIZES (default 10k, 100k, 700k)."""
    for size in os.environ.get("BENCH_SIZES", "10000,100000,700000").split(","):
        suite(int(size), rounds=7)
