"""The page at `/`: a plain paged table that works by itself and that `static/tokens/page.js` brings to life."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import F, Max
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from tokens import counts
from tokens.models import Token, TokenPrice

PER_PAGE = 100
LAST_PAGE = 1000  # the API's own bound: beyond 100,000 rows a cursor is the way
NEW_SHOWN = 12
BLANK = TokenPrice(token=Token(mint=""))
"""The row that the live page clones for a token it did not get from the server."""


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Answer with the table page; asked for JSON, with the two counts of its head, which no event carries."""
    response = JsonResponse(_counts()) if request.headers.get("Accept") == "application/json" else _page(request)
    response["Cache-Control"] = "no-cache"
    patch_vary_headers(response, ["Accept"])
    return response


def _page(request: HttpRequest) -> HttpResponse:
    number = _page_number(request.GET)
    rows = _rows(number)
    if not rows and number > 1:
        raise Http404("No tokens on that page.")
    if number == 1 and rows and rows[0].rank is None:
        rows = []  # a hundred nameless mints say less than how far the first minute got
    context = {
        "rows": rows[:PER_PAGE],
        "blank": BLANK,
        "newest": Token.objects.order_by("-first_seen_at", "-id")[:NEW_SHOWN],
        "counts": _counts(),
        "number": number,
        "previous": number - 1,
        "next": number + 1 if len(rows) > PER_PAGE and number < LAST_PAGE else 0,
        "now": timezone.now(),
        "upstreams": settings.UPSTREAMS,
    }
    return render(request, "tokens/index.html", context)


def _page_number(query: QueryDict) -> int:
    text = query.get("page", "1")
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= LAST_PAGE):
        raise Http404(f"Pages run from 1 to {LAST_PAGE}.")
    return int(text)


def _rows(number: int) -> list[TokenPrice]:
    """Return the page's tokens by rank, and one more where there is a next page.

    The ids come first, from the rank index alone: a deep page steps over entries of it and over no row.
    """
    start = (number - 1) * PER_PAGE
    ranked = TokenPrice.objects.order_by(F("rank").asc(nulls_last=True), "token")
    ids = list(ranked.values_list("pk", flat=True)[start : start + PER_PAGE + 1])
    found = TokenPrice.objects.select_related("token").in_bulk(ids)
    return [found[token_id] for token_id in ids if token_id in found]


def _counts() -> dict[str, Any]:
    """Return how many tokens are known, and how many had a price at the last ranking: its last rank is their number."""
    known = counts.quick(Token.objects.all())
    return {
        "known": known.value,
        "known_is_estimate": known.is_estimate,
        "priced": TokenPrice.objects.aggregate(last=Max("rank"))["last"] or 0,
    }
