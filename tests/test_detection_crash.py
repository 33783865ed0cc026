"""A worker is killed again and again while it runs lists: what was accepted is there once, and nothing else is."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings

from enrichment import sources, tasks
from enrichment.detection import SENTINELS
from enrichment.models import EnrichmentState, ListRun, ListSource, QuarantinedMint
from tests.conftest import NOW, mint
from tokens import digests
from tokens.models import Installation, OutboxEvent, Token

KILLS = 24
SIZE, STEP = 2000, 30


_mint = cache(mint)


def lasting(number: int) -> list[str]:
    """Return what the `number`th list surely holds: of each, some go and some come."""
    return [*SENTINELS, *(_mint(n) for n in range(STEP * number, STEP * number + SIZE))]


def members(number: int) -> list[str]:
    """Return the `number`th list; every fourth one brings a flood that the next one lacks."""
    flood = [_mint(1_000_000 + 1000 * number + n) for n in range(200)] if number % 4 == 3 else []
    return lasting(number) + flood


def work(path: Path) -> None:
    """Run list after list, the next one as soon as one is accepted, until killed."""
    while True:
        due_at = ListSource.objects.get(name="list").due_at
        accepted = ListRun.objects.filter(accepted=True).count()
        path.write_text(json.dumps(members(accepted)))
        tasks.detect(due_at + timedelta(seconds=1))


def killed_after(seconds: float, path: Path) -> None:
    """Let a child work and kill it; it shares no connection with us."""
    connection.close()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(20)  # an orphan ends by itself
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(1, 2)
            work(path)
        finally:
            os._exit(1)  # reached only if work() failed
    time.sleep(seconds)
    assert os.waitpid(child, os.WNOHANG) == (0, 0), "the child ended by itself"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while sessions_left():  # the server finishes the statement in hand, a commit perhaps
        time.sleep(0.002)


def sessions_left() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        return bool(cursor.fetchone()[0])


def check() -> int:
    """Assert that rows, held mints, events and the snapshot tell of the same accepted lists; return how many."""
    lists = ListRun.objects.filter(accepted=True).count()
    assert not ListRun.objects.filter(accepted=False).exists()
    named = {m for number in range(lists) for m in members(number)}
    rows = set(Token.objects.values_list("mint", flat=True))
    held = set(QuarantinedMint.objects.values_list("mint", flat=True))
    assert not rows & held
    assert rows | held <= named
    assert {m for number in range(lists) for m in lasting(number)} <= rows | held
    assert not lists or set(members(lists - 1)) <= rows | held
    assert EnrichmentState.objects.count() == len(rows)
    announced = Counter(OutboxEvent.objects.filter(type="token:new").values_list("mint", flat=True))
    assert not announced or announced.most_common(1)[0][1] == 1
    source = ListSource.objects.select_related("snapshot").get(name="list")
    if source.snapshot is not None:
        hashed = digests.of(members(lists - 1), Installation.current().digest_key)
        assert sorted(digests.unpacked(source.snapshot.digests).tolist()) == sorted(hashed.tolist())
    return lists


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_at_any_point_loses_nothing_and_repeats_nothing(settings: Settings, tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)
    settings.TOKEN_LIST_URL, settings.DRIP_BATCH = str(tmp_path / "list"), 40
    sources.ensure_sources(NOW)
    ListSource.objects.exclude(name="list").update(enabled=False)
    counts = []
    for _ in range(KILLS):
        killed_after(chance.uniform(0.01, 0.25), tmp_path / "list")
        counts.append(check())
    assert counts[-1] > KILLS // 2
    assert OutboxEvent.objects.filter(type="token:new").exists()
