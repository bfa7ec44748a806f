"""Updates: what is sent, what stations report, and what is concluded, in any order."""

from __future__ import annotations

import json
import logging
from itertools import permutations, product
from typing import Any, get_args

import pytest
import trio
from trio.testing import MockClock

from csmsd.hookspecs import hookimpl
from csmsd.host import Host
from csmsd.journal import ExchangeFilter
from csmsd.plugin import NoConfig, Plugin
from csmsd.testing import CallErrorReceived, open_test_csms
from csmsd_core import StationBooted, StatusNotification, StatusNotificationResponse
from csmsd_firmware import FirmwarePlugin, JobChanged, UpdateFirmwareResponse
from csmsd_firmware.jobs import SIGNED_ONLY
from csmsd_firmware.messages import FirmwareStatus
from csmsd_firmware.progress import STATES_BY_STATUS, SUCCEEDED, State, after_status
from csmsd_web import WebPlugin
from tests.plugins.firmware.conftest import Depot, boot, refusal, report, report_upload

LOCATION = "ftp://installer:s3cr3t@files.example.org/images/new.bin"
PROGRESS = ("Downloading", "Downloaded", "Installing")


async def update(depot: Depot, **body: Any) -> dict[str, Any]:
    answer = await depot.post("/stations/CP-1/firmware", {"location": LOCATION, **body})
    assert answer.status_code == 200, answer.text
    sent: dict[str, Any] = answer.json()
    return sent


@pytest.mark.req("FW-01", "FW-02", "TC_044_1")
async def test_a_location_goes_out_exactly_as_entered(depot: Depot, autojump_clock: MockClock) -> None:
    station = await depot.station()
    sent = await update(depot, retrieve_date="2026-01-02T03:04:05Z", retries=0, retry_interval=60)
    call = await station.wait_for_call("UpdateFirmware")
    assert json.loads(bytes(call.payload)) == {
        "location": LOCATION,
        "retrieveDate": "2026-01-02T03:04:05.000Z",
        "retries": 0,
        "retryInterval": 60,
    }
    assert sent["job"]["state"] == "accepted"
    await update(depot)
    call = await station.wait_for_call("UpdateFirmware")
    assert set(json.loads(bytes(call.payload))) == {"location", "retrieveDate"}


