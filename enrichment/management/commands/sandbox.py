"""Run the imitation upstreams on a loopback port until told to stop."""

from __future__ import annotations

import argparse
import logging
import math
import signal
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from django.core.management.base import BaseCommand, CommandError, CommandParser

from enrichment.sandbox import faults
from enrichment.sandbox.market import Market
from enrichment.sandbox.mint_file import BadMintFile, MintFile
from enrichment.sandbox.server import Sandbox
from enrichment.sandbox.wire import HungUp

HOST = "127.0.0.1"
_FEWEST_MINTS, _MOST_MINTS = 10, 1_000_000
_MAX_SPEED = 10_000.0
_LIST_REACHES_BACK_S = 3_600.0  # market seconds of launches already listed when no --since is given
_STOP_S = 2  # an upstream may hang up on open connections


class Command(BaseCommand):
    """Needs no database, no Redis and no network."""

    help = "Run the sandbox: imitation upstream APIs over a simulated market, on a loopback port."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--port", type=_port, default=8900, help="0 takes a free one (default 8900)")
        parser.add_argument("--mints", type=_mints, default=3_000, help="settled tokens (default 3000)")
        parser.add_argument("--mint-file", type=Path, help="settled tokens from a CSV or text file, .gz too")
        parser.add_argument("--seed", type=int, default=1, help="which market (default 1)")
        parser.add_argument("--speed", type=_speed, default=1.0, help="how much faster the market lives (default 1)")
        parser.add_argument(
            "--since", type=_moment, help="list launches from this ISO time on; the same one continues a list"
        )
        parser.add_argument(
            "--fault", nargs="+", action="extend", type=_fault, default=[], metavar="NAME",
            help="what goes wrong, everywhere (http_500) or with one upstream (helius:stall)",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        """Listen, say so in one line, and serve until a signal comes."""
        # uvicorn stops on these signals and then hands them on to whoever listened before it.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: sys.exit(0))
        with _listen(options["port"]) as listener:
            app = _sandbox(options)
            listener.listen(socket.SOMAXCONN)
            self.stdout.write(f"sandbox listening on http://{HOST}:{listener.getsockname()[1]}")
            self.stdout.flush()
            _serve(app, listener)


def _sandbox(options: dict[str, Any]) -> Sandbox:
    seed, speed, since_s = options["seed"], options["speed"], options["since"]
    try:
        file = MintFile.read(options["mint_file"], seed) if options["mint_file"] else None
    except BadMintFile as error:
        raise CommandError(str(error)) from error
    market = Market(seed=seed, mints=options["mints"], speed=speed, file=file)
    if since_s is None:
        since_s = time.time() - _LIST_REACHES_BACK_S / speed
    return Sandbox(market, since_s=since_s, fault_names=options["fault"])


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise CommandError(f"the sandbox cannot use port {port} of {HOST}: {error.strerror}") from error
    return listener


def _serve(app: Sandbox, listener: socket.socket) -> None:
    logging.getLogger("uvicorn.error").addFilter(_is_unexpected)
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_STOP_S,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _is_unexpected(record: logging.LogRecord) -> bool:
    """Say whether a line is worth logging: that an answer was broken off as ordered is not."""
    return not (record.exc_info and isinstance(record.exc_info[1], HungUp))


def _fault(text: str) -> str:
    try:
        faults.chosen([text])
    except faults.UnknownFault as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _port(text: str) -> int:
    return int(_within(text, 0, 65_535))


def _mints(text: str) -> int:
    return int(_within(text, _FEWEST_MINTS, _MOST_MINTS))


def _speed(text: str) -> float:
    return _within(text, 0.001, _MAX_SPEED)


def _within(text: str, least: float, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text} is not a number from {least:,g} to {most:,.0f}")
    return number


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not an ISO time") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
