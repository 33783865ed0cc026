"""`manage.py up` with real processes: what it refuses, what it starts, what it leaves behind."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.servers import RUN_DIR
from tokensite import embedded, runs
from tokensite.place import wait_until
from tokensite.supervisor import free_port

ROOT = Path(__file__).resolve().parent.parent
READY_S = 60


def manage(*arguments, **variables):
    """Run a command to its end and return the finished process."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.fixture
def home():
    """Return a data directory of its own, where the servers' account can reach it."""
    root = Path(tempfile.mkdtemp(dir=os.environ[RUN_DIR]))
    root.chmod(0o711)
    yield root / "data"
    shutil.rmtree(root)


def refusal(home, **variables):
    """Run `up`, which must not start, and return its exit code and its message, one line without a traceback."""
    finished = manage("up", **{"DATA_DIR": str(home), "PORT": str(free_port()), **variables})
    lines = finished.stderr.strip().splitlines()
    assert len(lines) == 1, finished.stderr
    return finished.returncode, lines[0]


EMBEDDED = {"DATABASE_URL": "", "REDIS_URL": ""}


def test_an_occupied_port_is_refused_before_anything_is_started(home):
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", 0))
        occupant.listen()
        port = str(occupant.getsockname()[1])
        code, message = refusal(home, PORT=port, **EMBEDDED)
    assert code == 1
    assert f"port {port}" in message
    assert "PORT=" in message
    assert not (home / "postgres").exists()


def test_a_second_up_on_the_same_data_is_refused(home):
    home.mkdir()
    claim = runs.claim(home)
    runs.write(home, runs.Run(pid=4711, upstreams="sandbox", sandbox_url="", port=8001))
    try:
        code, message = refusal(home, **EMBEDDED)
    finally:
        os.close(claim)
    assert code == 1
    assert "already runs" in message
    assert "4711" in message
    assert not (home / "postgres").exists()


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("postgresql://someone:hush@127.0.0.1:1/x", "at 127.0.0.1:1 cannot be reached"),
        ("postgresql://someone:hush@localhost:1/x", "at localhost:1 cannot be reached"),
        ("postgresql://someone:hush@no-such-host.invalid/x", "at no-such-host.invalid cannot be reached"),
    ],
)
def test_a_wrong_database_url_is_one_line_without_the_password(home, address, told):
    code, message = refusal(home, DATABASE_URL=address)
    assert code == 1
    assert told in message
    assert "Check DATABASE_URL" in message
    assert "hush" not in message


def test_a_wrong_redis_url_is_one_line(home):
    code, message = refusal(home, REDIS_URL="redis://127.0.0.1:1/0")
    assert code == 1
    assert "Check REDIS_URL" in message


def test_a_data_directory_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    code, message = refusal(tmp_path / "file" / "data", **EMBEDDED)
    assert code == 1
    assert str(tmp_path / "file" / "data") in message
    assert "Set DATA_DIR" in message


def test_an_unknown_upstreams_is_a_usage_error(home):
    code, message = refusal(home, UPSTREAMS="production")
    assert code == 2
    assert "auto, live, sandbox" in message


def test_a_bad_configuration_is_one_message_with_every_problem(home):
    finished = manage("up", DATA_DIR=str(home), PORT="99999", DATABASE_URL="mysql://x", DEBUG="perhaps")
    assert finished.returncode == 2
    for name in ("PORT", "DATABASE_URL", "DEBUG"):
        assert name in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (home / "postgres").exists()


def test_the_env_file_is_read_and_the_environment_wins_over_it(home, tmp_path):
    (tmp_path / "env").write_text("UPSTREAMS=production\nPORT=none\n")
    finished = manage("up", DATA_DIR=str(home), TOKENSITE_ENV_FILE=str(tmp_path / "env"), UPSTREAMS="sandbox")
    assert finished.returncode == 2
    assert "PORT='none'" in finished.stderr
    assert "UPSTREAMS" not in finished.stderr


class Installation:
    """A running `up` in a sandbox world, its output in files."""

    def __init__(self, home):
        self.home = home
        home.parent.joinpath("out").touch()
        variables = EMBEDDED | {
            "DATA_DIR": str(home), "PORT": str(free_port()), "UPSTREAMS": "sandbox", "SANDBOX_MINTS": "100",
        }  # fmt: skip
        self.port = variables["PORT"]
        with home.parent.joinpath("out").open("a") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=ROOT, env=os.environ | variables, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def output(self):
        return self.home.parent.joinpath("out").read_text()

    def wait_for(self, text, times=1):
        assert wait_until(lambda: self.output().count(text) >= times or self.process.poll() is not None, READY_S)
        assert self.output().count(text) >= times, self.output()

    def family(self):
        """Return every process it started, embedded servers included."""
        return [self.process, *psutil.Process(self.process.pid).children(recursive=True)]

    def named(self, part):
        return [p for p in self.family()[1:] if is_alive(p) and part in " ".join(p.cmdline())]

    def idle_workers(self):
        return [p for p in self.named(" idle") if "qcluster" in p.cmdline()[0]]  # PostgreSQL has idle ones too

    def health(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/health") as answer:
            return json.load(answer)


def is_alive(process):
    try:
        status = psutil.Process(process.pid).status()
    except psutil.NoSuchProcess:
        return False
    return status != psutil.STATUS_ZOMBIE


@pytest.fixture
def up(home):
    """Return a function that starts `up` on `home`, and end whatever it leaves."""
    started = []

    def start():
        started.append(Installation(home))
        return started[-1]

    yield start
    for installation in started:
        if installation.process.poll() is None:
            for process in reversed(installation.family()):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
    embedded.stop_unused(home)


def test_up_serves_restarts_what_is_killed_and_leaves_nothing_behind(up, home):
    installation = up()
    installation.wait_for("ready in")
    assert installation.health()["upstreams"]["mode"] == "sandbox"
    assert (home / "admin-password").stat().st_mode & 0o777 == 0o600
    assert runs.read(home).pid == installation.process.pid

    assert wait_until(installation.idle_workers, 20)
    installation.idle_workers()[0].kill()
    installation.wait_for("role=cluster exit_code=-9")
    installation.named("uvicorn")[0].kill()
    installation.wait_for("role=web exit_code=-9")
    installation.named("postgres -D")[0].kill()
    installation.named("valkey-server")[0].kill()
    installation.wait_for("server.restarted", times=2)
    assert wait_until(lambda: installation.idle_workers() and installation.named("uvicorn"), 20)

    family = installation.family()
    installation.process.send_signal(signal.SIGINT)
    assert installation.process.wait(30) == 0
    assert [process for process in family if is_alive(process)] == [], installation.output()
    assert not (home / "postgres" / "postmaster.pid").exists()


def test_a_killed_up_takes_its_children_along_and_the_next_one_finds_servers_and_data(up, home):
    first = up()
    first.wait_for("ready in")
    children = [p for p in first.family()[1:] if "python" in p.name() or "qcluster" in p.name()]
    postmaster = (home / "postgres" / "postmaster.pid").read_text().split()[0]
    first.process.kill()
    first.process.wait()
    assert wait_until(lambda: not any(map(is_alive, children)), 10)
    second = up()
    second.wait_for("ready in", times=2)
    assert (home / "postgres" / "postmaster.pid").read_text().split()[0] == postmaster
    second.process.terminate()
    assert second.process.wait(30) == 0
    assert not (home / "postgres" / "postmaster.pid").exists()
