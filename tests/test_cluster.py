"""The crash-only cluster: whatever is killed, nothing of it stays; asked to stop, it finishes its task."""

import os
import signal
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg
import pytest
from django.db import connection, connections
from django_q.conf import Conf
from django_q.signing import SignedPackage
from psycopg import sql

from tokens.pulse import STOP_SIGNAL
from tokensite.place import wait_until

pytestmark = pytest.mark.django_db  # so that the database to copy exists

ROOT = Path(__file__).resolve().parent.parent
DATABASE = "cluster_test"
CHILDREN = 5  # sentinel, two workers, monitor, pusher
TASK_S = 0.5  # long enough to be interrupted, were it interruptible


def long_task(started: str, finished: str) -> None:
    """Leave a mark at the beginning and at the end; runs in a worker of the cluster."""
    Path(started).touch()
    time.sleep(TASK_S)
    Path(finished).touch()


def pulse(started: str) -> None:
    """Go on until told to stop between slots, as a pulse does."""
    told: list[int] = []
    signal.signal(STOP_SIGNAL, lambda number, _: told.append(number))
    Path(started).touch()
    while not told:
        time.sleep(0.01)


def connect(database: str = "postgres") -> psycopg.Connection:
    parameters = connection.get_connection_params()
    return psycopg.connect(host=parameters["host"], user=parameters["user"], dbname=database, autocommit=True)


@pytest.fixture(scope="module")
def database(django_db_setup, django_db_blocker):
    """Return the name of a migrated database for the cluster: a copy of the tests' own."""
    with django_db_blocker.unblock():
        connections.close_all()
        source, copy = connection.settings_dict["NAME"], f"{DATABASE}_sandbox"
        with connect() as server:
            server.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(copy), sql.Identifier(source))
            )
        yield copy
        with connect() as server:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(copy)))


@pytest.fixture
def cluster(database):
    """Return a working cluster's main process and its descendants."""
    environment = os.environ | {
        "DATABASE_URL": os.environ["DATABASE_URL"].replace("/tokensite?", f"/{DATABASE}?"),
        "DJANGO_SETTINGS_MODULE": "tests.cluster_settings",
        "PROCESS_ROLE": "cluster",
    }
    main = subprocess.Popen(
        [sys.executable, "manage.py", "cluster"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    watched = psutil.Process(main.pid)
    assert wait_until(lambda: len(watched.children(recursive=True)) == CHILDREN or main.poll() is not None, 20)
    family = [watched, *watched.children(recursive=True)]
    assert len(family) == CHILDREN + 1, main.stderr.read()
    yield main, family
    for process in family:
        if is_alive(process):
            process.kill()
    main.communicate()


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def enqueue(database: str, function: str, *arguments: str) -> None:
    """Put a task into the cluster's database, as `async_task` would."""
    task = {"id": uuid.uuid4().hex, "name": "test", "func": function, "args": arguments, "kwargs": {}}
    payload = SignedPackage.dumps(task | {"started": datetime.now(UTC)})
    with connect(database) as server:
        server.execute(
            "INSERT INTO django_q_ormq (key, payload, lock) VALUES (%s, %s, now())", [Conf.CLUSTER_NAME, payload]
        )


def idle_workers(family: list[psutil.Process]) -> list[psutil.Process]:
    """Return the workers that wait for a task; one of them holds the queue's lock, which a kill would keep."""
    return [process for process in family[1:] if " idle" in " ".join(process.cmdline())]


@pytest.mark.parametrize("victim", ["main", "sentinel", "worker"])
def test_a_killed_process_takes_the_whole_group_with_it(cluster, victim):
    main, family = cluster
    assert wait_until(lambda: len(idle_workers(family)) == 2, 10)
    {"main": family[0], "sentinel": family[1], "worker": idle_workers(family)[0]}[victim].kill()
    assert wait_until(lambda: not any(map(is_alive, family)), 10)
    assert main.wait(5) == -signal.SIGKILL


def test_a_stop_request_finishes_the_task_in_hand(cluster, database, tmp_path):
    main, family = cluster
    started, finished = tmp_path / "started", tmp_path / "finished"
    enqueue(database, "tests.test_cluster.long_task", str(started), str(finished))
    assert wait_until(started.exists, 10)
    os.killpg(main.pid, signal.SIGTERM)
    assert main.wait(15) == 0
    assert finished.exists()
    assert not any(map(is_alive, family))


def test_a_stop_request_reaches_a_beating_pulse(cluster, database, tmp_path):
    main, _ = cluster
    enqueue(database, "tests.test_cluster.pulse", str(tmp_path / "started"))
    assert wait_until((tmp_path / "started").exists, 10)
    main.terminate()
    assert main.wait(15) == 0


def test_a_worker_that_has_done_its_share_is_replaced_and_the_others_go_on(cluster, database, tmp_path):
    main, family = cluster
    marks = [tmp_path / "one", tmp_path / "two", tmp_path / "three"]
    for mark in marks:  # more tasks than workers, and each worker does one
        enqueue(database, "os.mkdir", str(mark))
    assert wait_until(lambda: all(mark.exists() for mark in marks), 10)
    assert main.poll() is None
    assert is_alive(family[1])
