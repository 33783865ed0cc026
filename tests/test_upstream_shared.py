"""Three processes, one account, ten simulated minutes: what the vendor's own journal says of us."""

from __future__ import annotations

import pytest
from django.db import connection

from bench.shared_gate import AT_ONCE, figures, measure


@pytest.mark.django_db(transaction=True)
def test_three_processes_never_exceed_the_plan_and_use_97_percent_of_it():
    found = measure("keyless", AT_ONCE, 600, connection.settings_dict["NAME"])
    assert found.most_in_60_s <= found.allowed_in_60_s == 30
    assert found.refused == 0
    assert 97 <= found.used_pct <= 100


@pytest.mark.parametrize(
    ("times", "statuses", "most", "refused", "used_pct"),
    [
        ([0, 30, 60, 90], [200] * 4, 2, 0, 66.67),
        ([0, 1, 2, 60], [200] * 4, 3, 0, 66.67),
        ([0, 1, 2, 59.9], [200, 200, 200, 429], 4, 1, 66.67),
        ([50, 0, 119, 180], [200] * 4, 2, 0, 50.0),
    ],
)
def test_a_journal_is_judged_by_its_busiest_minute_wherever_it_begins(times, statuses, most, refused, used_pct):
    requests = [{"time": time, "status": status} for time, status in zip(times, statuses, strict=True)]
    found = figures(requests, rpm=3, seconds=120)
    assert (found.most_in_60_s, found.refused, found.used_pct) == (most, refused, used_pct)
