"""The tables of what we know. Column names are the public field names of the API wherever one exists.

Only `tokens.store` writes token facts; `tokens.outbox` writes the event tables.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

PRICE_DIGITS, PRICE_DECIMALS = 38, 18


if TYPE_CHECKING:
    _Decimal = models.DecimalField[Any, Any]
else:
    _Decimal = models.DecimalField


class UsdField(_Decimal):
    """An amount in USD. Units: USD, 38 digits of which 18 are decimals; NULL means unknown, never zero."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs |= {"max_digits": PRICE_DIGITS, "decimal_places": PRICE_DECIMALS, "null": True, "blank": True}
        super().__init__(**kwargs)

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        name, path, args, kwargs = super().deconstruct()
        for implied in ("max_digits", "decimal_places", "null", "blank"):
            kwargs.pop(implied)
        return name, path, args, kwargs


class Installation(models.Model):
    """The one row that tells this installation from every other: `digest_key` keys its hashes of mints."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    digest_key = models.BigIntegerField(editable=False)

    class Meta:
        db_table = "installation"

    def __str__(self) -> str:
        return "this installation"

    @classmethod
    def current(cls) -> Installation:
        """Return the row, made on first use."""
        return cls.objects.get_or_create(id=1, defaults={"digest_key": secrets.randbits(63)})[0]


class Token(models.Model):
    """One mint ever seen: identity and what rarely changes. Rows are never deleted; removal is a status.

    `status` is how far enrichment got; `removed_at` overrides it in the API (`removed`) and is reversible.
    Supplies are in whole tokens and may exceed 2^63. Texts have passed `tokens.sanitize`.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        COMPLETE = "complete"
        PARTIAL = "partial"
        FAILED = "failed"

    id = models.BigAutoField(primary_key=True)
    mint = models.CharField(max_length=44, unique=True, db_collation="C")
    digest = models.BigIntegerField(null=True, blank=True, editable=False, help_text="tokens.digests of the mint")
    symbol = models.TextField(null=True, blank=True, db_collation="C")  # so that its index serves prefixes
    name = models.TextField(null=True, blank=True)
    decimals = models.SmallIntegerField(null=True, blank=True)
    description = models.TextField(null=True, blank=True)
    image_url = models.TextField(null=True, blank=True)
    tags = ArrayField(models.TextField(), default=list, blank=True)
    launchpad = models.TextField(null=True, blank=True)
    verified = models.BooleanField(null=True, blank=True)
    flags = ArrayField(models.TextField(), default=list, blank=True)
    token_program = models.TextField(null=True, blank=True)
    mint_authority = models.TextField(null=True, blank=True)
    freeze_authority = models.TextField(null=True, blank=True)
    holder_count = models.BigIntegerField(null=True, blank=True)
    total_supply = models.DecimalField(max_digits=60, decimal_places=18, null=True, blank=True)
    circulating_supply = models.DecimalField(max_digits=60, decimal_places=18, null=True, blank=True)
    status = models.TextField(choices=Status.choices, default=Status.PENDING)
    created_at = models.DateTimeField(
        null=True, blank=True, help_text="when the token came into being, as its source says"
    )
    first_seen_at = models.DateTimeField(help_text="when this installation first heard of it")
    removed_at = models.DateTimeField(
        null=True, blank=True, help_text="absent from complete lists since; NULL = listed"
    )
    first_source = models.TextField(help_text="the list source that first named it")
    updated_at = models.DateTimeField(help_text="when these columns last changed")

    class Meta:
        db_table = "tokens"
        indexes: ClassVar = [
            models.Index(fields=["-first_seen_at", "-id"], name="tokens_first_seen"),
            models.Index(fields=["symbol"], name="tokens_symbol"),
            models.Index(fields=["digest"], name="tokens_digest"),
            models.Index(fields=["id"], name="tokens_removed", condition=models.Q(removed_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.symbol or '(unnamed)'} {self.mint}"


class TokenPrice(models.Model):
    """The live half of a token, one narrow row for every token: what a trade or a re-ranking changes.

    Units: USD amounts; changes in percent; `price_confidence` 0–1. `revision` counts every published change of
    the token, metadata included; 0 means the token has not been announced yet. `rank` 1 is the most traded.
    """

    class Status(models.TextChoices):
        OK = "ok"
        LOW = "low"
        DISPUTED = "disputed"
        STALE = "stale"
        UNAVAILABLE = "unavailable"

    token = models.OneToOneField(
        Token, primary_key=True, on_delete=models.DO_NOTHING, related_name="live", db_column="token_id"
    )
    price = UsdField()
    price_status = models.TextField(choices=Status.choices, default=Status.UNAVAILABLE)
    price_confidence = models.FloatField(null=True, blank=True)
    price_sources = ArrayField(models.TextField(), default=list, blank=True)
    price_observed_at = models.DateTimeField(null=True, blank=True)
    price_received_at = models.DateTimeField(null=True, blank=True)
    price_changed_at = models.DateTimeField(null=True, blank=True, help_text="when `price` last took another value")
    price_block_id = models.BigIntegerField(null=True, blank=True, help_text="Solana slot of the price, where stated")
    change_5m = models.FloatField(null=True, blank=True)
    change_1h = models.FloatField(null=True, blank=True)
    change_6h = models.FloatField(null=True, blank=True)
    change_24h = models.FloatField(null=True, blank=True)
    market_cap = UsdField()
    fdv = UsdField()
    liquidity = UsdField()
    volume_24h = UsdField()
    rank = models.IntegerField(null=True, blank=True)
    tier = models.TextField(null=True, blank=True)
    revision = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(help_text="when these columns last changed")

    class Meta:
        db_table = "token_prices"
        indexes: ClassVar = [
            models.Index(models.F("rank").asc(nulls_last=True), "token", name="token_prices_rank"),
        ]

    def __str__(self) -> str:
        return f"{self.token_id}: {self.price}"


class PriceHistory(models.Model):
    """One price of one token at one instant, written when the price changed; partitioned by day of `at`.

    `at` is when we received it. Primary key (token_id, at): writing the same instant twice adds nothing.
    """

    pk = models.CompositePrimaryKey("token_id", "at")
    token = models.ForeignKey(Token, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    at = models.DateTimeField()
    price = UsdField()
    liquidity = UsdField()
    volume_24h = UsdField()

    class Meta:
        db_table = "token_price_history"
        managed = False  # declarative partitioning is not Django's to create: migration 0002 does

    def __str__(self) -> str:
        return f"{self.token_id} {self.at:%FT%T} {self.price}"


class RankHistory(models.Model):
    """A token's rank from `at` on, appended when it changed; `rank` NULL means it left the ranking."""

    id = models.BigAutoField(primary_key=True)
    token = models.ForeignKey(Token, on_delete=models.DO_NOTHING, db_index=False, related_name="+")
    at = models.DateTimeField()
    rank = models.IntegerField(null=True)

    class Meta:
        db_table = "token_rank_history"
        indexes: ClassVar = [models.Index(fields=["token", "-at"], name="token_rank_history_token")]

    def __str__(self) -> str:
        return f"{self.token_id} {self.rank}"


class Social(models.Model):
    """A token's account on one network, as a stranger wrote it: plain text, linked only by our own helper."""

    id = models.BigAutoField(primary_key=True)
    token = models.ForeignKey(Token, on_delete=models.DO_NOTHING, db_index=False, related_name="socials")
    type = models.TextField(help_text="twitter, telegram, discord …")
    url = models.TextField()

    class Meta:
        db_table = "token_socials"
        constraints: ClassVar = [models.UniqueConstraint(fields=["token", "type"], name="token_socials_once")]

    def __str__(self) -> str:
        return f"{self.type} {self.url}"


class Website(models.Model):
    """A website a token claims, as a stranger wrote it: plain text, linked only by our own helper."""

    id = models.BigAutoField(primary_key=True)
    token = models.ForeignKey(Token, on_delete=models.DO_NOTHING, db_index=False, related_name="websites")
    label = models.TextField()
    url = models.TextField()

    class Meta:
        db_table = "token_websites"
        constraints: ClassVar = [models.UniqueConstraint(fields=["token", "url"], name="token_websites_once")]

    def __str__(self) -> str:
        return f"{self.label} {self.url}"


class OutboxEvent(models.Model):
    """An event owed to the world, written in the transaction that made it true.

    `seq` is the public sequence, contiguous from 1, given by the relay when it publishes; NULL until then.
    `body` is the wire message as JSON text without `seq`. `id` is only an insertion order: commits may overtake.
    """

    id = models.BigAutoField(primary_key=True)
    seq = models.BigIntegerField(null=True)
    type = models.TextField()
    mint = models.CharField(max_length=44, null=True)
    body = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "outbox"
        indexes: ClassVar = [
            models.Index(fields=["id"], name="outbox_unpublished", condition=models.Q(seq__isnull=True)),
        ]
        constraints: ClassVar = [models.UniqueConstraint(fields=["seq"], name="outbox_seq")]

    def __str__(self) -> str:
        return f"{self.seq} {self.type} {self.mint}"


class Leased(models.Model):
    """A row that is owed some work at `due_at` and is held by at most one worker at a time (`tokens.leasing`).

    A claim sets `lease_id` and moves `due_at` to the end of the lease, so a dead worker's row is due again by itself.
    """

    due_at = models.DateTimeField()
    lease_id = models.UUIDField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True


class Pulse(Leased):
    """A sub-minute job: who is beating it now, and the last slot it ran (`tokens.pulse`).

    Unlike other leases this one is renewed slot by slot; `due_at` is when an unrenewed leader counts as dead.
    """

    name = models.TextField(primary_key=True)
    last_slot = models.BigIntegerField(default=-1, help_text="floor(database time / period) of the newest slot begun")
    standby_until = models.DateTimeField(null=True, blank=True, help_text="a second copy waits until then")
    beat_at = models.DateTimeField(null=True, blank=True, help_text="when the newest slot ended")

    class Meta:
        db_table = "pulses"

    def __str__(self) -> str:
        return self.name


class RelayState(models.Model):
    """The one row that orders the world: the last public sequence given, and the last one surely published."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    last_seq = models.BigIntegerField(default=0)
    published_seq = models.BigIntegerField(default=0)
    epoch = models.UUIDField(help_text="a new one tells clients that sequences started over")

    class Meta:
        db_table = "relay_state"

    def __str__(self) -> str:
        return f"seq {self.last_seq}"
