"""List sources, their runs, the debts of enrichment and the upstreams' gates in the admin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin, messages
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from enrichment import decisions
from enrichment.backlog import backlog
from enrichment.models import EnrichmentState, ListQuarantine, ListRun, ListSource, Upstream
from enrichment.upstream import gate, ledger
from tokens import format
from tokens.admin import Board, Quick, isolated

INTERVAL_S = (5, 86_400)  # the range the environment accepts for TOKEN_LIST_INTERVAL_S

if TYPE_CHECKING:
    _SourceForm = forms.ModelForm[ListSource]
else:
    _SourceForm = forms.ModelForm


class ListSourceForm(_SourceForm):
    """What an operator may tune about a source."""

    interval_s = forms.IntegerField(
        label="interval, s",
        validators=[
            MinValueValidator(INTERVAL_S[0], "At least 5 seconds between two runs."),
            MaxValueValidator(INTERVAL_S[1], "At most 86,400 seconds (a day) between two runs."),
        ],
    )

    class Meta:
        model = ListSource
        fields = ("enabled", "interval_s")


class NoNew:
    """Rows that the installation makes for itself: an operator tunes them, and neither adds nor deletes any."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ListSource)
class ListSourceAdmin(NoNew, Quick):
    """Where mints come from. The address comes from the environment and is shown without what may be secret in it."""

    form = ListSourceForm
    list_display = ("name", "kind", "enabled", "interval_s", "due_at", "members")
    list_editable = ("enabled", "interval_s")
    list_select_related = ("snapshot",)
    fields = ("name", "kind", "address", "enabled", "interval_s", "due_at", "members")
    readonly_fields = ("name", "kind", "address", "due_at", "members")
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("snapshot__digests")  # megabytes each

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> type[ListSourceForm]:
        return ListSourceForm

    def save_model(self, request: HttpRequest, obj: ListSource, form: Any, change: bool) -> None:
        """Write only what the operator changed: a running worker owns the lease and the snapshot of this very row."""
        obj.save(update_fields=form.changed_data)
        soonest = timezone.now() + timedelta(seconds=obj.interval_s)
        idle = ListSource.objects.filter(pk=obj.pk, lease_id__isnull=True)
        idle.filter(due_at__gt=soonest).update(due_at=soonest)  # a shorter interval does not wait out the longer one

    @admin.display(description="members")
    def members(self, source: ListSource) -> str:
        return "none yet" if source.snapshot is None else format.count(source.snapshot.size)

    @admin.display(description="address")
    def address(self, source: ListSource) -> str:
        url = urlsplit(source.url)
        return f"{url.scheme}://{url.hostname or ''}{url.path}" if source.url else "the upstream's own"


@admin.register(ListRun)
class ListRunAdmin(Board):
    """What each detection run saw and decided, the newest first."""

    list_display = ("started_at", "source", "verdict", "size", "valid", "new", "quarantined", "removed", "missing",
                    "skipped", "took")  # fmt: skip
    list_filter = ("source", "accepted")
    ordering = ("-id",)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "title": f"List runs · {_owed()}"})

    @admin.display(description="verdict")
    def verdict(self, run: ListRun) -> SafeString:
        if run.accepted:
            return format_html("accepted{}", f": {run.reason}" if run.reason else "")
        return format_html("<strong>refused: {}</strong>", run.reason)

    @admin.display(description="took")
    def took(self, run: ListRun) -> str:
        return f"{run.duration_s:.2f} s"


@admin.register(ListQuarantine)
class ListQuarantineAdmin(NoNew, Quick):
    """Changes of lists too large to be believed unseen, and the two things an operator can say about them."""

    list_display = ("at", "source", "kind", "state", "count", "held", "seen_at", "decided_by", "decided_at")
    list_filter = ("state", "kind", "source")
    fields = list_display
    readonly_fields = list_display
    ordering = ("-id",)
    actions = ("approve", "reject")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("digests")  # megabytes each

    @admin.action(description="Approve: the next list's absences count, or the mints come in", permissions=["change"])
    def approve(self, request: HttpRequest, queryset: QuerySet[ListQuarantine]) -> None:
        self._decide(request, queryset, approve=True)

    @admin.action(description="Reject: the mints stay listed, or stay out", permissions=["change"])
    def reject(self, request: HttpRequest, queryset: QuerySet[ListQuarantine]) -> None:
        self._decide(request, queryset, approve=False)

    def _decide(self, request: HttpRequest, queryset: QuerySet[ListQuarantine], *, approve: bool) -> None:
        word, by = "approved" if approve else "rejected", request.user.get_username()
        for quarantine in queryset:
            try:
                decisions.decide(quarantine.pk, approve=approve, by=by, now=timezone.now())
            except decisions.Decided as error:
                self.message_user(request, f"{quarantine}: {error}", messages.ERROR)
            else:
                self.log_change(request, quarantine, f"{word.capitalize()}.")
                self.message_user(request, f"{quarantine}: {word}.")

    @admin.display(description="held now")
    def held(self, quarantine: ListQuarantine) -> str:
        is_flood = quarantine.kind == ListQuarantine.Kind.FLOOD
        return format.count(quarantine.mints.count()) if is_flood else "—"


def _owed() -> str:
    """Return in words what is left to learn."""
    owed = backlog(timezone.now())
    return f"{format.count(owed.pending)} tokens to learn about, {format.age(owed.eta_s)} at the plan's pace"


