"""Firmware Management with other people's chargers."""

from __future__ import annotations

import pytest

from tests.interop.charger import Charger
from tests.interop.conftest import Csmsd
from tests.interop.oracle import choices
from tests.interop.routine import ask, boot

WHEN = "2030-05-06T07:08:09.000Z"
JOBS = "SELECT kind, state, file_name FROM firmware_job ORDER BY id"
STATUSES = "SELECT kind, status, job_id IS NOT NULL FROM firmware_status ORDER BY id"
AN_UPDATE = (
    "Downloading",
    "DownloadFailed",
    "Downloading",
    "Downloaded",
    "Installing",
    "InstallationFailed",
    "Installed",
)
AN_UPLOAD = ("Uploading", "UploadFailed", "Uploading", "Uploaded")


@pytest.mark.req("FW-01", "FW-03", "FW-04", "FW-05", "TC_044_1", "TC_044_2", "TC_044_3")
@pytest.mark.exercises(to_station="UpdateFirmware", from_station="FirmwareStatusNotification")
async def test_firmware_is_updated(csmsd: Csmsd, charger: Charger) -> None:
    await boot(charger)
    assert await charger.call("FirmwareStatusNotification", status="Idle") == {}  # nobody has asked
    request = {"location": "ftp://files.example/2.0.bin", "retrieveDate": WHEN}
    await ask(csmsd, charger, "UpdateFirmware", request)
    await csmsd.shows([("firmware", "accepted", "")], JOBS)
    for status in AN_UPDATE:
        assert await charger.call("FirmwareStatusNotification", status=status) == {}
    assert {"Idle", *AN_UPDATE} == set(choices("FirmwareStatusNotification", "status"))
    await csmsd.shows([("firmware", "installed", "")], JOBS)
    told = [("firmware", "Idle", 0), *(("firmware", status, 1) for status in AN_UPDATE)]
    await csmsd.shows(told, STATUSES)
    await ask(csmsd, charger, "UpdateFirmware", {**request, "retries": 3, "retryInterval": 60})
    await csmsd.shows([("firmware", "installed", ""), ("firmware", "accepted", "")], JOBS)


@pytest.mark.req("DIAG-01", "DIAG-02", "DIAG-03", "TC_045_1", "TC_045_2")
@pytest.mark.exercises(to_station="GetDiagnostics", from_station="DiagnosticsStatusNotification")
async def test_diagnostics_are_asked_for(csmsd: Csmsd, charger: Charger) -> None:
    await boot(charger)
    location = "ftp://files.example/logs"
    await ask(csmsd, charger, "GetDiagnostics", {"location": location})
    await csmsd.shows([("diagnostics", "no diagnostics", "")], JOBS)
    whole = {"location": location, "retries": 2, "retryInterval": 30, "startTime": WHEN, "stopTime": WHEN}
    await ask(csmsd, charger, "GetDiagnostics", whole, fileName="cp-1.tar.gz")
    for status in (*AN_UPLOAD, "Idle"):
        assert await charger.call("DiagnosticsStatusNotification", status=status) == {}
    assert {"Idle", *AN_UPLOAD} == set(choices("DiagnosticsStatusNotification", "status"))
    await csmsd.shows([("diagnostics", "no diagnostics", ""), ("diagnostics", "uploaded", "cp-1.tar.gz")], JOBS)
    await csmsd.shows([("diagnostics", status, 1) for status in (*AN_UPLOAD, "Idle")], STATUSES)
