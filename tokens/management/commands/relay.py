"""`manage.py relay`: publish committed events. Any number may run; one is active, the others wait."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand

from tokens import relay


class Command(BaseCommand):
    help = "Publish committed events to the web processes, until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        stopped = False

        def stop(*_: Any) -> None:
            nonlocal stopped
            stopped = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        relay.run(lambda: stopped)
