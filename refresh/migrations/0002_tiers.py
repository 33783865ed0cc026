"""The six tiers as documented; operators tune them in the admin."""

from django.db import migrations

TIERS = (
    # name, from, to, interval s, priority
    ("CRITICAL", 1, 50, 15, 1000),
    ("HIGH", 51, 200, 30, 500),
    ("MEDIUM", 201, 500, 60, 200),
    ("LOW", 501, 1000, 180, 100),
    ("MINIMAL", 1001, 3000, 300, 50),
    ("INACTIVE", 3001, None, 600, 10),
)
STORAGE = "ALTER TABLE {} SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02)"


def create(apps, schema_editor):
    tier = apps.get_model("refresh", "RefreshTier")
    for position, (name, rank_from, rank_to, interval_s, priority) in enumerate(TIERS):
        tier.objects.create(
            name=name, position=position, rank_from=rank_from, rank_to=rank_to, interval_s=interval_s, priority=priority
        )


class Migration(migrations.Migration):
    dependencies = [("refresh", "0001_initial")]
    operations = [
        migrations.RunPython(create, migrations.RunPython.noop),
        migrations.RunSQL(STORAGE.format("refresh_states"), migrations.RunSQL.noop),
    ]
