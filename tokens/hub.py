"""One listener per process: takes batches of events off the channel layer and hands each frame to who wants it.

The bus delivers at most once, so it is only haste. The truth is the outbox: a gap in `seq` is filled from it before
anything later goes out, and a poll finds what a silent bus has lost. All state belongs to one event loop, and nothing
awaits between deciding who gets a frame and queueing it for them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, ParamSpec, Protocol, TypeVar
from weakref import WeakKeyDictionary

import structlog
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings
from redis.exceptions import RedisError

from tokens import serializers
from tokens.audience import Audience, Client, Event, Frame
from tokens.fields import instant
from tokens.relay import GROUP
from tokens.serializers import Snapshot

log = structlog.get_logger()
P = ParamSpec("P")
T = TypeVar("T")

RECENT_EVENTS = 10_000  # kept in memory, some 5 MB: a snapshot that took seconds still joins on without a gap
FILL_CHUNK = 1000  # outbox rows read at once to fill a gap
POLL_S = 2.0  # how long a lost last message may go unnoticed while the bus is silent
TOP_REFRESH_S = 5.0  # how old the membership of `top` may be; a young installation re-ranks every few seconds
LONGEST_PAUSE_S = 30.0  # between tries while the bus or the database is away
_TRIES = 3  # at a reading that events overtake by more than RECENT_EVENTS; a second one hardly ever happens

_READERS = ThreadPoolExecutor(4, "hub-reader")  # of the pool's 10 connections; the others are left to REST
_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


class Overtaken(Exception):
    """More events went by during a reading than memory holds, again and again."""


class _Dated(Protocol):
    @property
    def seq(self) -> int: ...


Reading = TypeVar("Reading", bound=_Dated)


async def read(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a short database read on one of a few threads: a crowd of clients queues here and not for connections."""
    reader = database_sync_to_async(function, thread_sensitive=False, executor=_READERS)
    result: T = await reader(*args, **kwargs)
    return result


