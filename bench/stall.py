"""How long a bystander waits for Redis while somebody else works with it.

The bystander is a process of its own: `python -m bench.stall SOCKET` pings until its input ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import redis

PAUSE_S = 0.001


def longest_wait_ms(url: str, work: Callable[[], object]) -> float:
    """Return the longest answer to a PING while `work` ran."""
    command = [sys.executable, "-m", "bench.stall", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as bystander:  # noqa: S603
        assert bystander.stdout is not None
        bystander.stdout.readline()  # it pings
        work()
        said, _ = bystander.communicate()  # closes its input
    return float(json.loads(said))


def main(url: str) -> None:
    """Ping until the input ends, then print the longest wait."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    client, longest_s = redis.Redis.from_url(url), 0.0
    client.ping()
    print("ready", flush=True)
    while not ended.is_set():
        begun = time.perf_counter()
        client.ping()
        longest_s = max(longest_s, time.perf_counter() - begun)
        time.sleep(PAUSE_S)
    print(json.dumps(1000 * longest_s))


if __name__ == "__main__":
    main(sys.argv[1])
