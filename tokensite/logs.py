"""Logging: one event per line, `noun.past_tense key=value`, with secrets and query strings cut out."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_QUERY = re.compile(r"(https?://[^\s?\"']+)\?[^\s\"']*")
_KEY = re.compile(r"(?i)\b(api[-_]?key|x-api-key|token|password|secret)(\"?\s*[=:]\s*\"?)[^\s\"',&]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a token's name must not drive the operator's terminal


def redact(text: str) -> str:
    """Return `text` without URL queries, key values and terminal controls."""
    return _CONTROL.sub("�", _KEY.sub(r"\1\2***", _QUERY.sub(r"\1?***", text)))


def _redact_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redact(value)
    return event


def configure(*, level: str, json: bool) -> None:
    """Send our events and every library's records to stderr in one format."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    if json:
        renderer: Any = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.processors.KeyValueRenderer(
            key_order=["timestamp", "level", "event"], repr_native_str=False
        )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "hpack", "asyncio"):  # they log URLs, and a key may ride in a URL
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("django-q").setLevel(logging.WARNING)
    logging.getLogger("django.request").setLevel(logging.ERROR)
