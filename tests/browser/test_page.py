"""The page in a real Chromium: live, patient, inert and usable. The WebSocket's other end is played by the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, WebSocketRoute, expect
from pytest_django.live_server_helper import LiveServer

from tests.builders import token
from tests.conftest import NOW, mint
from tests.test_page import HOSTILE
from tokens.fields import instant

pytestmark = pytest.mark.django_db(transaction=True)
Visit = Callable[..., Page]


class Server:
    """The other end of the page's WebSocket."""

    def __init__(self) -> None:
        self.connections: list[WebSocketRoute] = []
        self.heard: list[dict[str, Any]] = []
        self.is_welcoming = True

    def __call__(self, page: Page) -> None:
        page.route_web_socket("**/ws/v3/", self._connected)

    def _connected(self, route: WebSocketRoute) -> None:
        self.connections.append(route)
        route.on_message(lambda text: self.heard.append(json.loads(text)))
        if self.is_welcoming:
            self.say(type="welcome", v=1, seq=10, heartbeat_s=15, limits={}, upstreams="sandbox")

    def say(self, **message: Any) -> None:
        self.connections[-1].send(json.dumps(message))

    def snapshot(self, *rows: dict[str, Any], channel: str = "top", seq: int = 10) -> None:
        self.say(type="snapshot", v=1, channel=channel, seq=seq, data=list(rows))

    def update(self, number: int, revision: int, *, seq: int = 11, **data: Any) -> None:
        ts = instant(timezone.now())
        self.say(type="token:update", v=1, seq=seq, ts=ts, address=mint(number), revision=revision, data=data)

    def asked(self, op: str, **fields: Any) -> list[dict[str, Any]]:
        return [m for m in self.heard if m["op"] == op and fields.items() <= m.items()]


@pytest.fixture
def server() -> Server:
    return Server()


def row(number: int, **fields: Any) -> dict[str, Any]:
    """Return token `number` as a snapshot has it."""
    known = {"address": mint(number), "revision": 1, "symbol": f"T{number}", "rank": number, "status": "complete",
             "price": "1", "price_status": "ok", "price_age_s": 1, "first_seen_at": instant(NOW)}  # fmt: skip
    return known | fields


def cell(page: Page, number: int, name: str) -> Locator:
    return page.locator(f'#rows tr[data-address="{mint(number)}"] [data-cell="{name}"]')


def order(page: Page) -> list[int]:
    by_mint = {mint(number): number for number in range(200)}
    addresses = page.locator("#rows tr").evaluate_all("(rows) => rows.map((row) => row.dataset.address)")
    return [by_mint[address] for address in addresses]


def wait_until(page: Page, condition: Callable[[], bool]) -> None:
    for _ in range(200):
        if condition():
            return
        page.wait_for_timeout(25)
    pytest.fail("it did not happen within 5 s")


@pytest.fixture
def live(live_server: LiveServer, visit: Visit, server: Server) -> Page:
    """The page with tokens 1, 2 and 3 in its table, from the server and from a snapshot."""
    for number in (1, 2, 3):
        token(number, price="1", price_status="ok")
    page = visit(live_server.url, before=server)
    wait_until(page, lambda: bool(server.asked("subscribe", channel="top")))
    server.snapshot(row(1), row(2), row(3))
    expect(page.locator("#connection")).to_have_text("Live")
    return page


def test_an_update_changes_its_cells_and_no_others(live: Page, server: Server) -> None:
    server.update(2, 2, price="0.00001234", change_1h=-2.5, price_status="disputed")
    expect(cell(live, 2, "price")).to_have_text("$0.0₄1234")
    expect(cell(live, 2, "price")).to_have_attribute("title", "$0.00001234")
    expect(cell(live, 2, "change_1h")).to_have_text("−2.50%")
    expect(cell(live, 2, "fresh")).to_contain_text("disputed")
    expect(cell(live, 1, "price")).to_have_text("$1.00")


