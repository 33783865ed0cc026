"""Who listens in this process, and to what: clients with their bounded queues, indexed by address and by channel."""

from __future__ import annotations

import asyncio
import zlib
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from django.conf import settings

from tokens.outbox import Published
from tokens.serializers import TOKEN_NEW

TOO_SLOW = 4408  # a close code of the published contract
GONE = 1006  # RFC 6455: the connection ended without a close frame; never sent


class Frame:
    """One wire message, serialised and compressed at most once per process."""

    __slots__ = ("_packed", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._packed: bytes | None = None

    @classmethod
    def of(cls, message: dict[str, Any]) -> Frame:
        """Return the frame of a message that is not JSON yet."""
        return cls(orjson.dumps(message).decode())

    def packed(self) -> bytes:
        """Return the zlib form, for clients of `?encoding=deflate`."""
        if self._packed is None:
            self._packed = zlib.compress(self.text.encode())
        return self._packed


@dataclass(frozen=True, slots=True)
class Event:
    """A published event, ready to be handed out."""

    seq: int
    type: str
    mint: str | None
    frame: Frame

    @classmethod
    def of(cls, event: Published) -> Event:
        """Return a stored event in this form."""
        return cls(event.seq, event.type, event.mint, Frame(event.frame))


Types = frozenset[str] | None
"""The event types that a subscription asks for; None for all."""
_NONE: Types = frozenset()  # not subscribed


class Client:
    """One connection: its subscriptions, and the bounded queue of what it was not sent yet."""

    def __init__(self) -> None:
        self.addresses: dict[str, Types] = {}
        self.channels: dict[str, Types] = {}
        self.close_code: int | None = None
        self._waiting: deque[Frame] = deque()
        self._changed = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()

    def offer(self, frames: Iterable[Frame]) -> None:
        """Queue the frames of one occasion, or close a client whose queue is full from earlier ones."""
        if self.close_code is not None:
            return None
        if len(self._waiting) >= settings.WS_QUEUE_FRAMES:
            self._waiting.clear()
            return self.close(TOO_SLOW)
        self._waiting.extend(frames)
        self._drained.clear()
        return self._changed.set()

    def close(self, code: int) -> None:
        """Accept nothing more; the connection closes once what waits was sent."""
        if self.close_code is None:
            self.close_code = code
            self._changed.set()
            self._drained.set()

    def abandon(self) -> None:
        """Drop what waits: nobody takes it any more."""
        self._waiting.clear()
        self.close(GONE)
        self._drained.set()

    async def next(self) -> Frame | None:
        """Return the oldest waiting frame; None once the client is closed and nothing waits."""
        while not self._waiting:
            self._drained.set()
            if self.close_code is not None:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()

    async def drained(self) -> None:
        """Wait until everything queued was taken, so that nobody is read more for than they read themselves."""
        await self._drained.wait()


class Audience:
    """The index of subscriptions. `top` holds the addresses that the channel `top` stands for at present."""

    def __init__(self) -> None:
        self.top: frozenset[str] = frozenset()
        self._by_address: defaultdict[str, set[Client]] = defaultdict(set)
        self._by_channel: defaultdict[str, set[Client]] = defaultdict(set)

    def follow(self, client: Client, addresses: Iterable[str], types: Types) -> None:
        """Let the client hear of the addresses from now on; what it wanted of them before is replaced."""
        for address in addresses:
            client.addresses[address] = types
            self._by_address[address].add(client)

    def unfollow(self, client: Client, addresses: Iterable[str]) -> None:
        """Let the client hear of the addresses no more."""
        for address in addresses:
            client.addresses.pop(address, None)
            self._by_address[address].discard(client)
            if not self._by_address[address]:
                del self._by_address[address]

    def join(self, client: Client, channel: str, types: Types) -> None:
        """Let the client hear a channel from now on."""
        client.channels[channel] = types
        self._by_channel[channel].add(client)

    def leave(self, client: Client, channel: str) -> None:
        """Let the client hear a channel no more."""
        client.channels.pop(channel, None)
        self._by_channel[channel].discard(client)

    def forget(self, client: Client) -> None:
        """Let the client hear nothing more."""
        self.unfollow(client, list(client.addresses))
        for channel in list(client.channels):
            self.leave(client, channel)

    def of_channel(self, channel: str) -> list[Client]:
        """Return who hears the channel."""
        return list(self._by_channel[channel])

    def of(self, event: Event) -> list[Client]:
        """Return who wants the event, each once."""
        listeners = self._by_address.get(event.mint or "", frozenset()).union(
            *(self._by_channel[channel] for channel in self._channels(event))
        )
        return [client for client in listeners if self.wants(client, event)]

    def wants(self, client: Client, event: Event) -> bool:
        """Say whether one of the client's subscriptions is for the event."""
        subscriptions = [client.addresses.get(event.mint or "", _NONE)]
        subscriptions += [client.channels.get(channel, _NONE) for channel in self._channels(event)]
        return any(types is None or event.type in types for types in subscriptions)

    def _channels(self, event: Event) -> list[str]:
        channels = ["new"] if event.type == TOKEN_NEW else []
        return [*channels, "top"] if event.mint in self.top else channels
