"""The tiers operators tune, and the boards of the refresh scheduler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from refresh.models import MIN_INTERVAL_S, RankRun, RefreshRun, RefreshState, RefreshTier
from tokens import format
from tokens.admin import Board, Quick, isolated

MAX_INTERVAL_S = 86_400  # a tier looked at less than daily is no tier
MAX_FACTOR = 10.0

if TYPE_CHECKING:
    _TierForm = forms.ModelForm[RefreshTier]
    _TierFormSet = forms.BaseModelFormSet[RefreshTier, Any]
else:
    _TierForm, _TierFormSet = forms.ModelForm, forms.BaseModelFormSet


def problems(tiers: Sequence[tuple[str, int]]) -> list[str]:
    """Return what is wrong with tiers that begin at these ranks, in their order of importance.

    Each tier ends where the next begins, so ranges can neither overlap nor leave a hole once the starts rise from 1.
    Shape: (name, rank_from) pairs.
    """
    found = []
    if tiers and tiers[0][1] != 1:
        found.append(f"{tiers[0][0]} must begin at rank 1: the ranks above {tiers[0][1]} would belong to no tier.")
    for (name, start), (after, next_start) in pairwise(tiers):
        if next_start <= start:
            found.append(f"{after} must begin after rank {start}, where {name} begins, not at {next_start}.")
    return found


def check(changed: Mapping[str, int]) -> None:
    """Refuse starts (by tier name) that, with the other tiers as they are, do not divide the ranks."""
    stored = RefreshTier.objects.order_by("position").values_list("name", "rank_from")
    if found := problems([(name, changed.get(name, start)) for name, start in stored]):
        raise ValidationError(found)


class TierForm(_TierForm):
    """One tier, with its limits said plainly."""

    rank_from = forms.IntegerField(
        label="from rank", validators=[MinValueValidator(1, "Ranks begin at 1."), MaxValueValidator(10_000_000)]
    )
    interval_s = forms.IntegerField(
        label="interval, s",
        validators=[
            MinValueValidator(MIN_INTERVAL_S, f"At least {MIN_INTERVAL_S} seconds: no token is refreshed more often."),
            MaxValueValidator(MAX_INTERVAL_S, f"At most {MAX_INTERVAL_S:,} seconds (a day)."),
        ],
        help_text=f"{MIN_INTERVAL_S} to {MAX_INTERVAL_S:,} seconds between two looks at a token, before the factor",
    )
    factor = forms.FloatField(
        validators=[MinValueValidator(0.1, "At least 0.1."), MaxValueValidator(MAX_FACTOR, "At most 10.")],
        help_text="0.1 to 10; 2 looks twice as often, though never more often than every 15 s",
    )

    class Meta:
        model = RefreshTier
        fields = ("rank_from", "interval_s", "priority", "factor")


class LoneTierForm(TierForm):
    """One tier edited by itself: its start must fit between its neighbours'."""

    def clean_rank_from(self) -> int:
        start: int = self.cleaned_data["rank_from"]
        check({self.instance.name: start})
        return start


class TierFormSet(_TierFormSet):
    """All tiers edited together, so that a boundary and its neighbour can move at once."""

    def clean(self) -> None:
        super().clean()
        check({f.instance.name: f.cleaned_data["rank_from"] for f in self.forms if "rank_from" in f.cleaned_data})


@admin.register(RefreshTier)
class RefreshTierAdmin(Quick):
    """The tiers. Starts are edited and ends follow; tokens move to their new tier with the next ranking."""

    form = LoneTierForm
    list_display = ("name", "rank_from", "ends", "interval_s", "priority", "factor")
    list_editable = ("rank_from", "interval_s", "priority", "factor")
    fields = ("name", "rank_from", "ends", "interval_s", "priority", "factor")
    readonly_fields = ("name", "ends")
    ordering = ("position",)

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> type[TierForm]:
        return TierForm

    def get_changelist_formset(self, request: HttpRequest, **kwargs: Any) -> Any:
        return super().get_changelist_formset(request, formset=TierFormSet, **kwargs)

    def save_model(self, request: HttpRequest, obj: RefreshTier, form: Any, change: bool) -> None:
        obj.save(update_fields=form.changed_data)
        _close_ranges()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="to rank")
    def ends(self, tier: RefreshTier) -> str:
        return "the last, and the unranked" if tier.rank_to is None else format.count(tier.rank_to)


def _close_ranges() -> None:
    """Let every tier end where the next begins."""
    tiers = list(RefreshTier.objects.order_by("position"))
    for tier, after in zip(tiers, [*tiers[1:], None], strict=True):
        rank_to = None if after is None else after.rank_from - 1
        if tier.rank_to != rank_to:
            RefreshTier.objects.filter(pk=tier.pk).update(rank_to=rank_to)


@admin.register(RefreshState)
class RefreshStateAdmin(Board):
    """The debts of looking again, in the order they are paid."""

    list_display = ("token_text", "position", "due_at", "misses", "last_outcome", "refreshed_at")
    list_filter = ("position",)
    list_select_related = ("token",)
    ordering = ("position", "due_at", "token")
    search_fields = ("token__mint",)
    search_help_text = "A whole mint."

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return queryset.filter(token__mint=search_term.strip()) if search_term.strip() else queryset, False

    @admin.display(description="token")
    def token_text(self, state: RefreshState) -> SafeString:
        return isolated(str(state.token))


@admin.register(RefreshRun)
class RefreshRunAdmin(Board):
    """What each refresh batch did, the newest first."""

    list_display = ("started_at", "took", "fresh", "same", "absent", "failed", "error")
    ordering = ("-id",)

    @admin.display(description="took")
    def took(self, run: RefreshRun) -> str:
        return f"{run.duration_s:.2f} s"


@admin.register(RankRun)
class RankRunAdmin(Board):
    """Each re-ranking, the newest first."""

    list_display = ("at", "size", "changed", "took")
    ordering = ("-id",)

    @admin.display(description="took")
    def took(self, run: RankRun) -> str:
        return f"{run.duration_s:.2f} s"
