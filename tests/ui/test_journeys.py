"""What people come for, from the first click to the end of it."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from csmsd.ocpp.frames import Call
from tests.ui.conftest import Visit
from tests.ui.site import Site


def obey(site: Site, station_id: str) -> None:
    """Let a station accept whatever it is told."""

    async def listen() -> None:
        station = site.stations[station_id]

        def accept(call: Call) -> None:
            answer = {"status": "Unlocked" if call.action == "UnlockConnector" else "Accepted"}
            station.push(json.dumps([3, call.id, answer]).encode())

        station._react = accept  # type: ignore[method-assign]  # there is no other way to answer everything

    site.run(listen)


@pytest.fixture(autouse=True)
def obedient(site: Site) -> None:
    obey(site, "CP-1")


def agree(page: Page) -> None:
    """Say yes to the question."""
    page.get_by_role("button", name="Yes, do it").click()


def test_a_session_is_started_for_a_caller_in_three_clicks(visit: Visit) -> None:
    page = visit("/ui/stations/CP-1")
    page.get_by_label("Connector 2").get_by_role("link", name="Start…").click()
    page.get_by_label("idTag").fill("BOB")
    page.get_by_role("button", name="Send to station").click()
    expect(page.get_by_role("status").filter(has_text="RemoteStartTransaction")).to_contain_text("Accepted")


def test_what_the_schema_refuses_is_said_at_its_field_and_kept(visit: Visit) -> None:
    page = visit("/ui/stations/CP-1/commands/ReserveNow")
    page.get_by_label("connectorId").fill("one")
    page.locator("#f-idTag").fill("BOB")
    page.get_by_role("button", name="Send to station").click()
    expect(page.locator("#command [aria-invalid=true], #command [role=alert]").first).to_be_visible()
    expect(page.locator("#f-idTag")).to_have_value("BOB")


def test_a_list_grows_and_the_same_payload_is_there_as_json(visit: Visit) -> None:
    page = visit("/ui/stations/CP-1/commands/SetChargingProfile")
    page.get_by_label("limit").fill("16.5")
    page.get_by_role("button", name=re.compile("Add to chargingSchedulePeriod")).click()
    expect(page.get_by_label("limit")).to_have_count(2)
    expect(page.get_by_label("limit").first).to_have_value("16.5")
    page.get_by_role("button", name="JSON").click()
    expect(page.get_by_label("Payload")).to_have_value(re.compile('"limit": 16.5'))
    page.get_by_role("button", name="Form").click()
    expect(page.get_by_label("limit").first).to_have_value("16.5")


def test_a_reset_asks_first(visit: Visit, site: Site) -> None:
    page = visit("/ui/stations/CP-1")
    page.get_by_role("link", name="Reset…").click()
    page.get_by_label("type").select_option("Soft")
    page.get_by_role("button", name="Send to station").click()
    expect(page.locator("dialog.ask")).to_contain_text("Transactions that run on it end")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status").filter(has_text="Reset.")).to_have_count(0)
    page.get_by_role("button", name="Send to station").click()
    agree(page)
    expect(page.get_by_role("status").filter(has_text="Reset.")).to_contain_text("Accepted")


def test_a_transaction_is_closed_and_that_is_taken_back(visit: Visit) -> None:
    page = visit("/ui/transactions/1")
    page.get_by_role("button", name="Close…").click()
    agree(page)
    expect(page.locator("#facts h2")).to_have_text("closed")
    expect(page.locator("#facts")).to_contain_text("anna")
    page.get_by_role("button", name="Reopen").click()
    expect(page.locator("#facts h2")).to_have_text("open")


def test_a_stranger_is_adopted_in_two_clicks(visit: Visit, site: Site) -> None:
    page = visit("/ui/")
    page.get_by_role("row", name=re.compile("No station of this identity")).get_by_role("link").click()
    expect(page.get_by_role("heading", name="STRANGER")).to_be_visible()
    expect(page.locator("svg.qr")).to_be_visible()
    page.get_by_role("button", name="Adopt, new password").click()
    expect(page.get_by_role("heading", name="STRANGER is adopted")).to_be_visible()
    password = page.locator("#password").inner_text()
    assert re.fullmatch("[0-9a-f]{40}", password)
    assert site.csms.host.stations.record("STRANGER").has_credentials


def test_a_profile_is_seen_before_it_is_sent(visit: Visit) -> None:
    page = visit("/ui/stations/CP-1/profiles")
    page.get_by_label("connectorId").select_option("1")
    page.get_by_label("Limit, row 1").fill("16")
    page.get_by_label("Minutes after the start, row 2").fill("60")
    page.get_by_label("Limit, row 2").fill("8.5")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="Before and after")).to_be_visible()
    expect(page.locator("[data-chart] canvas")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("no limit.*8.5 A"))).to_be_visible()
    page.get_by_role("button", name="Send to station").click()
    expect(page.get_by_role("status").filter(has_text="SetChargingProfile")).to_contain_text("Accepted")
    expect(page.get_by_role("row", name=re.compile("TxDefaultProfile"))).to_be_visible()


def test_a_plugin_is_switched_off_and_takes_its_entry_along(visit: Visit) -> None:
    page = visit("/ui/plugins/reservation")
    expect(page.get_by_role("navigation", name="Main").get_by_role("link", name="Reservations")).to_be_visible()
    page.get_by_role("button", name="Disable…").click()
    expect(page.locator("dialog.ask")).to_contain_text("ReserveNow")
    agree(page)
    expect(page.get_by_role("navigation", name="Main").get_by_role("link", name="Reservations")).to_have_count(0)
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_role("navigation", name="Main").get_by_role("link", name="Reservations")).to_be_visible()


def test_the_first_administrator_comes_in_by_a_link(visit: Visit, site: Site) -> None:
    text = site.run(lambda: site.web.links.for_user("otto", actor="test"))
    page = visit(f"/ui/welcome?link={text}", "")
    page.get_by_label("Password").fill("a sentence that nobody guesses")
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    answer = page.context.request.get(f"/ui/welcome?link={text}")
    assert answer.status == 404


def test_the_keyboard_finds_a_station_and_moves_about(visit: Visit) -> None:
    page = visit("/ui/")
    page.keyboard.press("Control+k")
    page.get_by_role("searchbox", name=re.compile("Station, tag")).fill("p-2")
    expect(page.locator("#found a").first).to_contain_text("CP-2")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/stations/CP-2")
    page.keyboard.press("]")
    page.wait_for_url("**/ui/stations/CP-2/transactions")
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/ui/stations")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"


def test_times_and_colours_are_as_somebody_wants_them(visit: Visit) -> None:
    page = visit("/ui/transactions")
    berlin = page.locator("tbody time").first.inner_text()
    page.get_by_role("button", name="UTC").click()
    assert page.locator("tbody time").first.inner_text() != berlin
    page.get_by_role("button", name="Switch between light and dark").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_without_a_script_commands_can_be_sent_all_the_same(visit: Visit, site: Site) -> None:
    context = visit("/ui/").context.browser
    assert context is not None
    plain = context.new_context(java_script_enabled=False, base_url=site.url)
    name, value = site.run(site.session_of, "anna")
    plain.add_cookies([{"name": name, "value": value, "url": site.url}])
    page = plain.new_page()
    page.goto("/ui/stations/CP-1/commands/UnlockConnector?connectorId=1")
    page.get_by_role("button", name="Send to station").click()
    expect(page.get_by_role("status")).to_contain_text("Unlocked")
    plain.close()
