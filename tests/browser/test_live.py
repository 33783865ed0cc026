"""From the store to the screen: the real web process, relay, bus and hub, with Chromium at the end of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from channels.layers import get_channel_layer
from django.db import connections
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.builders import token
from tests.conftest import facts, mint
from tokens import relay, store

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def short_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the web process: a thread keeps no connection that would outlive the test."""
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)
    monkeypatch.setenv("PROCESS_ROLE", "web")


@pytest.fixture
def relaying() -> Iterator[None]:
    """Publish what is committed, as the relay's process does."""
    stop = threading.Event()

    def run() -> None:
        layer: Any = get_channel_layer()
        with asyncio.Runner() as runner:
            while not stop.wait(0.02):
                relay.relay_once(lambda batch: runner.run(layer.group_send(relay.GROUP, relay.message(batch))))
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    stop.set()
    thread.join()


@contextmanager
def web(port: int = 0) -> Iterator[int]:
    """The web process's server in a thread; gives its port."""
    config = uvicorn.Config("tokensite.asgi:application", port=port, log_level="error", ws="websockets-sansio",
                            ws_per_message_deflate=False, timeout_graceful_shutdown=1, lifespan="off")  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def price(number: int, text: str) -> None:
    store.apply([facts(number, text, at=timezone.now())], timezone.now())


@pytest.mark.usefixtures("relaying")
def test_a_committed_price_reaches_the_screen_also_after_the_server_was_away(visit: Callable[..., Page]) -> None:
    token(1, price="1", price_status="low")
    with web() as port:
        page = visit(f"http://127.0.0.1:{port}/")
        shown = page.locator(f'#rows tr[data-address="{mint(1)}"] [data-cell="price"]')
        expect(page.locator("#connection")).to_have_text("Live")
        price(1, "2.5")
        expect(shown).to_have_text("$2.50")
    expect(page.locator("#connection")).to_contain_text("Reconnecting since")
    price(1, "0.00000003")
    with web(port):
        expect(shown).to_have_text("$0.0₇3", timeout=15_000)
        expect(page.locator("#connection")).to_have_text("Live")
