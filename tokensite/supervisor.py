"""Keep the processes of one installation running until told to stop, and leave nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.conf import settings

from tokensite import runs
from tokensite.embedded import Servers
from tokensite.place import ServersFailed, wait_until
from tokensite.processes import reap, signal_group, spawn

log = structlog.get_logger()

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL_S = 0.2
SERVERS_CHECK_S = 2
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0  # doubling between restarts of a process that keeps ending
PROVEN_S = 60  # a process that lived this long starts over at the first wait
STOP_S = 20  # a job's slot in flight may take this long; then its lease hands it to the next start
SANDBOX_START_S = 30


class StartFailed(Exception):
    """The installation cannot be started; the message is for a human."""


@dataclass
class Child:
    """One process to keep running, under the role it plays."""

    role: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    started_at_s: float = 0.0
    wait_s: float = FIRST_WAIT_S
    due_at_s: float = 0.0

    def start(self) -> None:
        """Start the process now."""
        self.started_at_s = time.monotonic()
        self.process = spawn(self.command, os.environ | {"PROCESS_ROLE": self.role})

    def tend(self) -> None:
        """Notice an end, and start again when its wait is over."""
        if self.process is not None and self.process.poll() is not None:
            self._plan_restart(self.process)
        if self.process is None and time.monotonic() >= self.due_at_s:
            self.start()

    def _plan_restart(self, ended: subprocess.Popen[bytes]) -> None:
        signal_group(ended, signal.SIGKILL)  # what it left behind
        if time.monotonic() - self.started_at_s >= PROVEN_S:
            self.wait_s = FIRST_WAIT_S
        log.warning("process.ended", role=self.role, exit_code=ended.returncode, restart_in_s=self.wait_s)
        self.process, self.due_at_s = None, time.monotonic() + self.wait_s
        self.wait_s = min(2 * self.wait_s, LONGEST_WAIT_S)

    def signal(self, number: int) -> None:
        """Signal the process and all it started."""
        if self.process is not None:
            signal_group(self.process, number)

    def has_ended(self) -> bool:
        """Tell whether nothing of it runs."""
        return self.process is None or self.process.poll() is not None


@dataclass
class Supervisor:
    """Restarts children and embedded servers that end, until SIGINT, SIGTERM or SIGHUP."""

    servers: Servers | None
    children: list[Child] = field(default_factory=list)
    stop_requests: int = 0
    servers_due_at_s: float = 0.0

    def _listen(self) -> None:
        for number in STOP_SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # `nohup` is respected
                signal.signal(number, self._stop_requested)

    def _stop_requested(self, *_: Any) -> None:
        self.stop_requests += 1

    def run(self, each_time: Callable[[], None]) -> None:
        """Tend everything until a stop is requested, then stop it."""
        try:
            self._listen()
            while not self.stop_requests:
                self.tend()
                each_time()
                time.sleep(POLL_S)
        finally:
            self.stop()

    def _ask_to_end(self, children: list[Child]) -> None:
        for child in children:
            child.signal(signal.SIGTERM)
        wait_until(lambda: self.stop_requests > 1 or all(c.has_ended() for c in children), STOP_S)

    def tend(self) -> None:
        """Look after everything once."""
        self._tend_servers()
        for child in self.children:
            child.tend()
        reap({child.process.pid for child in self.children if child.process})

    def _tend_servers(self) -> None:
        if self.servers is None or time.monotonic() < self.servers_due_at_s:
            return
        self.servers_due_at_s = time.monotonic() + SERVERS_CHECK_S
        try:
            for name in self.servers.ensure():
                log.warning("server.restarted", server=name)
        except ServersFailed as failure:
            log.error("server.failed", reason=str(failure))

    def stop(self) -> None:
        """End every child: politely, then, after `STOP_S` or a second request, at once."""
        self._ask_to_end([child for child in self.children if child.role != "sandbox"])
        self._ask_to_end(self.children)  # what the others still called ends last
        for child in self.children:
            child.signal(signal.SIGKILL)
        wait_until(lambda: all(child.has_ended() for child in self.children), STOP_S)


def web() -> Child:
    """Return the web process. Frames up to 64 KiB; compression happens once per process, not per connection."""
    proxies = "--proxy-headers" if os.environ.get("FORWARDED_ALLOW_IPS") else "--no-proxy-headers"
    command = [sys.executable, "-m", "uvicorn", "tokensite.asgi:application", "--app-dir", str(settings.BASE_DIR)]
    command += ["--host", settings.HOST, "--port", str(settings.PORT), proxies, "--no-server-header"]
    command += ["--ws", "websockets-sansio", "--ws-max-size", "65536", "--ws-per-message-deflate", "false"]
    command += ["--loop", "uvloop", "--no-access-log", "--log-level", "warning"]
    return Child("web", [*command, "--timeout-graceful-shutdown", "5"])


def managed(role: str, *arguments: str) -> Child:
    """Return a child that runs the command named as its role."""
    return Child(role, [sys.executable, str(settings.BASE_DIR / "manage.py"), role, *arguments])


@contextlib.contextmanager
def sandbox() -> Iterator[Child]:
    """Run the imitated upstreams at `SANDBOX_URL` and end them afterwards. Raises: StartFailed."""
    port = settings.SANDBOX_PORT
    since = runs.sandbox_since(settings.DATA_DIR)
    child = managed("sandbox", "--port", str(port), "--mints", str(settings.SANDBOX_MINTS), "--since", since)
    child.start()
    try:
        if not wait_until(lambda: accepts("127.0.0.1", port) or child.has_ended(), SANDBOX_START_S):
            raise StartFailed(f"The sandbox does not answer on port {port}.")
        if child.has_ended():
            raise StartFailed(f"The sandbox does not start on port {port}: see its message above.")
        yield child
    finally:
        child.signal(signal.SIGTERM)
        wait_until(child.has_ended, STOP_S)
        child.signal(signal.SIGKILL)


def free_port() -> int:
    """Return a loopback port nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(host: str, port: int) -> bool:
    """Tell whether something accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def require_free_port(host: str, port: int) -> None:
    """Refuse an address we cannot listen on. Raises: StartFailed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as uvicorn: not a closed connection's remains
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StartFailed(
                f"Cannot listen on {host} port {port}: {error.strerror or error}. "
                "Stop what uses it, or choose another: PORT=8001."
            ) from error
