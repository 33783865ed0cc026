"""What Django's schema editor cannot say: the partitioned history, the relay's row, and storage for hot tables."""

import uuid
from datetime import datetime, timezone

from django.db import migrations

HISTORY = """
CREATE TABLE token_price_history (
    token_id bigint NOT NULL,
    at timestamptz NOT NULL,
    price numeric(38, 18),
    liquidity numeric(38, 18),
    volume_24h numeric(38, 18),
    PRIMARY KEY (token_id, at)
) PARTITION BY RANGE (at);
CREATE TABLE token_price_history_default PARTITION OF token_price_history DEFAULT;
"""

# Live rows change all day: room on the page keeps an update that touches no index in place, and the dead rows of
# queues and of the outbox are swept before they slow the claims.
STORAGE = """
ALTER TABLE token_prices SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0.05);
"""


def first_rows(apps, schema_editor):
    from tokens import history

    history.ensure_partitions(datetime.now(timezone.utc))
    apps.get_model("tokens", "RelayState").objects.get_or_create(id=1, defaults={"epoch": uuid.uuid4()})


class Migration(migrations.Migration):
    dependencies = [("tokens", "0001_initial")]
    operations = [
        migrations.RunSQL(HISTORY, "DROP TABLE token_price_history"),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
        migrations.RunPython(first_rows, migrations.RunPython.noop),
    ]
