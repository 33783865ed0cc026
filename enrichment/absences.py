"""The two phases of a removal: a member that a complete list lost is absent first, and removed when that is confirmed.

An absence is confirmed by three accepted lists and half an hour. Nothing is deleted: the token's status says it.
"""

from __future__ import annotations

from datetime import datetime

from enrichment import detection
from enrichment.models import ListAbsence, ListSource
from tokens import bulk, digests, store
from tokens.digests import Digests
from tokens.models import Token

_CHUNK = 20_000  # hashes a statement, as the store writes rows


def note(source: ListSource, *, gone: Digests, back: Digests, is_counted: bool, now: datetime) -> int:
    """Note what a list lost and what it holds again; return how many removals it confirmed.

    A list that is doubted is not counted: it confirms nothing.
    """
    _forget(source, back)
    number = source.lists + 1
    row = {"source_id": source.pk, "first_absent_at": now, "first_list": number}
    for chunk in bulk.chunks(digests.signed(gone), _CHUNK):
        bulk.insert(ListAbsence, [{"digest": digest} | row for digest in chunk], ["digest", *row])
    if not is_counted:
        return 0
    ListSource.objects.filter(pk=source.pk).update(lists=number)
    return _confirm(source, number, now)


def _forget(source: ListSource, back: Digests) -> None:
    if len(back) and ListAbsence.objects.filter(source=source).exists():
        for chunk in bulk.chunks(digests.signed(back), _CHUNK):
            ListAbsence.objects.filter(source=source, digest__in=chunk).delete()


def _confirm(source: ListSource, number: int, now: datetime) -> int:
    first_list, first_at = detection.confirm_bounds(number, now)
    ripe = ListAbsence.objects.filter(source=source, first_list__lte=first_list, first_absent_at__lte=first_at)
    gone = digests.unsigned(ripe.values_list("digest", flat=True))
    if not len(gone):
        return 0
    ripe.delete()
    for other in _other_lists(source):
        gone = digests.without(gone, other)
    removed = 0
    for chunk in bulk.chunks(digests.signed(gone), _CHUNK):
        listed = Token.objects.filter(digest__in=chunk, removed_at=None)
        removed += store.set_removed(list(listed.values_list("id", flat=True)), now)
    return removed


def _other_lists(source: ListSource) -> list[Digests]:
    """Return the members of every other complete list that counts."""
    others = ListSource.objects.filter(kind=ListSource.Kind.LIST, enabled=True, snapshot__isnull=False)
    return [
        digests.unpacked(stored) for stored in others.exclude(pk=source.pk).values_list("snapshot__digests", flat=True)
    ]
