"""Child processes that never outlive their parent, Linux's way; elsewhere they are only signalled."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>

STDERR = 2

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded before any fork


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when the thread that made it ends.

    That thread must therefore be one that lasts: spawn from the main thread only.
    """
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent_pid:  # it ended before the request
            os._exit(1)


def children_die_with_us() -> None:
    """Tie every later fork of this process, and theirs, to the life of its parent."""
    parent: list[int] = [0]
    os.register_at_fork(
        before=lambda: parent.__setitem__(0, os.getpid()),
        after_in_child=lambda: die_with_parent(parent[0]),
    )


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that `reap` leaves no zombie anywhere."""
    if _libc is not None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)


def reap(known: set[int]) -> bool:
    """Collect ended children nobody waits for; those `known` are left to their owner.

    Returns whether there are no children at all.
    """
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return True
        if ended is None or ended.si_pid in known:
            return False
        os.waitpid(ended.si_pid, 0)


def spawn(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own that dies with us; all it says goes to our stderr."""
    parent_pid = os.getpid()
    return subprocess.Popen(  # noqa: S603 - our own programs, no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=STDERR,  # our stdout is for data
        env=environment,
        start_new_session=True,
        preexec_fn=lambda: die_with_parent(parent_pid),  # no threads here
    )


def signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Signal everything in a spawned process's group, also when its leader has ended."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):  # macOS says the latter for a group of zombies
        return
