"""An installation from before the tokens had hashes keeps its tokens, gets their hashes, and starts its lists anew."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from enrichment.models import ListSource
from tests.conftest import NOW, mint
from tokens import digests
from tokens.models import Installation, Token

BEFORE = [("tokens", "0002_partitions_and_storage"), ("enrichment", "0002_storage")]


def migrate(targets: list[tuple[str, str]]) -> Any:
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return MigrationExecutor(connection).loader.project_state(targets).apps


@pytest.mark.django_db(transaction=True)
def test_an_older_installation_is_upgraded_with_its_data() -> None:
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    old = migrate(BEFORE)
    try:
        row = {"first_source": "x", "first_seen_at": NOW, "updated_at": NOW}
        old.get_model("tokens", "Token").objects.bulk_create(
            old.get_model("tokens", "Token")(mint=mint(n), **row) for n in range(30)
        )
        source = old.get_model("enrichment", "ListSource").objects.create(
            name="list", kind="list", interval_s=30, due_at=NOW, digest_key=5
        )
        source.snapshot = source.snapshots.create(accepted_at=NOW, size=1, digests=b"12345678")
        source.save()
    finally:
        migrate(newest)
    key = Installation.objects.get().digest_key
    assert dict(Token.objects.values_list("mint", "digest")) == {
        mint(n): digests.signed(digests.of([mint(n)], key))[0] for n in range(30)
    }
    assert ListSource.objects.get(name="list").snapshot is None