@pytest.mark.req("FW-02", "WS-24")
async def test_credentials_in_a_location_are_shown_nowhere(
    depot: Depot, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    station = await depot.station()
    shown = [json.dumps(await update(depot))]
    station.behaviour["UpdateFirmware"] = refusal("InternalError", "no")
    raw = {"location": LOCATION, "retrieveDate": "2026-01-01T00:00:00Z"}
    shown.append((await depot.post("/stations/CP-1/commands/UpdateFirmware", raw)).text)
    shown.append((await depot.post("/stations/CP-1/commands/UpdateFirmware", {"location": LOCATION})).text)
    await trio.sleep(5)
    shown += [
        (await depot.get(path)).text for path in ("/stations/CP-1/firmware", "/commands", "/stations/CP-1/commands")
    ]
    shown.append(repr(await depot.host.journal.exchanges(ExchangeFilter())))
    shown.append(repr(await depot.audit()))
    shown.append(caplog.text)
    assert len(await depot.jobs()) == 2
    assert not [text for text in shown if "s3cr3t" in text]
    assert "ftp://***@files.example.org/images/new.bin" in shown[0]


@pytest.mark.req("FW-03", "FW-04", "FW-06", "TC_044_1")
async def test_an_update_is_followed_to_its_end(depot: Depot, autojump_clock: MockClock) -> None:
    station = await depot.station()
    await update(depot)
    states: list[str] = []
    for status in ("Downloading", "Downloaded"):
        await report(station, status)
        states.append((await depot.jobs())[0]["state"])
    away = StatusNotification(0, "NoError", "Unavailable")
    await station.send("StatusNotification", away, StatusNotificationResponse)
    await report(station, "Installing")
    states.append((await depot.jobs())[0]["state"])
    assert (await boot(station, "2.0")).status == "Accepted"
    back = StatusNotification(0, "NoError", "Available")
    await station.send("StatusNotification", back, StatusNotificationResponse)
    await report(station, "Installed")
    assert states == ["downloading", "downloaded", "installing"]
    job = await depot.job()
    assert (job["state"], job["shown_by"]) == ("installed", "both")
    assert (job["version_before"], job["version_after"]) == ("1.0", "2.0")


@pytest.mark.req("FW-03", "FW-04", "TC_044_2")
async def test_a_download_that_fails_is_a_failure_until_it_succeeds(depot: Depot, autojump_clock: MockClock) -> None:
    station = await depot.station()
    await update(depot)
    await report(station, "Downloading", "DownloadFailed")
    assert (await depot.job())["state"] == "download failed"
    await report(station, "Downloading", "Downloaded")
    assert (await depot.job())["state"] == "downloaded"


@pytest.mark.req("FW-03", "FW-04", "TC_044_3")
async def test_an_installation_that_fails_after_the_reboot_is_a_failure(
    depot: Depot, autojump_clock: MockClock
) -> None:
    station = await depot.station()
    await update(depot)
    await report(station, "Downloading", "Downloaded", "Installing")
    assert (await boot(station, "1.0")).status == "Accepted"
    await report(station, "InstallationFailed")
    job = await depot.job()
    assert (job["state"], job["shown_by"]) == ("installation failed", "")


@pytest.mark.req("FW-05")
@pytest.mark.parametrize("order", sorted(set(permutations(("boot", "Installed")))))
async def test_the_status_and_the_version_show_success_in_both_orders(
    depot: Depot, autojump_clock: MockClock, order: tuple[str, ...]
) -> None:
    station = await depot.station()
    await update(depot)
    await report(station, *PROGRESS)
    shown: list[tuple[str, str]] = []
    for step in order:
        await (boot(station, "2.0") if step == "boot" else report(station, "Installed"))
        job = await depot.job()
        shown.append((job["state"], job["shown_by"]))
    first = "version" if order[0] == "boot" else "status"
    assert shown == [("installed", first), ("installed", "both")]


@pytest.mark.req("FW-05")
@pytest.mark.parametrize(
    ("before", "after", "state"),
    [
        ("1.0", "1.0", "downloading"),
        (None, "2.0", "downloading"),
        ("1.0", None, "downloading"),
        ("1.0", "2.0", "installed"),
    ],
)
async def test_only_a_changed_version_shows_success(
    depot: Depot, autojump_clock: MockClock, before: str | None, after: str | None, state: str
) -> None:
    station = await depot.station(version=before)
    await update(depot)
    await report(station, "Downloading")
    await boot(station, after)
    assert (await depot.job())["state"] == state


@pytest.mark.req("FW-05")
async def test_a_boot_before_the_update_and_a_failed_update_show_nothing(
    depot: Depot, autojump_clock: MockClock
) -> None:
    station = await depot.station()
    await boot(station, "2.0")
    await update(depot)
    assert (await depot.job())["state"] == "accepted"
    await report(station, "Downloading", "DownloadFailed")
    await boot(station, "3.0")
    job = await depot.job()
    assert (job["state"], job["version_after"]) == ("download failed", "3.0")


@pytest.mark.req("FW-03")
@pytest.mark.parametrize("status", get_args(FirmwareStatus))
async def test_every_status_is_confirmed_and_kept_though_nobody_asked(
    depot: Depot, autojump_clock: MockClock, status: str
) -> None:
    station = await depot.station()
    await report(station, status, status)
    found = (await depot.get("/stations/CP-1/firmware")).json()
    assert [(each["status"], each["job_id"]) for each in found["statuses"]] == [(status, None)] * 2
    assert found["jobs"] == []


@pytest.mark.req("FW-03", "FW-04")
@pytest.mark.parametrize("status", get_args(FirmwareStatus))
async def test_every_status_is_confirmed_in_every_state_also_on_a_later_connection(
    depot: Depot, autojump_clock: MockClock, status: str
) -> None:
    station = await depot.station()
    await update(depot)
    for earlier in get_args(FirmwareStatus):
        await report(station, earlier, status)
        await station.disconnect()
        station = await depot.csms.connect("CP-1")
    statuses = await depot.firmware.jobs.statuses("firmware", "CP-1")
    assert len(statuses) == 2 * len(get_args(FirmwareStatus))
    assert {each.job_id for each in statuses} == {(await depot.jobs())[0]["id"]}


@pytest.mark.req("FW-04")
async def test_idle_only_answers_a_trigger(depot: Depot, autojump_clock: MockClock) -> None:
    station = await depot.station()
    await update(depot)
    for status in (None, *PROGRESS, "Installed"):
        await report(station, *([status] if status else []))
        before = (await depot.jobs())[0]
        await report(station, "Idle")
        assert (await depot.jobs())[0] == before


@pytest.mark.req("FW-04")
def test_no_order_of_statuses_takes_success_back_except_that_the_station_says_so() -> None:
    statuses = [each for each in get_args(FirmwareStatus) if each != "InstallationFailed"]
    for order in product(statuses, repeat=4):
        state: State = "accepted"
        for status in order:
            state = after_status("firmware", state, status)
        assert ("Installed" not in order) or state == "installed", order
    assert after_status("firmware", "installed", "InstallationFailed") == "installation failed"
    assert {following for table in STATES_BY_STATUS.values() for following, _ in table.values()} > SUCCEEDED - {
        "no diagnostics"
    }


@pytest.mark.req("FW-04")
async def test_a_status_belongs_to_the_latest_update(depot: Depot, autojump_clock: MockClock) -> None:
    station = await depot.station()
    await update(depot)
    await report(station, "Downloading")
    await update(depot)
    await report(station, "Downloading")
    assert [job["state"] for job in await depot.jobs()] == ["downloading", "downloading"]
    await report(station, "Downloaded")
    assert [job["state"] for job in await depot.jobs()] == ["downloaded", "downloading"]


@pytest.mark.req("FW-04", "RPC-24")
async def test_an_update_that_was_refused_has_no_statuses(depot: Depot, autojump_clock: MockClock) -> None:
    station = await depot.station()
    await update(depot)
    station.behaviour["UpdateFirmware"] = refusal("InternalError", "busy")
    sent = await update(depot)
    assert (sent["job"]["state"], sent["record"]["state"]) == ("refused", "failed")
    await report(station, "Downloading")
    assert [job["state"] for job in await depot.jobs()] == ["refused", "downloading"]


@pytest.mark.req("RPC-24")
async def test_a_late_answer_counts_and_statuses_before_it_count_more(depot: Depot, autojump_clock: MockClock) -> None:
    station = await depot.station()
    station.behaviour["UpdateFirmware"] = None
    for reported, expected in (([], "accepted"), (["Downloading"], "downloading")):
        sent = await update(depot)
        assert sent["job"]["state"] == "unanswered"
        call = await station.wait_for_call("UpdateFirmware")
        await report(station, *reported)
        await station.answer(call, UpdateFirmwareResponse())
        assert (await depot.job())["state"] == expected


async def test_an_update_that_never_left_is_not_sent_and_one_that_did_is_open(
    depot: Depot, autojump_clock: MockClock
) -> None:
    station = await depot.station()
    station.behaviour["UpdateFirmware"] = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(update, depot)
        await station.wait_for_call("UpdateFirmware")
        nursery.start_soon(update, depot)
        await trio.sleep(1)
        await station.disconnect()
    await trio.sleep(1)
    assert [job["state"] for job in await depot.jobs()] == ["not sent", "unanswered"]
    again = await depot.csms.connect("CP-1")
    await report(again, "Installed")
    assert [job["state"] for job in await depot.jobs()] == ["not sent", "installed"]


@pytest.mark.req("FW-07", "C-31")
async def test_a_station_that_wants_signed_updates_is_explained(depot: Depot, autojump_clock: MockClock) -> None:
    station = await depot.station()
    station.behaviour["UpdateFirmware"] = refusal("NotSupported", "signed only")
    sent = await update(depot)
    assert (sent["job"]["state"], sent["job"]["error_code"]) == ("refused", "NotSupported")
    assert SIGNED_ONLY in sent["job"]["error"]
    assert "SignedUpdateFirmware" in SIGNED_ONLY
    assert any("SignedUpdateFirmware" in warning for warning in (await update(depot))["warnings"])
    station.behaviour["UpdateFirmware"] = UpdateFirmwareResponse()
    await update(depot)
    assert (await update(depot))["warnings"] == []


@pytest.mark.req("BOOT-21")
async def test_a_pending_station_may_report_of_a_job_and_of_nothing_else(
    depot: Depot, autojump_clock: MockClock
) -> None:
    station, other = await depot.station(), await depot.station("CP-2")
    await update(depot)
    for each in (station, other):
        await depot.host.stations.change(each.id, registration="Pending")
        assert (await boot(each, "1.0")).status == "Pending"
    await report(station, *PROGRESS, "Installed", "Installed")
    with pytest.raises(CallErrorReceived, match="SecurityError"):
        await report(other, "Installed")
    assert (await depot.job())["state"] == "installed"


@pytest.mark.req("FW-05")
async def test_a_boot_that_becomes_known_late_is_no_boot_after_the_update(
    depot: Depot, autojump_clock: MockClock
) -> None:
    await depot.station()
    earlier = depot.host.env.now()
    await trio.sleep(10)
    await update(depot)
    for at, state in ((earlier, "accepted"), (depot.host.env.now(), "installed")):
        await depot.firmware.jobs.booted("CP-1", StationBooted(at, "Accepted", "v", "m", "2.0", ()))
        assert (await depot.job())["state"] == state


class Listener(Plugin[NoConfig]):
    """Hears of facts."""

    name = "listener"
    requires = ("firmware",)

    def __init__(self, config: NoConfig, host: Host) -> None:
        super().__init__(config, host)
        self.heard: list[tuple[bool, str, str]] = []

    @hookimpl
    async def firmware_status_changed(self, fact: JobChanged) -> None:
        self.heard.append((fact.job_id is not None, fact.status, fact.state))

    @hookimpl
    async def diagnostics_status_changed(self, fact: JobChanged) -> None:
        self.heard.append((fact.job_id is not None, fact.status, fact.state))


async def test_facts_tell_of_every_change_and_of_what_nobody_asked_for(autojump_clock: MockClock) -> None:
    async with open_test_csms(plugins=("core", WebPlugin, FirmwarePlugin, Listener)) as csms:
        depot = Depot(csms)
        depot.token = await depot.mint()
        station = await depot.station()
        await report(station, "Installed", "Idle")
        await report_upload(station, "Uploaded")
        await update(depot)
        await report(station, "Downloading", "Downloading", "Idle", "Downloaded")
        await boot(station, "2.0")
        await trio.sleep(5)
        listener = csms.host.plugins.get("listener")
        assert isinstance(listener, Listener)
        assert listener.heard == [
            (False, "Installed", ""),
            (False, "Uploaded", ""),
            (True, "", "accepted"),
            (True, "Downloading", "downloading"),
            (True, "Downloaded", "downloaded"),
            (True, "", "installed"),
        ]


async def test_without_the_plugin_its_actions_are_not_supported(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1")
        await boot(station)
        with pytest.raises(CallErrorReceived, match="NotSupported"):
            await report(station, "Installed")
        assert "UpdateFirmware" not in csms.host.commands.known
