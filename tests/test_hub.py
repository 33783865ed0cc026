"""The hub: order, gaps, duplicates, and who gets what. Real PostgreSQL, real channel layer, no WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
import pytest
from channels.layers import get_channel_layer
from django.db import connections
from pytest_django import Settings

from tests import builders
from tests.conftest import mint
from tokens import hub as hub_module
from tokens.audience import TOO_SLOW, Client, Event, Frame
from tokens.hub import Hub, read
from tokens.models import OutboxEvent, RelayState
from tokens.outbox import Published
from tokens.relay import GROUP, message

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def short_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in the web process: a thread keeps no connection that would outlive the test."""
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)
    return


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    """A hub that listens."""
    hub = Hub()
    await hub.start()
    yield hub
    await hub.stop()


def listening(hub: Hub, *numbers: int, channel: str | None = None) -> Client:
    """A client that follows the tokens, or a channel."""
    client = Client()
    hub.clients.add(client)
    hub.audience.follow(client, [mint(n) for n in numbers], None)
    if channel:
        hub.audience.join(client, channel, None)
    return client


async def heard(client: Client, count: int) -> list[dict[str, Any]]:
    """The next frames of a client, heartbeats aside."""
    got: list[dict[str, Any]] = []
    async with asyncio.timeout(5):
        while len(got) < count:
            frame = await client.next()
            assert frame is not None
            if (body := orjson.loads(frame.text))["type"] != "heartbeat":
                got.append(body)
    return got


def held(events: list[Published]) -> list[Event]:
    return [Event.of(event) for event in events]


async def publish(*events: Any) -> list[Published]:
    return await read(builders.publish, *events)


async def test_a_batch_on_the_bus_reaches_those_who_follow_the_token_and_nobody_else(hub: Hub) -> None:
    one, two = listening(hub, 1), listening(hub, 2)
    layer: Any = get_channel_layer()
    while hub._channel is None:  # the subscription is under way
        await asyncio.sleep(0)
    events = await publish(builders.update(1, price="1"), builders.update(2, price="2"), builders.update(1, 3))
    await layer.group_send(GROUP, message(events))
    assert [e["seq"] for e in await heard(one, 2)] == [1, 3]
    assert await heard(two, 1) == [orjson.loads(events[1].frame)]


async def test_a_silent_bus_loses_nothing(hub: Hub) -> None:
    client = listening(hub, 1)
    await publish(builders.update(1), builders.update(1, 3))
    await hub.catch_up()
    assert [e["seq"] for e in await heard(client, 2)] == [1, 2]


async def test_a_gap_is_filled_before_what_comes_after_it(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "FILL_CHUNK", 2)
    client = listening(hub, 1)
    events = held(await publish(*(builders.update(1, n) for n in range(2, 11))))
    await hub.take(events[0:1])
    await hub.take(events[7:9])
    assert [e["seq"] for e in await heard(client, 9)] == list(range(1, 10))


async def test_what_came_already_is_dropped(hub: Hub) -> None:
    client = listening(hub, 1)
    events = held(await publish(*(builders.update(1, n) for n in range(2, 7))))
    for batch in (events[:3], events[:3], events[2:5], events[0:1]):
        await hub.take(batch)
    await publish(builders.update(1, 7))
    await hub.catch_up()
    assert [e["seq"] for e in await heard(client, 6)] == [1, 2, 3, 4, 5, 6]


async def test_batches_side_by_side_stay_in_order(hub: Hub) -> None:
    client = listening(hub, 1)
    events = held(await publish(*(builders.update(1, n) for n in range(2, 42))))
    await asyncio.gather(*(hub.take(events[start : start + 5]) for start in range(35, -5, -5)), hub.catch_up())
    assert [e["seq"] for e in await heard(client, 40)] == list(range(1, 41))


async def test_a_gap_that_cannot_be_filled_is_told_to_everybody(hub: Hub) -> None:
    clients = [listening(hub, 1), listening(hub, channel="new")]
    events = held(await publish(*(builders.update(1, n) for n in range(2, 7))))
    await read(lambda: OutboxEvent.objects.filter(seq__lte=3).delete())
    await hub.take(events[4:])
    for client in clients:
        assert (await heard(client, 1))[0] == {"type": "resync_required", "seq": 4}
    assert [e["seq"] for e in await heard(clients[0], 1)] == [5]


async def test_a_gap_beyond_memory_is_not_filled(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "RECENT_EVENTS", 3)
    client = listening(hub, 1)
    await publish(*(builders.update(1, n) for n in range(2, 7)))
    await hub.catch_up()
    assert await heard(client, 1) == [{"type": "resync_required", "seq": 5}]


async def test_a_sequence_that_starts_over_is_told(hub: Hub) -> None:
    client = listening(hub, 1)
    await publish(builders.update(1), builders.update(1, 3))
    await hub.catch_up()
    await heard(client, 2)
    await read(lambda: RelayState.objects.update(last_seq=1))
    await hub.catch_up()
    assert (await heard(client, 1))[0]["type"] == "resync_required"
    assert hub.seq == 1


