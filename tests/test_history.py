"""Partitions of the price history."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from tests.conftest import NOW
from tokens import history
from tokens.models import PriceHistory


def partitions() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid "
            "WHERE inhparent = 'token_price_history'::regclass ORDER BY 1"
        )
        return [name for (name,) in cursor.fetchall()]


@pytest.mark.django_db
def test_partitions_are_made_ahead_and_dropped_when_their_whole_day_has_expired() -> None:
    start = NOW + timedelta(days=500)
    history.ensure_partitions(start)
    history.ensure_partitions(start)
    made = [history.partition_name((start + timedelta(days=offset)).date()) for offset in range(-1, 4)]
    assert set(made) <= set(partitions())
    PriceHistory.objects.create(token_id=1, at=start, price=1)
    dropped = history.drop_expired(start + timedelta(days=2), keep_days=2)
    assert made[0] in dropped
    assert not set(made[1:]) & set(dropped)
    assert PriceHistory.objects.filter(token_id=1).exists()


@pytest.mark.django_db
def test_a_row_of_a_day_without_a_partition_is_kept_all_the_same() -> None:
    PriceHistory.objects.create(token_id=1, at=NOW + timedelta(days=900), price=1)
    assert PriceHistory.objects.filter(token_id=1).count() == 1
