"""The security profile's part of the management API and of the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest
import trio

from csmsd.testing import open_test_csms
from csmsd_security.messages import (
    CertificateHashData,
    CertificateSignedResponse,
    ExtendedTriggerMessageResponse,
    GetInstalledCertificateIdsResponse,
    GetLogResponse,
    SignCertificate,
    SignedUpdateFirmwareResponse,
)
from tests.plugins.profile import ask
from tests.plugins.security.conftest import Site, virtual_env
from tests.plugins.security.pki import ec_key, request_of

EVENT = b'{"type":"MemoryExhaustion","timestamp":"2026-01-01T11:00:00Z"}'


@pytest.fixture
async def house() -> AsyncIterator[Site]:
    async with open_test_csms(plugins=["core", "security", "web"], env=virtual_env()) as csms:
        yield Site(csms, await csms.connect("CP-1"))


@pytest.mark.req("SEC-70", "SEC-71", "SEC-80")
async def test_events_are_listed_and_acknowledged(house: Site) -> None:
    await house.station.send_raw("SecurityEventNotification", EVENT)
    [event] = (await ask(house.csms, "GET", "/security/events?alerts=true&station=CP-1")).json()["items"]
    assert (event["type"], event["count"], event["is_critical"]) == ("MemoryExhaustion", 1, True)
    done = await ask(house.csms, "POST", f"/security/events/{event['id']}/acknowledge", {})
    assert done.json()["acknowledged_by"]
    assert (await ask(house.csms, "GET", "/security/events?alerts=true")).json()["items"] == []
    assert (await ask(house.csms, "POST", "/security/events/99/acknowledge", {})).status_code == 404


@pytest.mark.req("SEC-72", "SEC-75", "SEC-81")
async def test_logs_and_updates_get_ids_of_their_own(house: Site) -> None:
    house.station.behaviour["GetLog"] = GetLogResponse("Accepted", "x.log")
    house.station.behaviour["SignedUpdateFirmware"] = SignedUpdateFirmwareResponse("Accepted")
    body = {"remote_location": "ftp://files.example"}
    log = (await ask(house.csms, "POST", "/stations/CP-1/log", body)).json()
    assert (log["status"], log["filename"]) == ("Accepted", "x.log")
    assert any("SEC-81" in warning for warning in log["warnings"])
    body = {"location": "https://files.example/f", "signing_certificate": "PEM", "signature": "c2ln"}
    update = (await ask(house.csms, "POST", "/stations/CP-1/signed-update", body)).json()
    jobs = (await ask(house.csms, "GET", "/stations/CP-1/security/jobs")).json()["items"]
    assert {job["request_id"] for job in jobs} == {log["request_id"], update["request_id"]}
    refused = await ask(house.csms, "POST", "/stations/CP-1/signed-update", body | {"signature": " "})
    assert refused.status_code == 422


@pytest.mark.req("SEC-74", "TRG-02")
async def test_triggers_are_sent_and_listed(house: Site) -> None:
    house.station.behaviour["ExtendedTriggerMessage"] = ExtendedTriggerMessageResponse("NotImplemented")
    body: dict[str, object] = {"requested_message": "LogStatusNotification"}
    sent = (await ask(house.csms, "POST", "/stations/CP-1/extended-trigger", body)).json()
    assert sent["trigger"]["state"] == "not implemented"
    listed = (await ask(house.csms, "GET", "/stations/CP-1/extended-triggers")).json()["items"]
    assert listed == [sent["trigger"]]
    refused = await ask(house.csms, "POST", "/stations/CP-1/extended-trigger", body | {"connector_id": 1})
    assert refused.status_code == 422


@pytest.mark.req("SEC-25", "SEC-52", "OPS-02", "OPS-03")
async def test_an_authority_is_made_and_certificates_are_listed_uploaded_and_revoked(house: Site) -> None:
    made = await ask(house.csms, "POST", "/security/authority", {"type": "ecdsa"})
    assert "PRIVATE" not in made.text
    assert (await ask(house.csms, "POST", "/security/authority", {"type": "ecdsa"})).status_code == 409
    assert len((await ask(house.csms, "GET", "/security/authority")).json()["items"]) == 1
    station = await house.csms.connect("CP-2", serial_number="SN-2")
    station.behaviour["CertificateSigned"] = CertificateSignedResponse("Accepted")
    await station.send_raw("SignCertificate", msgspec.json.encode(SignCertificate(request_of(ec_key()))))
    await trio.sleep(1)
    [row] = (await ask(house.csms, "GET", "/security/certificates?station=CP-2")).json()["items"]
    path = f"/security/certificates/{row['id']}"
    assert (await ask(house.csms, "POST", f"{path}/chain", {"chain": "nonsense"})).status_code == 422
    assert (await ask(house.csms, "POST", f"{path}/revoke", {})).json()["state"] == "revoked"
    assert (await ask(house.csms, "POST", "/security/certificates/none/revoke", {})).status_code == 404
    assert "X509 CRL" in (await ask(house.csms, "GET", "/security/authority/crl")).json()["pem"]


@pytest.mark.req("SEC-62", "OPS-02")
async def test_a_station_is_asked_what_is_installed(house: Site) -> None:
    station = await house.csms.connect("CP-3")
    station.behaviour["GetInstalledCertificateIds"] = GetInstalledCertificateIdsResponse(
        "Accepted", (CertificateHashData("SHA256", "ab", "cd", "1"),)
    )
    found = (await ask(house.csms, "POST", "/stations/CP-3/security/installed/refresh", {})).json()["items"]
    assert [each["use"] for each in found] == ["CentralSystemRootCertificate", "ManufacturerRootCertificate"]
    assert (await ask(house.csms, "GET", "/stations/CP-3/security/installed")).json()["items"] == found
