"""What happens is seen without a reload, and without a word of the browser."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from csmsd_core import StatusNotification
from tests.ui.conftest import Visit
from tests.ui.site import Site


def live(page: Page) -> Page:
    """Once its stream is there."""
    expect(page.locator("[data-live-word]")).to_have_text("Live", timeout=20_000)
    return page


def test_a_change_of_status_reaches_list_and_page(visit: Visit, site: Site) -> None:
    rows, station = live(visit("/ui/stations")), live(visit("/ui/stations/CP-2"))
    site.run(site.send, "CP-2", StatusNotification(2, "NoError", "SuspendedEV"))
    expect(rows.get_by_role("row", name=re.compile("CP-2"))).to_contain_text("SuspendedEV")
    card = station.get_by_label("Connector 2")
    expect(card).to_contain_text("SuspendedEV")
    expect(station.locator("#exchanges tbody tr").first).to_contain_text("StatusNotification")
    expect(station.locator("#exchanges tbody tr a").first).to_have_attribute("href", re.compile("/ui/messages/"))


def test_a_session_that_begins_is_seen_with_its_figures(visit: Visit, site: Site) -> None:
    page = live(visit("/ui/stations/CP-2"))
    expect(page.locator("#session section")).to_have_count(0)
    number = site.run(site.start_session, site.stations["CP-2"], 2, "BOB")
    card = page.get_by_label(f"Transaction {number}")
    expect(card).to_contain_text("kWh")
    expect(card).to_contain_text("10.44 kWh")


def test_the_inspector_grows_and_waits_when_it_is_told_to(visit: Visit, site: Site) -> None:
    page = live(visit("/ui/messages?q=station:CP-1"))
    first = page.locator("#rows tr").first
    before = first.inner_text()
    site.run(site.send, "CP-1", StatusNotification(2, "NoError", "Preparing"))
    expect(first).to_contain_text("2, Preparing")
    assert before != first.inner_text()
    page.get_by_role("button", name="Pause").click()
    site.run(site.send, "CP-1", StatusNotification(2, "NoError", "Available"))
    expect(page.locator("[data-pause-word]")).to_have_text("Go on, there is news")
    expect(first).to_contain_text("2, Preparing")


def test_a_station_that_leaves_is_shown_as_gone(visit: Visit, site: Site) -> None:
    async def come() -> None:
        site.stations["CP-9"] = await site.connect("CP-9")

    site.run(come)
    page = live(visit("/ui/stations/CP-9"))
    expect(page.locator("#station-state")).to_have_text("Online")
    site.run(site.stations["CP-9"].disconnect)
    expect(page.locator("#station-state")).to_have_text("Offline")
    expect(page.get_by_label("Connector 1")).to_contain_text("As of")


def test_the_overview_tells_what_happens(visit: Visit, site: Site) -> None:
    page = live(visit("/ui/"))
    site.run(site.send, "CP-1", StatusNotification(2, "OverCurrentFailure", "Faulted"))
    expect(page.locator("#news")).to_contain_text("OverCurrentFailure")
    expect(page.locator("#concerns")).to_contain_text("OverCurrentFailure on a connector", timeout=8000)
    site.run(site.send, "CP-1", StatusNotification(2, "NoError", "Available"))
