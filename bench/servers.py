"""The embedded PostgreSQL and Valkey, started in a temporary directory and stopped at the end."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import redis

from tokensite import embedded

OURS = ("DATABASE_URL", "REDIS_URL", "PG")  # a developer's own servers are not what is measured


@contextmanager
def running() -> Iterator[tuple[psycopg.Connection, redis.Redis, str]]:
    """Yield a connection to each, and Valkey's address."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    root = Path(tempfile.mkdtemp(prefix="tokensite-bench-"))
    root.chmod(0o711)  # as root the servers run as another account, which passes through
    servers = embedded.start(root, durable=False)
    try:
        environ["DATA_DIR"] = str(root)
        embedded.configure(environ)
        database = environ["DATABASE_URL"].replace("/tokensite?", "/postgres?")  # the one that always exists
        client = redis.Redis.from_url(environ["REDIS_URL"])
        client.config_set("maxmemory", 0)  # two sets of a million mints do not fit the embedded limit
        with psycopg.connect(database, autocommit=True) as connection:
            yield connection, client, environ["REDIS_URL"]
    finally:
        servers.release()
        shutil.rmtree(root, ignore_errors=True)
