"""Diagnostics: what is asked for, what stations report, and the file that comes."""

from __future__ import annotations

import json
from itertools import product
from typing import Any, get_args

import pytest
import trio
from trio.testing import MockClock

from csmsd_firmware import GetDiagnosticsResponse
from csmsd_firmware.messages import DiagnosticsStatus
from csmsd_firmware.progress import State, after_status
from tests.plugins.firmware.conftest import PUBLIC_URL, Depot, boot, refusal, report_upload

LOCATION = "ftp://collector:s3cr3t@files.example.org/diagnostics"


async def get(depot: Depot, **body: Any) -> dict[str, Any]:
    answer = await depot.post("/stations/CP-1/diagnostics", body)
    assert answer.status_code == 200, answer.text
    sent: dict[str, Any] = answer.json()
    return sent


@pytest.mark.req("DIAG-01", "FW-02")
async def test_everything_that_can_be_said_is_sent_as_entered(depot: Depot, autojump_clock: MockClock) -> None:
    station = await depot.station()
    times = {"start_time": "2026-01-01T00:00:00Z", "stop_time": "2026-01-02T00:00:00Z"}
    sent = await get(depot, location=LOCATION, retries=0, retry_interval=30, **times)
    call = await station.wait_for_call("GetDiagnostics")
    assert json.loads(bytes(call.payload)) == {
        "location": LOCATION,
        "retries": 0,
        "retryInterval": 30,
        "startTime": "2026-01-01T00:00:00.000Z",
        "stopTime": "2026-01-02T00:00:00.000Z",
    }
    assert "s3cr3t" not in json.dumps(sent)
    await get(depot, location=LOCATION)
    assert json.loads(bytes((await station.wait_for_call("GetDiagnostics")).payload)) == {"location": LOCATION}


@pytest.mark.req("DIAG-02")
@pytest.mark.parametrize(("name", "state"), [("log.zip", "accepted"), (None, "no diagnostics"), ("", "no diagnostics")])
async def test_no_file_name_means_that_there_are_none(
    depot: Depot, autojump_clock: MockClock, name: str | None, state: str
) -> None:
    station = await depot.station()
    station.behaviour["GetDiagnostics"] = GetDiagnosticsResponse(name)
    job = (await get(depot, location=LOCATION))["job"]
    assert (job["state"], job["file_name"]) == (state, name or "")


@pytest.mark.req("DIAG-03", "TC_045_1")
async def test_an_upload_is_followed_and_its_file_is_kept(depot: Depot, autojump_clock: MockClock) -> None:
    station = await depot.station()
    job = (await get(depot))["job"]
    location = json.loads(bytes((await station.wait_for_call("GetDiagnostics")).payload))["location"]
    assert location.startswith(f"{PUBLIC_URL}/api/v1/files/CP-1/")
    assert location.endswith("/")
    assert job["location"] == f"{PUBLIC_URL}/api/v1/files/CP-1/***/"
    states: list[str] = []
    await report_upload(station, "Uploading")
    states.append((await depot.diagnostics())["state"])
    async with depot.client("") as stranger:
        path = location.removeprefix(PUBLIC_URL)
        assert (await stranger.put(f"{path}log.zip", content=b"content")).status_code == 201
    await report_upload(station, "Uploaded")
    states.append((await depot.diagnostics())["state"])
    assert states == ["uploading", "uploaded"]
    (file,) = (await depot.get("/stations/CP-1/diagnostics")).json()["files"]
    assert (file["job_id"], file["claimed_name"], file["size"]) == (job["id"], "log.zip", 7)


@pytest.mark.req("DIAG-03", "TC_045_2")
async def test_an_upload_that_fails_may_be_tried_again(depot: Depot, autojump_clock: MockClock) -> None:
    station = await depot.station()
    await get(depot, location=LOCATION)
    await report_upload(station, "Uploading", "UploadFailed")
    assert (await depot.diagnostics())["state"] == "upload failed"
    await report_upload(station, "Uploading", "Uploaded")
    assert (await depot.diagnostics())["state"] == "uploaded"


@pytest.mark.req("DIAG-03")
@pytest.mark.parametrize("status", get_args(DiagnosticsStatus))
async def test_every_status_is_confirmed_asked_for_or_not(depot: Depot, autojump_clock: MockClock, status: str) -> None:
    station = await depot.station()
    await report_upload(station, status)
    await get(depot, location=LOCATION)
    for earlier in get_args(DiagnosticsStatus):
        await report_upload(station, earlier, status)
        await boot(station)
    found = (await depot.get("/stations/CP-1/diagnostics")).json()
    assert len(found["statuses"]) == 9
    assert [each["job_id"] for each in found["statuses"]] == [found["jobs"][0]["id"]] * 8 + [None]


@pytest.mark.req("DIAG-03")
def test_idle_changes_nothing_and_what_is_uploaded_stays_uploaded() -> None:
    for order in product(get_args(DiagnosticsStatus), repeat=4):
        state: State = "accepted"
        for status in order:
            following = after_status("diagnostics", state, status)
            assert status != "Idle" or following == state
            state = following
        assert ("Uploaded" not in order) or state == "uploaded"


@pytest.mark.req("BOOT-21")
async def test_a_pending_station_may_report_of_its_upload(depot: Depot, autojump_clock: MockClock) -> None:
    station = await depot.station()
    await get(depot, location=LOCATION)
    await depot.host.stations.change("CP-1", registration="Pending")
    assert (await boot(station)).status == "Pending"
    await report_upload(station, "Uploading", "Uploaded")
    assert (await depot.diagnostics())["state"] == "uploaded"


@pytest.mark.req("FW-08")
async def test_schemes_that_a_station_does_not_know_are_warned_of(depot: Depot, autojump_clock: MockClock) -> None:
    from csmsd_core import GET_CONFIGURATION, GetConfiguration, GetConfigurationResponse, KeyValue

    station = await depot.station()
    assert (await get(depot, location=LOCATION))["warnings"] == []
    keys = (KeyValue("SupportedFileTransferProtocols", True, "FTP, HTTPS"),)
    station.behaviour["GetConfiguration"] = GetConfigurationResponse(keys)
    await depot.host.stations.get("CP-1").call(GET_CONFIGURATION, GetConfiguration())
    await trio.sleep(1)
    for location, count in ((LOCATION, 0), ("HTTPS://x.example/", 0), ("sftp://x.example/", 1), ("x", 1)):
        assert len((await get(depot, location=location))["warnings"]) == count, location
    assert "FW-08" in (await get(depot, location="sftp://u:s3cr3t@x.example/"))["warnings"][0]
    reversed_ = {"start_time": "2026-01-02T00:00:00Z", "stop_time": "2026-01-01T00:00:00Z"}
    assert (await get(depot, location=LOCATION, **reversed_))["warnings"] == ["startTime is after stopTime"]


async def test_an_upload_that_is_refused_needs_no_link_any_more(depot: Depot, autojump_clock: MockClock) -> None:
    station = await depot.station()
    station.behaviour["GetDiagnostics"] = refusal("InternalError", "no")
    assert (await get(depot))["job"]["state"] == "refused"
    await trio.sleep(1)
    location = json.loads(bytes((await station.wait_for_call("GetDiagnostics")).payload))["location"]
    async with depot.client("") as stranger:
        assert (await stranger.put(location.removeprefix(PUBLIC_URL), content=b"x")).status_code == 404
