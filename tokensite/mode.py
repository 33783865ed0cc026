"""Decide between the live upstreams and the sandbox before the settings are read."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass

from tokensite.runs import Run

CHOICES = ("auto", "live", "sandbox")
JUPITER_URL = "https://api.jup.ag"  # the settings' default: what must answer for `auto` to mean live

Environ = MutableMapping[str, str]


class ModeInvalid(Exception):
    """UPSTREAMS holds something else; the message is for a human."""


@dataclass(frozen=True)
class Mode:
    """What was chosen, `live` or `sandbox`, and why, in words for the start report."""

    upstreams: str
    why: str


def resolve(environ: Environ, run: Run | None, answers: Callable[[str], bool]) -> Mode:
    """Choose, and put the choice into `environ`, so that the settings and every child see a plain fact.

    An explicit UPSTREAMS wins, then what the given `run` of `up` decided, then whether Jupiter answers.
    Raises: ModeInvalid.
    """
    wanted = environ.get("UPSTREAMS", "").strip() or "auto"
    if wanted not in CHOICES:
        raise ModeInvalid(f"UPSTREAMS={wanted!r}: one of {', '.join(CHOICES)} is needed.")
    if wanted != "auto":
        mode = Mode(wanted, f"UPSTREAMS={wanted}")
    elif run:
        mode = Mode(run.upstreams, "as the last `up` decided")
    else:
        mode = _ask(environ.get("JUPITER_URL", "").strip() or JUPITER_URL, answers)
    environ["UPSTREAMS"] = mode.upstreams
    return mode


def _ask(url: str, answers: Callable[[str], bool]) -> Mode:
    if answers(url):
        return Mode("live", f"Jupiter answers at {url}")
    return Mode("sandbox", f"Jupiter does not answer at {url}")


def place_sandbox(environ: Environ, running: Run | None, free_port: Callable[[], int]) -> None:
    """Give the sandbox an address: the configured one, that of the running `up`, else a port of our own.

    A SANDBOX_PORT in `environ` afterwards says that the sandbox is ours to start.
    """
    if environ.get("SANDBOX_URL", "").strip():
        return
    if running and running.sandbox_url:
        environ["SANDBOX_URL"] = running.sandbox_url
        environ.pop("SANDBOX_PORT", None)
        return
    port = environ.get("SANDBOX_PORT", "").strip()
    if port in ("", "0"):
        environ["SANDBOX_PORT"] = port = str(free_port())
    environ["SANDBOX_URL"] = f"http://127.0.0.1:{port}"
