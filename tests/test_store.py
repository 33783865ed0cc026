"""The one writer: rows, history and events in one transaction, and the promise that patches rebuild the snapshot."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import NOW, facts, mint
from tokens import links, store
from tokens.fields import FIELDS, RowEncoder
from tokens.models import OutboxEvent, PriceHistory, RankHistory, Token, TokenPrice

pytestmark = pytest.mark.django_db
Known = Callable[..., list[int]]


def events() -> list[dict[str, Any]]:
    return [orjson.loads(body) for body in OutboxEvent.objects.order_by("id").values_list("body", flat=True)]


def snapshot() -> dict[str, dict[str, Any]]:
    """Every announced token as REST shows it, with its revision."""
    encode = RowEncoder([n for n, f in FIELDS.items() if not f.is_derived and not f.is_linked], NOW)
    rows = TokenPrice.objects.filter(revision__gt=0).values_list("token_id", "revision", *encode.columns)
    shown = {token_id: encode(values) | {"revision": revision} for token_id, revision, *values in rows}
    for token_id, (socials, websites) in links.of(list(shown)).items():
        shown[token_id] |= {"socials": socials, "websites": websites}
    return {row["address"]: row for row in shown.values()}


def replayed(known: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The state of a client that applies every event by the documented rule."""
    state: dict[str, dict[str, Any]] = {}
    for event in known:
        row = state.setdefault(event["address"], dict.fromkeys((n for n in FIELDS if not FIELDS[n].is_derived), None))
        if event["type"] == "token:new":
            row |= {"revision": event["revision"]}
        else:
            assert event["revision"] == row["revision"] + 1
        row |= event["data"] | {"revision": event["revision"]}
    return state


def test_registering_returns_only_what_was_unknown_and_announces_it(known: Known) -> None:
    known(3)
    with transaction.atomic():
        fresh = store.register([mint(n) for n in (4, 2, 3, 4)], source="test", now=NOW, announce=True)
    assert {r.mint for r in fresh} == {mint(3), mint(4)}
    assert [e["type"] for e in events()] == ["token:new"] * 5
    assert Token.objects.count() == TokenPrice.objects.count() == 5


def test_registering_outside_a_transaction_is_refused(transactional_db: None) -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        store.register([mint(1)], source="test", now=NOW, announce=True)


def test_a_bulk_load_is_silent_until_its_facts_arrive(known: Known) -> None:
    known(3, announce=False)
    assert events() == []
    store.apply([facts(1)], NOW)
    (event,) = events()
    assert (event["type"], event["address"], event["revision"]) == ("token:new", mint(1), 1)
    assert event["data"]["symbol"] == "T1"


def test_facts_about_unknown_mints_are_dropped(known: Known) -> None:
    known(1)
    assert [p.mint for p in store.apply([facts(0), facts(99)], NOW)] == [mint(0)]
    assert Token.objects.count() == 1


def test_history_holds_each_price_once_and_only_changes(known: Known) -> None:
    known(1)
    for seconds, price in ((0, "1"), (15, "1"), (30, "2"), (45, None), (60, "2"), (75, "1")):
        at = NOW + timedelta(seconds=seconds)
        store.apply([facts(0, price, at=at)], at)
    history = list(PriceHistory.objects.order_by("at").values_list("at", "price"))
    assert history == [
        (NOW, Decimal(1)),
        (NOW + timedelta(seconds=30), Decimal(2)),
        (NOW + timedelta(seconds=75), Decimal(1)),
    ]


def test_replaying_a_batch_adds_nothing(known: Known) -> None:
    known(5)
    batch = [facts(n, socials={"twitter": "https://x.com/a"}) for n in range(5)]
    store.apply(batch, NOW)
    before = (len(events()), PriceHistory.objects.count(), snapshot())
    assert store.apply(batch, NOW) == []
    assert (len(events()), PriceHistory.objects.count(), snapshot()) == before


def test_ranks_change_the_row_its_history_and_its_event_together(known: Known) -> None:
    ids = known(2)
    store.set_ranks({ids[0]: (1, "CRITICAL")}, NOW)
    store.set_ranks({ids[0]: (None, None)}, NOW)
    assert list(RankHistory.objects.order_by("id").values_list("token_id", "rank")) == [(ids[0], 1), (ids[0], None)]
    assert [e["data"]["rank"] for e in events()[2:]] == [1, None]


def test_a_status_is_told_only_when_it_changes(known: Known) -> None:
    ids = known(2)
    store.set_status({ids[0]: "complete", ids[1]: "pending"}, NOW)
    assert [(e["type"], e["data"]["status"]) for e in events()[2:]] == [("token:status", "complete")]


def test_the_number_of_statements_does_not_grow_with_the_batch(
    known: Known, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    known(300)
    with django_assert_max_num_queries(20):
        store.apply([facts(n) for n in range(300)], NOW)


def test_huge_supplies_and_tiny_prices_survive_to_the_last_digit(known: Known) -> None:
    known(1)
    store.apply([facts(0, "0.000000000024000001", total_supply=Decimal("18446744073709551615.123"))], NOW)
    row = snapshot()[mint(0)]
    assert (row["price"], row["total_supply"]) == ("0.000000000024000001", "18446744073709551615.123")


step = st.tuples(
    st.integers(0, 3),
    st.sampled_from(["facts", "rank", "status"]),
    st.sampled_from([None, "1", "2.5", "0.00000001"]),
    st.sampled_from([{}, {"symbol": "new"}, {"socials": {"telegram": "t"}}, {"websites": (("Website", "w"),)}]),
    st.booleans(),
)


@given(steps=st.lists(step, max_size=12), announce=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_old_snapshot_and_the_patches_make_the_new_snapshot(steps: list[Any], announce: bool, db: None) -> None:
    with transaction.atomic():
        fresh = store.register([mint(n) for n in range(4)], source="test", now=NOW, announce=announce)
        ids = {r.mint: r.token_id for r in fresh}
        for second, (number, kind, price, more, flag) in enumerate(steps):
            at = NOW + timedelta(seconds=second)
            if kind == "facts":
                store.apply([facts(number, price, at=at, **more)], at)
            elif kind == "rank":
                store.set_ranks({ids[mint(number)]: (second, "HIGH") if flag else (None, None)}, at)
            else:
                store.set_status({ids[mint(number)]: "complete" if flag else "partial"}, at)
        rebuilt = replayed(events())
        assert rebuilt == snapshot()
        transaction.set_rollback(True)
