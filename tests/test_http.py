"""The door to the network: whatever a server does to us becomes one of our errors, and no secret leaves a header."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import threading
import traceback
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import structlog

from enrichment.upstream.download import answers, fetch_list
from enrichment.upstream.errors import (
    Declined,
    GateShut,
    Malformed,
    QuotaExhausted,
    RateLimited,
    Refused,
    Unavailable,
    UpstreamError,
)
from enrichment.upstream.http import Http
from enrichment.upstream.messages import Deadlines
from enrichment.upstream.plans import Plan
from tests.wire import BRIEF, T0, Book, client, reply, serving

CANARY = "jup_canary_5d41402abc4b2a76b9719d911017c592"
HTML = b"<!DOCTYPE html><title>Just a moment...</title>"


async def get(http: Http, path: str = "/tokens/v2/recent", **options: Any) -> Any:
    return await http.get_json(path, **({"params": {}, "purpose": "detect", "max_wait_s": 0.0} | options))


async def error_of(*pieces: bytes, book: Book | None = None, **options: Any) -> UpstreamError:
    """Return the error that asking a server which answers `pieces` ends in."""
    hangs, pause_s = options.pop("hangs", False), options.pop("pause_s", 0.0)
    async with serving(*pieces, hangs=hangs, pause_s=pause_s) as server, client(server, book, **options) as http:
        with pytest.raises(UpstreamError) as caught:
            await get(http)
    return caught.value


async def test_an_answer_arrives_with_exact_numbers_and_is_told_as_good():
    book = Book()
    body = b'{"usdPrice":4.6228117147547495e-06,"n":9007199254740993,"p":null}'
    async with serving(reply(body)) as server, client(server, book, secret_headers={"x-api-key": CANARY}) as http:
        answer = await get(http, params={"query": "a,b"})
    assert answer == {"usdPrice": Decimal("4.6228117147547495e-06"), "n": 9007199254740993, "p": None}
    assert book.outcomes == ["ok"]
    head = server.heads[0].lower()
    assert head.startswith("get /tokens/v2/recent?query=a%2cb ")
    assert f"x-api-key: {CANARY}" in head
    assert "accept-encoding: gzip\r\n" in head


async def test_a_gzipped_answer_is_read():
    packed = gzip.compress(b'[{"id":1}]')
    async with serving(reply(packed, content_encoding="gzip")) as server, client(server) as http:
        assert await get(http) == [{"id": 1}]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"NaN", None),
        (b"[1, -Infinity]", [1, None]),
        (b"[" + b"9" * 5_000 + b"]", [None]),
        (b"[1e99999999999999999999]", [None]),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'["\\ud83d"]', ["\ud83d"]),
    ],
)
async def test_a_number_nobody_can_mean_costs_its_field_not_the_page(body, value):
    async with serving(reply(body)) as server, client(server) as http:
        assert await get(http) == value


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (HTML, "text/html; charset=utf-8"),
        (HTML, "application/json"),
        (b"[]", "text/html"),
        (b"", "application/json"),
        (b'[{"id":', "application/json"),
        (b'["\xff"]', "application/json"),
        (b"[" * 100_000, "application/json"),
    ],
)
async def test_anything_but_json_is_malformed_and_counts(body, kind):
    book = Book()
    error = await error_of(reply(body, kind=kind), book=book)
    assert type(error) is Malformed
    assert error.sample == body[:200].decode("ascii", "backslashreplace")[:200]
    assert book.outcomes == ["failed"]


async def test_a_parser_that_finds_the_wrong_shape_counts_like_a_broken_answer():
    def parse(payload: Any) -> Any:
        raise Malformed("jupiter", "tokens that are no array")

    book = Book()
    async with serving(reply(b"{}")) as server, client(server, book) as http:
        with pytest.raises(Malformed):
            await get(http, parse=parse)
    assert book.outcomes == ["failed"]


RPC = {"jsonrpc": "2.0", "id": 1, "method": "getAssetBatch", "params": {"ids": ["a", "b"]}}


async def post(http: Http, **options: Any) -> Any:
    return await http.post_json("/", **({"body": RPC, "purpose": "enrich", "max_wait_s": 0.0} | options))


async def test_a_body_is_posted_as_json_with_the_key_in_the_query_of_that_request_only():
    book = Book()
    keyed = {"secret_params": {"api-key": CANARY}, "headers": {"accept": "application/json;version=1"}}
    async with serving(reply(b'{"result":[]}')) as server, client(server, book, **keyed) as http:
        assert await post(http, params={"page": "1"}) == {"result": []}
    head, body = server.heads[0].lower(), server.bodies[0]
    assert head.startswith(f"post /?page=1&api-key={CANARY} ")
    assert "content-type: application/json\r\n" in head
    assert "accept: application/json;version=1\r\n" in head
    assert json.loads(body) == RPC
    assert book.outcomes == ["ok"]


async def test_a_call_is_charged_its_cost():
    book = Book(Plan(rpm=60, burst=60, credits=1_000_000))
    async with serving(reply(b"[]")) as server, client(server, book) as http:
        await post(http, cost=10)
        await get(http, cost=3)
    assert book.state.spending.spent == 13


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Malformed("helius", "no result"), "failed"),
        (Unavailable("helius", "internal error"), "failed"),
        (Declined("helius", "a bad id"), "neutral"),
        (Refused("helius", "no such key"), "refused"),
        (RateLimited("helius", "rate limited"), "throttled"),
        (QuotaExhausted("helius", "max usage reached"), "exhausted"),
    ],
)
async def test_a_parser_says_what_a_good_status_hides_and_the_gate_hears_it(error, outcome):
    def parse(payload: Any) -> Any:
        raise error

    book = Book()
    answer = reply(b'{"error":{"code":-32429}}', retry_after="9")
    async with serving(answer) as server, client(server, book) as http:
        with pytest.raises(type(error)) as caught:
            await post(http, parse=parse)
    assert caught.value is error
    assert book.outcomes == [outcome]
    if isinstance(error, RateLimited):
        hold_s = 21_600 if outcome == "exhausted" else 9
        assert error.retry_at == datetime.fromtimestamp(T0 + hold_s, UTC)


@pytest.mark.parametrize(
    ("pieces", "seen", "kind"),
    [
        ([reply(b'{"code":-32429}', "429 Slow")], (429, {"code": -32429}), QuotaExhausted),
        ([reply(b"<html>", "429 Slow", kind="text/html")], (429, None), RateLimited),
        ([reply(b'{"code":1}', "500 Oops")], (500, {"code": 1}), QuotaExhausted),
        ([reply(b'{"code":1}' + b" " * 99_999, "500 Oops")], (500, None), Unavailable),
        ([reply(b'{"code":1}', "429 Slow", content_encoding="br")], (429, None), RateLimited),
        ([reply(b'{"code":1}', "429 Slow")[:-3]], (429, None), RateLimited),
    ],
    ids=["json", "html", "server error", "too long", "packed", "cut short"],
)
async def test_an_adapter_may_read_more_out_of_an_error_than_its_status(pieces, seen, kind):
    heard: list[Any] = []

    def explain(status: int, payload: Any) -> UpstreamError | None:
        heard.append((status, payload))
        return QuotaExhausted("helius", "max usage reached") if payload else None

    book = Book()
    assert type(await error_of(*pieces, book=book, explain=explain)) is kind
    assert heard == [seen]
    assert book.outcomes == [kind.outcome]


async def test_an_error_whose_body_stalls_is_known_by_its_status():
    stalled = b"HTTP/1.1 429 Slow\r\ncontent-length: 99\r\n\r\n{"
    book = Book()
    assert type(await error_of(stalled, hangs=True, book=book, deadlines=BRIEF)) is RateLimited
    assert book.outcomes == ["throttled"]


async def test_the_gate_hears_how_long_a_call_took():
    book, ticks = Book(), iter([100.0, 107.5])
    async with serving(reply(b"[]")) as server, client(server, book, clock=lambda: next(ticks)) as http:
        await get(http)
    assert [report.took_s for report in book.reports] == [7.5]


async def test_an_account_without_a_key_sends_none_and_masks_nothing():
    without = {"secret_params": {"api-key": ""}, "secret_headers": {"x-api-key": ""}}
    async with serving(reply(b"no json")) as server, client(server, **without) as http:
        with pytest.raises(Malformed) as caught:
            await post(http)
    assert caught.value.sample == "no json"
    assert "api-key" not in server.heads[0]


async def test_what_a_vendor_quotes_of_our_key_is_cut_out_of_an_adapters_error():
    def parse(payload: Any) -> Any:
        raise Malformed("helius", f"says {payload}", sample=f"{payload}")

    answer = reply(f'"invalid key {CANARY}"'.encode())
    async with serving(answer) as server, client(server, secret_params={"api-key": CANARY}) as http:
        with pytest.raises(Malformed) as caught:
            await post(http, parse=parse)
    assert (str(caught.value), caught.value.sample) == ("helius: says invalid key ***", "invalid key ***")


@pytest.mark.parametrize(
    ("status", "kind", "outcome"),
    [
        ("204 No Content", Unavailable, "failed"),
        ("302 Found", Unavailable, "failed"),
        ("500 Oops", Unavailable, "failed"),
        ("503 Busy", Unavailable, "failed"),
        ("530 Origin", Unavailable, "failed"),
        ("408 Slow", Unavailable, "failed"),
        ("400 Bad Request", Declined, "neutral"),
        ("404 Not Found", Declined, "neutral"),
        ("414 Too Long", Declined, "neutral"),
        ("401 Unauthorized", Refused, "refused"),
        ("402 Pay", Refused, "refused"),
        ("403 Forbidden", Refused, "refused"),
        ("429 Too Many Requests", RateLimited, "throttled"),
    ],
)
async def test_every_status_becomes_one_error_and_one_report(status, kind, outcome):
    book = Book()
    error = await error_of(reply(b'{"code":1}', status), book=book)
    assert type(error) is kind
    assert (error.upstream, error.status, book.outcomes) == ("jupiter", int(status[:3]), [outcome])


async def test_a_429_says_when_to_come_back_as_the_gate_understood_it():
    error = await error_of(reply(b"{}", "429 Slow", x_ratelimit_reset=str(int(T0) + 17)))
    assert isinstance(error, RateLimited)
    assert error.retry_at == datetime.fromtimestamp(T0 + 17, UTC)


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n[1,2"],
        [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n4\r\n[1,2\r\n"],
        [reply(gzip.compress(b"[1,2]" * 99)[:-9], content_encoding="gzip")],
        [b"SMTP ready\r\n\r\n"],
    ],
    ids=["hangs up", "cut short", "cut between chunks", "gzip cut short", "not HTTP"],
)
async def test_half_an_answer_is_no_answer(pieces):
    book = Book()
    assert type(await error_of(*pieces, book=book)) is Unavailable
    assert book.outcomes == ["failed"]


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[1,"],
    ],
    ids=["before the head", "in the head", "in the body"],
)
async def test_a_stall_ends_at_the_read_deadline(pieces):
    book = Book()
    assert type(await error_of(*pieces, hangs=True, book=book, deadlines=BRIEF)) is Unavailable
    assert book.outcomes == ["failed"]


async def test_a_byte_now_and_then_ends_at_the_total_deadline():
    drip = [b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", *[b" "] * 200]
    error = await error_of(*drip, pause_s=0.02, deadlines=BRIEF)
    assert str(error) == "jupiter: no complete answer within 0.2 s"


async def test_a_closed_port_is_unavailable():
    async with serving() as server:
        pass
    book = Book()
    async with client(server, book) as http:
        with pytest.raises(Unavailable):
            await get(http)
    assert book.outcomes == ["failed"]


async def test_a_redirect_is_not_followed():
    async with serving(reply(b"[]")) as elsewhere:
        error = await error_of(reply(b"", "302 Found", location=elsewhere.url + "/stolen"))
    assert str(error) == "jupiter: answered 302: a redirect, which is never followed"
    assert elsewhere.heads == []


async def test_a_gzip_bomb_is_dropped_before_it_unfolds():
    bomb = gzip.compress(b"0" * 200_000_000, compresslevel=1)
    tracemalloc.start()
    try:
        error = await error_of(reply(bomb, content_encoding="gzip"))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert type(error) is Malformed
    assert peak_bytes < 60_000_000


async def test_a_body_over_the_cap_is_dropped_as_soon_as_it_is_over():
    endless = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", *[b"400\r\n" + b"1" * 1024 + b"\r\n"] * 9_999]
    async with serving(*endless) as server, client(server) as http:
        with pytest.raises(Malformed, match="more than 5000 bytes"):
            await get(http, max_bytes=5_000)


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "deflate"])
async def test_an_encoding_nobody_asked_for_is_refused(encoding):
    assert type(await error_of(reply(b"[]", content_encoding=encoding))) is Malformed


async def test_broken_gzip_is_malformed():
    assert type(await error_of(reply(b"not gzip at all", content_encoding="gzip"))) is Malformed


async def test_a_short_wait_at_the_gate_is_slept_through():
    book, slept = Book(Plan(rpm=60, rps=1)), []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        book.now += seconds

    async with serving(reply(b"[]")) as server, client(server, book, sleep=sleep) as http:
        await get(http)
        await get(http, max_wait_s=1.5)
    assert slept == [1.0]
    assert len(server.heads) == 2


async def test_a_long_wait_at_the_gate_is_refused_with_the_time_and_nothing_is_sent():
    book = Book(Plan(rpm=1))
    async with serving(reply(b"[]")) as server, client(server, book) as http:
        await get(http)
        with pytest.raises(GateShut) as caught:
            await get(http, max_wait_s=30)
    assert caught.value.retry_at == datetime.fromtimestamp(T0 + 61, UTC)
    assert (len(server.heads), book.outcomes) == (1, ["ok"])


async def test_a_cancelled_call_is_told_and_counts_for_nothing():
    book = Book()
    async with serving(hangs=True) as server, client(server, book) as http:
        call = asyncio.create_task(get(http))
        while not server.heads:
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert book.outcomes == ["neutral"]


async def test_a_connection_serves_one_call_after_another():
    async with serving(reply(b"[]"), keeps=True) as server, client(server) as http:
        for _ in range(3):
            await get(http)
    assert (len(server.heads), server.connections) == (3, 1)


async def test_proxies_of_the_environment_are_ignored(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(reply(b"[]")) as server, client(server) as http:
        assert await get(http) == []
        assert (await fetch_list(server.url)).body == b"[]"


@pytest.mark.parametrize(
    "pieces",
    [
        [reply(f"<html>{'x' * 170}{CANARY} invalid key {CANARY}".encode(), kind="text/html")],
        [reply(f"{CANARY}".encode(), "401 Unauthorized")],
        [reply(b"{}", "302 Found", location=f"https://evil.example/?key={CANARY}")],
        [reply(b"", "429 Slow", retry_after=CANARY)],
        [reply(b"[", "500 Oops")],
        [f"HTTP/1.1 200 {CANARY}\r\ncontent-length: 50\r\n\r\n[".encode()],
        [f"{CANARY}\r\n\r\n".encode()],
        [],
    ],
)
async def test_a_key_shows_in_no_log_error_or_repr(pieces, caplog):
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as events:
        async with serving(*pieces) as server:
            url = server.url.replace("//", f"//{CANARY}:{CANARY}@")
            http = Http(
                "jupiter", url, ledger=Book(), secret_headers={"x-api-key": CANARY}, deadlines=Deadlines(total_s=5)
            )
            async with http:
                with pytest.raises(UpstreamError) as caught:
                    await get(http, params={"query": CANARY})
    error = caught.value
    shown = [repr(http), str(error), repr(error), getattr(error, "sample", ""), caplog.text, repr(events)]
    shown += traceback.format_exception(error)
    assert server.heads
    assert CANARY in server.heads[0]
    assert not [text for text in shown if CANARY in text]
    assert not [text for text in shown if "jup_canary" in text]
    assert "query=" not in "".join(shown)


async def test_not_even_httpx_at_its_most_talkative_knows_the_key(caplog):
    for name in ("httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)
    keyed = {"secret_params": {"api-key": CANARY}, "secret_headers": {"x-api-key": CANARY}}
    async with serving(reply(b"[]")) as server, client(server, **keyed) as http:
        await post(http)
        kept = [repr(value) for value in (http, vars(http), http._client, vars(http._client))]
    assert server.heads[0].count(CANARY) == 2
    assert "POST" in caplog.text
    assert not [text for text in [caplog.text, *kept] if CANARY in text]


async def test_a_list_is_downloaded_whole_with_its_etag():
    body = json.dumps(["a", "b"]).encode()
    async with serving(reply(body, etag='"v1"')) as server:
        got = await fetch_list(server.url + "/all.json")
    assert (got.body, got.etag, got.complete) == (body, '"v1"', True)


async def test_an_unchanged_list_has_no_body():
    async with serving(reply(b"", "304 Not Modified")) as server:
        got = await fetch_list(server.url, etag='"v1"')
    assert (got.body, got.etag, got.complete) == (None, '"v1"', True)
    assert 'if-none-match: "v1"' in server.heads[0].lower()


async def test_a_list_without_a_stated_length_is_not_known_to_be_complete():
    async with serving(b"HTTP/1.0 200 OK\r\n\r\nmint\nmint") as server:
        got = await fetch_list(server.url)
    assert (got.body, got.complete) == (b"mint\nmint", False)


async def test_a_gzipped_list_is_unpacked_when_the_transport_packed_it():
    async with serving(reply(gzip.compress(b"a\nb"), content_encoding="gzip", kind="text/csv")) as server:
        assert (await fetch_list(server.url)).body == b"a\nb"


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([reply(HTML, kind="text/html")], Malformed),
        ([reply(b"", "301 Moved", location="https://elsewhere.example/")], Unavailable),
        ([reply(b"", "404 Not Found")], Unavailable),
        ([reply(b"", "304 Not Modified")], Unavailable),
        ([reply(b"x" * 2_000)], Malformed),
        ([reply(b"x" * 500)[:-100]], Unavailable),
        ([reply(gzip.compress(b"x" * 500)[:-3], content_encoding="gzip")], Unavailable),
        ([], Unavailable),
    ],
)
async def test_a_list_that_cannot_be_had_whole_is_an_error(pieces, kind):
    async with serving(*pieces) as server:
        with pytest.raises(kind) as caught:
            await fetch_list(server.url + f"/all?key={CANARY}", max_bytes=1_000)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("url", ["http://[broken", "http://host:port/", "ftp://host/x", "", "http://\u2603\u2603..x/"])
async def test_a_list_url_that_is_none_is_unavailable(url):
    with pytest.raises(Unavailable):
        await fetch_list(url)


async def test_a_slow_list_ends_at_its_total_deadline():
    async with serving(reply(b"x" * 500)[:-100], hangs=True) as server:
        with pytest.raises(Unavailable, match="no complete answer within"):
            await fetch_list(server.url, deadlines=Deadlines(read_s=5, total_s=0.05))


@contextmanager
def answering(status: int, kind: str, body: bytes = b"") -> Iterator[str]:
    """Serve one answer from a thread, for code that is not asynchronous."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_right = self.path == "/jupiter/tokens/v2/recent"
            self.send_response(status if is_right else 500)
            self.send_header("content-type", kind)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/jupiter/"
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "kind", "is_alive"),
    [
        (200, "application/json", True),
        (200, "application/json; charset=utf-8", True),
        (401, "application/json", True),
        (429, "application/json", True),
        (200, "text/html", False),
        (403, "text/html; charset=UTF-8", False),
        (500, "application/json", False),
        (503, "text/plain", False),
    ],
)
def test_jupiter_is_alive_when_it_answers_json_without_failing(status, kind, is_alive):
    with answering(status, kind) as url:
        assert answers(url) is is_alive


def test_one_client_outlives_the_event_loop_of_a_job():
    with answering(200, "application/json", b"[]") as url:
        http = Http("jupiter", url, ledger=Book())
        assert [asyncio.run(get(http)) for _ in range(3)] == [[], [], []]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://[broken", "nonsense", "", "ftp://127.0.0.1/"])
def test_what_is_not_there_does_not_answer(url):
    assert answers(url) is False


async def test_a_silent_server_does_not_answer_within_the_time():
    async with serving(hangs=True) as server:
        assert await asyncio.to_thread(answers, server.url, 0.05) is False
