"""`/ws/v3/`: the whole conversation, over the real channel layer and database; at the end over real sockets too."""

from __future__ import annotations

import asyncio
import socket
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from typing import Any

import orjson
import pytest
import uvicorn
from asgiref.testing import ApplicationCommunicator
from channels.layers import get_channel_layer
from django.db import connections
from pytest_django import Settings
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests import builders
from tests.conftest import NOW, facts, mint
from tokens import outbox, serializers, store
from tokens.hub import hub, read
from tokens.models import OutboxEvent, TokenPrice
from tokens.relay import GROUP, message
from tokens.routing import websocket

pytestmark = pytest.mark.django_db(transaction=True)


class Talk(ApplicationCommunicator):
    """A client that speaks JSON and overhears heartbeats."""

    def __init__(
        self, path: str = "/ws/v3/", query: str = "", origins: Sequence[str] = (), application: Any = websocket
    ) -> None:
        headers = [(b"origin", origin.encode("latin-1")) for origin in origins]
        scope = {"type": "websocket", "path": path, "query_string": query.encode(), "headers": headers}
        super().__init__(application, scope)

    async def connect(self) -> bool:
        await self.send_input({"type": "websocket.connect"})
        return (await self.receive_output(5))["type"] == "websocket.accept"

    async def disconnect(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(5)

    async def say(self, **op: Any) -> None:
        await self.send_input({"type": "websocket.receive", "text": orjson.dumps(op).decode()})

    async def hear_anything(self) -> dict[str, Any]:
        output = await self.receive_output(5)
        assert output["type"] == "websocket.send", output
        return orjson.loads(zlib.decompress(output["bytes"]) if "bytes" in output else output["text"])

    async def hear(self) -> dict[str, Any]:
        while (body := await self.hear_anything())["type"] == "heartbeat":
            pass
        return body

    async def hear_seqs(self, count: int) -> list[int]:
        return [(await self.hear())["seq"] for _ in range(count)]

    async def close_code(self) -> int:
        while (output := await self.receive_output(5))["type"] != "websocket.close":
            pass
        return output["code"]


@pytest.fixture(autouse=True)
def short_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in the web process: a thread keeps no connection that would outlive the test."""
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)
    return


@pytest.fixture(autouse=True)
async def stopped_hub() -> AsyncIterator[None]:
    """No hub listens on after its test."""
    yield
    await hub().stop()


@pytest.fixture
async def talk() -> AsyncIterator[Talk]:
    """A client that was welcomed."""
    talk = Talk()
    assert await talk.connect()
    await talk.hear()
    yield talk
    await talk.disconnect()


async def publish(*events: outbox.Event) -> None:
    """Commit and number the events, and let the hub find them."""
    await read(builders.publish, *events)
    await hub().catch_up()


async def subscribed(talk: Talk, *numbers: int, **more: Any) -> dict[str, Any]:
    """Subscribe to tokens; return the acknowledgement, with the snapshot as `data` when there is one."""
    await talk.say(op="subscribe", channel="tokens", addresses=[mint(n) for n in numbers], **more)
    ack = await talk.hear()
    assert ack["type"] == "subscribed"
    return ack


async def test_the_welcome_says_what_to_expect(settings: Settings) -> None:
    await read(builders.publish, builders.update(1), builders.update(2))
    talk = Talk()
    await talk.connect()
    assert await talk.hear() == {
        "v": 1, "type": "welcome", "seq": 2, "channels": ["tokens", "new", "top"], "heartbeat_s": 15,
        "upstreams": "sandbox",
        "limits": {"addresses": 2000, "waiting_frames": 256, "message_bytes": 65536, "messages_per_s": 50},
    }  # fmt: skip


async def test_what_the_store_writes_reaches_a_subscriber_through_relay_and_bus(talk: Talk) -> None:
    await read(builders.token, 1, first_source="list")
    ack = await subscribed(talk, 1, id="a1")
    assert ack == {"type": "subscribed", "id": "a1", "channel": "tokens", "seq": 0, "accepted": 1, "rejected": []}
    snapshot = await talk.hear()
    assert (snapshot["type"], snapshot["channel"], snapshot["seq"], snapshot["id"]) == ("snapshot", "tokens", 0, "a1")
    (row,) = snapshot["data"]
    assert (row["address"], row["price"], row["revision"]) == (mint(1), None, 1)

    await read(store.apply, [facts(1, "2.50"), facts(2, "9")], NOW)
    layer: Any = get_channel_layer()
    await layer.group_send(GROUP, message(await read(outbox.number, 100)))
    update = await talk.hear()
    assert {k: update[k] for k in ("v", "type", "seq", "address", "revision")} == {
        "v": 1, "type": "token:update", "seq": 1, "address": mint(1), "revision": row["revision"] + 1,
    }  # fmt: skip
    assert update["data"]["price"] == "2.5"


async def test_addresses_that_are_none_are_named_and_the_others_accepted(talk: Talk) -> None:
    bad = ["x", mint(1).swapcase() + "0", "y" * 500, "☃"]
    await talk.say(op="subscribe", id=7, channel="tokens", addresses=[mint(1), *bad, mint(1)])
    ack = await talk.hear()
    assert (ack["id"], ack["accepted"]) == (7, 1)
    assert ack["rejected"] == [{"address": a[:64], "code": "invalid_address"} for a in bad]


async def test_a_token_may_be_awaited_before_it_exists(talk: Talk) -> None:
    await subscribed(talk, 1)
    assert (await talk.hear())["data"] == []
    await publish(builders.update(1, 1, "token:new", symbol="T1"))
    assert (await talk.hear())["type"] == "token:new"


async def test_nothing_falls_between_snapshot_and_deltas(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, here, real = asyncio.get_running_loop(), hub(), serializers.snapshot

    def overtaken(addresses: list[str], now: datetime) -> serializers.Snapshot:
        taken = real(addresses, now)
        builders.publish(builders.update(1, 2), builders.update(2), builders.update(1, 3))
        asyncio.run_coroutine_threadsafe(here.catch_up(), loop).result(5)  # the hub hands them out before we do
        return taken

    await read(builders.token, 1)
    monkeypatch.setattr(serializers, "snapshot", overtaken)
    ack = await subscribed(talk, 1)
    snapshot, *events = [await talk.hear() for _ in range(3)]
    assert (ack["seq"], snapshot["seq"], snapshot["data"][0]["revision"]) == (0, 0, 1)
    assert [(e["seq"], e["revision"]) for e in events] == [(1, 2), (3, 3)]
    await publish(builders.update(1, 4))
    assert await talk.hear_seqs(1) == [4]


async def test_what_a_snapshot_holds_is_not_sent_again_when_the_bus_is_late(talk: Talk) -> None:
    await read(builders.token, 1, revision=2)
    await read(builders.publish, builders.update(1, 2))
    assert (await subscribed(talk, 1))["seq"] == 1
    await talk.hear()
    await publish(builders.update(1, 3))
    assert await talk.hear_seqs(1) == [2]


async def test_since_seq_brings_exactly_what_was_missed(talk: Talk) -> None:
    await publish(*(builders.update(n % 2 + 1, n) for n in range(1, 10)))
    ack = await subscribed(talk, 1, since_seq=3)
    assert ack["seq"] == 9
    assert await talk.hear_seqs(3) == [4, 6, 8]
    await publish(builders.update(1, 20))
    assert await talk.hear_seqs(1) == [10]


@pytest.mark.parametrize("since", [0, 2, 7])
async def test_since_seq_that_is_not_kept_brings_a_snapshot_instead(talk: Talk, since: int) -> None:
    await publish(*(builders.update(1, n) for n in range(1, 7)))
    await read(lambda: OutboxEvent.objects.filter(seq__lte=3).delete())
    await subscribed(talk, 1, since_seq=since)
    assert (await talk.hear())["type"] == "snapshot"


async def test_more_missed_than_a_snapshot_is_worth_brings_the_snapshot(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serializers, "REPLAY_LIMIT", 3)
    await publish(*(builders.update(1, n) for n in range(1, 6)))
    await subscribed(talk, 1, since_seq=2)
    assert await talk.hear_seqs(3) == [3, 4, 5]
    await subscribed(talk, 1, since_seq=1)
    assert (await talk.hear())["type"] == "snapshot"


async def test_only_the_events_asked_for_are_sent(talk: Talk) -> None:
    await subscribed(talk, 1, events=["price-change", "status"])
    await talk.hear()
    await publish(
        *(builders.update(1, 2, f"token:{word}") for word in ("update", "price-change", "volume-spike", "status"))
    )
    assert await talk.hear_seqs(2) == [2, 4]
    await subscribed(talk, 1)  # subscribing again replaces the filter
    await talk.hear()
    await publish(builders.update(1))
    assert await talk.hear_seqs(1) == [5]


async def test_resume_sends_the_gap_again_in_order(talk: Talk) -> None:
    await subscribed(talk, 1)
    await talk.hear()
    await talk.say(op="subscribe", channel="new")
    await talk.hear()
    await publish(builders.update(1), builders.update(2), builders.update(3, 1, "token:new"), builders.update(1, 3))
    assert await talk.hear_seqs(3) == [1, 3, 4]
    await talk.say(op="resume", id="r", since_seq=1)
    assert await talk.hear() == {"type": "resumed", "id": "r", "seq": 4, "events": 2}
    assert await talk.hear_seqs(2) == [3, 4]


async def test_resume_beyond_what_is_kept_asks_for_a_resync(talk: Talk) -> None:
    await subscribed(talk, 1)
    await talk.hear()
    await publish(builders.update(1), builders.update(1, 3))
    await talk.hear_seqs(2)
    await read(lambda: OutboxEvent.objects.filter(seq=1).delete())
    for since in (0, 99):
        await talk.say(op="resume", since_seq=since)
        assert await talk.hear() == {"type": "resync_required", "seq": 2}


async def test_new_tokens_are_heard_on_new_and_missed_ones_caught_up(talk: Talk) -> None:
    await publish(builders.update(1, 1, "token:new"), builders.update(1), builders.update(2, 1, "token:new"))
    await talk.say(op="subscribe", channel="new", since_seq=0)
    assert (await talk.hear())["seq"] == 3
    assert await talk.hear_seqs(2) == [1, 3]
    await publish(builders.update(2), builders.update(3, 1, "token:new"))
    assert (await talk.hear())["address"] == mint(3)
    await read(lambda: OutboxEvent.objects.filter(seq=1).delete())
    await talk.say(op="subscribe", channel="new", since_seq=0)
    assert [(await talk.hear())["type"] for _ in range(2)] == ["subscribed", "resync_required"]


async def test_top_is_a_snapshot_and_what_happens_to_its_members(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serializers, "TOP", 2)
    await read(lambda: [builders.token(n, rank=rank) for n, rank in ((1, 2), (2, 1), (3, 3), (4, None))])
    await talk.say(op="subscribe", channel="top")
    ack, snapshot = await talk.hear(), await talk.hear()
    assert (ack["type"], ack["channel"], [r["address"] for r in snapshot["data"]]) == (
        "subscribed",
        "top",
        [mint(2), mint(1)],
    )
    await publish(builders.update(3), builders.update(1))
    assert (await talk.hear())["address"] == mint(1)
    await read(lambda: TokenPrice.objects.filter(rank=3).update(rank=0))
    await hub().refresh_top()
    assert [row["address"] for row in (await talk.hear())["data"]] == [mint(3), mint(2)]
    await publish(builders.update(1, 3), builders.update(3, 3))
    assert (await talk.hear())["address"] == mint(3)


async def test_a_late_listener_of_top_gets_the_shared_snapshot_and_what_came_after_it(talk: Talk) -> None:
    await read(builders.token, 1)
    await hub().top()
    await publish(builders.update(1))
    await talk.say(op="subscribe", channel="top")
    assert [(await talk.hear())["type"] for _ in range(3)] == ["subscribed", "snapshot", "token:update"]


async def test_unsubscribing_is_acknowledged_alike_however_often(talk: Talk) -> None:
    await subscribed(talk, 1, 2, 3)
    await talk.hear()
    await talk.say(op="subscribe", channel="new")
    await talk.hear()
    for _ in range(2):
        await talk.say(op="unsubscribe", id="u", channel="tokens", addresses=[mint(1), "x"])
        ack = await talk.hear()
        assert (ack["type"], ack["id"], ack["accepted"], len(ack["rejected"])) == ("unsubscribed", "u", 1, 1)
        await talk.say(op="unsubscribe", channel="new")
        assert (await talk.hear())["type"] == "unsubscribed"
    await talk.say(op="list", id="l")
    listed = await talk.hear()
    assert (listed["type"], listed["id"], listed["channels"]) == ("list", "l", [])
    assert sorted(listed["addresses"]) == sorted([mint(2), mint(3)])
    await talk.say(op="unsubscribe", channel="tokens")
    await talk.hear()
    await publish(builders.update(2, 1, "token:new"), builders.update(1))
    await talk.say(op="ping", id="p")
    assert await talk.hear() == {"type": "pong", "id": "p", "seq": 2}


async def test_a_heartbeat_comes_by_itself(settings: Settings) -> None:
    settings.WS_HEARTBEAT_S = 0.05
    talk = Talk()
    await talk.connect()
    frames = [await talk.hear_anything() for _ in range(3)]
    assert frames[1:] == [{"type": "heartbeat", "seq": 0}] * 2


async def test_deflated_frames_are_the_same_frames() -> None:
    talk = Talk(query="encoding=deflate")
    await talk.connect()
    await talk.say(op="subscribe", channel="tokens", addresses=[mint(1)])
    assert "bytes" in await talk.receive_output(5)
    assert [(await talk.hear())["type"] for _ in range(2)] == ["subscribed", "snapshot"]


@pytest.mark.parametrize(
    ("op", "code", "allowed"),
    [
        ({"op": "subscribe", "channel": "market"}, "unknown_channel", ["tokens", "new", "top"]),
        ({"op": "unsubscribe", "channel": "__proto__"}, "unknown_channel", ["tokens", "new", "top"]),
        ({"op": "subscribe", "channel": "tokens", "addresses": ["x"], "events": ["all"]}, "unknown_event",
         ["new", "update", "price-change", "volume-spike", "status", "relisted"]),
        ({"op": "subscribe", "channel": "tokens"}, "invalid_message", None),
        ({"op": "subscribe", "channel": "top", "addresses": ["x"]}, "invalid_message", None),
    ],
)  # fmt: skip
async def test_what_cannot_be_subscribed_is_told_with_what_can(talk: Talk, op: Any, code: str, allowed: Any) -> None:
    for _ in range(4):  # a mistake, but a message: it closes nothing
        await talk.say(**op, id="m")
        error = await talk.hear()
        assert (error["type"], error["id"], error["code"], error.get("allowed")) == ("error", "m", code, allowed)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[]", "invalid_message"), ("null", "invalid_message"), ('"x"', "invalid_message"), ("{", "invalid_json"),
        ("é", "invalid_json"), ("NaN", "invalid_json"), ("\ud800", "invalid_json"), ("\x00", "invalid_json"),
        ("[" * 60_000, "invalid_message"), ('{"a":' * 10_000, "invalid_json"),
        ('{"x":' + "[" * 60_000, "invalid_json"), ("{}", "invalid_message"), ('{"op":"__init__"}', "invalid_message"),
        ('{"op":"ping","x":1}', "invalid_message"), ('{"op":["ping"]}', "invalid_message"),
        ('{"op":"subscribe","channel":7}', "invalid_message"), ('{"op":"resume","since_seq":"1"}', "invalid_message"),
        ('{"op":"resume","since_seq":-1}', "invalid_message"), ('{"op":"resume","since_seq":1e99}', "invalid_message"),
        ('{"op":"resume","since_seq":99999999999999999999}', "invalid_message"),
        ('{"op":"subscribe","channel":"tokens","addresses":"x"}', "invalid_message"),
        ('{"op":"ping","id":"' + "x" * 65 + '"}', "invalid_message"), ('{"op":"ping","id":{}}', "invalid_message"),
        ('{"op":"ping","id":99999999999999999999}', "invalid_message"),
    ],
)  # fmt: skip
async def test_three_messages_that_are_none_close_the_connection(talk: Talk, text: str, code: str) -> None:
    for _ in range(3):
        await talk.send_input({"type": "websocket.receive", "text": text})
        error = await talk.hear()
        assert (error["type"], error["code"], error["id"]) == ("error", code, None)
    assert await talk.close_code() == 1008


async def test_binary_messages_are_none_either(talk: Talk) -> None:
    for _ in range(3):
        await talk.send_input({"type": "websocket.receive", "bytes": b'{"op":"ping"}'})
        assert (await talk.hear())["code"] == "invalid_message"
    assert await talk.close_code() == 1008


async def test_a_wrong_message_is_answered_under_its_own_id(talk: Talk) -> None:
    await talk.say(op="resume", id="mine")
    error = await talk.hear()
    assert (error["id"], error["message"]) == ("mine", "Object missing required field `since_seq`")


async def test_a_flood_is_closed(talk: Talk) -> None:
    for _ in range(1000):  # 200 at once, and some more while they are read
        await talk.say(op="ping")
    answers = [await talk.hear()]
    while answers[-1]["type"] == "pong":
        answers.append(await talk.hear())
    assert len(answers) > 200
    assert answers[-1]["code"] == "too_many_messages"
    assert await talk.close_code() == 4429


async def test_more_addresses_than_allowed_are_refused_whole(talk: Talk, settings: Settings) -> None:
    settings.WS_MAX_SUBSCRIPTIONS = 3
    await subscribed(talk, 1, 2)
    await talk.hear()
    await talk.say(op="subscribe", id="m", channel="tokens", addresses=[mint(3), mint(4)])
    error = await talk.hear()
    assert (error["code"], error["id"]) == ("too_many_subscriptions", "m")
    await subscribed(talk, 2, 3)  # two that are one more
    assert (await talk.hear())["type"] == "snapshot"


async def test_nothing_is_read_for_a_client_before_it_took_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, reads, real = asyncio.Event(), [], serializers.snapshot

    async def gated(scope: Any, receive: Any, send: Any) -> None:
        async def send_when_open(message: dict[str, Any]) -> None:
            if message["type"] == "websocket.send":
                await gate.wait()
            await send(message)

        await websocket(scope, receive, send_when_open)

    def counted(*args: Any) -> serializers.Snapshot:
        reads.append(args)
        return real(*args)

    monkeypatch.setattr(serializers, "snapshot", counted)
    talk = Talk(application=gated)
    await talk.connect()
    for _ in range(3):
        await talk.say(op="subscribe", channel="tokens", addresses=[mint(1)])
    for _ in range(20):  # the hub starts, and would read now
        await read(serializers.last_seq)
    assert reads == []
    gate.set()
    assert [(await talk.hear())["type"] for _ in range(7)] == ["welcome", *["subscribed", "snapshot"] * 3]


async def test_more_clients_than_allowed_are_turned_away(talk: Talk, settings: Settings) -> None:
    settings.WS_MAX_CLIENTS = 1
    other = Talk()
    await other.connect()
    assert (await other.hear())["code"] == "too_many_clients"
    assert await other.close_code() == 4429
    await other.disconnect()
    await talk.say(op="ping")
    assert (await talk.hear())["type"] == "pong"


async def test_an_unknown_encoding_is_refused() -> None:
    talk = Talk(query="encoding=gzip")
    await talk.connect()
    error = await talk.hear()
    assert (error["code"], error["allowed"]) == ("unknown_encoding", ["deflate"])
    assert await talk.close_code() == 1008


async def test_without_a_database_a_client_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "HOST", "/nowhere")
    talk = Talk()
    await talk.connect()
    assert (await talk.hear())["code"] == "unavailable"
    assert await talk.close_code() == 1013


async def test_a_database_that_goes_away_costs_an_answer_and_no_connection(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setitem(connections.settings["default"], "HOST", "/nowhere")
        await talk.say(op="subscribe", id="s", channel="tokens", addresses=[mint(1)])
        error = await talk.hear()
        assert (error["code"], error["id"]) == ("unavailable", "s")
    await subscribed(talk, 1)
    assert (await talk.hear())["type"] == "snapshot"


@pytest.mark.parametrize(
    ("origins", "is_welcome"),
    [
        ([], True), (["http://localhost:8000"], True), (["https://127.0.0.1"], True), (["http://[::1]:8000"], True),
        (["https://app.example"], True), (["https://evil.example"], False), (["null"], False), (["http://["], False),
        (["http://localhost@evil.example"], False), (["file://localhost"], False), ([""], False),
        (["http://a:99999999"], False), (["http://localhost", "http://evil.example"], False),
        (["http://app.example"], False), (["\xff"], False),
    ],
)  # fmt: skip
async def test_only_pages_of_ours_may_connect_and_every_program(
    origins: list[str], is_welcome: bool, settings: Settings
) -> None:
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    talk = Talk(origins=origins)
    assert await talk.connect() is is_welcome


async def test_there_is_no_other_websocket() -> None:
    for path in ("/", "/ws/v2/", "/ws/v3", "/ws/v3/x"):
        assert not await Talk(path).connect()


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """A real server, set as the web process sets it, whose sockets hold little of what a client does not read."""
    narrow = socket.create_server(("127.0.0.1", 0))
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    config = uvicorn.Config(
        websocket,
        log_level="error",
        lifespan="off",
        ws="websockets-sansio",
        ws_max_size=65_536,
        ws_per_message_deflate=False,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[narrow]))
    yield f"ws://127.0.0.1:{narrow.getsockname()[1]}/ws/v3/"
    server.should_exit = True
    await task


async def closing_of(client: ClientConnection) -> int | None:
    """Read until the server closes."""

    async def read_on() -> None:
        while True:
            await client.recv()

    with pytest.raises(ConnectionClosed):
        await asyncio.wait_for(read_on(), 10)
    return client.close_code


async def test_a_message_of_65_kilobytes_is_cut(url: str) -> None:
    async with connect(url) as client:
        await client.send('{"op":"ping","id":"' + "x" * 65_536 + '"}')
        assert await closing_of(client) == 1009


async def test_a_slow_reader_is_closed_and_a_quick_one_hears_all(url: str, settings: Settings) -> None:
    settings.WS_QUEUE_FRAMES = 16
    op = orjson.dumps({"op": "subscribe", "channel": "tokens", "addresses": [mint(1)]}).decode()
    async with connect(url, max_queue=1, ping_interval=None) as slow, connect(url) as quick:
        for client in (slow, quick):
            await client.send(op)
        heard: list[int] = []
        while len(heard) < 60:
            body = orjson.loads(await asyncio.wait_for(quick.recv(), 10))
            heard += [body["seq"]] if body["type"] == "token:update" else []
            if body["type"] == "snapshot" or (heard and heard[-1] % 10 == 0 and heard[-1] < 60):
                await publish(*(builders.update(1, blob="x" * 100_000) for _ in range(10)))
        assert heard == list(range(1, 61))
        assert await closing_of(slow) == 4408
