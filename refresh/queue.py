"""The debts of looking again: SQL only, no policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from refresh.models import RefreshState, RefreshTier
from refresh.policy import Tier
from tokens import bulk, leasing
from tokens.leasing import Claim

COLUMNS = ["misses", "last_outcome", "refreshed_at"]

_ADOPT = """
INSERT INTO refresh_states (token_id, position, misses, last_outcome, due_at)
SELECT p.token_id, %s, 0, '', %s + random() * %s * interval '1 second' FROM token_prices p
JOIN tokens t ON t.id = p.token_id AND t.removed_at IS NULL
WHERE p.price IS NOT NULL AND NOT EXISTS (SELECT 1 FROM refresh_states r WHERE r.token_id = p.token_id)
ON CONFLICT DO NOTHING
"""
_DROP = """
DELETE FROM refresh_states r USING tokens t
WHERE t.id = r.token_id AND t.removed_at IS NOT NULL AND r.lease_id IS NULL
"""
_RETIER = """
UPDATE refresh_states r SET position = v.position,
    due_at = CASE WHEN r.lease_id IS NULL THEN least(r.due_at, %s + v.gap_s * interval '1 second') ELSE r.due_at END
FROM unnest(%s::bigint[], %s::smallint[], %s::float[]) AS v(token_id, position, gap_s)
WHERE r.token_id = v.token_id
"""


def tiers() -> list[Tier]:
    """Return the tiers as operators set them, the most important first."""
    return [
        Tier(t.name, t.position, t.rank_from, t.rank_to, timedelta(seconds=t.interval_s), t.factor)
        for t in RefreshTier.objects.order_by("position")
    ]


def adopt(now: datetime, tier: Tier) -> int:
    """Give every priced token that has none a debt in `tier`, due somewhere in its interval; return how many.

    They were priced a moment ago; the next ranking moves them to their tier and nearer.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ADOPT, [tier.position, now, tier.interval.total_seconds()])
        return int(cursor.rowcount)


def drop_removed() -> int:
    """Forget the debts of removed tokens; a relisted one is adopted again. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(_DROP)
        return int(cursor.rowcount)


def claim(now: datetime, limit: int, levels: Sequence[int]) -> Claim[RefreshState]:
    """Claim up to `limit` due tokens, the most important tier first and the longest due first within a tier."""
    lease = timedelta(seconds=settings.REFRESH_LEASE_S)
    return leasing.claim_by_level(RefreshState, now=now, limit=limit, lease=lease, column="position", levels=levels)


def settle(claim: Claim[RefreshState], rows: Sequence[Mapping[str, Any]]) -> int:
    """Give claimed tokens back, each with its next `due_at`; return how many were still ours."""
    return leasing.settle(claim, rows, COLUMNS)


def retier(tier_by_token: Mapping[int, Tier], now: datetime) -> None:
    """Move tokens to other tiers; a token that rose is due within its new interval, a held one keeps its lease."""
    for chunk in bulk.chunks(list(tier_by_token.items()), 20_000):
        params: list[Any] = [now, [], [], []]
        for token_id, tier in chunk:
            for column, value in zip(params[1:], (token_id, tier.position, tier.interval.total_seconds()), strict=True):
                column.append(value)
        with connection.cursor() as cursor:
            cursor.execute(_RETIER, params)
