"""`manage.py detect`: one detection run now, of the configured sources or of a list named here."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError

from enrichment import sources
from enrichment.intake import Outcome
from enrichment.models import ListSource
from enrichment.sources import LEASE
from tokens.leasing import claim_due, database_now


class Command(BaseCommand):
    help = "Run detection once. Exit 0 when every list was accepted, 1 when one was refused, 2 for a wrong call."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--source", metavar="NAME", help="only this source")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--url", metavar="U", help="read the complete list from this http(s) URL instead")
        which.add_argument("--file", metavar="F", help="read the complete list from this file instead")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen; change nothing")
        parser.add_argument("--json", action="store_true", help="one JSON object a source on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        now = database_now()
        sources.ensure_sources(now)
        given = self._given(options)
        if given:
            sources.set_list(given, now)
        names = [options["source"] or ("list" if given else "")]
        if names == [""]:
            names = list(
                ListSource.objects.filter(enabled=True).exclude(kind="list", url="").values_list("name", flat=True)
            )
        outcomes = [self._run(name, is_dry=options["dry_run"]) for name in names]
        for outcome in outcomes:
            self._show(outcome, as_json=options["json"])
        if not all(outcome.accepted for outcome in outcomes):
            sys.exit(1)

    def _given(self, options: dict[str, Any]) -> str:
        if options["file"]:
            return str(Path(options["file"]).absolute())
        return str(options["url"] or "")

    def _run(self, name: str, *, is_dry: bool) -> Outcome:
        """Claim the source whether or not it is due, as an operator's request; wait for nobody."""
        now = database_now()
        if not ListSource.objects.filter(name=name).exists():
            known = ", ".join(ListSource.objects.values_list("name", flat=True))
            raise CommandError(f"no source is named {name!r}; there are: {known}", returncode=2)
        ListSource.objects.filter(name=name, lease_id=None).update(due_at=now)
        claim = claim_due(ListSource, now=now, limit=1, lease=LEASE, where=f"name = '{name}'")
        if not claim.rows:
            raise CommandError(f"{name} is being run right now; try again when it is done")
        return sources.run(claim, now, is_dry=is_dry)

    def _show(self, outcome: Outcome, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(orjson.dumps(asdict(outcome)).decode())
            return
        verdict = "accepted" if outcome.accepted else "REFUSED"
        reason = f" ({outcome.reason})" if outcome.reason else ""
        self.stdout.write(
            f"{outcome.source}: {verdict}{reason}: {outcome.size} entries, {outcome.valid} valid, {outcome.new} new, "
            f"{outcome.quarantined} held back, {outcome.missing} missing, {outcome.removed} removed, "
            f"{outcome.duration_s:.2f} s"
        )
