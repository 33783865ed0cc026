"""A token's socials and websites, as rows of REST and events show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokens.models import Social, Website

Links = tuple[dict[str, str], list[dict[str, str]]]
"""Shape: ({type: url}, [{label, url}, …])."""


def of(token_ids: Sequence[int]) -> dict[int, Links]:
    """Return the links of every given token id, empty where it has none: two queries, whatever their number."""
    links: dict[int, Any] = {token_id: ({}, []) for token_id in token_ids}
    socials = Social.objects.filter(token__in=links).order_by("id")
    for token_id, kind, url in socials.values_list("token_id", "type", "url"):
        links[token_id][0][kind] = url
    websites = Website.objects.filter(token__in=links).order_by("id")
    for token_id, label, url in websites.values_list("token_id", "label", "url"):
        links[token_id][1].append({"label": label, "url": url})
    return links
