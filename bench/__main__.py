"""`make bench`: run every suite, or those named, and print one table row and one JSON line per figure."""

from __future__ import annotations

import sys

from bench import detect
from bench.table import environment

SUITES = {"detect": detect.main}

wanted = sys.argv[1:] or list(SUITES)
if unknown := [name for name in wanted if name not in SUITES]:
    sys.exit(f"No suite called {', '.join(unknown)}. There are: {', '.join(SUITES)}.")
environment()
for name in wanted:
    SUITES[name]()
