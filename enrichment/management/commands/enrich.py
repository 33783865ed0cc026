"""`manage.py enrich`: learn about pending tokens now, with progress on a terminal."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError

from enrichment import enrich
from enrichment.models import EnrichmentState
from tokens.leasing import database_now
from tokens.mint import is_mint


class Command(BaseCommand):
    help = "Enrich pending tokens until none is due. Exit 0 done, 3 when some are left (a limit, or a shut gate)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--pending", action="store_true", help="every pending token that is due (the default)")
        parser.add_argument("--address", metavar="A", action="append", default=[], help="this token, due or not")
        parser.add_argument("--limit", metavar="N", type=int, help="stop after N tokens")
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        self._make_due(options["address"])
        limit, done, complete = options["limit"], 0, 0
        if limit is not None and limit < 1:
            raise CommandError("--limit must be at least 1", returncode=2)
        while limit is None or done < limit:
            report = enrich.run_once(database_now())
            done, complete = done + report.complete + report.absent, complete + report.complete
            self._progress(done)
            if not report.claimed:
                break
            if report.released:
                if report.retry_at is None:
                    break
                time.sleep(max(0.0, (report.retry_at - database_now()).total_seconds()))
        left = EnrichmentState.objects.filter(due_at__lte=database_now()).count()
        result = {"enriched": done, "complete": complete, "absent": done - complete, "left": left}
        text = orjson.dumps(result).decode() if options["json"] else ", ".join(f"{n} {k}" for k, n in result.items())
        self.stdout.write(text)
        if left:
            sys.exit(3)

    def _make_due(self, addresses: list[str]) -> None:
        for address in addresses:
            if not is_mint(address):
                raise CommandError(f"{address!r} is not a mint", returncode=2)
            states = EnrichmentState.objects.filter(token__mint=address, lease_id=None)
            if not states.update(due_at=database_now(), priority=enrich.FRESH):
                raise CommandError(f"{address} is unknown here, or being enriched right now")

    def _progress(self, done: int) -> None:
        if sys.stderr.isatty():
            left = EnrichmentState.objects.filter(due_at__lte=database_now()).count()
            self.stderr.write(f"\r{done} enriched, {left} to go   ", ending="")
