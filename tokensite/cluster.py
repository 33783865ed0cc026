"""django-q2's cluster, crash-only: it works as a whole or ends as a whole.

The stock cluster outlives its dead: a killed idle worker keeps the lock of the task queue for ever, and a killed
parent leaves orphans that go on working. Here a process that does not end in order takes its whole group with it,
every process dies with its parent, and a supervisor starts a fresh cluster. Source: django-q2 1.11.1, measured.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import uuid
from typing import Any, NoReturn

import structlog
from django.db import connections
from django_q.cluster import Sentinel
from django_q.conf import Conf

from tokens.pulse import STOP_SIGNAL
from tokensite.processes import children_die_with_us

log = structlog.get_logger()

POLL_S = 0.2
LEAVING_S = 5  # a worker that has ended its task by timeout leaves within this, or it hangs
STALLED_S = 60  # the guard normally comes round every 0.5 s; longer than this it waits for a lock of the dead
STOP_MARGIN_S = 10  # beyond the longest task, for the queues to drain

_fork = multiprocessing.get_context("fork")


class CrashOnlySentinel(Sentinel):  # type: ignore[misc]
    """Guards the workers. A child that ended in order is replaced; any other death ends the process group."""

    guarded_at_s: Any = _fork.RawValue("d", 0.0)  # monotonic; shared with the main process

    def spawn_cluster(self) -> None:
        """Spawn the children; of SIGTERM to the group only the main process takes notice."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        super().spawn_cluster()

    def status(self) -> Any:
        """Report as the stock sentinel, which does so at every round of its guard loop."""
        self.guarded_at_s.value = time.monotonic()
        return super().status()

    def reincarnate(self, process: Any) -> None:
        """Replace a child that has ended in order: no lock of the shared queues died with it."""
        process.join(LEAVING_S)
        if process.exitcode != 0:
            _end_group("cluster.crashed", process=process.pid, exit_code=process.exitcode)
        super().reincarnate(process)


class _Main:
    """The first process: it forks the sentinel, watches it, and passes a stop request on."""

    def __init__(self) -> None:
        self.stop_event, self.start_event = _fork.Event(), _fork.Event()
        self.stopping_since_s: float | None = None
        CrashOnlySentinel.guarded_at_s.value = time.monotonic()
        self.sentinel = _fork.Process(
            target=CrashOnlySentinel, args=(self.stop_event, self.start_event, uuid.uuid4()), name="sentinel"
        )

    def request_stop(self, *_: Any) -> None:
        """Remember the request; acting on it in a signal handler could meet a lock we hold."""
        self.stopping_since_s = self.stopping_since_s or time.monotonic()

    def watch(self) -> None:
        """Return when the cluster has stopped as asked."""
        while self.sentinel.is_alive():
            now_s = time.monotonic()
            if self.stopping_since_s is not None:
                self.stop_event.set()
                os.killpg(0, STOP_SIGNAL)  # again and again: a pulse that starts only now must end too
                if now_s - self.stopping_since_s > Conf.TIMEOUT + STOP_MARGIN_S:
                    _end_group("cluster.stop_failed")
            elif now_s - CrashOnlySentinel.guarded_at_s.value > STALLED_S:
                _end_group("cluster.stalled")
            self.sentinel.join(POLL_S)
        if self.stopping_since_s is None or self.sentinel.exitcode != 0:
            _end_group("cluster.crashed", process=self.sentinel.pid, exit_code=self.sentinel.exitcode)


def run() -> None:
    """Work until SIGTERM or SIGINT, then let the tasks in hand finish.

    Does not return when the cluster breaks: the process group ends by SIGKILL, this process included.
    """
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    children_die_with_us()
    main = _Main()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, main.request_stop)
    signal.signal(STOP_SIGNAL, signal.SIG_IGN)  # inherited: only a running pulse listens
    connections.close_all()  # forks would share them
    main.sentinel.start()
    main.watch()


def _end_group(event: str, **details: Any) -> NoReturn:
    log.error(event, **details)
    os.killpg(0, signal.SIGKILL)
    raise SystemExit(1)  # not reached: the signal is ours too
