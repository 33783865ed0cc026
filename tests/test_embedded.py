"""The embedded servers: started, shared, found again, stopped by the last one out."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest
import redis

from tests.servers import RUN_DIR
from tokensite import embedded, postgresql, valkey
from tokensite.place import Place, account_for, wait_until

ROOT = Path(__file__).resolve().parent.parent
START_AND_WAIT = """
import pathlib, sys
from tokensite import embedded
servers = embedded.start(pathlib.Path(sys.argv[1]), durable=False)
print("started", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home():
    """Return a data directory that the servers' account can reach, and leave no server in it."""
    root = Path(tempfile.mkdtemp(dir=os.environ[RUN_DIR]))
    root.chmod(0o711)
    data = root / "data"
    yield data
    place = Place(data, data / "sockets", account_for(data), durable=False)
    postgresql.stop(place)  # also when a failed test still holds its share of the lock
    valkey.stop(place)
    shutil.rmtree(root)


def postmaster_pid(home):
    return int((home / "postgres" / "postmaster.pid").read_text().split()[0])


def valkey_pid(home):
    return int((home / "sockets" / "valkey.pid").read_text())


def answering(home):
    """Return the names of the servers that answer at the addresses we give out."""
    environ = {"DATA_DIR": str(home)}
    embedded.configure(environ)
    names = set()
    try:
        psycopg.connect(environ["DATABASE_URL"].replace("/tokensite?", "/postgres?")).close()
        names.add("postgresql")
    except psycopg.OperationalError:
        pass
    try:
        redis.Redis.from_url(environ["REDIS_URL"]).ping()
        names.add("valkey")
    except redis.ConnectionError:
        pass
    return names


BOTH = {"postgresql", "valkey"}


def test_the_last_one_out_stops_the_servers_and_nobody_before(home):
    first = embedded.start(home, durable=False)
    server = postmaster_pid(home)
    second = embedded.start(home, durable=False)
    assert postmaster_pid(home) == server
    assert not first.release()
    assert answering(home) == BOTH
    assert second.release()
    assert answering(home) == set()
    assert not (home / "postgres" / "postmaster.pid").exists()


def test_servers_whose_starter_was_killed_are_found_again(home):
    starter = subprocess.Popen(
        [sys.executable, "-c", START_AND_WAIT, str(home)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert starter.stdout.readline() == b"started\n"
    server = postmaster_pid(home)
    starter.kill()
    starter.communicate()
    assert answering(home) == BOTH
    servers = embedded.start(home, durable=False)
    assert postmaster_pid(home) == server
    assert servers.release()
    assert answering(home) == set()


def test_killed_servers_leave_stale_files_and_start_again_with_their_data(home):
    servers = embedded.start(home)
    environ = {"DATA_DIR": str(home)}
    embedded.configure(environ)
    with psycopg.connect(environ["DATABASE_URL"].replace("/tokensite?", "/postgres?")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
    for pid in (postmaster_pid(home), valkey_pid(home)):
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: answering(home) == set(), 5)
    assert servers.ensure() == ["DATABASE_URL", "REDIS_URL"]
    with psycopg.connect(environ["DATABASE_URL"].replace("/tokensite?", "/postgres?")) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (42,)
    servers.release()


def test_a_lock_file_whose_number_now_belongs_to_another_process_is_not_a_running_server(home):
    embedded.start(home, durable=False).release()
    stale = f"{os.getpid()}\n{home / 'postgres'}\n1700000000\n5432\n{home / 'sockets'}\n\n  1 2\nready   \n"
    (home / "postgres" / "postmaster.pid").write_text(stale)
    (home / "sockets" / "valkey.pid").write_text(str(os.getpid()))
    servers = embedded.start(home, durable=False)
    assert postmaster_pid(home) != os.getpid()
    assert answering(home) == BOTH
    servers.release()


def test_an_interrupted_initialisation_is_started_over(home):
    (home / "postgres.new").mkdir(parents=True)
    (home / "postgres.new" / "PG_VERSION").write_text("18\n")
    servers = embedded.start(home, names=frozenset({"DATABASE_URL"}), durable=False)
    assert answering(home) == {"postgresql"}
    assert not (home / "postgres.new").exists()
    servers.release()


def test_a_long_path_gets_its_sockets_elsewhere(home):
    deep = home / ("d" * 60) / ("e" * 60)
    servers = embedded.start(deep, names=frozenset({"REDIS_URL"}), durable=False)
    environ = {"DATA_DIR": str(deep)}
    embedded.configure(environ)
    path = Path(environ["REDIS_URL"].removeprefix("unix://"))
    assert len(str(path)) <= embedded.SOCKET_PATH_LIMIT
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert redis.Redis.from_url(environ["REDIS_URL"]).ping()
    assert servers.release()
    path.parent.rmdir()


def test_the_sockets_are_for_one_account_only(home):
    servers = embedded.start(home, names=frozenset({"REDIS_URL"}), durable=False)
    assert (home / "sockets").stat().st_mode & 0o777 == 0o700
    assert home.stat().st_mode & 0o006 == 0
    servers.release()


def test_a_data_directory_below_a_file_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(embedded.ServersFailed) as refusal:
        embedded.start(tmp_path / "file" / "data")
    assert "Set DATA_DIR to a directory you may write" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_data_of_another_major_version_is_refused_and_left_alone(home):
    (home / "postgres").mkdir(parents=True)
    (home / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(embedded.ServersFailed, match="made by PostgreSQL 16, and this is PostgreSQL 18"):
        embedded.start(home, names=frozenset({"DATABASE_URL"}))
    assert [path.name for path in (home / "postgres").iterdir()] == ["PG_VERSION"]


def test_a_directory_somebody_else_prepared_is_not_used_for_sockets(home):
    home.mkdir()
    (home / "elsewhere").mkdir()
    (home / "sockets").symlink_to(home / "elsewhere")
    with pytest.raises(embedded.ServersFailed, match="does not belong to this user"):
        embedded.start(home, names=frozenset({"REDIS_URL"}))


def test_a_configuration_that_cannot_work_says_what_postgresql_said(home, monkeypatch):
    monkeypatch.setattr(postgresql, "CONF", "shared_buffers = 'no number'\n")
    monkeypatch.setattr(postgresql, "START_TRIES", 1)
    with pytest.raises(embedded.ServersFailed, match=r"does not start: .* contains errors\. Its logs are in"):
        embedded.start(home, names=frozenset({"DATABASE_URL"}), durable=False)


OUTSIDE = {"DATABASE_URL": "postgresql://u:p@db/x", "REDIS_URL": "redis://cache:6379/0"}


@pytest.mark.parametrize(
    ("given", "embedded_names"),
    [
        (OUTSIDE, set()),
        ({}, {"DATABASE_URL", "REDIS_URL"}),
        ({"DATABASE_URL": OUTSIDE["DATABASE_URL"]}, {"REDIS_URL"}),
        ({"REDIS_URL": OUTSIDE["REDIS_URL"], "DATABASE_URL": " "}, {"DATABASE_URL"}),
        ({"DATABASE_URL_FILE": "/run/secrets/db", "REDIS_URL_FILE": "/run/secrets/redis"}, set()),
    ],
)
def test_only_what_is_not_configured_is_embedded(given, embedded_names, tmp_path):
    environ = {"DATA_DIR": str(tmp_path), **given}
    assert embedded.configure(environ) == embedded_names
    assert embedded.configure(environ) == embedded_names
    assert {name: environ[name] for name in given if given[name].strip()} == {
        name: value for name, value in given.items() if value.strip()
    }


def test_variables_of_libpq_do_not_bend_the_embedded_address(tmp_path):
    environ = {"DATA_DIR": str(tmp_path), "PGPORT": "6543", "PGSERVICE": "other"}
    embedded.configure(environ)
    assert not [name for name in environ if name.startswith("PG")]


def test_configured_servers_are_not_joined_by_embedded_ones(tmp_path):
    with embedded.serving({"DATA_DIR": str(tmp_path), **OUTSIDE}) as names:
        assert names == set()
    assert list(tmp_path.iterdir()) == []
