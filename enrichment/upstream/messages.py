"""What is asked of an upstream, with which key and how much patience, and what came back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a call may take: to connect, between two reads, and altogether."""

    connect_s: float = 3.0
    read_s: float = 10.0
    total_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, without the key."""

    method: str
    url: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the body of an error only as far as it explains itself. `is_framed`: its end was marked."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_framed: bool


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """What an account sends to prove itself, and nobody may see."""

    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def secrets(self) -> list[str]:
        return [*self.headers.values(), *self.params.values()]
