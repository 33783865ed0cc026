"""Three processes on one account, judged by the sandbox's journal: is the plan ever exceeded, and is it used?

    python -m bench.shared_gate            ten simulated minutes on each of four plans, about two real ones
    python -m bench.shared_gate --real 130 so many real seconds on the free plan

In simulated time a process that waits sleeps on a clock they all share; it moves on when nobody is awake. The gate,
its row in PostgreSQL, HTTP over loopback and the sandbox's own limiter are the real ones.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import shutil
import socket
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path

from enrichment.upstream.plans import PLANS, Plan

T0 = 1_790_000_000.0  # when simulated time begins
PURPOSES = ("detect", "refresh", "enrich")  # one process each
LATE_S, TRAVEL_S = 0.02, 0.2  # how late a process wakes, and how long a call travels to the vendor: at most
STUCK_S = 30.0  # of real time without an event: a process has died
SOL = "So11111111111111111111111111111111111111112"
# As the keyless plan, but all of a minute's calls may leave at once: nothing but the window keeps it.
AT_ONCE = Plan(rpm=30, burst=30)
SPAWN = multiprocessing.get_context("spawn")


class SharedClock:
    """Simulated time for several processes: it stands still while one is awake, then jumps to who wakes first."""

    def __init__(self, sleepers: int) -> None:
        self._moved = SPAWN.Condition()
        self._now = SPAWN.Value("d", T0, lock=False)
        self._wakes = SPAWN.Array("d", [0.0] * sleepers, lock=False)

    @property
    def now_s(self) -> float:
        return self._now.value

    def datetime(self) -> datetime:
        return datetime.fromtimestamp(self.now_s, UTC)

    def sleep_until(self, who: int, wake_s: float) -> None:
        """Sleep until `wake_s`; infinity leaves the others alone for good."""
        with self._moved:
            self._wakes[who] = wake_s
            soonest = min(self._wakes)
            if self._now.value < soonest < inf:
                self._now.value = soonest
                self._moved.notify_all()
            if wake_s < inf and not self._moved.wait_for(lambda: self._now.value >= wake_s, timeout=STUCK_S):
                raise TimeoutError("another process of the simulation is stuck")
            self._wakes[who] = inf if wake_s == inf else 0.0


@dataclass(frozen=True)
class Work:
    """What a process is to do: ask the account at `url` again and again for `seconds`."""

    url: str
    database: str
    key: Mapping[str, str]
    plan: Plan
    seconds: float
    clock: SharedClock | None  # none: real time


@dataclass(frozen=True)
class Figures:
    """What the sandbox's journal says. Units: calls, per cent of what the plan allows."""

    calls: int
    refused: int
    most_in_60_s: int
    allowed_in_60_s: int
    used_pct: float


