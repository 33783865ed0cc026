"""Ranking by believable volume, and what follows for tiers and due times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from refresh import queue, ranks
from refresh.models import RefreshState, RefreshTier
from tests.conftest import NOW, facts
from tokens import store
from tokens.models import RankHistory, Token, TokenPrice

pytestmark = pytest.mark.django_db
Known = Callable[..., list[int]]


def priced(number: int, volume: int, liquidity: int) -> None:
    store.apply([facts(number, "1", volume_24h_usd=Decimal(volume), liquidity_usd=Decimal(liquidity))], NOW)


def ranking() -> list[int]:
    return list(TokenPrice.objects.filter(rank__isnull=False).order_by("rank").values_list("token_id", flat=True))


def test_volume_counts_only_as_far_as_liquidity_believes_it(known: Known) -> None:
    honest, washed, small, unpriced = known(4)
    priced(0, 1_000_000, 500_000)
    priced(1, 97_100_000, 117)
    priced(2, 5_000, 9_000)
    store.apply([facts(3, None)], NOW)
    ranks.rank(NOW)
    assert ranking() == [honest, small, washed]
    assert TokenPrice.objects.get(token_id=unpriced).rank is None


def test_ranking_again_without_news_changes_nothing(known: Known) -> None:
    known(3)
    for number in range(3):
        priced(number, number, 10_000)
    ranks.rank(NOW)
    before = RankHistory.objects.count()
    assert ranks.rank(NOW).changed == 0
    assert RankHistory.objects.count() == before == 3


def test_a_removed_token_leaves_the_ranking(known: Known) -> None:
    (token_id,) = known(1)
    priced(0, 100, 100_000)
    ranks.rank(NOW)
    Token.objects.filter(id=token_id).update(removed_at=NOW)
    ranks.rank(NOW)
    assert ranking() == []
    assert TokenPrice.objects.get(token_id=token_id).tier is None


def test_a_token_that_rises_is_due_within_its_new_interval(known: Known) -> None:
    (token_id,) = known(1)
    priced(0, 100, 100_000)
    queue.adopt(NOW, queue.tiers()[-1])
    RefreshState.objects.update(due_at=NOW + timedelta(seconds=600))
    ranks.rank(NOW)
    state = RefreshState.objects.get(token_id=token_id)
    assert (state.position, state.due_at) == (0, NOW + timedelta(seconds=15))


def test_tiers_are_the_documented_six() -> None:
    rows = RefreshTier.objects.order_by("position").values_list(
        "name", "rank_from", "rank_to", "interval_s", "priority"
    )
    assert list(rows) == [
        ("CRITICAL", 1, 50, 15, 1000),
        ("HIGH", 51, 200, 30, 500),
        ("MEDIUM", 201, 500, 60, 200),
        ("LOW", 501, 1000, 180, 100),
        ("MINIMAL", 1001, 3000, 300, 50),
        ("INACTIVE", 3001, None, 600, 10),
    ]


def test_a_moved_tier_bound_moves_its_tokens_without_touching_rank_history(known: Known) -> None:
    ids = known(2)
    priced(0, 200, 100_000)
    priced(1, 100, 100_000)
    ranks.rank(NOW)
    before = RankHistory.objects.count()
    RefreshTier.objects.filter(name="CRITICAL").update(rank_to=1)
    RefreshTier.objects.filter(name="HIGH").update(rank_from=2)
    assert ranks.rank(NOW).changed == 1
    assert TokenPrice.objects.get(token_id=ids[1]).tier == "HIGH"
    assert RankHistory.objects.count() == before
