"""Start, find again and stop the embedded PostgreSQL and Valkey that live under DATA_DIR.

Every process that uses the servers holds a shared lock on `servers.lock`; whoever leaves and can make it
exclusive was the last one and stops them. The kernel drops the lock of a killed process, so nothing needs
cleaning up after a crash: the next user finds the running servers, or their stale files, and goes on.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import redis

from tokensite import postgresql, valkey
from tokensite.place import Place, ServersFailed, account_for, prepare_directory, private_directory

ROOT = Path(__file__).resolve().parent.parent
BOTH = frozenset({"DATABASE_URL", "REDIS_URL"})  # a server is known by the variable that names it
SOCKET_PATH_LIMIT = 100  # bytes; sun_path holds 104 on macOS and 108 on Linux, the closing NUL included
LONGEST_SOCKET_NAME = ".s.PGSQL.5432"
ANSWER_S = 3  # a server on a local socket that takes longer is treated as gone

__all__ = ["Servers", "ServersFailed", "configure", "data_dir", "ready_directory", "serving", "start"]


def data_dir(environ: MutableMapping[str, str]) -> Path:
    """Return where this installation keeps its data, as the settings see it."""
    return Path(environ.get("DATA_DIR", "").strip() or ROOT / ".tokensite").expanduser().absolute()


def configure(environ: MutableMapping[str, str]) -> frozenset[str]:
    """Give `environ` the addresses of embedded servers for what it does not configure; start nothing.

    Returns the variables that name embedded servers; the same again when called again.
    """
    addresses = _addresses(data_dir(environ))
    for name, address in addresses.items():
        if not environ.get(name, "").strip() and not environ.get(f"{name}_FILE"):
            environ[name] = address
    names = frozenset(name for name, address in addresses.items() if environ.get(name) == address)
    if "DATABASE_URL" in names:
        for name in [n for n in environ if n.startswith("PG")]:  # libpq would fill the URL's gaps with them
            del environ[name]
    return names


def ready_directory(path: Path) -> None:
    """Make the data directory and prove that it can be written. Raises: ServersFailed."""
    with _explained(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(_open(path / "start.lock"))


@dataclass
class Servers:
    """The embedded servers in use by this process."""

    names: frozenset[str]
    place: Place
    lock: int  # file descriptor that carries our shared lock

    def ensure(self) -> list[str]:
        """Start whatever no longer answers and return the variables that name it. Raises: ServersFailed."""
        gone = [name for name in sorted(self.names) if not _answers(name, self.place.data_dir)]
        if gone:
            with _explained(self.place.data_dir), _starting(self.place.data_dir):
                return _start_missing(self.names, self.place)
        return gone

    def release(self) -> bool:
        """Stop using the servers; the last user stops them. Return whether that was us."""
        with _starting(self.place.data_dir):
            return _stop_if_unused(self.place, self.lock)


def start(data_dir: Path, *, names: frozenset[str] = BOTH, durable: bool = True) -> Servers:
    """Start the servers of `data_dir`, or adopt those running there; return once they answer.

    `durable=False` gives up crash safety for speed: for tests only.
    Raises: ServersFailed with a message saying what, where and what to do.
    """
    ready_directory(data_dir)
    with _explained(data_dir):
        place = _place(data_dir, durable=durable)
        with _starting(place.data_dir):
            lock = _open(place.data_dir / "servers.lock")
            fcntl.flock(lock, fcntl.LOCK_SH)
            try:
                _start_missing(names, place)
            except BaseException:  # also Ctrl-C: half a start leaves nothing running
                _stop_if_unused(place, lock)
                raise
    return Servers(names, place, lock)


def stop_unused(data_dir: Path) -> bool:
    """Stop servers that outlived their last user. Return whether nobody used them. Raises: OSError."""
    place = _place(data_dir, durable=True)
    with _starting(place.data_dir):
        return _stop_if_unused(place, _open(place.data_dir / "servers.lock"))


@contextlib.contextmanager
def serving(environ: MutableMapping[str, str]) -> Iterator[frozenset[str]]:
    """Keep embedded servers running for what `environ` does not configure otherwise.

    Yields the variables that name them, which `environ` then has. Raises: ServersFailed.
    """
    names = configure(environ)
    if not names:
        yield names
        return
    servers = start(data_dir(environ), names=names)
    try:
        yield names
    finally:
        servers.release()


def _addresses(data_dir: Path) -> dict[str, str]:
    sockets = _socket_dir(data_dir)
    return {
        "DATABASE_URL": f"postgresql://postgres@/tokensite?host={quote(str(sockets), safe='')}",
        "REDIS_URL": f"unix://{sockets / 'valkey.sock'}",
    }


def _socket_dir(data_dir: Path) -> Path:
    """Return a directory short enough for a socket path: below the data, else a temporary one."""
    inside = data_dir.expanduser().absolute() / "sockets"
    if len(os.fsencode(inside / LONGEST_SOCKET_NAME)) <= SOCKET_PATH_LIMIT:
        return inside
    digest = hashlib.sha256(os.fsencode(inside)).hexdigest()[:16]
    return Path("/tmp") / f"tokensite-{digest}"  # noqa: S108 - the same for every user of it, TMPDIR may differ


def _place(data_dir: Path, *, durable: bool) -> Place:
    data_dir = data_dir.expanduser().absolute()
    account = account_for(data_dir)
    prepare_directory(data_dir, account)
    sockets = _socket_dir(data_dir)
    private_directory(sockets, account)
    return Place(data_dir, sockets, account, durable)


def _start_missing(names: frozenset[str], place: Place) -> list[str]:
    gone = [name for name in sorted(names) if not _answers(name, place.data_dir)]
    for name in gone:
        server = postgresql if name == "DATABASE_URL" else valkey
        server.start(place, lambda name=name: _answers(name, place.data_dir))
    return gone


def _stop_if_unused(place: Place, lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        valkey.stop(place)
        postgresql.stop(place)
        return True
    finally:
        os.close(lock)


@contextlib.contextmanager
def _starting(data_dir: Path) -> Iterator[None]:
    """Hold the lock under which servers start and stop, one process at a time."""
    handle = _open(data_dir / "start.lock")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _explained(data_dir: Path) -> Iterator[None]:
    """Turn a refusal of the file system into a sentence."""
    try:
        yield
    except OSError as error:
        culprit = "" if error.filename in (None, str(data_dir)) else f" ({error.filename})"
        raise ServersFailed(
            f"DATA_DIR {data_dir} cannot be used: {error.strerror}{culprit}. Set DATA_DIR to a directory you may write."
        ) from error


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _answers(name: str, data_dir: Path) -> bool:
    address = _addresses(data_dir)[name]
    return _postgres_answers(address) if name == "DATABASE_URL" else _valkey_answers(address)


def _postgres_answers(database_url: str) -> bool:
    maintenance = database_url.replace("/tokensite?", "/postgres?")  # the one database that always exists
    try:
        with psycopg.connect(maintenance, connect_timeout=ANSWER_S, autocommit=True) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError as error:
        return "too many clients" in str(error)  # busy is not gone
    return True


def _valkey_answers(redis_url: str) -> bool:
    client = redis.Redis.from_url(redis_url, socket_timeout=ANSWER_S)
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()
