"""How much one contestant's process grows at its peak, with the bytes in memory before. Linux only.

Run as a process of its own: `python -m bench.memory CONTESTANT BODY_FILE DIGESTS_FILE`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import orjson

from bench.lists import KEY, Case
from enrichment.detection import delta, read


def growth_mib(contestant: str, case: Case) -> float:
    """Return the growth of a fresh process that takes the list once."""
    with TemporaryDirectory() as place:
        body, digests = Path(place, "body"), Path(place, "digests.npy")
        body.write_bytes(case.body)
        np.save(digests, case.digests)
        command = [sys.executable, "-m", "bench.memory", contestant, str(body), str(digests)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # noqa: S603


def _status_mib(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def _contestants(body: bytes, digests: Path) -> dict[str, Callable[[], object]]:
    previous = np.load(digests)
    return {
        "ours": lambda: delta(previous, read(body, KEY)),
        "orjson.loads": lambda: orjson.loads(body),
        "set(orjson.loads)": lambda: set(orjson.loads(body)),
    }


def main(contestant: str, body_file: str, digests_file: str) -> None:
    """Print the peak minus what the process held when it began, in MiB."""
    delta(None, read(b'["So11111111111111111111111111111111111111112"]', KEY))  # whatever is loaded on first use
    run = _contestants(Path(body_file).read_bytes(), Path(digests_file))[contestant]
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of starting up
    begun = _status_mib("VmRSS")
    answer = run()
    print(_status_mib("VmHWM") - begun)
    del answer


if __name__ == "__main__":
    main(*sys.argv[1:])
