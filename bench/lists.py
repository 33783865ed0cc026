"""Made-up lists, the same in every run, with what is new and missing known beforehand."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import orjson

from enrichment.detection import Digests, digests_of
from tokens.mint import encode

KEY = 0x5EED
NEW, REMOVED = 200, 20  # one cycle's worth on a busy day


def mints(count: int) -> list[str]:
    """Return made-up mints: base58 of a counter's SHA-256."""
    return [encode(sha256(str(number).encode()).digest()) for number in range(count)]


@dataclass(frozen=True)
class Case:
    """A list as it was and as it is now, with its bytes."""

    before: Sequence[str]
    after: Sequence[str]
    body: bytes

    @property
    def size(self) -> int:
        """How many entries arrive."""
        return len(self.after)

    @cached_property
    def new(self) -> set[str]:
        """What a right answer holds."""
        return set(self.after) - set(self.before)

    @cached_property
    def missing(self) -> set[str]:
        """What a right answer holds."""
        return set(self.before) - set(self.after)

    @cached_property
    def digests(self) -> Digests:
        """What our engine kept of the list as it was."""
        return digests_of(self.before, KEY)


def plain(pool: Sequence[str], size: int) -> Case:
    """Return a JSON array of `size` mints, of which 20 left the front and 200 joined the end."""
    before, after = pool[:size], pool[REMOVED : size + NEW]
    return Case(before, after, orjson.dumps(after))


def shuffled(case: Case) -> Case:
    """Return the same list in another order."""
    after = random.Random(1).sample(case.after, len(case.after))
    return Case(case.before, after, orjson.dumps(after))


def repeated(case: Case) -> Case:
    """Return the list with 50 of its new mints named twice."""
    after = [*case.after, *sorted(case.new)[:50]]
    return Case(case.before, after, orjson.dumps(after))


def objects(case: Case) -> Case:
    """Return the list as JSON objects of the size verified lists have."""
    rows = [
        {
            "mint": mint, "symbol": mint[:5], "name": f"The token {mint[:9]}", "decimals": 6, "verified": False,
            "logo": f"https://example.com/logos/{mint}.png",
        }
        for mint in case.after
    ]  # fmt: skip
    return Case(case.before, case.after, orjson.dumps(rows))


def table(case: Case) -> Case:
    """Return the list as CSV with a header and one quoted cell a row."""
    rows = (f'"{mint[:5]}, Inc.",{mint},6\n' for mint in case.after)
    return Case(case.before, case.after, ("symbol,mint,decimals\n" + "".join(rows)).encode())