async def test_memory_tells_what_came_since_or_that_it_does_not_know(hub: Hub) -> None:
    events = held(await publish(*(builders.update(1, n) for n in range(2, 7))))
    await hub.take(events)
    assert hub.since(2) == events[2:]
    assert (hub.since(5), hub.since(9), hub.since(0)) == ([], [], events)
    hub._recent.popleft()
    assert (hub.since(0), hub.since(1)) == (None, events[1:])


async def test_a_reading_and_what_passed_it_by_leave_no_gap(hub: Hub) -> None:
    async def slow_reading() -> Published:
        await hub.take(held(await publish(builders.update(1, 3), builders.update(2))))
        return Published(1, "", None, "")  # a state as of seq 1

    await hub.take(held(await publish(builders.update(1))))
    _, tail = await hub.joined(slow_reading)
    assert [event.seq for event in tail] == [2, 3]


async def test_a_reading_ahead_of_the_hub_is_waited_for(hub: Hub) -> None:
    async def reading() -> Published:
        return (await publish(builders.update(1), builders.update(2)))[-1]

    client = listening(hub, 1)
    ahead, tail = await hub.joined(reading)
    assert (ahead.seq, hub.seq, tail) == (2, 2, [])
    assert [e["seq"] for e in await heard(client, 1)] == [1]


async def test_new_tokens_go_to_who_hears_new_and_once_to_who_wants_them_twice(hub: Hub) -> None:
    both = listening(hub, 1, channel="new")
    new = listening(hub, channel="new")
    await publish(builders.update(1, 1, "token:new"), builders.update(2), builders.update(3, 1, "token:new"))
    await hub.catch_up()
    assert [e["seq"] for e in await heard(both, 2)] == [1, 3]
    assert [e["seq"] for e in await heard(new, 2)] == [1, 3]


async def test_top_is_sent_again_when_its_order_changes_and_only_then(hub: Hub) -> None:
    first, _ = await read(lambda: [builders.token(n) for n in (1, 2)])
    top = await hub.top()
    client = listening(hub, channel="top")
    await hub.refresh_top()
    assert (await hub.top()).addresses == top.addresses == (mint(1), mint(2))
    await read(lambda: type(first).objects.filter(pk=first.pk).update(rank=3))
    await hub.refresh_top()
    (snapshot,) = await heard(client, 1)
    assert (snapshot["type"], snapshot["channel"]) == ("snapshot", "top")
    assert [(row["address"], row["revision"]) for row in snapshot["data"]] == [(mint(2), 1), (mint(1), 1)]
    await publish(builders.update(3), builders.update(2))
    await hub.catch_up()
    assert [e["address"] for e in await heard(client, 1)] == [mint(2)]


async def test_a_top_to_which_events_join_on_no_more_is_read_again(hub: Hub) -> None:
    await read(builders.token, 1)
    assert (await hub.top()).seq == 0
    await publish(builders.update(1), builders.update(1, 3))
    await hub.catch_up()
    assert (await hub.top()).seq == 0
    hub._recent.popleft()
    assert (await hub.top()).seq == 2


async def test_a_client_that_does_not_take_its_frames_is_closed_and_costs_nothing_more(
    hub: Hub, settings: Settings
) -> None:
    settings.WS_QUEUE_FRAMES = 16
    slow, quick = listening(hub, 1), listening(hub, 1)
    for revision in range(2, 20):
        await publish(builders.update(1, revision))
        await hub.catch_up()
        await heard(quick, 1)
    assert (slow.close_code, quick.close_code) == (TOO_SLOW, None)
    assert await slow.next() is None
    assert hub.audience.of(Event(99, "token:update", mint(1), Frame(""))) == [quick]


async def test_one_large_batch_is_not_slowness(hub: Hub, settings: Settings) -> None:
    settings.WS_QUEUE_FRAMES = 16
    client = listening(hub, 1)
    await publish(*(builders.update(1, n) for n in range(2, 52)))
    await hub.catch_up()
    assert len(await heard(client, 50)) == 50


async def test_who_left_is_forgotten(hub: Hub) -> None:
    client = listening(hub, 1, 2, channel="new")
    hub.forget(client)
    assert (hub.clients, client.addresses, client.channels, dict(hub.audience._by_address)) == (set(), {}, {}, {})


async def test_a_frame_is_compressed_once_for_all() -> None:
    frame = Frame.of({"type": "heartbeat", "seq": 1})
    assert frame.packed() is frame.packed()


async def test_a_job_of_the_hub_outlives_its_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    done = asyncio.Event()
    calls = iter([OSError(), ValueError(), None])

    async def work() -> None:
        if error := next(calls, None):
            raise error
        done.set()

    monkeypatch.setattr(hub_module, "LONGEST_PAUSE_S", 0.0)
    task = asyncio.create_task(hub_module._keep(work, 0.0))
    async with asyncio.timeout(5):
        await done.wait()
    task.cancel()
