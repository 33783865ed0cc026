"""`GET /api/v3/tokens/{address}` and `GET /api/v3/changes`: one token, and what happened since."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests import builders
from tests.conftest import mint
from tokens import serializers
from tokens.fields import FIELDS
from tokens.models import OutboxEvent

pytestmark = pytest.mark.django_db
CHANGES = "/api/v3/changes"


def changes(client: Client, query: str) -> dict[str, Any]:
    response = client.get(f"{CHANGES}?{query}")
    assert response.status_code == 200, response.content
    return response.json()


def test_a_token_is_its_whole_row_and_the_revision_that_patches_continue(client: Client) -> None:
    builders.token(1, price=Decimal("1.50"), revision=17, socials={"twitter": "https://x.com/a"})
    builders.token(2)
    response = client.get(f"/api/v3/tokens/{mint(1)}")
    answer = response.json()
    assert (response.status_code, answer["status"], answer["meta"]["upstreams"]) == (200, "success", "sandbox")
    assert set(answer["data"]) == {*FIELDS, "revision"}
    assert (answer["data"]["address"], answer["data"]["price"], answer["data"]["revision"]) == (mint(1), "1.5", 17)
    assert answer["data"]["socials"] == {"twitter": "https://x.com/a"}


def test_a_token_costs_four_queries(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    builders.token(1)
    with django_assert_num_queries(4):  # seq, row, socials, websites
        client.get(f"/api/v3/tokens/{mint(1)}")


def test_an_unchanged_token_is_304_and_a_changed_one_is_not(client: Client) -> None:
    live = builders.token(1)
    tag = client.get(f"/api/v3/tokens/{mint(1)}")["ETag"]
    assert client.get(f"/api/v3/tokens/{mint(1)}", headers={"If-None-Match": tag}).status_code == 304
    type(live).objects.update(revision=2)
    assert client.get(f"/api/v3/tokens/{mint(1)}", headers={"If-None-Match": tag}).status_code == 200


def test_an_unknown_mint_is_404_and_registers_nothing(client: Client) -> None:
    response = client.get(f"/api/v3/tokens/{mint(1)}")
    assert (response.status_code, response.json()["type"]) == (404, "urn:tokensite:problem:unknown-token")


@pytest.mark.parametrize(
    "text", ["..", "%2e%2e", "x" * 500, "abc", mint(1)[:-1] + "0", mint(1) + "%00", "%F0%9F%92%A9"]
)
def test_what_is_no_mint_is_400(client: Client, text: str) -> None:
    response = client.get(f"/api/v3/tokens/{text}")
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    assert [error["code"] for error in response.json()["errors"]] == ["invalid_address"]


def test_case_is_never_repaired(client: Client) -> None:
    builders.token(1)
    assert client.get(f"/api/v3/tokens/{mint(1).swapcase()}").status_code in (400, 404)


def test_a_token_takes_no_parameters(client: Client) -> None:
    builders.token(1)
    assert client.get(f"/api/v3/tokens/{mint(1)}?light=true").status_code == 400


def test_changes_are_the_frames_of_the_websocket_in_order(client: Client) -> None:
    builders.publish(*(builders.update(1, n, price=str(n)) for n in range(2, 7)))
    answer = changes(client, "since_seq=1&limit=3")
    assert [change["seq"] for change in answer["changes"]] == [2, 3, 4]
    assert answer["changes"][0] == {
        "seq": 2, "v": 1, "type": "token:update", "ts": "2026-11-22T12:00:00.000Z", "address": mint(1), "revision": 3,
        "data": {"price": "3"},
    }  # fmt: skip
    assert (answer["next_since_seq"], answer["resync_required"]) == (4, False)
    rest = changes(client, "since_seq=4")
    assert [change["seq"] for change in rest["changes"]] == [5]
    nothing = changes(client, "since_seq=5")
    assert (nothing["changes"], nothing["next_since_seq"], nothing["resync_required"]) == ([], 5, False)


@pytest.mark.parametrize("since", [0, 2, 6, 999])
def test_changes_that_are_no_longer_kept_or_never_were_need_a_resync(client: Client, since: int) -> None:
    builders.publish(*(builders.update(1, n) for n in range(2, 7)))
    OutboxEvent.objects.filter(seq__lte=3).delete()
    answer = changes(client, f"since_seq={since}")
    assert (answer["changes"], answer["next_since_seq"], answer["resync_required"]) == ([], 5, True)


def test_an_event_without_a_number_is_not_shown_yet(client: Client) -> None:
    builders.publish(builders.update(1))
    OutboxEvent.objects.create(type="token:update", mint=mint(1), body="{}", created_at=builders.NOW)
    assert len(changes(client, "since_seq=0")["changes"]) == 1
    assert serializers.last_seq() == 1


@pytest.mark.parametrize(
    ("query", "param"), [("", "since_seq"), ("since_seq=-1", "since_seq"), ("since_seq=1&limit=0", "limit"),
                         ("since_seq=99999999999999999999", "since_seq"), ("since_seq=1&limit=2001", "limit")]
)  # fmt: skip
def test_changes_refuse_what_is_not_a_sequence(client: Client, query: str, param: str) -> None:
    response = client.get(f"{CHANGES}?{query}")
    assert response.status_code == 400
    assert [error["param"] for error in response.json()["errors"]] == [param]
