"""Every page opens without a complaint, for everybody, in both themes and on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.plugins.web.authorization import table
from tests.ui.conftest import Visit, violations
from tests.ui.site import Site

VALUES = {
    "{station_id:str}": "CP-1",
    "{transaction_id:int}": "1",
    "{exchange_id:int}": "1",
    "{id_tag:str}": "ALICE",
    "{action:str}": "RemoteStartTransaction",
    "{name:str}": "reservation",
}
OTHERS = (
    "/ui/events/",
    "/ui/data/",
    "/ui/static/",
    "/ui/files/",
    "/ui/firmware/campaigns/",
    "/ui/stations/{station_id:str}/outcomes",
)
MORE = (
    "/ui/stations/CP-1/commands/SetChargingProfile",
    "/ui/stations/CP-1/profiles?connector_id=1&stack_level=1&purpose=TxDefaultProfile&kind=Absolute&unit=A&limit0=16&start1=60&limit1=8.5",
    "/ui/stations?q=nobody",
    "/ui/messages?q=action:StatusNotification",
    "/ui/connections?id=STRANGER",
    "/ui/stations/CP-2",
    "/ui/stations/CP-3",
    "/ui/search?q=CP",
)


def paths() -> list[str]:
    """Every page that can be opened, and some with a query."""
    found: list[str] = []
    for row in sorted(table()):
        if row.method == "GET" and row.path.startswith("/ui") and not row.path.startswith(OTHERS):
            path = row.path
            for parameter, value in VALUES.items():
                path = path.replace(parameter, value)
            found.append(path if path != "/ui" else "/ui/")
    return [*found, *MORE]


def is_wide(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 1440), ("light", 412), ("light", 320)])
def test_every_page_is_clean(visit: Visit, theme: str, width: int) -> None:
    page = visit("/ui/", theme=theme, width=width)
    found: list[str] = []
    for path in paths():
        answer = page.goto(path)
        expected = 404 if path == "/ui/welcome" else 200
        if answer is None or answer.status != expected:
            found.append(f"{path}: {answer and answer.status}")
        page.wait_for_load_state("load")
        found += [f"{path}: {each}" for each in violations(page)]
        if is_wide(page) > 0:
            found.append(f"{path}: {is_wide(page)} pixels too wide")
        twice = page.evaluate(
            "[...document.querySelectorAll('[id]')].map((e) => e.id).filter((id, at, all) => all.indexOf(id) !== at)"
        )
        found += [f"{path}: two elements are called {each}" for each in twice]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("user", ["vera", "otto"])
def test_who_may_not_is_told_so_and_offered_nothing(visit: Visit, user: str) -> None:
    page = visit("/ui/stations/CP-1", user)
    assert page.get_by_role("heading", name="CP-1", exact=True).is_visible()
    assert page.get_by_role("button", name="Send to station").count() == (0 if user == "vera" else 1)
    answer = page.goto("/ui/access")
    assert answer is not None
    assert answer.status == 403
    assert page.get_by_role("heading", name="Forbidden").is_visible()
    assert page.get_by_role("link", name="Access").count() == 0


def test_nobody_is_sent_to_the_way_in_and_back(visit: Visit) -> None:
    page = visit("/ui/stations/CP-1", "")
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    assert "wrong" in page.get_by_role("alert").inner_text()
    page.get_by_label("Password").fill("correct horse battery staple")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/ui/stations/CP-1")
    page.goto("/ui/account")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/ui/sign-in")


def test_no_page_carries_script_or_style_of_its_own(visit: Visit, site: Site) -> None:
    page = visit("/ui/")
    for path in paths():
        answer = page.goto(path)
        assert answer is not None
        text = answer.text()
        assert "style=" not in text.replace("data-style", ""), path
        assert "<style" not in text, path
        assert " onclick" not in text, path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy, path
        assert "unsafe" not in policy, path
