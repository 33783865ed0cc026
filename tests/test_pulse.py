"""Pulses: no slot twice, one leader, one standby, and a failure that ends nothing."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ, Schedule
from pytest_django import Settings

from tokens import pulse
from tokens.models import Pulse

pytestmark = pytest.mark.django_db
ran: list[datetime] = []


def note_slot(now: datetime) -> None:
    ran.append(now)


def fail(now: datetime) -> None:
    ran.append(now)
    raise ZeroDivisionError


@pytest.fixture(autouse=True)
def _quick(settings: Settings) -> None:
    settings.PULSE_BUDGET_S = 0.12
    settings.PULSES = {
        "note": {"run": "tests.test_pulse.note_slot", "period_s": 0.03},
        "fail": {"run": "tests.test_pulse.fail", "period_s": 0.03},
    }
    ran.clear()


def test_a_pulse_runs_each_slot_once_then_hands_over_to_a_fresh_copy() -> None:
    pulse.beat("note")
    slots = [int(now.timestamp() // 0.03) for now in ran]
    assert len(slots) >= 2
    assert len(slots) == len(set(slots))
    assert Pulse.objects.get(name="note").lease_id is None
    assert OrmQ.objects.count() == 1


def test_a_failing_slot_is_followed_by_the_next() -> None:
    pulse.beat("fail")
    assert len(ran) >= 2


def test_a_second_copy_stands_by_and_leads_when_the_leader_dies() -> None:
    dead = timezone.now() + timedelta(milliseconds=50)
    Pulse.objects.create(name="note", due_at=dead, lease_id=uuid.uuid4())
    pulse._POLL_S, before = 0.01, pulse._POLL_S
    try:
        pulse.beat("note")
    finally:
        pulse._POLL_S = before
    assert ran
    assert min(ran) >= dead


def test_a_third_copy_leaves_at_once() -> None:
    later = timezone.now() + timedelta(hours=1)
    Pulse.objects.create(name="note", due_at=later, lease_id=uuid.uuid4(), standby_until=later)
    pulse.beat("note")
    assert ran == []
    assert OrmQ.objects.count() == 0


def test_a_leader_that_lost_its_lease_stops() -> None:
    Pulse.objects.create(name="note", due_at=timezone.now(), lease_id=uuid.uuid4())
    pulse._lead("note", uuid.uuid4(), deadline=float("inf"))
    assert ran == []


def test_schedules_follow_the_settings_and_every_pulse_starts_at_once(settings: Settings) -> None:
    settings.JOBS = {"tokens.tasks.upkeep": "*/10 * * * * 0"}
    Schedule.objects.create(name="of an older version", func="gone", schedule_type=Schedule.CRON, cron="* * * * *")
    pulse.ensure_schedules()
    pulse.ensure_schedules()
    assert set(Schedule.objects.values_list("name", flat=True)) == {"pulse note", "pulse fail", "tokens.tasks.upkeep"}
    assert OrmQ.objects.count() == 4