def call_on(who: int, work: Work) -> None:
    """Be one of the processes."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tokensite.settings")
    import django

    django.setup()
    from django.db import connection

    from enrichment.upstream.gate import Grant
    from enrichment.upstream.http import Http
    from enrichment.upstream.ledger import Ledger
    from tokens.leasing import database_now

    connection.settings_dict["NAME"] = work.database
    clock, chance = work.clock, random.Random(who)
    ledger = Ledger("jupiter", work.plan, clock.datetime if clock else database_now)
    begun = time.monotonic()

    def elapsed_s() -> float:
        return clock.now_s - T0 if clock else time.monotonic() - begun

    async def sleep(seconds: float) -> None:
        if clock:
            clock.sleep_until(who, clock.now_s + seconds + LATE_S * chance.random())
        else:
            await asyncio.sleep(seconds)

    class Travelled:
        """The real ledger; a call that it lets through is a while under way."""

        async def ask(self, purpose, cost):
            decision = await ledger.ask(purpose, cost)
            if clock and isinstance(decision, Grant):
                await sleep(TRAVEL_S * chance.random())
            return decision

        async def told(self, report):
            return await ledger.told(report)

    async def go_on() -> None:
        async with Http("jupiter", work.url, ledger=Travelled(), secret_headers=work.key, sleep=sleep) as http:
            while elapsed_s() < work.seconds:
                await http.get_json("/price/v3", params={"ids": SOL}, purpose=PURPOSES[who], max_wait_s=inf)

    try:
        asyncio.run(go_on())
    finally:
        if clock:
            clock.sleep_until(who, inf)


def measure(name: str, plan: Plan, seconds: float, database: str, *, is_real: bool = False) -> Figures:
    """Let three processes share an account of the plan called `name` for `seconds` and return what the journal says."""
    key = {} if name == "keyless" else {"x-api-key": f"jup_{name}_bench"}
    clock = None if is_real else SharedClock(len(PURPOSES))
    with sandbox((lambda: clock.now_s) if clock else time.time) as url:
        work = Work(f"{url}/jupiter", database, key, plan, seconds, clock)
        processes = [SPAWN.Process(target=call_on, args=(who, work)) for who in range(len(PURPOSES))]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * len(PURPOSES)
        return figures(journal(url), rpm=plan.rpm, seconds=seconds)


def figures(requests: list[dict], *, rpm: int, seconds: float) -> Figures:
    """Judge a journal; every request counts, also one that the sandbox refused."""
    times = sorted(request["time"] for request in requests)
    first, most = 0, 0
    for last, at in enumerate(times):
        while times[first] <= at - 60:
            first += 1
        most = max(most, last - first + 1)
    inside = sum(at < times[0] + seconds for at in times)
    refused = sum(request["status"] != 200 for request in requests)
    return Figures(len(times), refused, most, rpm, round(100 * inside / (rpm * seconds / 60), 2))


def journal(url: str) -> list[dict]:
    """Return every request that the sandbox noted."""
    with urllib.request.urlopen(f"{url}/control/journal") as answer:  # noqa: S310 - our own sandbox on loopback
        return json.load(answer)["requests"]


@contextmanager
def sandbox(clock: Callable[[], float]) -> Iterator[str]:
    """Serve the real sandbox by `clock` on a free port of loopback."""
    import uvicorn

    from enrichment.sandbox.market import Market
    from enrichment.sandbox.server import Sandbox

    app = Sandbox(Market(seed=7, mints=250), since_s=clock() - 60, clock=clock)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


@contextmanager
def installation() -> Iterator[str]:
    """Start embedded servers with an empty database in a temporary directory; give the database's name."""
    from tokensite import embedded

    root = Path(tempfile.mkdtemp(prefix="tokensite-bench-"))
    root.chmod(0o711)  # as root the servers run as another account, which passes through
    os.environ |= {"DATA_DIR": str(root), "TOKENSITE_ENV_FILE": "", "UPSTREAMS": "sandbox", "LOG_LEVEL": "WARNING"}
    os.environ |= {"DJANGO_SETTINGS_MODULE": "tokensite.settings", "PROCESS_ROLE": "bench"}
    embedded.configure(os.environ)
    servers = embedded.start(root, durable=False)
    try:
        import django

        django.setup()
        from django.db import connection

        from tokensite import database

        database.make_ready()
        yield connection.settings_dict["NAME"]
        connection.close()
    finally:
        servers.release()
        shutil.rmtree(root, ignore_errors=True)


def main() -> None:
    """Print one row and one JSON line a plan."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=float, metavar="SECONDS", help="real time on the free plan instead")
    real_s = parser.parse_args().real
    simulated = [("keyless", AT_ONCE), *((name, PLANS["jupiter"][name]) for name in ("keyless", "free", "developer"))]
    with installation() as database:
        from enrichment.models import Upstream

        for name, plan in [("free", PLANS["jupiter"]["free"])] if real_s else simulated:
            Upstream.objects.all().delete()  # each plan begins as a new account
            begun = time.monotonic()
            found = measure(name, plan, real_s or 600, database, is_real=bool(real_s))
            row = {"suite": "shared gate", "what": name, "burst": plan.burst, "processes": 3, **vars(found)}
            row |= {"simulated": not real_s, "took_s": round(time.monotonic() - begun, 1)}
            print(
                f"shared gate, {name:10} burst {plan.burst:>3} {found.calls:>6} calls, most in 60 s "
                f"{found.most_in_60_s} of {found.allowed_in_60_s}, {found.refused} refused, {found.used_pct} % used"
            )
            print(json.dumps(row))


if __name__ == "__main__":
    main()
