"""`make bench`: run every suite, or those named, and print one table row and one JSON line per figure."""

from __future__ import annotations

import sys

from bench import detect, shared_gate
from bench.table import environment

SUITES = {"detect": detect.main, "gate": shared_gate.main}

if __name__ == "__main__":  # a suite's own processes import this module too
    wanted = sys.argv[1:] or list(SUITES)
    if unknown := [name for name in wanted if name not in SUITES]:
        sys.exit(f"No suite called {', '.join(unknown)}. There are: {', '.join(SUITES)}.")
    environment()
    for name in wanted:
        SUITES[name]()
