"""Make the configured database usable: it exists, its tables are current, somebody may log in."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import psycopg
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql

CONNECT_S = 5  # a database that takes longer to accept a connection is reported as unreachable
MIGRATING = 7_365_201  # advisory lock: one process migrates, the others wait and find nothing left to do


class DatabaseUnusable(Exception):
    """The configured database cannot be used; the message is for a human and holds no password."""


def make_ready() -> None:
    """Create the database when it is missing and apply what is unapplied. Raises: DatabaseUnusable."""
    ensure_exists()
    try:
        if pending():
            _migrate()
    except DatabaseError as error:
        raise DatabaseUnusable(f"The database {_where()} cannot be migrated: {first_line(error)}.") from error


def ensure_exists() -> None:
    """Create the configured database when its server does not have it. Raises: DatabaseUnusable."""
    try:
        _connect(_name()).close()
    except psycopg.OperationalError as refusal:
        _create(refusal)


def pending() -> list[str]:
    """Return the migrations that are not applied. Raises: django.db.DatabaseError."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def ensure_operator(password_file: Path) -> bool:
    """Make the first account, `admin`, with a random password kept in a file only we read.

    Returns whether an account was made. Raises: OSError.
    """
    from django.contrib.auth import get_user_model

    users = get_user_model()._default_manager
    if users.exists():
        return False
    users.create_superuser(username="admin", password=_kept_password(password_file))
    return True


def _kept_password(path: Path) -> str:
    """Return the password in the file, or a new one: the live and the sandbox database share it."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(18) + "\n")
    return path.read_text().strip()


def _migrate() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATING])
    try:
        call_command("migrate", verbosity=0, interactive=False)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATING])


def _create(refusal: psycopg.OperationalError) -> None:
    try:
        with _connect("postgres") as maintenance:
            known = maintenance.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_name()]).fetchone()
            if known:
                raise DatabaseUnusable(_cannot_connect(refusal)) from refusal
            maintenance.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_name())))
    except psycopg.errors.DuplicateDatabase:
        return  # another process was faster
    except psycopg.OperationalError:
        raise DatabaseUnusable(_cannot_connect(refusal)) from refusal
    except psycopg.DatabaseError as error:
        raise DatabaseUnusable(
            f"There is no database {_where()} and it cannot be created: {first_line(error)}. "
            f'Have an administrator run: CREATE DATABASE "{_name()}" OWNER "{_settings()["USER"]}";'
        ) from error


def _connect(name: str) -> psycopg.Connection[Any]:
    parameters = {k: v for k, v in connection.get_connection_params().items() if k in psycopg_parameters()}
    return psycopg.connect(**parameters | {"dbname": name, "connect_timeout": CONNECT_S}, autocommit=True)


def psycopg_parameters() -> set[str]:
    """Return what libpq understands; Django adds parameters of its own."""
    return {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}


def _cannot_connect(error: psycopg.OperationalError) -> str:
    return f"The database {_where()} cannot be reached: {first_line(error)}. Check DATABASE_URL."


def first_line(error: Exception) -> str:
    """Return a database error without its hints."""
    text = str(error).strip().split("\n")[0]
    return text.removeprefix("connection failed: ").rstrip(".")


def _settings() -> dict[str, Any]:
    return connection.settings_dict


def _name() -> str:
    return str(_settings()["NAME"])


def _where() -> str:
    host = _settings()["HOST"] or _settings()["OPTIONS"].get("host", "") or "the local socket"
    port = f":{_settings()['PORT']}" if _settings()["PORT"] else ""
    return f"{_name()} at {host}{port}"
