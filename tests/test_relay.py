"""The outbox and its relay: contiguous numbers, nothing unpublished, nothing lost when a relay dies."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import orjson
import pytest
from django.db import connection, transaction

from tests.conftest import NOW
from tokens import outbox, relay
from tokens.models import OutboxEvent, RelayState
from tokens.outbox import Event, Published


def owe(count: int) -> None:
    with transaction.atomic():
        outbox.append([Event("token:new", NOW, f"mint{n}", 1, {"n": n}) for n in range(count)])


class Layer:
    """Records what is published, and fails when told to: the seam of `relay_once`."""

    def __init__(self, failures: int = 0) -> None:
        self.events: list[Published] = []
        self.failures = failures

    def __call__(self, events: Sequence[Published]) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the channel layer is away")
        self.events += events


@pytest.mark.django_db
def test_events_are_numbered_in_order_without_a_gap_and_across_batches() -> None:
    layer = Layer()
    owe(relay.BATCH + 3)
    assert relay.relay_once(layer) == relay.BATCH + 3
    owe(2)
    relay.relay_once(layer)
    assert [e.seq for e in layer.events] == list(range(1, relay.BATCH + 6))
    frame = orjson.loads(layer.events[1].frame)
    assert frame | {"ts": ""} == {
        "seq": 2, "v": 1, "type": "token:new", "ts": "", "address": "mint1", "revision": 1, "data": {"n": 1},
    }  # fmt: skip


@pytest.mark.django_db
def test_what_could_not_be_published_goes_out_first_and_keeps_its_number() -> None:
    layer = Layer(failures=1)
    owe(2)
    with pytest.raises(ConnectionError):
        relay.relay_once(layer)
    owe(1)
    relay.relay_once(layer)
    assert [e.seq for e in layer.events] == [1, 2, 3]
    state = RelayState.objects.get()
    assert (state.last_seq, state.published_seq) == (3, 3)


@pytest.mark.django_db(transaction=True)
def test_an_event_of_a_rolled_back_change_never_existed() -> None:
    with transaction.atomic():
        outbox.append([Event("token:new", NOW)])
        transaction.set_rollback(True)
    assert relay.relay_once(Layer()) == 0


@pytest.mark.django_db(transaction=True)
def test_an_event_needs_the_transaction_of_its_change() -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        outbox.append([Event("token:new", NOW)])


@pytest.mark.django_db(transaction=True)
def test_a_late_committer_is_numbered_after_and_not_stepped_over() -> None:
    layer, may_commit, has_written = Layer(), threading.Event(), threading.Event()

    def slow_writer() -> None:
        with transaction.atomic():
            outbox.append([Event("token:new", NOW, "late", 1)])
            has_written.set()
            may_commit.wait(10)
        connection.close()

    writer = threading.Thread(target=slow_writer)
    writer.start()
    has_written.wait(10)
    owe(1)
    relay.relay_once(layer)
    may_commit.set()
    writer.join()
    relay.relay_once(layer)
    assert [(e.seq, e.mint) for e in layer.events] == [(1, "mint0"), (2, "late")]


@pytest.mark.django_db
def test_pruning_forgets_only_published_events_beyond_what_is_kept() -> None:
    owe(5)
    relay.relay_once(Layer())
    owe(1)
    assert outbox.prune(keep=2) == 3
    assert list(OutboxEvent.objects.order_by("id").values_list("seq", flat=True)) == [4, 5, None]
