"""`manage.py refresh`: look at due prices now."""

from __future__ import annotations

import random
import sys
import time
from argparse import ArgumentParser
from collections import Counter
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError

from refresh import queue, runner
from refresh.models import RefreshState
from tokens.leasing import database_now
from tokens.mint import is_mint


class Command(BaseCommand):
    help = "Refresh every token that is due, or the ones named. Exit 0 done, 1 when the upstream failed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="one batch only")
        parser.add_argument("--address", metavar="A", action="append", default=[], help="this token, due or not")
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        queue.adopt(database_now(), queue.tiers()[-1])
        self._make_due(options["address"])
        totals: Counter[str] = Counter()
        while True:
            report = runner.run_once(database_now(), random.Random())  # noqa: S311 - jitter
            totals.update(report.outcomes)
            if report.retry_at is not None and not report.outcomes:
                time.sleep(max(0.0, (report.retry_at - database_now()).total_seconds()))
                continue
            if options["once"] or report.retry_at is not None or not report.is_full:
                break
        self.stdout.write(
            orjson.dumps(totals).decode()
            if options["json"]
            else ", ".join(f"{count} {outcome}" for outcome, count in totals.items()) or "nothing is due"
        )
        if totals["failed"]:
            sys.exit(1)

    def _make_due(self, addresses: list[str]) -> None:
        for address in addresses:
            if not is_mint(address):
                raise CommandError(f"{address!r} is not a mint", returncode=2)
            states = RefreshState.objects.filter(token__mint=address, lease_id=None)
            if not states.update(due_at=database_now(), position=0):
                raise CommandError(f"{address} has no price to refresh, or is being refreshed right now")
