"""The delta of a complete list: ours beside the documented Redis design, sets, PostgreSQL and merely parsing."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from statistics import median

import msgspec
import orjson
import psycopg
import redis

from bench import lists
from bench.contestants import (
    Ours,
    OursInPostgres,
    OursInValkey,
    PostgresJoin,
    PythonSets,
    RedisDesign,
    parse_csv,
    parse_objects,
)  # fmt: skip
from bench.lists import Case
from bench.memory import growth_mib
from bench.servers import running
from bench.stall import longest_wait_ms
from bench.table import Contestant, figure, interleaved, report

SIZES = "10000,100000,700000,1000000,2000000"
TARGET = 700_000  # the size the promises are made for
PARSE = "orjson.loads"
TO_PARSE, FASTER_THAN_REDIS, GROWTH_MIB, LINEAR = 1.6, 12, 120, 0.15  # the promises


def main() -> None:
    """Run the sizes in BENCH_SIZES."""
    sizes = sorted(int(size) for size in os.environ.get("BENCH_SIZES", SIZES).split(","))
    pool = lists.mints(sizes[-1] + lists.NEW)
    cases = [lists.plain(pool, size) for size in sizes]
    with running() as (connection, client, url):
        for size, case in zip(sizes, cases, strict=True):
            race(size, case, connection, client)
        stalls(min(sizes, key=lambda size: abs(size - TARGET)), pool, client, url)
    forms(min(sizes, key=lambda size: abs(size - TARGET)), pool)
    memory(sizes, cases)
    linearity(sizes, cases)


def race(size: int, case: Case, connection: psycopg.Connection, client: redis.Redis) -> None:
    """Measure every contestant at one size, after checking its answer."""
    fast, slow = (9, 5) if size <= TARGET else (7, 3)
    ours, sets = Ours(case), PythonSets(case)
    kept = OursInPostgres(case, connection), OursInValkey(case, client)
    others = RedisDesign(case, client), PostgresJoin(case, connection)
    for each in (ours, sets, *others):
        each.check()
    for each in kept:
        each.prepare()
        each.check()
    times = interleaved(
        [
            Contestant(PARSE, lambda: orjson.loads(case.body), rounds=fast),
            Contestant("msgspec list[str]", lambda: msgspec.json.decode(case.body, type=list[str]), rounds=fast),
            Contestant("ours", ours.run, rounds=fast),
            Contestant("ours, kept in PostgreSQL", kept[0].run, kept[0].prepare, fast),
            Contestant("ours, kept in Valkey", kept[1].run, kept[1].prepare, fast),
            Contestant("Python sets", sets.run, rounds=fast),
            Contestant("Redis design", others[0].run, others[0].prepare, slow),
            Contestant("PostgreSQL full join", others[1].run, rounds=slow),
        ]
    )
    report(f"delta of {size:,}", times, bases=[PARSE, "ours"], items=dict.fromkeys(times, case.size))
    if size == TARGET:
        mid = {name: median(samples) for name, samples in times.items()}
        promise(f"ours at most {TO_PARSE} × {PARSE}", mid["ours"] / mid[PARSE], at_most=TO_PARSE)
        promise(
            f"Redis design at least {FASTER_THAN_REDIS} × ours",
            mid["Redis design"] / mid["ours"],
            at_least=FASTER_THAN_REDIS,
        )


def forms(size: int, pool: list[str]) -> None:
    """Measure other orders and forms of the same list, each beside parsing that form."""
    case = lists.plain(pool, size)
    json_parses = {PARSE: orjson.loads}
    object_parses = {"msgspec Struct": parse_objects, PARSE: orjson.loads}
    form(f"{size:,} shuffled", lists.shuffled(case), json_parses)
    form(f"{size:,} with 50 twice", lists.repeated(case), json_parses)
    form(f"{size:,} objects", lists.objects(case), object_parses)
    form(f"{size:,} CSV", lists.table(case), {"csv.reader": parse_csv})


def form(name: str, case: Case, parses: dict[str, Callable[[bytes], list[str]]]) -> None:
    """Measure one form; the first of `parses` is what sets are built from."""
    base, parse = next(iter(parses.items()))
    ours, sets = Ours(case), PythonSets(case, parse)
    ours.check()
    sets.check()
    limits = [Contestant(each, partial(run, case.body), rounds=5) for each, run in parses.items()]
    times = interleaved(
        [*limits, Contestant("ours", ours.run, rounds=5), Contestant("Python sets", sets.run, rounds=5)]
    )
    report(f"delta of {name}", times, bases=[base, "ours"], items=dict.fromkeys(times, case.size))


def stalls(size: int, pool: list[str], client: redis.Redis, url: str) -> None:
    """Measure how long others wait for Redis during one delta."""
    case = lists.plain(pool, size)
    for name, contestant in {"Redis design": RedisDesign(case, client), "ours": OursInValkey(case, client)}.items():
        waits = []
        for _ in range(3):
            contestant.prepare()
            waits.append(longest_wait_ms(url, contestant.run))
        middle, longest = round(median(waits), 1), round(max(waits), 1)
        figure(f"longest PING during a delta of {size:,}", name, median_ms=middle, max_ms=longest, rounds=3)


def memory(sizes: list[int], cases: list[Case]) -> None:
    """Measure the peak growth of fresh processes that hold the bytes already."""
    for size, case in zip(sizes, cases, strict=True):
        for name in ("ours", PARSE, "set(orjson.loads)"):
            grown = [growth_mib(name, case) for _ in range(3)]
            figure(f"peak growth at {size:,}", name, median_mib=round(median(grown), 1), max_mib=round(max(grown), 1))
            if (size, name) == (TARGET, "ours"):
                promise("peak growth in MiB", max(grown), at_most=GROWTH_MIB)


def linearity(sizes: list[int], cases: list[Case]) -> None:
    """Measure ours at every size in the same rounds, so that times per mint can be compared."""
    names = [f"{size:,}" for size in sizes]
    times = interleaved([Contestant(name, Ours(case).run, rounds=15) for name, case in zip(names, cases, strict=True)])
    items = {name: case.size for name, case in zip(names, cases, strict=True)}
    report("ours by size", times, bases=[], items=items)
    small, large = "100,000", "2,000,000"
    if {small, large} <= set(names):
        for of, name in ((median, "median"), (min, "best")):
            growth = of(times[large]) / items[large] / (of(times[small]) / items[small])
            promise(f"time per mint at 2M over that at 100k, {name} rounds", growth, at_most=1 + LINEAR)


def promise(what: str, value: float, *, at_most: float | None = None, at_least: float | None = None) -> None:
    """Print whether a promise was kept in this run."""
    kept = value <= at_most if at_most is not None else value >= (at_least or 0)
    limit = {"at_most": at_most} if at_most is not None else {"at_least": at_least}
    figure("promise", what, value=round(value, 3), **limit, kept=kept)
