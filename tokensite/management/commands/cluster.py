"""`manage.py cluster`: the crash-only job cluster. It ends as a whole; something must start it again.

`up` does that, and so can `restart: always` of a container or `Restart=always` of systemd.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Run the django-q2 cluster until SIGTERM; end it at once when any of its processes dies."""

    help = "run the job cluster; needs a supervisor (`up`, a container's or systemd's restart) that starts it again"

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the configured sources and the schedules exist, then work."""
        from enrichment import sources
        from tokens import pulse
        from tokens.leasing import database_now
        from tokensite.cluster import run

        sources.ensure_sources(database_now())
        pulse.ensure_schedules()
        run()