def test_old_news_is_ignored_and_a_gap_is_asked_for(live: Page, server: Server) -> None:
    server.update(1, 2, seq=11, price="2")
    server.update(1, 1, seq=12, price="3")
    server.update(1, 2, seq=13, price="4")
    server.update(2, 2, seq=14, price="5")
    expect(cell(live, 2, "price")).to_have_text("$5.00")
    assert cell(live, 1, "price").text_content() == "$2.00"
    server.update(1, 4, seq=16, price="9")
    wait_until(live, lambda: bool(server.asked("resume", since_seq=11)))
    assert cell(live, 1, "price").text_content() == "$2.00"
    server.update(1, 3, seq=15, price="8")
    server.update(1, 4, seq=16, price="9")
    expect(cell(live, 1, "price")).to_have_text("$9.00")


def test_an_empty_installation_fills_its_page_by_itself(live_server: LiveServer, visit: Visit, server: Server) -> None:
    page = visit(live_server.url, before=server)
    expect(page.locator("#waiting")).to_be_visible()
    wait_until(page, lambda: bool(server.asked("subscribe", channel="top")))
    server.snapshot()
    server.say(type="token:new", v=1, seq=11, ts=instant(timezone.now()), address=mint(7), revision=1,
               data={"address": mint(7), "first_seen_at": instant(timezone.now())})  # fmt: skip
    expect(page.locator("#newest .symbol")).to_have_text("unnamed")
    wait_until(page, lambda: bool(server.asked("subscribe", id="newest", addresses=[mint(7)])))
    server.update(7, 2, seq=12, symbol="SEVEN")
    expect(page.locator("#newest .symbol")).to_have_text("SEVEN")
    server.snapshot(row(2), row(1), seq=13)
    expect(page.locator("#waiting")).to_be_hidden()
    expect(page.locator("#board-title")).to_have_text("Top 2 by traded volume")
    wait_until(page, lambda: order(page) == [1, 2])
    expect(cell(page, 1, "symbol")).to_have_text("T1")
    link = page.locator(f'#rows tr[data-address="{mint(1)}"] .links a').first
    expect(link).to_have_attribute("href", f"https://solscan.io/token/{mint(1)}")


def test_a_lost_connection_is_told_and_resumed_where_it_broke(live: Page, server: Server) -> None:
    server.update(1, 2, seq=20, price="2")
    expect(cell(live, 1, "price")).to_have_text("$2.00")
    server.heard.clear()
    server.is_welcoming = False
    server.connections[-1].close()
    expect(live.locator("#connection")).to_contain_text("Reconnecting since")
    expect(live.locator("#announcer")).to_have_text("Connection lost; what you see may be old.")
    wait_until(live, lambda: len(server.connections) == 2)
    assert server.heard == []
    server.say(type="welcome", v=1, seq=25, heartbeat_s=15, limits={}, upstreams="sandbox")
    wait_until(live, lambda: bool(server.asked("subscribe", channel="top", since_seq=20)))
    server.update(1, 3, seq=21, price="3")
    expect(cell(live, 1, "price")).to_have_text("$3.00")
    expect(live.locator("#connection")).to_have_text("Live")


def test_after_a_gap_too_long_to_replay_everything_is_asked_for_anew(live: Page, server: Server) -> None:
    server.update(1, 2, price="2")
    server.heard.clear()
    server.say(type="resync_required", v=1, seq=900)
    wait_until(live, lambda: bool(server.asked("subscribe", channel="top")))
    assert "since_seq" not in server.asked("subscribe", channel="top")[0]
    server.snapshot(row(1, revision=1, price="6"), seq=900)
    expect(cell(live, 1, "price")).to_have_text("$6.00")


def test_a_server_whose_database_was_replaced_is_believed(live: Page, server: Server) -> None:
    server.update(1, 2, seq=50, price="2")
    expect(cell(live, 1, "price")).to_have_text("$2.00")
    server.heard.clear()
    server.connections[-1].close()
    wait_until(live, lambda: bool(server.asked("subscribe", channel="top")))
    assert "since_seq" not in server.asked("subscribe", channel="top")[0]
    server.snapshot(row(1, revision=1, price="6"), seq=3)
    expect(cell(live, 1, "price")).to_have_text("$6.00")


def test_a_server_without_the_top_channel_is_asked_for_the_addresses(live: Page, server: Server) -> None:
    server.say(type="error", v=1, id="board", code="unknown_channel", message="no such channel")
    wait_until(live, lambda: bool(server.asked("subscribe", channel="tokens", addresses=[mint(1), mint(2), mint(3)])))


