"""The settings with two workers and no jobs of their own: what `test_cluster` runs its cluster with."""

from tokensite.settings import *  # noqa: F403
from tokensite.settings import Q_CLUSTER as INSTALLED

PULSES = {}
JOBS = {}
Q_CLUSTER = INSTALLED | {"workers": 2, "poll": 0.05, "timeout": 30, "retry": 60, "recycle": 1}
