"""The security white paper with other people's chargers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from csmsd_security import SecurityPlugin
from tests.interop.charger import Charger
from tests.interop.conftest import IDENTITY, Csmsd
from tests.interop.oracle import choices
from tests.interop.routine import ask, boot
from tests.plugins.security.pki import ec_key, issue, name, pem_of, request_of

WHEN = "2026-05-06T07:08:09.000Z"
JOBS = "SELECT request_id, answer, status, outcome FROM security_job ORDER BY request_id"
CERTIFICATES = "SELECT state FROM security_certificate ORDER BY requested_at, changed_at"
ROOT = pem_of(issue(ec_key(), name("operator's root"), datetime.now(UTC)))
HASHES = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "aB" * 32,
    "issuerKeyHash": "cD" * 32,
    "serialNumber": "0a1B2c",
}


def security_of(csmsd: Csmsd) -> SecurityPlugin:
    plugin = csmsd.host.plugins.get("security")
    assert isinstance(plugin, SecurityPlugin)
    return plugin


@pytest.mark.req("SEC-50", "SEC-53", "TC_074")
@pytest.mark.exercises(from_station="SignCertificate", to_station="CertificateSigned")
async def test_a_station_gets_certificates(csmsd: Csmsd, charger: Charger) -> None:
    await boot(charger)
    csr = request_of(ec_key())
    assert await charger.call("SignCertificate", csr=csr) == {"status": "Rejected"}  # there is no authority yet
    await security_of(csmsd).create_authority("ecdsa", actor="operator")
    rows = [("failed",)]
    for answer, state in (("Rejected", "rejected"), ("Accepted", "accepted")):
        await charger.will_answer("CertificateSigned", status=answer)
        assert await charger.call("SignCertificate", csr=csr) == {"status": "Accepted"}
        chain = (await charger.command("CertificateSigned"))["certificateChain"]
        assert chain.startswith("-----BEGIN CERTIFICATE-----\n")
        rows.append((state,))
        await csmsd.shows(rows, CERTIFICATES)
    for answer in choices("CertificateSignedResponse", "status"):
        await ask(csmsd, charger, "CertificateSigned", {"certificateChain": chain}, status=answer)
    assert set(choices("SignCertificateResponse", "status")) == {"Accepted", "Rejected"}


@pytest.mark.req("SEC-60", "SEC-61", "SEC-62", "SEC-63", "SEC-65", "TC_075_1", "TC_076")
@pytest.mark.exercises(to_station="InstallCertificate DeleteCertificate GetInstalledCertificateIds")
async def test_roots_are_installed_listed_and_deleted(csmsd: Csmsd, charger: Charger) -> None:
    await boot(charger)
    shown = "SELECT use, serial_number FROM security_installed ORDER BY use"
    uses = choices("InstallCertificate", "certificateType")
    assert uses == choices("GetInstalledCertificateIds", "certificateType")
    for use in uses:
        for answer in choices("InstallCertificateResponse", "status"):
            request = {"certificateType": use, "certificate": ROOT}
            await ask(csmsd, charger, "InstallCertificate", request, status=answer)
        found = {"status": "Accepted", "certificateHashData": [HASHES]}
        await ask(csmsd, charger, "GetInstalledCertificateIds", {"certificateType": use}, **found)
    await csmsd.shows([(use, "0a1B2c") for use in sorted(uses)], shown)
    await csmsd.shows([(ROOT.strip(),)], "SELECT trim(pem, char(10)) FROM security_root")
    await ask(csmsd, charger, "GetInstalledCertificateIds", {"certificateType": uses[0]}, status="NotFound")
    await csmsd.shows([(uses[1], "0a1B2c")], shown)
    assert set(choices("GetInstalledCertificateIdsResponse", "status")) == {"Accepted", "NotFound"}
    for answer in choices("DeleteCertificateResponse", "status"):
        for algorithm in choices("DeleteCertificate", "certificateHashData", "hashAlgorithm"):
            data = {**HASHES, "hashAlgorithm": algorithm}
            await ask(csmsd, charger, "DeleteCertificate", {"certificateHashData": data}, status=answer)


async def every_job(
    csmsd: Csmsd, charger: Charger, action: str, request: dict[str, Any], notification: str, **more: Any
) -> None:
    """Each answer to the request, then each status of a job that is under way."""
    expected: list[tuple[int, str, str, str]] = []
    for number, answer in enumerate(sorted(choices(f"{action}Response", "status")), start=1):
        given = more if answer.startswith("Accepted") else {}
        await ask(csmsd, charger, action, {**request, "requestId": number}, status=answer, **given)
        expected.append((number, answer, "", "" if answer.startswith("Accepted") else answer))
    expected[0] = (1, "Accepted", "", "Canceled")  # AcceptedCanceled came second
    await csmsd.shows(expected, JOBS)
    for status in choices(notification, "status"):
        assert await charger.call(notification, status=status, requestId=2) == {}
        if status != "Idle":
            [(told,)] = await csmsd.query("SELECT status FROM security_job WHERE request_id = 2")
            assert told == status
    assert await charger.call(notification, status="Idle") == {}
    assert await charger.call(notification, status="Idle", requestId=4711) == {}  # nobody has asked


@pytest.mark.req("SEC-72", "SEC-73", "TC_079")
@pytest.mark.exercises(to_station="GetLog", from_station="LogStatusNotification")
async def test_logs_are_asked_for(csmsd: Csmsd, charger: Charger) -> None:
    await boot(charger)
    log = {"remoteLocation": "https://files.example/logs", "oldestTimestamp": WHEN, "latestTimestamp": WHEN}
    request = {"logType": "SecurityLog", "retries": 2, "retryInterval": 30, "log": log}
    await every_job(csmsd, charger, "GetLog", request, "LogStatusNotification", filename="security.log")
    assert await csmsd.query("SELECT filename FROM security_job WHERE request_id = 2") == [("security.log",)]
    for number, kind in enumerate(choices("GetLog", "logType"), start=11):
        plain = {"logType": kind, "requestId": number, "log": {"remoteLocation": "https://files.example/logs"}}
        await ask(csmsd, charger, "GetLog", plain, status="Rejected")


@pytest.mark.req("SEC-75", "SEC-77", "SEC-78", "TC_080", "TC_081")
@pytest.mark.exercises(to_station="SignedUpdateFirmware", from_station="SignedFirmwareStatusNotification")
async def test_signed_firmware_is_installed(csmsd: Csmsd, charger: Charger) -> None:
    await boot(charger)
    firmware = {
        "location": "https://files.example/2.0.bin",
        "retrieveDateTime": WHEN,
        "installDateTime": WHEN,
        "signingCertificate": ROOT,
        "signature": "c2lnbmVk",
    }
    request = {"retries": 2, "retryInterval": 30, "firmware": firmware}
    await every_job(csmsd, charger, "SignedUpdateFirmware", request, "SignedFirmwareStatusNotification")


@pytest.mark.req("SEC-70", "SEC-71")
@pytest.mark.exercises(from_station="SecurityEventNotification")
async def test_security_events_are_stored_once(csmsd: Csmsd, charger: Charger) -> None:
    await boot(charger)
    event = {"type": "TamperDetectionActivated", "timestamp": WHEN, "techInfo": json.dumps({"lid": "open"})}
    for _ in range(2):
        assert await charger.call("SecurityEventNotification", **event) == {}
    assert await charger.call("SecurityEventNotification", type="AcmeLunchBreak", timestamp=WHEN) == {}
    rows = await csmsd.query("SELECT station_id, type, tech_info, count, is_critical FROM security_event ORDER BY id")
    assert rows == [
        (IDENTITY, "TamperDetectionActivated", '{"lid": "open"}', 2, 1),
        (IDENTITY, "AcmeLunchBreak", None, 1, 0),
    ]
