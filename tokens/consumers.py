"""The WebSocket `/ws/v3/`: the answers to what a client says. What it hears afterwards comes from `tokens.hub`.

A plain ASGI application instead of Channels' consumer class: that one opens a Redis subscription for every client and
takes a thread hop for every message, and here one hub listens for all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from django.db import Error

from tokens import ops, serializers
from tokens.audience import Client, Event, Frame, Types
from tokens.hub import Hub, Overtaken, hub, read, snapshot_frame
from tokens.mint import is_mint
from tokens.ops import Mistake
from tokens.serializers import TOKEN_NEW, Replay

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

POLICY, TRY_LATER, TOO_MANY = 1008, 1013, 4429  # close codes: RFC 6455, its IANA registry, the published contract
MAX_MALFORMED = 3  # messages that are no message of ours; then the client is not one for us
MESSAGES_PER_S, MESSAGE_BURST = 50, 200  # far above any honest client, which subscribes once and listens
MAX_MESSAGE_BYTES = 65_536  # told in the welcome; the server itself cuts longer ones with 1009
_ECHO_CHARS = 64  # of an address that a stranger made up
_UNAVAILABLE = Mistake("unavailable", "the database does not answer now; try again")


async def stream(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """Serve one connection from its first to its last message."""
    await receive()
    await send({"type": "websocket.accept"})
    encoding = parse_qs(scope["query_string"].decode("latin-1")).get("encoding", ["text"])[-1]
    session = Session(hub())
    sender = asyncio.create_task(_send_all(session.client, send, is_packed=encoding == "deflate"))
    try:
        await session.begin(encoding)
        while (message := await receive())["type"] == "websocket.receive":
            await session.hear(message.get("text"))
    finally:
        session.hub.forget(session.client)
        sender.cancel()


async def refuse(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """Turn a connection away before it is one."""
    await receive()
    await send({"type": "websocket.close"})


async def _send_all(client: Client, send: Send, *, is_packed: bool) -> None:
    """Send what is queued until the client is closed or gone."""
    try:
        while frame := await client.next():
            body: Message = {"bytes": frame.packed()} if is_packed else {"text": frame.text}
            await send({"type": "websocket.send"} | body)
        await send({"type": "websocket.close", "code": client.close_code})
    except OSError:  # how servers tell that the peer is gone; the receiving side learns it too, and ends the session
        pass
    finally:
        client.abandon()


class _Rate:
    """A leaky bucket: `MESSAGE_BURST` at once, `MESSAGES_PER_S` for ever."""

    def __init__(self) -> None:
        self._full_until_s = 0.0

    def allows(self, now_s: float) -> bool:
        """Take a message in, and say whether it still fitted."""
        self._full_until_s = max(self._full_until_s, now_s) + 1 / MESSAGES_PER_S
        return self._full_until_s <= now_s + MESSAGE_BURST / MESSAGES_PER_S


@dataclass(frozen=True, slots=True)
class Start:
    """What brings a new subscription up to `seq`, from where live events take over."""

    seq: int
    frames: list[Frame]


class Session:
    """What one connection said, obeyed."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.client = Client()
        self._rate = _Rate()
        self._malformed = 0

    async def begin(self, encoding: str) -> None:
        """Welcome the client, or tell it why it is not."""
        if encoding not in ("text", "deflate"):
            return self._end(POLICY, Mistake("unknown_encoding", "there is no such encoding", ["deflate"]))
        try:
            await self.hub.start()
        except Error:
            return self._end(TRY_LATER, _UNAVAILABLE)
        if len(self.hub.clients) >= settings.WS_MAX_CLIENTS:
            return self._end(TOO_MANY, Mistake("too_many_clients", "all places are taken; try again later"))
        self.hub.clients.add(self.client)  # and no await before the welcome, which comes first
        return self._say(_welcome(self.hub.seq))

    async def hear(self, text: str | None) -> None:
        """Obey one message, or answer what is wrong with it."""
        if self.client.close_code is not None:
            return
        if not self._rate.allows(time.monotonic()):
            self._end(TOO_MANY, Mistake("too_many_messages", f"at most {MESSAGES_PER_S} messages a second"))
            return
        try:
            op = ops.parse(text)
        except Mistake as mistake:
            self._malformed += 1
            self._complain(mistake, mistake.id)
            if self._malformed == MAX_MALFORMED:
                self.client.close(POLICY)
            return
        try:
            await self._obey(op)
        except Mistake as mistake:
            self._complain(mistake, op.id)
        except (Error, Overtaken):
            self._complain(_UNAVAILABLE, op.id)

    async def _obey(self, op: ops.Op) -> None:
        match op:
            case ops.Subscribe():
                op.check()
                await self._subscribe(op)
            case ops.Unsubscribe():
                op.check()
                self._unsubscribe(op)
            case ops.Resume():
                await self._resume(op)
            case ops.Ping():
                self._say({"type": "pong", "id": op.id, "seq": self.hub.seq})
            case ops.List():
                mine = {"channels": list(self.client.channels), "addresses": list(self.client.addresses)}
                self._say({"type": "list", "id": op.id} | mine)

    async def _subscribe(self, op: ops.Subscribe) -> None:
        """Answer, bring the client up to date, and let live events follow without a gap between."""
        accepted, rejected = _sorted_out(op.addresses)
        limit = settings.WS_MAX_SUBSCRIPTIONS
        if len(self.client.addresses.keys() | accepted) > limit:
            raise Mistake("too_many_subscriptions", f"at most {limit} addresses; nothing was subscribed")
        await self.client.drained()
        start, tail = await self.hub.joined(lambda: self._start(op, accepted))
        ack: Message = {"type": "subscribed", "id": op.id, "channel": op.channel, "seq": start.seq}
        if op.channel == "tokens":
            ack |= {"accepted": len(accepted), "rejected": rejected}
        missed = [event.frame for event in tail if self._is_for(op, accepted, event)]
        self.client.offer([Frame.of(ack), *start.frames, *missed])
        self._register(op.channel, accepted, op.types)

    async def _start(self, op: ops.Subscribe, accepted: Collection[str]) -> Start:
        """Return what brings the client up to date: the events it missed if they are kept, else the present state."""
        if op.channel == "top":  # its members change, so missed events would not tell the present state
            top = await self.hub.top()
            return Start(top.seq, [top.frame])
        if op.since_seq is not None:
            replay = await read(serializers.missed, op.since_seq, accepted, with_new=op.channel == "new")
            if replay is not None:
                events = map(Event.of, replay.events)
                return Start(replay.seq, [event.frame for event in events if self._is_for(op, accepted, event)])
        if op.channel == "new":
            return Start(self.hub.seq, [] if op.since_seq is None else [_resync(self.hub.seq)])
        snapshot = await read(serializers.snapshot, accepted, datetime.now(UTC))
        return Start(snapshot.seq, [snapshot_frame("tokens", snapshot, id=op.id)])

    def _is_for(self, op: ops.Subscribe, accepted: Collection[str], event: Event) -> bool:
        members = self.hub.audience.top if op.channel == "top" else accepted
        is_of_channel = event.type == TOKEN_NEW if op.channel == "new" else event.mint in members
        return is_of_channel and (op.types is None or event.type in op.types)

    def _register(self, channel: str, accepted: Iterable[str], types: Types) -> None:
        if channel == "tokens":
            self.hub.audience.follow(self.client, accepted, types)
        else:
            self.hub.audience.join(self.client, channel, types)

    def _unsubscribe(self, op: ops.Unsubscribe) -> None:
        ack: Message = {"type": "unsubscribed", "id": op.id, "channel": op.channel}
        if op.channel == "tokens":
            accepted, rejected = _sorted_out(op.addresses)
            self.hub.audience.unfollow(self.client, accepted if op.addresses else list(self.client.addresses))
            ack |= {"accepted": len(accepted), "rejected": rejected}
        else:
            self.hub.audience.leave(self.client, op.channel)
        self._say(ack)

    async def _resume(self, op: ops.Resume) -> None:
        """Send again, in order, all that the present subscriptions are for; live events follow without a gap."""
        await self.client.drained()
        replay, tail = await self.hub.joined(lambda: self._missed(op.since_seq))
        if isinstance(replay, Start):
            self.client.offer(replay.frames)
            return
        events = [*map(Event.of, replay.events), *tail]
        wanted = [event.frame for event in events if self.hub.audience.wants(self.client, event)]
        ack = {"type": "resumed", "id": op.id, "seq": self.hub.seq, "events": len(wanted)}
        self.client.offer([Frame.of(ack), *wanted])

    async def _missed(self, since_seq: int) -> Replay | Start:
        channels = self.client.channels
        addresses = {*self.client.addresses, *(self.hub.audience.top if "top" in channels else ())}
        replay = await read(serializers.missed, since_seq, addresses, with_new="new" in channels)
        return replay or Start(self.hub.seq, [_resync(self.hub.seq)])

    def _say(self, message: Message) -> None:
        self.client.offer([Frame.of(message)])

    def _complain(self, mistake: Mistake, id_: Any = None) -> None:
        message = {"type": "error", "id": id_, "code": mistake.code, "message": str(mistake)}
        self._say(message if mistake.allowed is None else message | {"allowed": list(mistake.allowed)})

    def _end(self, close_code: int, mistake: Mistake) -> None:
        self._complain(mistake)
        self.client.close(close_code)


def _sorted_out(addresses: Iterable[str]) -> tuple[set[str], list[Message]]:
    """Return the mints, and each other text with what is wrong with it."""
    wanted = dict.fromkeys(addresses)
    accepted = {address for address in wanted if is_mint(address)}
    rejected = [address for address in wanted if address not in accepted]
    return accepted, [{"address": address[:_ECHO_CHARS], "code": "invalid_address"} for address in rejected]


def _resync(seq: int) -> Frame:
    return Frame.of({"type": "resync_required", "seq": seq})


def _welcome(seq: int) -> Message:
    limits = {
        "addresses": settings.WS_MAX_SUBSCRIPTIONS,
        "waiting_frames": settings.WS_QUEUE_FRAMES,
        "message_bytes": MAX_MESSAGE_BYTES,
        "messages_per_s": MESSAGES_PER_S,
    }
    about = {"heartbeat_s": settings.WS_HEARTBEAT_S, "limits": limits, "upstreams": settings.UPSTREAMS}
    return {"v": 1, "type": "welcome", "seq": seq, "channels": ops.CHANNELS} | about