def test_rows_follow_their_ranks_but_not_under_a_pointer(live: Page, server: Server) -> None:
    assert order(live) == [1, 2, 3]
    cell(live, 2, "symbol").hover()
    server.update(3, 2, rank=1)
    server.update(1, 2, rank=3)
    expect(live.locator("#apply")).to_have_text("2 rows moved — apply")
    assert order(live) == [1, 2, 3]
    live.mouse.move(5, 5)
    wait_until(live, lambda: order(live) == [3, 2, 1])
    expect(live.locator("#apply")).to_be_hidden()


def test_rows_wait_while_somebody_works_in_them_until_told_to_move(live: Page, server: Server) -> None:
    live.locator("#rows .copy").first.focus()
    server.snapshot(row(4, rank=1), row(1, rank=2, revision=2), seq=12)
    expect(live.locator("#apply")).to_contain_text("moved — apply")
    assert order(live) == [1, 2, 3]
    live.locator("#apply").click()
    wait_until(live, lambda: order(live) == [4, 1])


def test_a_later_page_follows_its_own_tokens(live_server: LiveServer, visit: Visit, server: Server) -> None:
    for number in range(1, 103):
        token(number, price="1")
    page = visit(f"{live_server.url}/?page=2", before=server)
    wait_until(page, lambda: bool(server.asked("subscribe", channel="tokens", addresses=[mint(101), mint(102)])))
    assert not server.asked("subscribe", channel="top")
    server.snapshot(row(101), row(102), channel="tokens")
    server.update(101, 2, price="7")
    expect(cell(page, 101, "price")).to_have_text("$7.00")


def test_a_short_ranking_is_filled_up_with_tokens_that_have_no_rank_yet(
    live_server: LiveServer, visit: Visit, server: Server
) -> None:
    for number, rank in ((1, 1), (8, None), (9, None)):
        token(number, rank=rank)
    page = visit(live_server.url, before=server)
    wait_until(page, lambda: bool(server.asked("subscribe", channel="tokens", addresses=[mint(8), mint(9)])))
    server.snapshot(row(8, rank=None), row(9, rank=None), channel="tokens")
    server.snapshot(row(2, rank=2), row(1))
    wait_until(page, lambda: order(page) == [1, 2, 8, 9])
    server.update(9, 2, rank=1)
    server.snapshot(row(9, rank=1, revision=2), row(1, rank=2), row(2, rank=3))
    wait_until(page, lambda: order(page) == [9, 1, 2, 8])


def test_hostile_names_are_inert(live_server: LiveServer, visit: Visit, server: Server) -> None:
    for number, text in enumerate(HOSTILE, start=1):
        token(number, symbol=text, name=text, flags=[text], price="1", price_sources=[text])
    requests: list[str] = []

    def before(page: Page) -> None:
        server(page)
        page.on("request", lambda request: requests.append(request.url))
        page.on("dialog", lambda dialog: pytest.fail("a name ran as a script"))

    page = visit(live_server.url, before=before)
    for number, text in enumerate(HOSTILE, start=1):
        expect(cell(page, number, "symbol")).to_have_text(text)
    server.snapshot(
        *(row(n, symbol=f"{t}!", name=t, flags=[t], price_sources=[t]) for n, t in enumerate(HOSTILE, start=1))
    )
    server.snapshot(*(row(n + 20, symbol=f"{t}!", name=t, flags=[t]) for n, t in enumerate(HOSTILE, start=1)), seq=11)
    for number, text in enumerate(HOSTILE, start=21):
        expect(cell(page, number, "symbol")).to_have_text(f"{text}!")
    assert {url.removeprefix(live_server.url).split("/")[1] for url in requests} <= {"", "static"}
    assert page.evaluate("violations") == []
    assert (
        page.evaluate("document.querySelectorAll('#live img, #live script, #live [onload], #live [onerror]').length")
        == 0
    )


def test_an_address_that_is_none_gets_no_link(live: Page, server: Server) -> None:
    server.snapshot(row(1), {**row(2), "address": 'javascript:alert(1)//"'})
    wait_until(live, lambda: live.locator("#rows tr").count() == 2)
    assert live.locator("#rows tr").nth(1).locator("a[href]").count() == 0


