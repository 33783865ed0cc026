"""When we look again: the tiers operators tune, and each priced token's next due time."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import MinValueValidator
from django.db import models

from tokens.models import Leased, Token

MIN_INTERVAL_S = 15  # requirements D3: no token is refreshed more often than this


class RefreshTier(models.Model):
    """A band of ranks refreshed on one base interval. Units: seconds, priority score, factor (dimensionless)."""

    name = models.TextField(primary_key=True)
    position = models.SmallIntegerField(unique=True, help_text="0 is the most important")
    rank_from = models.IntegerField(validators=[MinValueValidator(1)])
    rank_to = models.IntegerField(null=True, blank=True, help_text="empty: every rank from there on, and the unranked")
    interval_s = models.PositiveIntegerField(validators=[MinValueValidator(MIN_INTERVAL_S)])
    priority = models.IntegerField(help_text="score; the greater is served first under overload")
    factor = models.FloatField(default=1.0, validators=[MinValueValidator(0.1)])

    class Meta:
        db_table = "refresh_tiers"
        ordering: ClassVar = ["position"]

    def __str__(self) -> str:
        return self.name


class RefreshState(Leased):
    """The debt of looking at one priced token again. Every outcome sets `due_at`.

    `position` is the tier's, copied so that one index serves the claim; `misses` counts absent answers in a row.
    """

    token = models.OneToOneField(
        Token, primary_key=True, on_delete=models.DO_NOTHING, related_name="refresh", db_column="token_id"
    )
    position = models.SmallIntegerField()
    misses = models.IntegerField(default=0)
    last_outcome = models.TextField(blank=True, default="")
    refreshed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "refresh_states"
        indexes: ClassVar = [models.Index(fields=["position", "due_at", "token"], name="refresh_due")]

    def __str__(self) -> str:
        return f"{self.token_id} {self.due_at:%F %T}"


class RefreshRun(models.Model):
    """What one refresh batch did, by outcome. Units: counts of tokens; `duration_s` seconds."""

    id = models.BigAutoField(primary_key=True)
    started_at = models.DateTimeField(db_index=True)
    duration_s = models.FloatField()
    fresh = models.IntegerField(default=0)
    same = models.IntegerField(default=0)
    absent = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    error = models.TextField(blank=True, default="")

    class Meta:
        db_table = "refresh_runs"

    def __str__(self) -> str:
        return f"{self.started_at:%F %T}"


class RankRun(models.Model):
    """One re-ranking: how many tokens hold a rank, and how many changed theirs. Units: `duration_s` seconds."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    size = models.IntegerField()
    changed = models.IntegerField()
    duration_s = models.FloatField()

    class Meta:
        db_table = "rank_runs"

    def __str__(self) -> str:
        return f"{self.at:%F %T}"
