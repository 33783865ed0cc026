"""`manage.py up`: everything in one terminal. One Ctrl-C stops it all."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import time
from contextlib import ExitStack
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connections

from tokensite import database, embedded, processes, runs, supervisor
from tokensite.place import wait_until
from tokensite.supervisor import StartFailed, Supervisor

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - how to reach ourselves when listening there
HEALTH_S = 2
REDIS_S = 5
REAP_S = 2  # a stopped server ends within milliseconds


class Command(BaseCommand):
    """Start the servers, web, relay and workers, restart what ends, and stop all of it."""

    help = "run everything: embedded servers, web, relay and workers; Ctrl-C stops it all"
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Check what can be checked, then start. Raises: StartFailed, ServersFailed, DatabaseUnusable."""
        self.began_at_s = time.monotonic()
        self.is_ready = False
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # until the supervisor listens: unwind
        with ExitStack() as stack:
            self._claim(stack)
            supervisor.require_free_port(settings.HOST, settings.PORT)
            simulated = " (simulated tokens and prices)" if settings.UPSTREAMS == "sandbox" else ""
            why = os.environ.get("UPSTREAMS_WHY", "as configured")
            self._say(f"upstreams  {settings.UPSTREAMS}{simulated}: {why}")
            self._say(f"data       {settings.DATA_DIR}")
            processes.adopt_orphans()
            keeper = self._prepare(stack)
            keeper.run(self._announce_once_ready)
        self._say("stopped")

    def _claim(self, stack: ExitStack) -> None:
        claim = runs.claim(settings.DATA_DIR)
        if claim is not None:
            stack.callback(os.close, claim)
            return
        run = runs.read(settings.DATA_DIR)
        who = f" (process {run.pid}, port {run.port})" if run else ""
        raise StartFailed(
            f"An installation already runs on {settings.DATA_DIR}{who}: stop it, or set another DATA_DIR and PORT."
        )

    def _prepare(self, stack: ExitStack) -> Supervisor:
        keeper = Supervisor(_start_servers(stack))
        database.make_ready()
        database.ensure_operator(settings.DATA_DIR / "admin-password")
        connections.close_all()
        sandbox_url = ""
        if settings.UPSTREAMS == "sandbox":
            sandbox_url = settings.SANDBOX_URL
            if settings.SANDBOX_PORT:
                keeper.children.append(stack.enter_context(supervisor.sandbox()))
        runs.write(
            settings.DATA_DIR,
            runs.Run(pid=os.getpid(), upstreams=settings.UPSTREAMS, sandbox_url=sandbox_url, port=settings.PORT),
        )
        keeper.children += [supervisor.web(), supervisor.managed("relay"), supervisor.managed("cluster")]
        return keeper

    def _announce_once_ready(self) -> None:
        if self.is_ready or not _health_answers():
            return
        self.is_ready = True
        address = f"http://{EVERYWHERE.get(settings.HOST, settings.HOST)}:{settings.PORT}"
        password_file = settings.DATA_DIR / "admin-password"
        self._say(f"page       {address}/")
        if password_file.exists():
            self._say(f"admin      {address}/admin/  user admin, first password in {password_file}")
        self._say(f"ready in {time.monotonic() - self.began_at_s:.1f} s; Ctrl-C stops everything")

    def _say(self, line: str) -> None:
        with contextlib.suppress(OSError):  # the terminal may be gone, the work is not
            self.stdout.write(line)
            self.stdout.flush()


def _start_servers(stack: ExitStack) -> embedded.Servers | None:
    names = embedded.configure(os.environ)
    if "REDIS_URL" not in names:
        _require_redis()
    if not names:
        return None
    servers = embedded.start(settings.DATA_DIR, names=names)
    stack.callback(_release, servers)
    return servers


def _release(servers: embedded.Servers) -> None:
    if servers.release():  # the servers were our children, or init's
        wait_until(lambda: processes.reap(set()), REAP_S)


def _require_redis() -> None:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=REDIS_S, socket_connect_timeout=REDIS_S)
    try:
        client.ping()
    except (redis.RedisError, OSError) as error:
        raise StartFailed(f"Redis cannot be reached: {error} Check REDIS_URL.") from error
    finally:
        client.close()


def _health_answers() -> bool:
    """Tell whether the web process serves requests; what it thinks of itself is for the reader of health."""
    host = EVERYWHERE.get(settings.HOST, settings.HOST).strip("[]")
    client = http.client.HTTPConnection(host, settings.PORT, timeout=HEALTH_S)
    try:
        client.request("GET", "/api/health")
        return client.getresponse().status > 0
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()
