"""A real browser in front of a csmsd; whatever it complains of fails the test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.ui.site import Site

NO_BROWSER = "no Chromium that can run here: apt-get install chromium (or name one in CSMSD_CHROMIUM)"
Visit = Callable[..., Page]


def chromium() -> str:
    """Its path; without one: skip, but fail in CI."""
    found = os.environ.get("CSMSD_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(NO_BROWSER)
        pytest.skip(NO_BROWSER)
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A csmsd with a few stations, for all tests of a module."""
    site = Site(tmp_path_factory.mktemp("site")).start()
    try:
        site.run(site.furnish)
        yield site
    finally:
        site.stop()


class Watch:
    """What a browser complains of, and where it wants to go."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.complaints: list[str] = []

    def over(self, context: BrowserContext) -> None:
        context.on("page", self._page)
        context.on("request", self._request)

    def _page(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"error in {page.url}: {error}"))

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning") and "the server responded with a status of 4" not in message.text:
            self.complaints.append(f"console: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith(self.origin):
            self.complaints.append(f"request to {request.url}")


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Visit]:
    """`visit(path, user)`: a page of its own, in light or dark, of any width."""
    watch = Watch(site.url)
    contexts: list[BrowserContext] = []

    def go(path: str, user: str = "anna", *, theme: Any = "light", width: int = 1440) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, timezone_id="Europe/Berlin", base_url=site.url
        )
        contexts.append(context)
        watch.over(context)
        cookies: list[Any] = [{"name": "csmsd_zone", "value": "Europe/Berlin", "url": site.url + "/ui/"}]
        if user:
            name, value = site.run(site.session_of, user)
            cookies.append({"name": name, "value": value, "url": site.url})
        context.add_cookies(cookies)
        page = context.new_page()
        page.goto(path)
        return page

    yield go
    for context in contexts:
        context.close()
    assert not watch.complaints


AXE = (Path(__file__).parent / "vendor/axe/axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def violations(page: Page) -> list[str]:
    """What axe finds; put in through the debugger, so that the policy stays on."""
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": AXE})
    question = (
        f"axe.run({{runOnly: {RULES}}}).then((r) => JSON.stringify("
        "r.violations.map((v) => [v.id, ...v.nodes.map((n) => n.html.slice(0, 200))])))"
    )
    answer = session.send("Runtime.evaluate", {"expression": question, "awaitPromise": True, "returnByValue": True})
    text = answer["result"]["value"]
    return [] if text == "[]" else [text]
