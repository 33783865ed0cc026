"""Health: what it says when all is well, and that it says it when nothing is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache, caches
from django.db import connection
from django.test import Client
from pytest_django import Settings

from tokens import health
from tokens.models import Pulse

pytestmark = pytest.mark.django_db


@pytest.fixture
def beating(settings: Settings) -> datetime:
    """All jobs ran just now."""
    now = datetime.now(UTC)
    Pulse.objects.bulk_create(Pulse(name=name, due_at=now, beat_at=now) for name in settings.PULSES)
    return now


@pytest.fixture
def no_database() -> Iterator[None]:
    """The database went away: every connection is refused."""
    connection.close()
    port, connection.settings_dict["HOST"] = connection.settings_dict["HOST"], "/nowhere"
    yield
    connection.close()
    connection.settings_dict["HOST"] = port


@pytest.fixture
def no_cache(settings: Settings) -> Iterator[None]:
    """The cache went away."""
    nowhere = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1"}
    settings.CACHES = {"default": nowhere}
    yield
    del caches["default"]


def test_all_is_well_when_the_stores_answer_and_the_jobs_beat(client: Client, beating: datetime) -> None:
    response = client.get("/api/health")
    body = response.json()
    assert (response.status_code, response["Cache-Control"]) == (200, "no-store")
    assert {k: body[k] for k in ("status", "mode", "upstreams", "database", "cache", "version")} == {
        "status": "ok", "mode": "sandbox", "upstreams": {"mode": "sandbox"}, "database": "ok", "cache": "ok",
        "version": "0.1.0",
    }  # fmt: skip
    assert body["uptime_s"] >= 0
    assert set(body["jobs"]) == {"detect", "enrich", "refresh"}
    assert {job["status"] for job in body["jobs"].values()} == {"ok"}


def test_a_job_that_fell_silent_degrades_and_is_named(client: Client, beating: datetime) -> None:
    Pulse.objects.filter(name="refresh").update(beat_at=beating - timedelta(seconds=health.LATE_S + 1))
    Pulse.objects.filter(name="detect").delete()
    body = client.get("/api/health").json()
    assert body["status"] == "degraded"
    assert {name: job["status"] for name, job in body["jobs"].items()} == {
        "detect": "never_ran", "enrich": "ok", "refresh": "late",
    }  # fmt: skip


@pytest.mark.usefixtures("beating", "no_cache")
def test_without_its_cache_it_is_degraded_and_still_answers(client: Client) -> None:
    response = client.get("/api/health")
    assert (response.status_code, response.json()["status"], response.json()["cache"]) == (
        200,
        "degraded",
        "unavailable",
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("no_database")
def test_without_its_database_it_is_degraded_alive_and_not_ready(client: Client) -> None:
    response = client.get("/api/health")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert (response.json()["database"], response.json()["cache"], response.json()["jobs"]) == (
        "unavailable",
        "ok",
        None,
    )
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 503


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("no_database")
def test_without_the_database_a_reader_is_told_when_to_come_back(client: Client) -> None:
    response = client.get("/api/v3/tokens")
    assert (response.status_code, response["Content-Type"]) == (503, "application/problem+json")
    assert response["Retry-After"] == "5"


def test_ready_means_migrated(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_is_migrated", False)
    assert client.get("/readyz").status_code == 200
    monkeypatch.setattr(health, "_is_migrated", False)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'tokens'")
    assert client.get("/readyz").status_code == 503


def test_live_asks_nobody(client: Client) -> None:
    cache.clear()
    assert client.get("/livez").json() == {"status": "ok"}
