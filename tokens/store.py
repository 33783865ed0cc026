"""The only writer of token facts. Each call is one transaction: rows, history and the events that tell of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from tokens import bulk, digests, links, outbox
from tokens.changes import LIVE, STATIC, Patch, diff
from tokens.facts import Facts
from tokens.fields import FIELDS, RowEncoder
from tokens.mint import Mint
from tokens.models import Installation, PriceHistory, RankHistory, Social, Token, TokenPrice, Website

_CHUNK = 20_000  # rows a statement: bounded memory, and already past the point where larger ones gain

_REGISTER = """
WITH fresh AS (
    INSERT INTO tokens (mint, digest, first_source, first_seen_at, updated_at, status, tags, flags)
    SELECT m, d, %(source)s, %(now)s, %(now)s, 'pending', '{}', '{}'
    FROM unnest(%(mints)s::text[], %(digests)s::bigint[]) AS n(m, d)
    ON CONFLICT (mint) DO NOTHING RETURNING id, mint
), live AS (
    INSERT INTO token_prices (token_id, revision, updated_at, price_status, price_sources)
    SELECT id, %(revision)s, %(now)s, 'unavailable', '{}' FROM fresh
)
SELECT id, mint FROM fresh
"""


@dataclass(frozen=True, slots=True)
class Registered:
    """A mint that was not known before, and its new row's id."""

    token_id: int
    mint: Mint


def register(mints: Sequence[Mint], *, source: str, now: datetime, announce: bool) -> list[Registered]:
    """Make sure every mint has a row; return those that had none. Runs inside the caller's transaction.

    With `announce` each new one is a `token:new` event at once; without (a bulk load) each is announced when its
    first facts arrive, so a million of them do not flood anybody.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("mints are registered in the transaction that moves their list forward")
    fresh: list[Registered] = []
    key = Installation.current().digest_key if mints else 0
    for chunk in bulk.chunks(sorted(mints), _CHUNK):  # sorted: neighbours share index pages
        params: dict[str, Any] = {"mints": list(chunk), "source": source, "now": now, "revision": int(announce)}
        params["digests"] = digests.signed(digests.of(chunk, key))
        with connection.cursor() as cursor:
            cursor.execute(_REGISTER, params)
            fresh += [Registered(token_id, Mint(mint)) for token_id, mint in cursor.fetchall()]
    if announce and fresh:
        _announce([r.token_id for r in fresh], now)
    return fresh


def apply(facts: Sequence[Facts], now: datetime) -> list[Patch]:
    """Write what was learnt; return what changed. Facts about unknown mints are dropped: only lists register."""
    with transaction.atomic():
        stored = _stored([f.mint for f in facts])
        patches = [patch for f in facts if f.mint in stored and (patch := diff(stored[f.mint], f, now)) is not None]
        _write_static(patches, stored, now)
        _write_live(patches, stored, now)
        _write_links(patches)
        _write_history(patches, stored)
        _tell(patches, now)
    return patches


def set_status(statuses: Mapping[int, str], now: datetime) -> None:
    """Record how far enrichment got, by token id, and tell of those whose status changed."""
    with transaction.atomic():
        _lock(sorted(statuses))
        stored = Token.objects.filter(id__in=statuses).only("id", "status")
        changed = [token.id for token in stored if statuses[token.id] != token.status]
        rows = [{"id": token_id, "status": statuses[token_id], "updated_at": now} for token_id in changed]
        bulk.update(Token, rows, ["status", "updated_at"])
        _touch(changed, "token:status", ["status"], now)


def set_removed(token_ids: Sequence[int], now: datetime) -> int:
    """Mark tokens as gone from every complete list and tell of it; return how many were listed until now."""
    return _list(token_ids, "removed_at = %s WHERE removed_at IS NULL", [now], "token:status", now)


def relist(token_ids: Sequence[int], now: datetime) -> int:
    """Take a removal back, on the same row: `token:relisted`, never `token:new`; return how many were removed."""
    return _list(token_ids, "removed_at = NULL WHERE removed_at IS NOT NULL", [], "token:relisted", now)


def _list(token_ids: Sequence[int], change: str, params: Sequence[Any], type_: str, now: datetime) -> int:
    changed = 0
    for ids in bulk.chunks(sorted(token_ids), _CHUNK):
        with transaction.atomic():
            _lock(ids)
            with connection.cursor() as cursor:
                sql = f"UPDATE tokens SET updated_at = %s, {change} AND id = ANY(%s) RETURNING id"  # noqa: S608 - ours
                cursor.execute(sql, [now, *params, list(ids)])
                moved = [token_id for (token_id,) in cursor.fetchall()]
            _touch(moved, type_, ["status"], now)
        changed += len(moved)
    return changed


def set_ranks(ranks: Mapping[int, tuple[int | None, str | None]], now: datetime) -> None:
    """Record new (rank, tier) pairs by token id, for tokens whose pair changed; history follows the rank alone."""
    with transaction.atomic():
        for ids in bulk.chunks(sorted(ranks), _CHUNK):
            _lock(ids)
            before = {price.token_id: price.rank for price in TokenPrice.objects.filter(token__in=ids).only("rank")}
            rows: list[dict[str, Any]] = [
                {"token_id": token_id, "rank": ranks[token_id][0], "tier": ranks[token_id][1]} for token_id in ids
            ]
            bulk.update(TokenPrice, rows, ["rank", "tier"])
            moved = [row | {"at": now} for row in rows if before[row["token_id"]] != row["rank"]]
            bulk.insert(RankHistory, moved, ["token_id", "at", "rank"])
            _touch(ids, "token:update", ["rank", "tier"], now)


def _lock(token_ids: Sequence[int]) -> None:
    """Lock the tokens' live rows in id order: every writer does so first, so none can deadlock with another."""
    with connection.cursor() as cursor:
        sql = "SELECT 1 FROM token_prices WHERE token_id = ANY(%s) ORDER BY token_id FOR UPDATE"
        cursor.execute(sql, [list(token_ids)])


