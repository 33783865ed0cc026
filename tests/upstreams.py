"""The real sandbox on a loopback port, for tests of the pipeline: nothing of ours is replaced."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from enrichment.sandbox import faults
from enrichment.sandbox.market import Market
from enrichment.sandbox.server import Sandbox


@dataclass(frozen=True, slots=True)
class Upstreams:
    """A running sandbox: its address, its market, and a switch for faults."""

    url: str
    app: Sandbox
    market: Market

    @contextmanager
    def failing(self, *names: str) -> Iterator[None]:
        """Let the named faults happen inside the block."""
        self.app._faults = faults.chosen(names)
        try:
            yield
        finally:
            self.app._faults = faults.chosen(())

    def calls(self) -> list[dict[str, object]]:
        """Return the journal of requests so far."""
        return list(self.app._journal)


@contextmanager
def running(*, mints: int = 250) -> Iterator[Upstreams]:
    """Serve a small market from a thread until the block ends."""
    market = Market(seed=7, mints=mints)
    app = Sandbox(market, since_s=time.time() - 60)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield Upstreams(f"http://127.0.0.1:{listener.getsockname()[1]}", app, market)
        finally:
            server.should_exit = True
            thread.join(10)
