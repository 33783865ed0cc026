"""`make bench`: run every suite, print one table row and one JSON line per figure."""

from __future__ import annotations

from bench import detect

detect.main()