def _stored(mints: Sequence[Mint]) -> dict[Mint, dict[str, Any]]:
    """Lock the tokens' live rows, in id order as `_lock` does, and return all their columns."""
    columns = ["token_id", "token__mint", "revision", *LIVE, *(f"token__{name}" for name in STATIC)]
    rows = (
        TokenPrice.objects.select_for_update(of=("self",))
        .filter(token__mint__in=mints)
        .order_by("token_id")
        .values_list(*columns)
    )
    names = [column.removeprefix("token__") for column in columns]
    stored = {values[1]: dict(zip(names, values, strict=True)) for values in rows}
    linked = links.of([row["token_id"] for row in stored.values()])
    for row in stored.values():
        socials, websites = linked[row["token_id"]]
        row |= {"socials": socials, "websites": {site["url"]: site["label"] for site in websites}}
    return stored


def _write_static(patches: Sequence[Patch], stored: Mapping[Mint, dict[str, Any]], now: datetime) -> None:
    rows = [
        {name: stored[p.mint][name] for name in STATIC} | p.static | {"id": p.token_id, "updated_at": now}
        for p in patches
        if p.static
    ]
    bulk.update(Token, rows, [*STATIC, "updated_at"])


def _write_live(patches: Sequence[Patch], stored: Mapping[Mint, dict[str, Any]], now: datetime) -> None:
    public, silent = [], []
    for p in patches:
        row = {name: stored[p.mint][name] for name in LIVE} | p.live | {"token_id": p.token_id}
        if p.is_public:
            public.append(row | {"revision": p.revision, "updated_at": now})
        elif p.live:
            silent.append(row)
    bulk.update(TokenPrice, public, [*LIVE, "revision", "updated_at"])
    bulk.update(TokenPrice, silent, LIVE)


def _write_links(patches: Sequence[Patch]) -> None:
    socials = [{"token_id": p.token_id, "type": t, "url": u} for p in patches for t, u in p.socials.items()]
    websites = [{"token_id": p.token_id, "label": n, "url": u} for p in patches for u, n in p.websites.items()]
    bulk.insert(
        Social,
        socials,
        ["token_id", "type", "url"],
        on_conflict="(token_id, type) DO UPDATE SET url = EXCLUDED.url",
    )
    bulk.insert(
        Website,
        websites,
        ["token_id", "label", "url"],
        on_conflict="(token_id, url) DO UPDATE SET label = EXCLUDED.label",
    )


def _write_history(patches: Sequence[Patch], stored: Mapping[Mint, dict[str, Any]]) -> None:
    rows = []
    for p in patches:
        if p.is_price_change:
            row = stored[p.mint] | p.live
            at = row["price_received_at"]
            rows.append({"token_id": p.token_id, "at": at} | {n: row[n] for n in ("price", "liquidity", "volume_24h")})
    bulk.insert(PriceHistory, rows, ["token_id", "at", "price", "liquidity", "volume_24h"])


def _tell(patches: Sequence[Patch], now: datetime) -> None:
    """Owe each public change its event: the changed fields, or the whole token when it is announced."""
    _announce([p.token_id for p in patches if p.is_announcement], now)
    updates = {p.token_id: p for p in patches if p.is_public and not p.is_announcement}
    rows = _public_rows(list(updates), now)
    outbox.append([
        outbox.Event("token:update", now, p.mint, p.revision, _changed(p, rows[token_id][1]))
        for token_id, p in updates.items()
    ])  # fmt: skip


def _changed(patch: Patch, row: Mapping[str, Any]) -> dict[str, Any]:
    touched = patch.static.keys() | patch.live.keys() | {"updated_at"}
    touched |= {name for name in ("socials", "websites") if getattr(patch, name)}
    return {name: row[name] for name in FIELDS if name in touched}


def _announce(token_ids: Sequence[int], now: datetime) -> None:
    """Owe `token:new` with everything known, except what is unknown."""
    rows = _public_rows(token_ids, now)
    outbox.append([
        outbox.Event("token:new", now, row["address"], revision, {k: v for k, v in row.items() if v is not None})
        for revision, row in rows.values()
    ])  # fmt: skip


def _touch(token_ids: Sequence[int], type_: str, names: Sequence[str], now: datetime) -> None:
    """Raise the revision of announced tokens and owe one event each with the named fields as they are now."""
    announced = TokenPrice.objects.filter(token__in=token_ids, revision__gt=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE token_prices SET revision = revision + 1, updated_at = %s "
            "WHERE token_id = ANY(%s) AND revision > 0",
            [now, list(token_ids)],
        )
    rows = _public_rows(list(announced.values_list("token_id", flat=True)), now)
    outbox.append([
        outbox.Event(type_, now, row["address"], revision, {name: row[name] for name in (*names, "updated_at")})
        for revision, row in rows.values()
    ])  # fmt: skip


def _public_rows(token_ids: Sequence[int], now: datetime) -> dict[int, tuple[int, dict[str, Any]]]:
    """Return (revision, row) by token id, encoded exactly as REST encodes them."""
    names = [name for name, field in FIELDS.items() if not field.is_linked and not field.is_derived]
    encode = RowEncoder(names, now)
    values = TokenPrice.objects.filter(token__in=token_ids).values_list("token_id", "revision", *encode.columns)
    rows = {token_id: (revision, encode(rest)) for token_id, revision, *rest in values}
    for token_id, (socials, websites) in links.of(list(rows)).items():
        rows[token_id][1].update(socials=socials, websites=websites)
    return rows