def hub() -> Hub:
    """Return the hub of the running event loop, of which a web process has one."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]


def snapshot_frame(channel: str, snapshot: Snapshot, **more: Any) -> Frame:
    """Return the wire message of a snapshot."""
    message = {"type": "snapshot", "channel": channel, "seq": snapshot.seq, **more}
    return Frame.of(message | {"ts": instant(datetime.now(UTC)), "data": snapshot.rows})


@dataclass(frozen=True, slots=True)
class Top:
    """The snapshot of the channel `top` that all its listeners here share."""

    seq: int
    addresses: tuple[str, ...]
    frame: Frame


class Hub:
    """The clients of this process, and `seq`: the newest event that was handed out to them."""

    def __init__(self) -> None:
        self.seq = 0
        self.clients: set[Client] = set()
        self.audience = Audience()
        self._recent: deque[Event] = deque(maxlen=RECENT_EVENTS)
        self._order = asyncio.Lock()  # one batch at a time, also while a gap is being filled
        self._top: Top | None = None
        self._top_lock = asyncio.Lock()
        self._channel: str | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to listen, once. Raises: what the database raises while it is away."""
        if self._tasks:
            return
        async with self._order:
            if self._tasks:
                return
            self.seq = await read(serializers.last_seq)
            work: list[tuple[Callable[[], Awaitable[None]], float]] = [
                (self._listen, 0.0),
                (self.catch_up, POLL_S),
                (self._beat, settings.WS_HEARTBEAT_S),
                (self.refresh_top, TOP_REFRESH_S),
            ]
            self._tasks = [asyncio.create_task(_keep(do, period_s)) for do, period_s in work]

    async def stop(self) -> None:
        """Stop listening."""
        tasks, self._tasks = set(self._tasks), []
        while tasks:
            for task in tasks:
                task.cancel()
            _, tasks = await asyncio.wait(tasks, timeout=0.1)  # not once: redis-py swallows a cancel while it connects

    def forget(self, client: Client) -> None:
        """Let go of a connection that ended."""
        self.clients.discard(client)
        self.audience.forget(client)

    def since(self, seq: int) -> list[Event] | None:
        """Return every event after `seq` that was handed out already; None where memory does not reach back."""
        count = self.seq - seq
        if count > len(self._recent):
            return None
        return list(islice(reversed(self._recent), max(0, count)))[::-1]

    async def joined(self, get: Callable[[], Awaitable[Reading]]) -> tuple[Reading, list[Event]]:
        """Return a reading, and every event after it that was handed out while it was taken.

        Whoever is queued both and made a listener before the next await misses nothing, and is at the hub's own `seq`:
        a reading that is ahead of the hub is waited for. Raises: Overtaken.
        """
        for _ in range(_TRIES):
            reading = await get()
            if reading.seq > self.seq:
                await self.catch_up()
            if (tail := self.since(reading.seq)) is not None:
                return reading, tail
        raise Overtaken

    async def take(self, events: Sequence[Event]) -> None:
        """Hand out a batch in its place: what came before is fetched first, what came already is dropped."""
        async with self._order:
            if events and events[0].seq > self.seq + 1:
                await self._fill(events[0].seq - 1)
            self._deliver([event for event in events if event.seq > self.seq])

    async def catch_up(self) -> None:
        """Hand out what was published and did not arrive."""
        async with self._order:
            last = await read(serializers.last_seq)
            if last < self.seq:  # another database: sequences started over
                self._jump(last)
            await self._fill(last)

    async def _fill(self, last: int) -> None:
        """Hand out everything up to `last` from the outbox, or tell everybody that it is gone."""
        if last - self.seq > RECENT_EVENTS:
            self._jump(last)
        while self.seq < last:
            missed = await read(serializers.published, self.seq, FILL_CHUNK)
            if not missed or missed[0].seq != self.seq + 1:
                self._jump(last)
                return
            self._deliver([Event.of(event) for event in missed])

    def _deliver(self, events: Sequence[Event]) -> None:
        frames: dict[Client, list[Frame]] = {}
        for event in events:
            for client in self.audience.of(event):
                frames.setdefault(client, []).append(event.frame)
            self._recent.append(event)
            self.seq = event.seq
        for client, batch in frames.items():
            self._offer(client, batch)

    def _jump(self, seq: int) -> None:
        log.warning("hub.jumped", from_seq=self.seq, to_seq=seq)
        self._recent.clear()
        self.seq = seq
        self._tell(self.clients, {"type": "resync_required", "seq": seq})

    def _tell(self, clients: Iterable[Client], message: dict[str, Any]) -> None:
        frame = Frame.of(message)
        for client in clients:
            self._offer(client, [frame])

    def _offer(self, client: Client, frames: list[Frame]) -> None:
        client.offer(frames)
        if client.close_code is not None:  # too slow: it is let go of now, though its connection may take long to end
            self.audience.forget(client)

    async def _listen(self) -> None:
        """Take the next batch off the bus."""
        layer: Any = get_channel_layer()
        if self._channel is None:
            self._channel = await _subscribe(layer)
        message = await layer.receive(self._channel)
        await self.take([Event(seq, type_, mint, Frame(text)) for seq, type_, mint, text in message["events"]])

    async def _beat(self) -> None:
        self._tell(self.clients, {"type": "heartbeat", "seq": self.seq})

    async def top(self) -> Top:
        """Return the shared snapshot of `top`, read now if there is none to which events still join on."""
        async with self._top_lock:
            if self._top is None or self.since(self._top.seq) is None:
                self._top = await self._read_top()
            return self._top

    async def refresh_top(self) -> None:
        """Read `top` again, if anybody listens to it, and send it to them if its members or their order changed."""
        async with self._top_lock:
            self._top = await self._read_top() if self.audience.of_channel("top") else None

    async def _read_top(self) -> Top:
        async def get() -> Snapshot:
            return await read(serializers.top_snapshot, datetime.now(UTC))

        snapshot, tail = await self.joined(get)
        top = Top(snapshot.seq, tuple(row["address"] for row in snapshot.rows), snapshot_frame("top", snapshot))
        self.audience.top = frozenset(top.addresses)
        if self._top is None or self._top.addresses != top.addresses:
            after = [event.frame for event in tail if event.mint in self.audience.top]
            for client in self.audience.of_channel("top"):
                self._offer(client, [top.frame, *after])
        return top


async def _subscribe(layer: Any) -> str:
    channel: str = await layer.new_channel("hub.")
    try:
        await layer.group_add(GROUP, channel)
    except (RedisError, OSError):
        await layer.group_discard(GROUP, channel)  # else the layer would fill a queue that nobody reads
        raise
    return channel


async def _keep(work: Callable[[], Awaitable[None]], period_s: float) -> None:
    """Do the work again and again; what stops it is told once, and it is tried again ever more patiently."""
    failures = 0
    while True:
        try:
            await work()
            if failures:
                log.info("hub.recovered", work=work.__name__)
            failures = 0
        except Exception as error:  # noqa: BLE001 - the top of the hub's jobs: delivery must outlive any of them
            if not failures:
                log.warning("hub.stumbled", work=work.__name__, error=type(error).__name__)
            failures += 1
        await asyncio.sleep(min(LONGEST_PAUSE_S, max(period_s, 2.0**failures)) if failures else period_s)
