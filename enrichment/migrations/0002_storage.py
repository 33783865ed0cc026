"""The pending queue changes all day: room on its pages, and an eager sweep."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("enrichment", "0001_initial")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE enrichment_states SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);"
            # Snapshots are random bytes: compressing them costs time and saves nothing.
            "ALTER TABLE list_snapshots ALTER COLUMN digests SET STORAGE EXTERNAL;",
            migrations.RunSQL.noop,
        ),
    ]
