"""What a client may say on the WebSocket: typed, strict, and answered with one clear mistake when it is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import orjson
from msgspec import Meta, Struct

from tokens.filters import MAX_SEQ

CHANNELS = ("tokens", "new", "top")
EVENTS = {word: f"token:{word}" for word in ("new", "update", "price-change", "volume-spike", "status", "relisted")}
"""The words of a subscription's filter, and the event types they stand for."""

_Id = Annotated[str, Meta(max_length=64)] | Annotated[int, Meta(ge=-MAX_SEQ, le=MAX_SEQ)] | None
_Seq = Annotated[int, Meta(ge=0, le=MAX_SEQ)]


class Mistake(Exception):
    """A message that cannot be obeyed. `allowed` names what could be; `id` is the message's own, where it had one."""

    def __init__(self, code: str, message: str, allowed: Sequence[str] | None = None, *, id: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.allowed, self.id = code, message, allowed, id


class Op(Struct, kw_only=True, tag_field="op", forbid_unknown_fields=True):
    """Any message; `id` comes back in its answer."""

    id: _Id = None


class Channelled(Op, kw_only=True):
    """A message about a channel."""

    channel: str

    def check(self) -> None:
        """Raises: Mistake, naming the channels there are."""
        if self.channel not in CHANNELS:
            raise Mistake("unknown_channel", "there is no such channel", CHANNELS)


class Subscribe(Channelled, kw_only=True, tag="subscribe"):
    """Hear of addresses, or hear a channel; from `since_seq` on where given."""

    addresses: list[str] = []
    events: list[str] | None = None
    since_seq: _Seq | None = None

    def check(self) -> None:
        """Raises: Mistake."""
        super().check()
        if not set(self.events or ()) <= EVENTS.keys():
            raise Mistake("unknown_event", "there is no such event", list(EVENTS))
        if bool(self.addresses) != (self.channel == "tokens"):
            raise Mistake("invalid_message", "channel tokens, and it alone, takes addresses")

    @property
    def types(self) -> frozenset[str] | None:
        """The event types asked for; None for all."""
        return None if self.events is None else frozenset(EVENTS[word] for word in self.events)


class Unsubscribe(Channelled, kw_only=True, tag="unsubscribe"):
    """Hear no more of addresses (without any: of all), or of a channel."""

    addresses: list[str] = []


class Resume(Op, kw_only=True, tag="resume"):
    """Be sent what the present subscriptions would have brought since a sequence."""

    since_seq: _Seq


class Ping(Op, kw_only=True, tag="ping"):
    """Be answered."""


class List(Op, kw_only=True, tag="list"):
    """Be told the present subscriptions."""


_decoder: msgspec.json.Decoder[Op] = msgspec.json.Decoder(Subscribe | Unsubscribe | Resume | Ping | List)


def parse(text: str | None) -> Op:
    """Return the client's message. Raises: Mistake."""
    if text is None:
        raise Mistake("invalid_message", "a JSON text message is needed, not a binary one")
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError as error:
        raise Mistake("invalid_message", str(error), id=_id_of(text)) from None
    except (ValueError, RecursionError):
        raise Mistake("invalid_json", "the message is no JSON object") from None


def _id_of(text: str) -> Any:
    """Return the id of a message that is JSON but otherwise wrong, if it is one that can be sent back."""
    try:
        return msgspec.convert(orjson.loads(text)["id"], _Id)
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
