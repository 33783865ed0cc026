import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

ROOT = Path(__file__).resolve().parents[1]


def command(*options: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), "sandbox", *options]


@contextmanager
def running(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command("--port", "0", *options), stdout=pipe, stderr=pipe, text=True, cwd=ROOT) as process:
        try:
            line = process.stdout.readline()
            url = re.fullmatch(r"sandbox listening on (http://127\.0\.0\.1:\d+)\n", line)
            assert url, line + process.stderr.read()
            yield process, url[1]
        finally:
            process.kill()


@pytest.fixture
def own_signals() -> Iterator[None]:
    """What the command does about signals is undone, when it runs in this process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_stops_on_a_signal(number):
    options = (
        "--mints",
        "50",
        "--seed",
        "9",
        "--fault",
        "html",
        "empty_list",
        "--fault",
        "helius:stall",
        "jupiter:reset",
    )
    with running(*options) as (process, url):
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310
            about = json.load(response)
        assert (about["mints"], about["seed"]) == (50, 9)
        assert about["faults"] == ["empty_list", "helius:stall", "html", "jupiter:reset"]
        urllib.request.urlopen(f"{url}/dexscreener/token-boosts/top/v1", timeout=10).close()  # noqa: S310
        with pytest.raises(http.client.HTTPException):  # broken off in the middle, and nothing about it in the log
            urllib.request.urlopen(f"{url}/jupiter/tokens/v2/recent", timeout=10).read()  # noqa: S310
        process.send_signal(number)
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--mint-file", "/nowhere/list.csv"], "No such file"),
        (["--mints", "2"], "--mints"),
        (["--speed", "fast"], "--speed"),
        (["--since", "yesterday"], "--since"),
        (["--fault", "helius:nonsense"], "--fault"),
    ],
)
@pytest.mark.usefixtures("own_signals")
def test_a_bad_option_is_one_clear_message(options, said):
    with pytest.raises(CommandError, match=said):
        call_command("sandbox", "--port", "0", *options)


def test_a_bad_option_ends_the_program_without_a_traceback():
    result = subprocess.run(command("--fault", "nonsense"), capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert result.returncode == 2
    assert "--fault: unknown fault nonsense" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


@pytest.mark.usefixtures("own_signals")
def test_an_occupied_port_is_one_clear_message():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        with pytest.raises(CommandError, match=f"cannot use port {port}"):
            call_command("sandbox", "--port", port)
