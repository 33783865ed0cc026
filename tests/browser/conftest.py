"""A real Chromium, where one is installed: pages over loopback, with every CSP violation and page error noted."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

EXECUTABLE = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
NOTE_VIOLATIONS = """
globalThis.violations = [];
addEventListener("securitypolicyviolation", (e) => violations.push(`${e.violatedDirective} ${e.blockedURI}`));
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if EXECUTABLE is None:
                item.add_marker(pytest.mark.skip(reason="no Chromium is installed"))


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Start one browser for this directory; while its driver's event loop runs in this thread, the ORM must bear it."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Open pages in contexts of their own; afterwards none may have raised an error or broken the policy."""
    opened: list[Page] = []
    errors: list[str] = []

    def open_page(url: str, *, before: Callable[[Page], None] = lambda _: None, **context: Any) -> Page:
        page = chromium.new_context(**context).new_page()
        page.add_init_script(NOTE_VIOLATIONS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        before(page)
        page.goto(url)
        opened.append(page)
        return page

    yield open_page
    broken = [violation for page in opened for violation in page.evaluate("globalThis.violations ?? []")]
    for page in opened:
        page.context.close()
    assert errors == []
    assert broken == []
