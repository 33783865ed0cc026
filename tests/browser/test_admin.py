"""The admin in a real Chromium: its forms work and nothing of it breaks the policy."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from refresh.models import RefreshTier
from tests.builders import token
from tests.test_page import HOSTILE

pytestmark = pytest.mark.django_db(transaction=True)
APPS = {"tokens", "enrichment", "refresh"}


@pytest.fixture
def operator(live_server: LiveServer, visit: Callable[..., Page]) -> Page:
    """An operator's browser, logged in through the form."""
    User.objects.create_superuser("operator", password="long enough for anybody")
    page = visit(f"{live_server.url}/admin/")
    page.fill("#id_username", "operator")
    page.fill("#id_password", "long enough for anybody")
    page.click("[type=submit]")
    expect(page.locator("#user-tools")).to_contain_text("operator")
    return page


def test_every_board_opens_on_hostile_tokens(live_server: LiveServer, operator: Page) -> None:
    rows = [token(number, symbol=text, name=text, description=text) for number, text in enumerate(HOSTILE, start=1)]
    operator.on("dialog", lambda dialog: pytest.fail("a name ran as a script"))
    boards = [model._meta for model in admin.site._registry if model._meta.app_label in APPS]
    paths = [reverse(f"admin:{board.app_label}_{board.model_name}_changelist") for board in boards]
    paths += [reverse("admin:tokens_token_change", args=[row.pk]) for row in rows]
    for path in paths:
        answer = operator.goto(live_server.url + path)
        assert answer is not None
        assert answer.status == 200
        assert operator.evaluate("violations") == []


def test_a_boundary_is_moved_by_hand(live_server: LiveServer, operator: Page) -> None:
    RefreshTier.objects.all().delete()
    RefreshTier.objects.create(name="A", position=0, rank_from=1, rank_to=50, interval_s=15, priority=1000)
    RefreshTier.objects.create(name="B", position=1, rank_from=51, rank_to=None, interval_s=30, priority=500)
    operator.goto(live_server.url + reverse("admin:refresh_refreshtier_changelist"))
    operator.fill("#id_form-1-rank_from", "1")
    operator.click("[name=_save]")
    expect(operator.locator("body")).to_contain_text("must begin after rank 1")
    operator.fill("#id_form-1-rank_from", "61")
    operator.click("[name=_save]")
    expect(operator.locator(".messagelist")).to_contain_text("was changed successfully")
    assert RefreshTier.objects.get(position=0).rank_to == 60
