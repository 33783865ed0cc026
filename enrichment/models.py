"""Where mints come from, what a list last held, how far each token's enrichment got, and each upstream's gate."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from tokens.models import Leased, Token


class ListSource(Leased):
    """One place that names mints: a complete list (additions and removals) or a feed (additions only).

    `due_at` is the next run; the lease keeps runs from overlapping. `url` is empty for adapters that know theirs.
    """

    class Kind(models.TextChoices):
        LIST = "list", "complete list"
        JUPITER_RECENT = "jupiter_recent", "Jupiter recent"
        JUPITER_VERIFIED = "jupiter_verified", "Jupiter verified"

    name = models.TextField(primary_key=True)
    kind = models.TextField(choices=Kind.choices)
    url = models.TextField(blank=True, default="")
    enabled = models.BooleanField(default=True)
    interval_s = models.PositiveIntegerField(help_text="seconds between starts, fixed rate")
    etag = models.TextField(blank=True, default="", editable=False, help_text="of the last accepted list")
    lists = models.BigIntegerField(default=0, editable=False, help_text="accepted lists whose absences counted")
    snapshot = models.ForeignKey(
        "ListSnapshot", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        db_table = "list_sources"

    def __str__(self) -> str:
        return self.name

    @property
    def is_complete(self) -> bool:
        """Whether absence from this source means anything."""
        return self.kind == self.Kind.LIST


class ListSnapshot(models.Model):
    """The members of one accepted list as sorted, distinct, keyed 64-bit hashes (`tokens.digests`).

    Shape: `digests` is a little-endian uint64 array, 8 bytes a mint (5.6 MB for 700,000).
    """

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(ListSource, on_delete=models.CASCADE, related_name="snapshots")
    accepted_at = models.DateTimeField()
    size = models.IntegerField()
    digests = models.BinaryField()

    class Meta:
        db_table = "list_snapshots"

    def __str__(self) -> str:
        return f"{self.source_id}: {self.size}"


class ListAbsence(models.Model):
    """A member that a complete list no longer holds and whose removal is not confirmed yet.

    `first_list` is the number (`ListSource.lists`) of the first list without it: no row changes as lists go by.
    """

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(ListSource, on_delete=models.CASCADE, db_index=False, related_name="absences")
    digest = models.BigIntegerField()
    first_absent_at = models.DateTimeField()
    first_list = models.BigIntegerField()

    class Meta:
        db_table = "list_absences"
        constraints: ClassVar = [models.UniqueConstraint(fields=["source", "digest"], name="list_absences_once")]

    def __str__(self) -> str:
        return f"{self.source_id}: absent since {self.first_absent_at:%F %T}"


class ListQuarantine(models.Model):
    """A change of a list too large to be believed before an operator looked: absences, or a flood of new mints.

    Shape: `digests` holds the absences of a shrink as a snapshot does; a flood's mints are `QuarantinedMint` rows.
    `seen_at` is the last list that showed the change; `drip_at` is when a flood's next batch is registered.
    """

    class Kind(models.TextChoices):
        SHRUNK = "shrunk", "list shrunk"
        FLOOD = "flood", "flood of new mints"

    class State(models.TextChoices):
        OPEN = "open"
        APPROVED = "approved"
        REJECTED = "rejected"
        DONE = "done"

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(ListSource, on_delete=models.CASCADE, related_name="quarantines")
    kind = models.TextField(choices=Kind.choices)
    state = models.TextField(choices=State.choices, default=State.OPEN)
    at = models.DateTimeField()
    seen_at = models.DateTimeField()
    count = models.IntegerField(help_text="mints concerned when it was noticed, or held since")
    digests = models.BinaryField(default=b"")
    drip_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.TextField(blank=True, default="", help_text="who approved or rejected; empty: nobody")
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "list_quarantines"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["source", "kind"], name="list_quarantines_one_open", condition=models.Q(state="open")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source_id}: {self.kind} {self.at:%F %T}"


class QuarantinedMint(models.Model):
    """A mint that waits, named by a list and not registered; after a rejection, one that never will be."""

    id = models.BigAutoField(primary_key=True)
    quarantine = models.ForeignKey(ListQuarantine, on_delete=models.CASCADE, related_name="mints")
    mint = models.CharField(max_length=44, db_collation="C", db_index=True)
    digest = models.BigIntegerField(db_index=True)

    class Meta:
        db_table = "quarantined_mints"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["quarantine", "mint"], name="quarantined_mints_once"),
        ]

    def __str__(self) -> str:
        return self.mint


class ListRun(models.Model):
    """What one detection run saw and decided. Units: counts of distinct mints; `size` counts entries as sent.

    `missing` are absent from this list, `removed` confirmed by it; `skipped` counts starts missed since the last run.
    """

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(ListSource, on_delete=models.CASCADE, related_name="runs")
    started_at = models.DateTimeField()
    duration_s = models.FloatField()
    size = models.IntegerField(default=0)
    valid = models.IntegerField(default=0)
    new = models.IntegerField(default=0)
    removed = models.IntegerField(default=0)
    missing = models.IntegerField(default=0)
    quarantined = models.IntegerField(default=0)
    skipped = models.IntegerField(default=0)
    accepted = models.BooleanField()
    reason = models.TextField(blank=True, default="")

    class Meta:
        db_table = "list_runs"
        indexes: ClassVar = [models.Index(fields=["source", "-started_at"], name="list_runs_recent")]

    def __str__(self) -> str:
        return f"{self.source_id} {self.started_at:%F %T}"


class EnrichmentState(Leased):
    """The debt of learning about one token. `due_at` is the next attempt, whatever the last outcome was.

    `attempts` counts tries in a row without a price; `priority` lower is sooner (0 fresh from a feed, 5 bulk import).
    """

    token = models.OneToOneField(
        Token, primary_key=True, on_delete=models.DO_NOTHING, related_name="enrichment", db_column="token_id"
    )
    status = models.TextField(choices=Token.Status.choices, default=Token.Status.PENDING)
    priority = models.SmallIntegerField(default=0)
    attempts = models.SmallIntegerField(default=0)
    last_attempt_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, default="")

    class Meta:
        db_table = "enrichment_states"
        indexes: ClassVar = [
            models.Index(fields=["priority", "due_at", "token"], name="enrichment_due"),
        ]

    def __str__(self) -> str:
        return f"{self.token_id} {self.status}"


class Upstream(models.Model):
    """One upstream account and its gate, shared by every process of the installation.

    `gate` is the JSON form of `upstream.state.State`; it is read and written under a row lock for one call at a time.
    `forced_by` and `forced_at` tell of the last order about the breaker, also of the one that ended it.
    """

    class Forced(models.TextChoices):
        OPEN = "open", "held open: no call leaves"
        CLOSED = "closed", "held closed: failures do not stop calls, limits still do"

    name = models.TextField(primary_key=True)
    paused = models.BooleanField(default=False, help_text="an operator's stop: no call leaves while it is set")
    forced = models.TextField(
        choices=Forced.choices, blank=True, default="", help_text="how an operator holds the breaker; empty: not at all"
    )
    forced_by = models.TextField(blank=True, default="", editable=False)
    forced_at = models.DateTimeField(null=True, editable=False)
    gate = models.JSONField(default=dict, blank=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "upstreams"

    def __str__(self) -> str:
        return self.name
