#!/usr/bin/env python
"""Run one command: settle where the data and the upstreams are, and keep the servers up meanwhile."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

FAILED, USAGE, INTERRUPTED = 1, 2, 130
HELP = {"help", "version", "-h", "--help", "--version"}
NEEDS_NOTHING = HELP | {
    "sandbox", "makemigrations", "collectstatic", "findstatic", "compilemessages", "makemessages",
    "spectacular", "startapp", "startproject", "diffsettings",
}  # fmt: skip
LEAVES_TABLES_ALONE = {"doctor", "showmigrations", "sqlmigrate", "dbshell"}
ASKS_UPSTREAMS = {"detect", "enrich", "refresh", "load_history", "cluster"}


def main(arguments: list[str]) -> int:
    """Return the exit code; every foreseeable failure is one message."""
    try:
        with _surroundings(arguments):
            from django.core.management import execute_from_command_line

            execute_from_command_line(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        code, message = _explain(error)
        if not message:
            raise
        print(message, file=sys.stderr)  # noqa: T201
        return code
    return 0


@contextlib.contextmanager
def _surroundings(arguments: list[str]) -> Iterator[None]:
    """Provide what the command needs: configuration, servers, tables, upstreams."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tokensite.settings")
    _read_env_file()
    command = arguments[1] if len(arguments) > 1 else "help"
    if command in NEEDS_NOTHING or not HELP.isdisjoint(arguments):
        yield
    elif "PROCESS_ROLE" in os.environ:  # a child of `up`, which has settled everything
        _check_settings()
        yield
    else:
        with _installation(command):
            yield


@contextlib.contextmanager
def _installation(command: str) -> Iterator[None]:
    from tokensite import embedded

    data_dir = embedded.data_dir(os.environ)
    os.environ["DATA_DIR"] = str(data_dir)  # absolute, for children too
    embedded.ready_directory(data_dir)
    _choose_upstreams(command, data_dir)
    embedded.configure(os.environ)
    _check_settings()
    if command == "up" or not _is_known(command):  # `up` looks for more trouble before it starts anything
        yield
        return
    with embedded.serving(os.environ) as names, _sandbox(command):
        if "DATABASE_URL" in names and command not in LEAVES_TABLES_ALONE:
            _make_ready(command)
        yield


def _read_env_file() -> None:
    import environ

    path = os.environ.get("TOKENSITE_ENV_FILE", str(Path(__file__).resolve().parent / ".env"))
    if path and Path(path).is_file():
        environ.Env.read_env(path)  # leaves alone what is already set


def _choose_upstreams(command: str, data_dir: Path) -> None:
    from tokensite import mode, runs
    from tokensite.supervisor import free_port

    last = None if command == "up" else runs.read(data_dir)
    chosen = mode.resolve(os.environ, last, _jupiter_answers)
    if chosen.upstreams == "sandbox":
        mode.place_sandbox(os.environ, last if runs.is_running(data_dir) else None, free_port)
    os.environ["UPSTREAMS_WHY"] = chosen.why


def _jupiter_answers(url: str) -> bool:
    from enrichment.upstream.download import answers

    return answers(url)


def _check_settings() -> None:
    import django

    django.setup()  # reads, and judges, the whole configuration


def _is_known(command: str) -> bool:
    from django.core.management import get_commands

    return command in get_commands()


@contextlib.contextmanager
def _sandbox(command: str) -> Iterator[None]:
    """Run the sandbox for a command that asks it, when no `up` runs one."""
    from django.conf import settings

    from tokensite import supervisor

    if command in ASKS_UPSTREAMS and settings.UPSTREAMS == "sandbox" and settings.SANDBOX_PORT:
        with supervisor.sandbox():
            yield
    else:
        yield


def _make_ready(command: str) -> None:
    from tokensite import database

    if command == "migrate":
        database.ensure_exists()
    else:
        database.make_ready()


def _explain(error: Exception) -> tuple[int, str]:
    """Return the exit code and the sentence for a foreseeable failure; an empty sentence for a bug."""
    import redis
    from django.core.exceptions import ImproperlyConfigured
    from django.db import OperationalError
    from psycopg.errors import UndefinedTable

    from tokensite.database import DatabaseUnusable, first_line
    from tokensite.mode import ModeInvalid
    from tokensite.place import ServersFailed
    from tokensite.supervisor import StartFailed

    if isinstance(error, (ImproperlyConfigured, ModeInvalid)):
        return USAGE, str(error)
    if isinstance(error, (ServersFailed, DatabaseUnusable, StartFailed)):
        return FAILED, str(error)
    if isinstance(error, OperationalError):
        return FAILED, f"The database cannot be used: {first_line(error)}. Check DATABASE_URL."
    if isinstance(error, redis.ConnectionError):
        return FAILED, f"Redis cannot be used: {error}. Check REDIS_URL."
    if isinstance(error.__cause__, UndefinedTable):
        return FAILED, "The database lacks tables: run `manage.py migrate` first."
    return FAILED, ""


if __name__ == "__main__":
    sys.exit(main(sys.argv))