def test_without_javascript_the_page_is_a_plain_paged_table(live_server: LiveServer, visit: Visit) -> None:
    for number in range(1, 102):
        token(number, price="1")
    page = visit(live_server.url, java_script_enabled=False)
    assert page.locator("#rows tr").count() == 100
    assert page.locator(".copy:visible").count() == 0
    page.locator("a[rel=next]").click()
    assert page.locator("#rows tr").count() == 1
    assert page.locator("#rows .symbol").text_content() == "T101"


def test_nothing_sticks_out_sideways(live_server: LiveServer, visit: Visit, server: Server) -> None:
    for number in range(1, 8):
        token(number, symbol="WWWWWWWWWWWWWWWWWWWW", name="a long name " * 8, price="12345.678912", verified=True,
              flags=["spoof_of", "mint_authority", "freeze_authority"], liquidity="123456789", volume_24h="1e11",
              change_1h=-12345.6, change_24h=123.45, price_status="unavailable", market_cap="1e12")  # fmt: skip
    page = visit(live_server.url, before=server)
    for width in (360, 420, 760, 761, 860, 861, 940, 1040, 1041, 1120, 1121, 1260, 1261, 1340, 1341, 1440, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_targets_on_a_phone_are_large_enough_for_a_thumb(live_server: LiveServer, visit: Visit, server: Server) -> None:
    token(1, price="1")
    page = visit(live_server.url, before=server, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    boxes = [target.bounding_box() for target in page.locator("#rows a, #rows button").all()]
    assert boxes
    assert all(box is not None and box["height"] >= 44 for box in boxes)


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_a_price_flashes_briefly_unless_motion_is_unwelcome(
    live_server: LiveServer, visit: Visit, server: Server, motion: str
) -> None:
    token(1, price="1")
    page = visit(live_server.url, before=server, reduced_motion=motion)
    wait_until(page, lambda: bool(server.asked("subscribe", channel="top")))
    server.snapshot(row(1, price="1.5"))
    expect(cell(page, 1, "price")).to_have_text("$1.50")
    page.evaluate("""() => {
        globalThis.flashes = [];
        const animate = Element.prototype.animate;
        Element.prototype.animate = function (...args) { flashes.push(args[1]); return animate.apply(this, args); };
    }""")
    server.update(1, 2, price="2")
    expect(cell(page, 1, "price")).to_have_text("$2.00")
    assert page.evaluate("flashes") == ([300] if motion == "no-preference" else [])


def test_an_address_is_copied_whole(live_server: LiveServer, visit: Visit, server: Server) -> None:
    token(1, price="1")
    page = visit(live_server.url, before=server, permissions=["clipboard-read", "clipboard-write"])
    page.locator("#rows .copy").click()
    expect(page.locator("#announcer")).to_have_text("Address copied.")
    assert page.evaluate("navigator.clipboard.readText()") == mint(1)


CONTRAST = """() => {
  const channel = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return { r, g, b, a }; };
  const light = ({ r, g, b }) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.a > 0) return colour;
    }
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const hasText = Array.from(node.childNodes).some((child) => child.nodeType === 3 && child.data.trim());
    if (!hasText || !node.checkVisibility() || node.closest("svg")) continue;
    const [one, other] = [light(parse(getComputedStyle(node).color)), light(ground(node))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < 4.5) poor.push(`${node.className || node.tagName} ${ratio.toFixed(2)}`);
  }
  return [...new Set(poor)];
}"""


def test_every_text_stands_out_from_its_ground(live_server: LiveServer, visit: Visit, server: Server) -> None:
    standings = ("ok", "low", "disputed", "stale", "unavailable")
    for number, standing in enumerate(standings, start=1):
        token(number, price="1", price_status=standing, verified=True, flags=["spoof_of", "mint_authority"],
              change_1h=(number - 3), change_24h=1)  # fmt: skip
    page = visit(live_server.url, before=server)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for state in ("live", "reconnecting"):
            page.evaluate("(state) => { document.getElementById('connection').dataset.state = state; }", state)
            page.evaluate("document.getElementById('waiting').hidden = false")
            assert page.evaluate(CONTRAST) == []
