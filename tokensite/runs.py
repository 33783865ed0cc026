"""The one running `up` of a data directory: its claim, and what it decided, for the commands beside it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """What the running, or last, `up` decided."""

    pid: int
    upstreams: str
    sandbox_url: str
    port: int


def claim(data_dir: Path) -> int | None:
    """Become the one `up` of a data directory for as long as this process lives; None when there is one.

    Returns the file descriptor that carries the claim. Raises: OSError.
    """
    handle = os.open(data_dir / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def is_running(data_dir: Path) -> bool:
    """Tell whether an `up` holds its claim."""
    try:
        handle = os.open(data_dir / "up.lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def read(data_dir: Path) -> Run | None:
    """Return the record of the running or last `up`; None when there is none that can be understood."""
    try:
        run = Run(**json.loads((data_dir / "run.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return run if run.upstreams in ("live", "sandbox") else None


def sandbox_since(data_dir: Path) -> str:
    """Return when this directory's sandbox first ran: its list of mints goes on from there at every start."""
    path = data_dir / "sandbox-since"
    with contextlib.suppress(FileExistsError), path.open("x") as file:
        file.write(datetime.now(UTC).isoformat(timespec="seconds"))
    return path.read_text()


def write(data_dir: Path, run: Run) -> None:
    """Record a decision; a reader sees the old one or the new one, never half. Raises: OSError."""
    handle, name = tempfile.mkstemp(dir=data_dir, prefix="run.")
    with os.fdopen(handle, "w") as file:
        json.dump(asdict(run), file)
    Path(name).replace(data_dir / "run.json")
