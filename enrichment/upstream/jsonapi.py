"""Answers as GeckoTerminal writes them: JSON:API, with the network before the address in every id. Pure and total."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from enrichment.upstream import errors
from enrichment.upstream.adapter import part
from enrichment.upstream.errors import RateLimited, Refused, UpstreamError

# Where an HTTP status belongs stand Cloudflare's codes (too many calls, no access) and CoinGecko's (the key).
TOO_MANY, NO_ACCESS = "1015", frozenset({"1020", "10002", "10005", "10010", "10011"})


def refusal(upstream: str, payload: Any) -> UpstreamError | None:
    """Return the error that stands in an answer instead of data, whatever its HTTP status; None where none does."""
    if not isinstance(payload, dict) or payload.get("data") is not None:
        return None
    listed = payload.get("errors")
    first = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else {}
    code = str(part(payload, "status").get("error_code") or first.get("status"))
    if code == TOO_MANY:
        return RateLimited(upstream, "blocked for too many calls")
    if code in NO_ACCESS:
        return Refused(upstream, f"answered {code}: it does not accept us")
    return errors.of_status(upstream, int(code)) if re.fullmatch("[45][0-9][0-9]", code) else None


def resources(payload: Any) -> list[Any] | None:
    """Return the rows of an answer, a single one as a list of one; None where there is no such thing."""
    data = payload.get("data") if isinstance(payload, dict) else None
    if isinstance(data, dict):
        return [data]
    return data if isinstance(data, list) else None


def included(payload: Any, kind: str) -> list[Mapping[str, Any]]:
    """Return the resources of a kind that came along; one that did not is no fault."""
    rows = payload.get("included") if isinstance(payload, dict) else None
    return [row for row in rows if is_a(kind, row)] if isinstance(rows, list) else []


def is_a(kind: str, row: Any) -> bool:
    """Say whether `row` is a resource of that kind, with an id."""
    return isinstance(row, dict) and row.get("type") == kind and isinstance(row.get("id"), str)


def related(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the reference to a related resource, empty where there is none."""
    return part(part(part(row, "relationships"), name), "data")


def split(resource: Mapping[str, Any]) -> tuple[str, str]:
    """Return the network and the address in a resource's id, which the first underscore separates."""
    identity = resource.get("id")
    network, _, address = identity.partition("_") if isinstance(identity, str) else ("", "", "")
    return network, address
