"""Helius' answers: a thousand mints a call, by value and never by place; one bad id costs itself and no neighbour."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
import structlog

from enrichment.upstream import helius
from enrichment.upstream.errors import Declined, Malformed, QuotaExhausted, RateLimited, Refused, Unavailable
from enrichment.upstream.helius import Helius, parse_assets, refusal
from enrichment.upstream.http import Http
from tests.conftest import NOW, mint
from tests.wire import Book, Server, reply
from tokens.facts import Metadata, Observation, Quote
from tokens.mint import Mint

TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"

FULL: dict[str, Any] = {
    "interface": "FungibleToken",
    "id": mint(1),
    "content": {
        "$schema": "https://schema.metaplex.com/nft1.0.json",
        "json_uri": "http://169.254.169.254/latest/meta-data",
        "files": [{"uri": "https://cdn.example/file.png", "mime": "image/png"}],
        "metadata": {"name": "Ape Inu ", "symbol": "APE", "description": "An ape.", "token_standard": "Fungible"},
        "links": {"image": "https://cdn.example/ape.png", "external_url": "https://ape.example"},
    },
    "authorities": [{"address": mint(90), "scopes": ["full"]}],
    "compression": {"compressed": False},
    "grouping": [],
    "royalty": {"target": None, "percent": 0.030000000000000002},
    "creators": [],
    "ownership": {"frozen": False, "delegate": None, "ownership_model": "token", "owner": ""},
    "supply": None,
    "mutable": True,
    "burnt": False,
    "mint_extensions": {
        "metadata": {"mint": mint(1), "name": "Ape on chain", "symbol": "APE2", "additional_metadata": []},
        "permanent_delegate": {"delegate": mint(91)},
        "transfer_fee_config": {
            "newer_transfer_fee": {
                "epoch": 521,
                "maximum_fee": 3_900_000_000_000_000_000,
                "transfer_fee_basis_points": 5,
            },
            "transfer_fee_config_authority": None,
        },
    },
    "token_info": {
        "symbol": "APE",
        "supply": 18_000_000_000_000_000_123,
        "decimals": 9,
        "token_program": TOKEN,
        "mint_authority": mint(92),
        "freeze_authority": mint(93),
        "price_info": {"price_per_token": Decimal("3.56823e-11"), "currency": "USDC"},
    },
}


def answer(*assets: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "result": list(assets), "id": "tokensite"}


def one(**changes: Any) -> Observation:
    """Return what is read of the full asset with some parts changed; `...` leaves a part out."""
    asset = {key: value for key, value in (FULL | changes).items() if value is not ...}
    (seen,) = parse_assets(answer(asset), NOW).found
    return seen


def test_a_full_asset_becomes_facts_in_our_units():
    assert one() == Observation(
        mint=mint(1),
        source="helius",
        received_at=NOW,
        metadata=Metadata(
            symbol="APE",
            name="Ape Inu",
            decimals=9,
            description="An ape.",
            image_url="https://cdn.example/ape.png",
            flags=("freeze_authority", "mint_authority", "permanent_delegate", "transfer_fee"),
            total_supply=Decimal("18000000000.000000123"),
            token_program=TOKEN,
            mint_authority=mint(92),
            freeze_authority=mint(93),
            websites=(("website", "https://ape.example"),),
        ),
        quote=Quote(price_usd=Decimal("3.56823e-11"), is_last_resort=True),
    )


def test_an_asset_with_nothing_but_an_id_is_a_token_of_which_nothing_is_known():
    (seen,) = parse_assets(answer({"id": mint(1)}), NOW).found
    assert seen == Observation(mint=mint(1), source="helius", received_at=NOW, metadata=Metadata(flags=()))


@pytest.mark.parametrize(
    ("content", "extensions", "token", "name", "symbol"),
    [
        ({"name": "A", "symbol": "a"}, {"name": "B", "symbol": "b"}, {"symbol": "c"}, "A", "a"),
        ({}, {"name": "B", "symbol": "b"}, {"symbol": "c"}, "B", "b"),
        ({"name": "", "symbol": " "}, {"name": "B", "symbol": ""}, {"symbol": "c"}, "B", "c"),
        ({}, {}, {"symbol": "c"}, None, "c"),  # a symbol is no name
        ({"name": "\u200b"}, {}, {}, None, None),
        ({}, {"name": "B", "symbol": "b", "mint": mint(7)}, {}, None, None),  # what is said of another mint
    ],
)
def test_names_are_taken_from_the_first_place_that_has_one(content, extensions, token, name, symbol):
    seen = one(content={"metadata": content}, mint_extensions={"metadata": extensions}, token_info=token)
    assert (seen.metadata.name, seen.metadata.symbol) == (name, symbol)


@pytest.mark.parametrize(
    ("supply", "decimals", "total"),
    [
        (2**63, 0, Decimal(2**63)),
        (2**64 - 1, 6, Decimal("18446744073709.551615")),
        (2**64, 6, None),  # no mint account can hold it
        ("17993633250094256000", 9, Decimal("17993633250.094256")),
        (0, 6, Decimal(0)),
        (1, 20, None),  # too little for what we store, and not nothing
        (-1, 6, None),
        (Decimal("1.5"), 6, None),
        (5, None, None),
        (5, 256, None),
        (None, 6, None),
        ("NaN", 6, None),
        ({}, [], None),
    ],
)
def test_a_supply_is_whole_tokens_exact_beyond_63_bits_or_unknown(supply, decimals, total):
    assert one(token_info={"supply": supply, "decimals": decimals}).metadata.total_supply == total


@pytest.mark.parametrize(
    "info",
    [
        {"price_per_token": 1, "currency": "SOL"},
        {"price_per_token": 1},
        {"price_per_token": 0, "currency": "USDC"},
        {"price_per_token": "Infinity", "currency": "USDC"},
        {"currency": "USDC"},
        [],
        None,
    ],
)
def test_a_price_in_anything_but_dollars_is_no_price(info):
    assert one(token_info={"price_info": info}).quote is None


@pytest.mark.parametrize(
    ("changes", "is_flagged"),
    [
        ({}, False),
        ({"interface": "ProgrammableNFT"}, True),
        ({"interface": "MplCoreAsset"}, True),
        ({"interface": "SomethingOfTomorrow"}, False),
        ({"interface": ["FungibleToken"]}, False),
        ({"ownership": {"ownership_model": "single"}}, True),
        ({"token_info": {"supply": 1, "decimals": 0, "price_info": {"price_per_token": 5, "currency": "USDC"}}}, True),
        ({"token_info": {"supply": 2, "decimals": 0}}, False),
    ],
)
def test_what_is_no_currency_is_flagged_and_unpriced(changes, is_flagged):
    seen = one(**changes)
    assert ("not_fungible" in seen.metadata.flags) is is_flagged
    assert not (is_flagged and seen.quote)


@pytest.mark.parametrize(
    ("extensions", "flags"),
    [
        ({}, set()),
        ({"permanent_delegate": {"delegate": None}}, set()),
        ({"transfer_fee_config": {"newer_transfer_fee": {"transfer_fee_basis_points": 0}}}, set()),
        ({"transfer_fee_config": {"older_transfer_fee": {"transfer_fee_basis_points": 300}}}, {"transfer_fee"}),
        ({"transfer_fee_config": {"transfer_fee_config_authority": mint(5)}}, {"transfer_fee"}),  # may be set any day
        ({"permanent_delegate": {"delegate": mint(5)}}, {"permanent_delegate"}),
        ("a text", set()),
    ],
)
def test_a_token_that_can_be_taxed_or_taken_away_is_flagged(extensions, flags):
    seen = one(mint_extensions=extensions, token_info=...)
    assert set(seen.metadata.flags) == flags


def test_the_old_update_authority_tells_of_pump_fun():
    authorities = [{"address": mint(3)}, None, {"address": "TSLvdd1pWpHVjahSpsvCXUbgwsL3JAcvokwaKt1eokM"}]
    assert one(authorities=authorities).metadata.launchpad == "pump.fun"
    assert one(authorities=[]).metadata.launchpad is None


@pytest.mark.parametrize(
    ("content", "image"),
    [
        ({"links": {"image": "https://a.example/i.png"}, "files": [{"uri": "https://a.example/f.png"}]}, "i"),
        ({"links": {}, "files": [{"uri": "https://a.example/f.png"}]}, "f"),
        ({"links": {"image": "no-url"}, "files": ["https://a.example/f.png"]}, None),
        ({"files": []}, None),
        (None, None),
    ],
)
def test_an_image_is_a_url_that_is_stored_and_never_fetched(content, image):
    expected = image and f"https://a.example/{image}.png"
    assert one(content=content).metadata.image_url == expected


def test_unknown_and_burnt_assets_are_absent_and_cost_nobody_a_row():
    page = parse_assets(answer(None, FULL | {"id": mint(2), "burnt": True}, FULL, None), NOW)
    assert (page.found, page.rows, page.discarded) == ((one(),), 4, 0)
    assert parse_assets(answer(None, None), NOW).found == ()


@pytest.mark.parametrize("bad", [5, "x", [], {}, {"id": None}, {"id": mint(1)[:-1] + "0"}, {"mint": mint(1)}])
def test_a_bad_asset_costs_itself_and_not_its_neighbour(bad):
    page = parse_assets(answer(bad, FULL, bad), NOW)
    assert (page.found, page.discarded) == ((one(),), 2)
    with pytest.raises(Malformed):
        parse_assets(answer(bad), NOW)


@pytest.mark.parametrize("payload", [None, [], [FULL], "x", {}, {"result": None}, {"result": {"items": [FULL]}}])
def test_an_answer_without_a_list_of_assets_is_malformed(payload):
    with pytest.raises(Malformed):
        parse_assets(payload, NOW)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": -32429, "message": "rate limited"}, RateLimited),
        ({"code": -32029, "message": "Rate limit exceeded."}, RateLimited),
        ({"code": -32429, "message": "Max usage reached"}, QuotaExhausted),
        ({"code": -32401, "message": "Unauthorized"}, Refused),
        ({"code": -32001, "message": "Authentication failed."}, Refused),
        ({"code": -32003, "message": "no"}, Refused),
        ({"code": -32602, "message": "Invalid request parameters."}, Declined),
        ({"code": -32004, "message": "not found"}, helius.BadBatch),
        ({"code": -32000, "message": f"Pubkey Validation Err: {mint(3)} is invalid"}, helius.BadBatch),
        ({"code": -32000, "message": "An unexpected error occurred"}, Unavailable),
        ({"code": [1], "message": {}}, Unavailable),
        ({}, Unavailable),
        ("max usage reached", QuotaExhausted),
        ("something", Unavailable),
    ],
)
def test_an_error_in_the_body_is_what_it_says_whatever_the_status(error, kind):
    assert type(refusal({"jsonrpc": "2.0", "error": error})) is kind


@pytest.mark.parametrize("payload", [None, [], {}, {"error": None}, answer(FULL)])
def test_an_answer_without_an_error_is_no_refusal(payload):
    assert refusal(payload) is None


Rpc = Callable[[list[str]], bytes]


@asynccontextmanager
async def rpc(respond: Rpc) -> AsyncIterator[tuple[Server, list[dict[str, Any]]]]:
    """Serve JSON-RPC: what `respond` makes of the ids in a request. Yields the requests as they come in."""
    server, requests = Server(""), list[dict[str, Any]]()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
                server.heads.append(head)
                requests.append(json.loads(await reader.readexactly(length)))
                writer.write(respond(requests[-1]["params"]["ids"]))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client had enough
        finally:
            writer.close()

    listener = await asyncio.start_server(handle, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server, requests
    finally:
        listener.close()


def body(payload: Any, status: str = "200 OK") -> bytes:
    return reply(json.dumps(payload, default=str).encode(), status)


def assets(ids: list[str]) -> bytes:
    return body(answer(*({"id": each} for each in ids)))


def spoilt_by(*bad: str, names: bool) -> Rpc:
    """Return a vendor that fails a whole batch for one of some ids, and names it or does not."""

    def respond(ids: list[str]) -> bytes:
        culprit = next((each for each in bad if each in ids), None)
        if culprit is None:
            return assets(ids)
        message = f"Pubkey Validation Err: {culprit if names else 'an id'} is invalid"
        return body({"jsonrpc": "2.0", "error": {"code": -32000, "message": message}})

    return respond


async def fetch(respond: Rpc, mints: list[Mint]) -> tuple[dict[Mint, Observation], list[dict[str, Any]], Book]:
    """Return what a fetch makes of a vendor, the requests it cost, and what the gate was told."""
    book = Book()
    async with rpc(respond) as (server, requests), http(server, book) as client:
        found = await Helius(client).fetch_assets(mints, "enrich")
    return found, requests, book


def http(server: Server, book: Book) -> Http:
    return Http(
        "helius",
        server.url,
        secret_params={"api-key": "canary"},
        explain=helius.explain,
        ledger=book,
    )


async def test_a_batch_asks_once_for_distinct_mints_and_maps_by_id():
    def respond(ids: list[str]) -> bytes:  # another order, nulls, and one that nobody asked for
        return body(answer(None, *({"id": each} for each in [*reversed(ids[:2]), mint(99)]), None))

    found, requests, book = await fetch(respond, [mint(1), mint(2), mint(1), Mint("no-mint"), mint(3)])
    assert list(found) == [mint(1), mint(2)]
    assert [request["method"] for request in requests] == ["getAssetBatch"]
    assert requests[0]["params"] == {"ids": [mint(1), mint(2), mint(3)], "options": {"showFungible": True}}
    assert book.outcomes == ["ok"]


async def test_a_thousand_mints_are_one_call_and_one_more_is_refused_before_anything_is_sent():
    thousand = [mint(n) for n in range(1_000)]
    found, requests, _ = await fetch(assets, [*thousand, *thousand])
    assert (len(found), len(requests)) == (1_000, 1)
    with pytest.raises(ValueError, match="takes 1000 mints"):
        await fetch(assets, [*thousand, mint(1_000)])


async def test_no_mints_need_no_call():
    assert (await fetch(assets, []))[:2] == ({}, [])


async def test_a_named_culprit_costs_one_more_call():
    mints = [mint(n) for n in range(1_000)]
    found, requests, book = await fetch(spoilt_by(mint(7), names=True), mints)
    assert list(found) == [each for each in mints if each != mint(7)]
    assert [len(request["params"]["ids"]) for request in requests] == [1_000, 999]
    assert book.outcomes == ["neutral", "ok"]  # the vendor is well: nothing counts against it


async def test_a_culprit_that_nobody_names_is_found_by_halving():
    mints = [mint(n) for n in range(1_000)]
    found, requests, _ = await fetch(spoilt_by(mint(777), names=False), mints)
    assert list(found) == [each for each in mints if each != mint(777)]
    assert len(requests) <= 21


async def test_several_culprits_take_no_good_mint_along():
    mints = [mint(n) for n in range(40)]
    found, _, _ = await fetch(spoilt_by(mint(0), mint(17), mint(39), names=False), mints)
    assert list(found) == [each for n, each in enumerate(mints) if n not in {0, 17, 39}]


async def test_a_single_bad_mint_is_absent():
    assert (await fetch(spoilt_by(mint(1), names=False), [mint(1)]))[0] == {}


async def test_a_batch_that_is_found_under_404_is_halved_too():
    def respond(ids: list[str]) -> bytes:
        error = {"code": -32004, "message": "One or more assets in the batch were not found."}
        return body({"error": error}, "404 Not Found") if mint(2) in ids else assets(ids)

    assert list((await fetch(respond, [mint(1), mint(2), mint(3)]))[0]) == [mint(1), mint(3)]


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "413 Too Large"])
@pytest.mark.parametrize("size", [1, 3, 1_000])
async def test_a_request_that_is_never_accepted_is_an_error_and_nobodys_absence(status, size):
    asked: list[int] = []

    def respond(ids: list[str]) -> bytes:
        asked.append(len(ids))
        return body({"message": "schema changed"}, status)

    with pytest.raises(Declined):
        await fetch(respond, [mint(n) for n in range(size)])
    assert len(asked) <= 7


async def test_too_many_culprits_are_given_up_in_one_line_and_the_found_are_kept():
    mints, bad = [mint(n) for n in range(256)], [mint(n) for n in range(0, 256, 6)]
    with structlog.testing.capture_logs() as events:
        found, requests, _ = await fetch(spoilt_by(*bad[20:], names=False), mints)
    assert found
    assert len(requests) == 32
    assert [event["log_level"] for event in events if event["event"] == "batch.abandoned"] == ["warning"]


@pytest.mark.parametrize("status", ["200 OK", "429 Too Many Requests"])
@pytest.mark.parametrize(
    ("message", "kind", "outcome"),
    [("rate limited", RateLimited, "throttled"), ("max usage reached", QuotaExhausted, "exhausted")],
)
async def test_the_gate_is_told_of_a_throttle_also_inside_200(status, message, kind, outcome):
    book = Book()
    answer = body({"jsonrpc": "2.0", "error": {"code": -32429, "message": message}}, status)
    async with rpc(lambda ids: answer) as (server, _), http(server, book) as client:
        with pytest.raises(kind) as caught:
            await Helius(client).fetch_assets([mint(1)], "enrich")
    assert type(caught.value) is kind
    assert book.outcomes == [outcome]


async def test_a_status_says_more_than_an_error_without_a_known_code():
    book, answer = Book(), body({"error": {"code": -32000, "message": "slow down"}}, "429 Too Many Requests")
    async with rpc(lambda ids: answer) as (server, _), http(server, book) as client:
        with pytest.raises(RateLimited):
            await Helius(client).fetch_assets([mint(1)], "enrich")
    assert book.outcomes == ["throttled"]


async def test_the_key_rides_in_the_url_and_nowhere_else():
    book = Book()
    async with rpc(lambda ids: body({"error": {"code": -32401, "message": "canary is no key"}})) as (server, _):
        async with http(server, book) as client:
            with structlog.testing.capture_logs() as events, pytest.raises(Refused) as caught:
                await Helius(client).fetch_assets([mint(1)], "enrich")
        assert server.heads[0].startswith("POST /?api-key=canary HTTP/1.1")
    assert "canary" not in f"{caught.value!r} {events}"


def test_the_factory_knows_every_plan_and_shows_no_key():
    for plan in ("free", "developer", "business", "professional"):
        made = helius.helius("https://mainnet.helius-rpc.com", "canary", plan)
        assert repr(made) == "Helius(Http('helius', 'mainnet.helius-rpc.com'))"