@admin.register(EnrichmentState)
class EnrichmentStateAdmin(Board):
    """The debts of learning, in the order they are paid."""

    list_display = ("token_text", "status", "priority", "attempts", "due_at", "last_attempt_at", "error_text")
    list_filter = ("status",)
    list_select_related = ("token",)
    ordering = ("priority", "due_at", "token")
    search_fields = ("token__mint",)
    search_help_text = "A whole mint."

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "title": f"Enrichment · {_owed()}"})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return queryset.filter(token__mint=search_term.strip()) if search_term.strip() else queryset, False

    @admin.display(description="token")
    def token_text(self, state: EnrichmentState) -> SafeString:
        return isolated(str(state.token))

    @admin.display(description="last error")
    def error_text(self, state: EnrichmentState) -> SafeString:
        return isolated(state.last_error)


@admin.register(Upstream)
class UpstreamAdmin(NoNew, Quick):
    """Each upstream account: what its gate thinks of it, and the switch that stops every call to it."""

    list_display = (
        "name",
        "standing",
        "held_until",
        "calls",
        "answers",
        "credits_spent",
        "paused",
        "forced",
        "updated_at",
    )
    readonly_fields = (
        "name",
        "standing",
        "held_until",
        "calls",
        "answers",
        "pace",
        "credits_spent",
        "order",
        "updated_at",
    )
    fields = ("name", "paused", *readonly_fields[1:])
    ordering = ("name",)
    actions = ("pause", "resume", "force_open", "force_closed", "reset")

    def save_model(self, request: HttpRequest, obj: Upstream, form: Any, change: bool) -> None:
        """Write only the switch: the gate is written by every call that leaves."""
        obj.save(update_fields=[*form.changed_data, "updated_at"])

    @admin.action(description="Pause: no call leaves", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Upstream]) -> None:
        self._set_paused(request, queryset, paused=True)

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Upstream]) -> None:
        self._set_paused(request, queryset, paused=False)

    @admin.action(description="Hold the breaker open: no call leaves", permissions=["change"])
    def force_open(self, request: HttpRequest, queryset: QuerySet[Upstream]) -> None:
        self._order(request, queryset, "Breaker held open.", lambda n, by: ledger.force(n, Upstream.Forced.OPEN, by=by))

    @admin.action(description="Hold the breaker closed: failures stop nothing", permissions=["change"])
    def force_closed(self, request: HttpRequest, queryset: QuerySet[Upstream]) -> None:
        self._order(
            request, queryset, "Breaker held closed.", lambda n, by: ledger.force(n, Upstream.Forced.CLOSED, by=by)
        )

    @admin.action(description="Reset: the breaker by itself, troubles forgotten", permissions=["change"])
    def reset(self, request: HttpRequest, queryset: QuerySet[Upstream]) -> None:
        self._order(request, queryset, "Gate reset.", lambda name, by: ledger.reset(name, by=by))

    def _order(
        self, request: HttpRequest, queryset: QuerySet[Upstream], done: str, give: Callable[[str, str], None]
    ) -> None:
        for upstream in queryset:
            give(upstream.name, request.user.get_username())
            self.log_change(request, upstream, done)
        self.message_user(request, f"{', '.join(map(str, queryset))}: {done}")

    def _set_paused(self, request: HttpRequest, queryset: QuerySet[Upstream], *, paused: bool) -> None:
        for upstream in queryset.exclude(paused=paused):
            Upstream.objects.filter(pk=upstream.pk).update(paused=paused, updated_at=timezone.now())
            self.log_change(request, upstream, "Paused." if paused else "Resumed.")
        self.message_user(request, f"{', '.join(map(str, queryset))}: {'paused' if paused else 'resumed'}.")

    @admin.display(description="state")
    def standing(self, upstream: Upstream) -> str:
        return "paused" if upstream.paused else gate.State.from_json(upstream.gate).standing

    @admin.display(description="held until")
    def held_until(self, upstream: Upstream) -> str:
        until = datetime.fromtimestamp(gate.opens_at(gate.State.from_json(upstream.gate)), UTC)
        return f"{until:%F %T} UTC" if until > timezone.now() else "—"

    @admin.display(description="calls, last 60 s")
    def calls(self, upstream: Upstream) -> str:
        since_s = timezone.now().timestamp() - 60
        counts: Counter[str] = Counter()
        for slot, purpose, n in gate.State.from_json(upstream.gate).calls:
            counts[purpose] += n if slot * gate.SLOT_S > since_s else 0
        by_purpose = ", ".join(f"{purpose} {n}" for purpose, n in counts.most_common() if n)
        return f"{counts.total()} ({by_purpose})" if by_purpose else "0"

    @admin.display(description="answers, last minute of calls")
    def answers(self, upstream: Upstream) -> str:
        results = gate.State.from_json(upstream.gate).results
        return f"{sum(good for _, good, _ in results)} good, {sum(failed for _, _, failed in results)} failed"

    @admin.display(description="credits this month")
    def credits_spent(self, upstream: Upstream) -> str:
        return f"{gate.State.from_json(upstream.gate).spending.spent:,}"

    @admin.display(description="last order about the breaker")
    def order(self, upstream: Upstream) -> str:
        if upstream.forced_at is None:
            return "none"
        return f"{upstream.get_forced_display() or 'reset'}, by {upstream.forced_by}, {upstream.forced_at:%F %T} UTC"

    @admin.display(description="pace")
    def pace(self, upstream: Upstream) -> str:
        state = gate.State.from_json(upstream.gate)
        slowed = f"slowed to {state.slowed_rps:.2f} calls a second after {state.throttles} throttles"
        return slowed if state.slowed_rps else "the plan's own"
