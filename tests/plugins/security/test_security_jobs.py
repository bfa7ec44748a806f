"""Logs and signed updates: every notification is confirmed and finds its job."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import trio

from csmsd.journal import ExchangeFilter
from csmsd.testing import CallErrorReceived
from csmsd_security.jobs import Job
from csmsd_security.messages import (
    Firmware,
    GetLog,
    GetLogResponse,
    LogParameters,
    SignedUpdateFirmware,
    SignedUpdateFirmwareResponse,
)
from tests.plugins.security.conftest import START, Site

URL = "https://user:secret@files.example/up"


async def get_log(site: Site, request_id: int = 1, answer: Any = "Accepted", **fields: Any) -> None:
    request = GetLog("SecurityLog", request_id, LogParameters(URL), **fields)
    await site.submit("GetLog", request, GetLogResponse(answer, "log.gz"))
    await trio.sleep(1)


async def update(site: Site, request_id: int = 1, answer: Any = "Accepted") -> None:
    firmware = Firmware(URL, START, "PEM", "c2ln")
    await site.submit(
        "SignedUpdateFirmware", SignedUpdateFirmware(request_id, firmware), SignedUpdateFirmwareResponse(answer)
    )
    await trio.sleep(1)


async def notify(site: Site, action: str, status: str, request_id: int | None = 1) -> None:
    extra = "" if request_id is None else f',"requestId":{request_id}'
    answer = await site.station.send_raw(action, f'{{"status":"{status}"{extra}}}'.encode())
    assert answer == b"{}"


async def log_status(site: Site, status: str, request_id: int | None = 1) -> None:
    await notify(site, "LogStatusNotification", status, request_id)


async def firmware_status(site: Site, status: str, request_id: int | None = 1) -> None:
    await notify(site, "SignedFirmwareStatusNotification", status, request_id)


async def only_job(site: Site) -> Job:
    [job] = await site.plugin.jobs.page("CP-1")
    return job


@pytest.mark.req("SEC-72", "SEC-73", "TC_079")
async def test_a_security_log_is_uploaded(site: Site) -> None:
    await get_log(site)
    sent = site.sent("GetLog")
    assert sent == {"logType": "SecurityLog", "requestId": 1, "log": {"remoteLocation": URL}}
    job = await only_job(site)
    assert (job.answer, job.filename, job.is_over) == ("Accepted", "log.gz", False)
    await log_status(site, "Uploading")
    assert (await only_job(site)).status == "Uploading"
    await log_status(site, "Uploaded")
    assert ((await only_job(site)).outcome, (await only_job(site)).is_over) == ("Uploaded", True)


@pytest.mark.req("SEC-72")
async def test_passwords_are_not_kept(site: Site) -> None:
    await get_log(site)
    assert b"secret" not in bytes((await only_job(site)).request)
    assert all("secret" not in each.request for each in await site.host.journal.exchanges(ExchangeFilter("CP-1")))


@pytest.mark.req("SEC-72")
async def test_an_accepted_upload_that_cancels_an_older_one_is_shown_so(site: Site) -> None:
    await get_log(site, 1)
    await get_log(site, 2, "AcceptedCanceled")
    newest, older = await site.plugin.jobs.page("CP-1")
    assert (newest.request_id, newest.outcome, older.outcome) == (2, "", "Canceled")


@pytest.mark.req("SEC-72")
async def test_a_refused_upload_is_over(site: Site) -> None:
    await get_log(site, 1, "Rejected")
    assert (await only_job(site)).outcome == "Rejected"


@pytest.mark.req("SEC-72", "SEC-75")
async def test_request_ids_are_never_given_twice(site: Site) -> None:
    ids = [await site.plugin.jobs.new_request_id() for _ in range(5)]
    assert len(set(ids)) == 5
    assert all(1 <= each < 2**31 for each in ids)


@pytest.mark.req("SEC-73")
@pytest.mark.parametrize(
    "status", ["Uploaded", "UploadFailure", "BadMessage", "PermissionDenied", "NotSupportedOperation"]
)
async def test_each_final_state_ends_an_upload(site: Site, status: str) -> None:
    await get_log(site)
    await log_status(site, status)
    assert (await only_job(site)).outcome == status


@pytest.mark.req("SEC-73")
async def test_a_failed_upload_may_be_called_as_the_white_papers_text_calls_it(site: Site) -> None:
    await get_log(site)
    await log_status(site, "UploadFailed")
    assert (await only_job(site)).outcome == "UploadFailure"


@pytest.mark.req("SEC-73", "SEC-78")
async def test_what_belongs_to_no_job_is_confirmed_and_changes_none(site: Site) -> None:
    await get_log(site)
    for status, request_id in (("Idle", None), ("Idle", 1), ("Uploading", None), ("Uploaded", 7)):
        await log_status(site, status, request_id)
    await firmware_status(site, "Installed", 1)
    assert ((await only_job(site)).status, (await only_job(site)).outcome) == ("", "")


@pytest.mark.req("SEC-75", "SEC-77", "SEC-78", "TC_080")
async def test_a_signed_update_goes_through_all_its_states(site: Site) -> None:
    await update(site)
    sent = site.sent("SignedUpdateFirmware")
    assert sent["firmware"]["signingCertificate"] == "PEM"
    assert (sent["firmware"]["location"], sent["firmware"]["signature"]) == (URL, "c2ln")
    for status in ("Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting"):
        await firmware_status(site, status)
        assert ((await only_job(site)).status, (await only_job(site)).outcome) == (status, "")
    await firmware_status(site, "Installed")
    assert (await only_job(site)).outcome == "Installed"


@pytest.mark.req("SEC-78")
async def test_a_status_that_comes_late_does_not_undo_the_outcome(site: Site) -> None:
    await update(site)
    await firmware_status(site, "Installed")
    await firmware_status(site, "InstallRebooting")
    job = await only_job(site)
    assert (job.status, job.outcome) == ("InstallRebooting", "Installed")


@pytest.mark.req("SEC-78", "TC_081")
@pytest.mark.parametrize(
    "status", ["DownloadFailed", "InvalidSignature", "InstallVerificationFailed", "InstallationFailed"]
)
async def test_each_failure_ends_an_update(site: Site, status: str) -> None:
    await update(site)
    await firmware_status(site, status)
    assert (await only_job(site)).outcome == status


@pytest.mark.req("SEC-77")
@pytest.mark.parametrize("answer", ["Rejected", "InvalidCertificate", "RevokedCertificate"])
async def test_each_refusal_of_an_update_is_shown(site: Site, answer: str) -> None:
    await update(site, answer=answer)
    assert (await only_job(site)).outcome == answer


@pytest.mark.req("SEC-78", "BOOT-21")
async def test_a_job_is_reported_over_a_reconnect_also_while_the_station_is_pending(site: Site) -> None:
    await update(site)
    await site.station.disconnect()
    await site.host.stations.change("CP-1", registration="Pending")
    site.station = await site.csms.connect("CP-1")
    await firmware_status(site, "Installed")
    with pytest.raises(CallErrorReceived, match="SecurityError"):
        await log_status(site, "Uploaded")
    assert (await only_job(site)).outcome == "Installed"


@pytest.mark.req("SEC-79", "SEC-81", "SEC-72")
async def test_what_is_doubtful_about_a_request_is_said(site: Site) -> None:
    early = Firmware("ftp://files.example/x", START, "PEM", "c2ln", START - timedelta(hours=1))
    warnings = " ".join(site.warnings("SignedUpdateFirmware", SignedUpdateFirmware(1, early)))
    assert "SEC-79" in warnings
    assert "SEC-81" in warnings
    log = LogParameters("http://files.example", START, START - timedelta(hours=1))
    warnings = " ".join(site.warnings("GetLog", GetLog("SecurityLog", 1, log, -1)))
    assert "SEC-81" in warnings
    assert "precedes" in warnings
    assert "negative" in warnings
    assert site.warnings("GetLog", GetLog("SecurityLog", 1, LogParameters("https://files.example/up"))) == []
