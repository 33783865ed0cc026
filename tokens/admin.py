"""Tokens in the admin: fast at a million rows, read-only, and every stranger's text shown as text.

Facts come from the pipeline alone, so nothing here can be edited. `Board` and `EstimatePaginator` serve the other
apps' admins too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.paginator import Page, Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tokens import counts, fields, format
from tokens.mint import is_mint, short
from tokens.models import Pulse, Social, Token, TokenPrice, Website

admin.site.site_header = "tokensite"
admin.site.site_title = "tokensite"
admin.site.index_title = "Operations"
admin.site.enable_nav_sidebar = False  # two dozen links that repeat the index beside every wide table

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    _TabularInline = admin.TabularInline[Any, Any]
    _StackedInline = admin.StackedInline[Any, Any]
    _Paginator = Paginator[Any]
else:
    _ModelAdmin, _TabularInline, _StackedInline = admin.ModelAdmin, admin.TabularInline, admin.StackedInline
    _Paginator = Paginator


def isolated(text: str | None) -> SafeString:
    """Return a stranger's text for one cell: escaped, and unable to reorder what stands around it."""
    return format_html("<bdi>{}</bdi>", "—" if text is None else text)


class EstimatePaginator(_Paginator):
    """Pages that neither count a million rows nor read those they skip."""

    object_list: QuerySet[Any]

    @cached_property
    def _counted(self) -> counts.Count:
        rows = self.object_list
        return counts.careful(rows) if rows.query.where else counts.quick(rows)

    @property
    def count(self) -> int:
        return self._counted.value

    @property
    def is_estimate(self) -> bool:
        """Whether `count` is the planner's guess."""
        return self._counted.is_estimate

    def page(self, number: Any) -> Page[Any]:
        """Return a page whose ids came first, from the ordering's index alone."""
        number = self.validate_number(number)
        start = (number - 1) * self.per_page
        ids = list(self.object_list.values_list("pk", flat=True)[start : start + self.per_page])
        return Page(self.object_list.filter(pk__in=ids), number, self)


class ReadOnly:
    """Permissions of what operators look at and nobody writes by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class Quick(_ModelAdmin):
    """A change list that stays quick at any size."""

    paginator = EstimatePaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()


class Board(ReadOnly, Quick):
    """A read-only table."""

    actions = None


class LiveInline(ReadOnly, _StackedInline):
    """The token's price and figures."""

    model = TokenPrice
    verbose_name = verbose_name_plural = "price"
    fields = (
        ("price", "price_status", "price_confidence", "price_sources"),
        ("price_observed_at", "price_received_at", "price_changed_at", "price_block_id"),
        ("change_5m", "change_1h", "change_6h", "change_24h"),
        ("volume_24h", "liquidity", "market_cap", "fdv"),
        ("rank", "tier", "revision", "updated_at"),
    )


class SocialInline(ReadOnly, _TabularInline):
    """Accounts the token claims; text, never links."""

    model = Social
    fields = ("type", "url")
    ordering = ("id",)


class WebsiteInline(ReadOnly, _TabularInline):
    """Websites the token claims; text, never links."""

    model = Website
    fields = ("label", "url")
    ordering = ("id",)


@admin.register(Token)
class TokenAdmin(Board):
    """Every token known, the newest first; found by its mint or by how its symbol begins, through indexes alone."""

    list_display = ("address", "symbol_text", "name_text", "price", "change_24h", "volume_24h", "rank", "tier",
                    "standing", "is_verified", "flag_words", "first_seen_at")  # fmt: skip
    list_select_related = ("live",)
    ordering = ("-first_seen_at", "-id")
    search_fields = ("mint", "symbol")
    search_help_text = "A mint, its beginning, or the beginning of a symbol (as written or in capitals)."
    inlines = (LiveInline, SocialInline, WebsiteInline)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if is_mint(term):
            return queryset.filter(mint=term), False
        if term:
            queryset = queryset.filter(
                Q(mint__startswith=term) | Q(symbol__startswith=term) | Q(symbol__startswith=term.upper())
            )
        return queryset, False

    @admin.display(description="mint")
    def address(self, token: Token) -> SafeString:
        return format_html('<code title="{}">{}</code>', token.mint, short(token.mint))

    @admin.display(description="symbol")
    def symbol_text(self, token: Token) -> SafeString:
        return isolated(token.symbol)

    @admin.display(description="name")
    def name_text(self, token: Token) -> SafeString:
        return isolated(token.name)

    @admin.display(description="price")
    def price(self, token: Token) -> SafeString:
        value = _live(token).price
        return format_html('<span title="{}">{}</span>', fields.fixed(value) or "unknown", format.price(value))

    @admin.display(description="24 h")
    def change_24h(self, token: Token) -> str:
        return format.percent(_live(token).change_24h)

    @admin.display(description="volume 24 h")
    def volume_24h(self, token: Token) -> str:
        return format.amount(_live(token).volume_24h)

    @admin.display(description="rank")
    def rank(self, token: Token) -> str:
        return format.count(_live(token).rank)

    @admin.display(description="tier")
    def tier(self, token: Token) -> str | None:
        return _live(token).tier

    @admin.display(description="status · price")
    def standing(self, token: Token) -> str:
        return f"{fields.status_word(token.status, token.removed_at)} · {_live(token).price_status}"

    @admin.display(description="verified", boolean=True)
    def is_verified(self, token: Token) -> bool | None:
        return token.verified

    @admin.display(description="flags")
    def flag_words(self, token: Token) -> SafeString:
        return isolated(", ".join(token.flags))


@admin.register(Pulse)
class PulseAdmin(Board):
    """The sub-minute jobs: whether each beats."""

    list_display = ("name", "beat_at", "ago", "last_slot", "due_at", "standby_until")
    ordering = ("name",)

    @admin.display(description="last beat")
    def ago(self, pulse: Pulse) -> str:
        since_s = None if pulse.beat_at is None else (timezone.now() - pulse.beat_at).total_seconds()
        return f"{format.age(since_s)} ago" if since_s is not None else "never"


def _live(token: Token) -> TokenPrice:
    """Return the token's live row; every token gets one when it is registered, but a board must not fail without."""
    return getattr(token, "live", None) or TokenPrice()
