"""`manage.py doctor`: is everything this installation needs in order? One screen, exit 1 on a problem."""

from __future__ import annotations

import json
import platform
import shutil
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection

from tokensite import database, runs

CLOCK_SKEW_LIMIT_S = 2.0  # leases use the database's clock; ages shown to readers mix both
PULSE_SILENT_S = 90  # three of django-q2's 30 s scheduler passes, each of which revives a silent pulse
DISK_FREE_BYTES = 2_000_000_000  # a million tokens with a month of history, and room for the write-ahead log
REDIS_S = 5
KEYS = ("JUPITER_API_KEY", "HELIUS_API_KEY")


@dataclass(frozen=True)
class Finding:
    """What one look found. `ok` None means: nothing to judge."""

    name: str
    ok: bool | None
    detail: str


class Command(BaseCommand):
    """Look at everything, print it, and fail when something is wrong."""

    help = "check environment, database, Redis, keys and plans, clock and jobs"
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take `--json`."""
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the findings; exit 1 when one is bad."""
        findings = [finding for look in LOOKS for finding in look()]
        is_well = all(finding.ok is not False for finding in findings)
        if options["json"]:
            report = {"ok": is_well, "findings": [asdict(finding) for finding in findings]}
            self.stdout.write(json.dumps(report))
        else:
            for finding in findings:
                sign = {True: "ok", False: "!!", None: "--"}[finding.ok]
                self.stdout.write(f"{sign}  {finding.name:<11} {finding.detail}")
        if not is_well:
            sys.exit(1)


def _environment() -> list[Finding]:
    free_bytes = shutil.disk_usage(settings.DATA_DIR).free
    return [
        Finding("software", None, f"tokensite {settings.VERSION}, Python {platform.python_version()}"),
        Finding("disk", free_bytes >= DISK_FREE_BYTES, f"{free_bytes / 1e9:.1f} GB free under {settings.DATA_DIR}"),
    ]


def _upstreams() -> list[Finding]:
    keys = [f"{name} {'set' if getattr(settings, name, '') else 'not set'}" for name in KEYS]
    plan = f"Jupiter plan {settings.JUPITER_PLAN}"
    return [Finding("upstreams", None, ", ".join([settings.UPSTREAMS, plan, *keys]))]


def _storage() -> list[Finding]:
    try:
        database.ensure_exists()
        pending = database.pending()
        findings = [_server(), _clock()]
    except (DatabaseError, database.DatabaseUnusable) as error:
        return [Finding("database", False, database.first_line(error))]
    detail = f"{len(pending)} unapplied, run `manage.py migrate`" if pending else "all applied"
    return [*findings, Finding("migrations", not pending, detail), *([] if pending else [*_jobs(), *_lists()])]


def _server() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database(), current_setting('server_version')")
        name, version = cursor.fetchone()
    return Finding("database", True, f"{name}, PostgreSQL {version}")


def _clock() -> Finding:
    """Compare our clock with the database's at the middle of the question's round trip."""
    with connection.cursor() as cursor:
        asked_at_s = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        (database_s,) = cursor.fetchone()
        skew_s = database_s - (asked_at_s + time.time()) / 2
    return Finding("clock", abs(skew_s) <= CLOCK_SKEW_LIMIT_S, f"{skew_s:+.3f} s against the database")


def _jobs() -> list[Finding]:
    from tokens.models import Pulse

    if not runs.is_running(settings.DATA_DIR):
        return [Finding("jobs", None, f"no `up` is running on {settings.DATA_DIR}")]
    beats = dict(Pulse.objects.values_list("name", "beat_at"))
    ages_s = {name: _age_s(beats.get(name)) for name in settings.PULSES}
    told = ", ".join(f"{name} {'never' if s is None else f'{s:.0f} s ago'}" for name, s in ages_s.items())
    return [Finding("jobs", all(s is not None and s <= PULSE_SILENT_S for s in ages_s.values()), told)]


def _lists() -> list[Finding]:
    """Say what detection left to learn, and what waits for an operator's decision."""
    from enrichment.backlog import backlog
    from enrichment.models import ListQuarantine

    owed, waiting = backlog(datetime.now(UTC)), ListQuarantine.objects.filter(state="open").count()
    told = f"{owed.pending:,} tokens to learn about, {owed.due:,} due, about {owed.eta_s:,} s at the plan's pace"
    held = f"{waiting} changes of lists wait for a decision, see the admin's list quarantines" if waiting else "none"
    return [Finding("backlog", None, told), Finding("quarantine", None, held)]


def _age_s(at: datetime | None) -> float | None:
    return None if at is None else (datetime.now(UTC) - at).total_seconds()


def _redis() -> list[Finding]:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=REDIS_S, socket_connect_timeout=REDIS_S)
    try:
        version = client.info("server").get("redis_version")
    except (redis.RedisError, OSError) as error:
        return [Finding("redis", False, str(error))]
    finally:
        client.close()
    return [Finding("redis", True, f"answers, protocol version {version}")]


LOOKS: tuple[Callable[[], list[Finding]], ...] = (_environment, _upstreams, _storage, _redis)
