"""Ranks every priced token by believable volume, and moves tokens between tiers when their rank does."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import structlog
from django.db import connection, transaction

from refresh import policy, queue
from refresh.models import RankRun
from tokens import store

log = structlog.get_logger()

TURNOVER = 20
"""k of believable volume = min(volume, k × liquidity): in one real list 19 % "traded" over 100 × their liquidity."""
KEEP_RUNS = timedelta(days=7)

# Only rows whose rank or tier changes come back (an operator may have moved a tier's bounds); a token that lost its
# price or was removed leaves the ranking.
_CHANGED = """
WITH ranked AS (
    SELECT p.token_id, row_number() OVER (
        ORDER BY least(p.volume_24h, %s * p.liquidity) DESC NULLS LAST, p.liquidity DESC NULLS LAST,
                 p.market_cap DESC NULLS LAST, t.mint)::int AS rank
    FROM token_prices p JOIN tokens t ON t.id = p.token_id
    WHERE p.price IS NOT NULL AND p.price_status <> 'unavailable' AND t.removed_at IS NULL
)
SELECT p.token_id, r.rank, (SELECT count(*) FROM ranked) FROM token_prices p
LEFT JOIN ranked r ON r.token_id = p.token_id
LEFT JOIN refresh_tiers x ON r.rank >= x.rank_from AND (x.rank_to IS NULL OR r.rank <= x.rank_to)
WHERE p.rank IS DISTINCT FROM r.rank OR p.tier IS DISTINCT FROM x.name
"""


def rank(now: datetime) -> RankRun:
    """Re-rank everything in one transaction; history, events and tiers follow for those that moved."""
    begun, tiers = time.monotonic(), queue.tiers()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_CHANGED, [TURNOVER])
            rows = cursor.fetchall()
        tier_by_token = {token_id: policy.tier_for(rank, tiers) for token_id, rank, _ in rows}
        ranks = {token_id: (rank, tier_by_token[token_id].name if rank else None) for token_id, rank, _ in rows}
        store.set_ranks(ranks, now)
        queue.retier(tier_by_token, now)
        queue.drop_removed()
        size = rows[0][2] if rows else _last_size()
        run = RankRun.objects.create(at=now, size=size, changed=len(rows), duration_s=time.monotonic() - begun)
        RankRun.objects.filter(at__lt=now - KEEP_RUNS).delete()
    if run.changed:
        log.info("tokens.ranked", size=run.size, changed=run.changed, duration_s=round(run.duration_s, 3))
    return run


def is_due(now: datetime, *, interval: timedelta, newly_priced: int) -> bool:
    """Say whether to rank now: an interval has passed, or a tenth of the ranking is new (a young installation)."""
    last = RankRun.objects.order_by("-at").first()
    return last is None or now - last.at >= interval or newly_priced > last.size // 10


def _last_size() -> int:
    last = RankRun.objects.order_by("-at").first()
    return last.size if last else 0
