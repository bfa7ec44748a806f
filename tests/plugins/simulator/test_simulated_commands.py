"""What a simulated station does when it is told to; every answer is judged by the official schemas."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import trio
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from csmsd.ocpp.encoding import encode_payload
from csmsd.ocpp.frames import Call
from csmsd.station import StationRecord
from csmsd_simulator import SimulatedStation
from csmsd_simulator.car import Car
from csmsd_simulator.line import Refusal
from tests.interop.oracle import validator_of
from tests.plugins.simulator.conftest import TAG, Site, charge, core_of


async def ask(site: Site, station: SimulatedStation, action: str, **payload: Any) -> dict[str, Any]:
    """Put a command to the station by itself: csmsd need not know the profile."""
    request = json.dumps(payload, default=str).encode()
    assert list(validator_of(action).iter_errors(json.loads(request, parse_float=Decimal))) == []
    answer = station.desk.answer(Call("x", action, msgspec.Raw(request)))
    assert isinstance(answer, msgspec.Struct), answer
    text = encode_payload(answer)
    assert list(validator_of(f"{action}Response").iter_errors(json.loads(text, parse_float=Decimal))) == []
    content: dict[str, Any] = json.loads(text)
    await trio.sleep(1)
    return content


def status_of(station: SimulatedStation, number: int = 1) -> str:
    return station.connectors[number - 1].status


def actions_sent(site: Site) -> list[str]:
    return [frame[2] for frame in map(json.loads, site.sent) if frame[0] == 2]


def statuses_sent(site: Site, action: str) -> list[str]:
    return [frame[3]["status"] for frame in map(json.loads, site.sent) if frame[0] == 2 and frame[2] == action]


async def test_it_starts_and_stops_remotely(site: Site) -> None:
    station = await site.station()
    assert await site.command("CP-1", "RemoteStartTransaction", b'{"idTag":"ALICE","connectorId":2}') == (
        '{"status":"Accepted"}'
    )
    await trio.sleep(5)
    assert status_of(station, 2) == "Preparing"
    station.charging.plug_in(station.connectors[1], Car())
    await trio.sleep(600)
    (transaction,) = await site.transactions()
    assert (transaction.connector_id, transaction.id_tag) == (2, "ALICE")
    stop = json.dumps({"transactionId": transaction.id}).encode()
    assert await site.command("CP-1", "RemoteStopTransaction", stop) == '{"status":"Accepted"}'
    await trio.sleep(5)
    (transaction,) = await site.transactions()
    assert (transaction.is_stopped, transaction.reason) == (True, "Remote")
    assert status_of(station, 2) == "Finishing"
    assert await site.command("CP-1", "RemoteStopTransaction", stop) == '{"status":"Rejected"}'
    assert site.complaints() == []


async def test_a_remote_start_waits_for_a_plug_only_so_long(site: Site) -> None:
    station = await site.station()
    await site.command("CP-1", "RemoteStartTransaction", b'{"idTag":"ALICE","connectorId":1}')
    await trio.sleep(61)
    assert station.connectors[0].status == "Available"
    assert await site.transactions() == []


@pytest.mark.parametrize("kind", ["Soft", "Hard"])
async def test_a_reset_ends_transactions_and_boots_again(site: Site, kind: str) -> None:
    station = await site.station()
    station.charging.plug_in(station.connectors[0], Car())
    station.charging.present(station.connectors[0], TAG)
    await trio.sleep(600)
    assert await site.command("CP-1", "Reset", json.dumps({"type": kind}).encode()) == '{"status":"Accepted"}'
    await trio.sleep(60)
    (transaction,) = await site.transactions()
    assert transaction.reason == f"{kind}Reset"
    assert len(await site.exchanges("BootNotification")) == 2
    assert await site.deviations() == set()


async def test_keys_have_types_and_access(site: Site) -> None:
    await site.station()

    async def change(key: str, value: str) -> str:
        payload = json.dumps({"key": key, "value": value}).encode()
        status: str = json.loads(await site.command("CP-1", "ChangeConfiguration", payload))["status"]
        return status

    assert await change("HeartbeatInterval", "60") == "Accepted"
    assert await change("heartbeatinterval", "often") == "Rejected"
    assert await change("NumberOfConnectors", "9") == "Rejected"
    assert await change("WebSocketPingInterval", "9") == "RebootRequired"
    assert await change("MeterValuesSampledData", "Energy.Active.Import.Register,Nonsense") == "Rejected"
    assert await change("NoSuchKey", "1") == "NotSupported"
    before = len(await site.exchanges("Heartbeat"))
    await trio.sleep(600)
    assert len(await site.exchanges("Heartbeat")) - before in range(10, 13), "the new interval counts at once"
    told = json.loads(await site.command("CP-1", "GetConfiguration", b'{"key":["heartbeatInterval","Nothing"]}'))
    assert told == {
        "configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "60"}],
        "unknownKey": ["Nothing"],
    }


async def test_it_goes_out_of_service_when_the_car_has_left(site: Site) -> None:
    station = await site.station()
    station.charging.plug_in(station.connectors[0], Car())
    station.charging.present(station.connectors[0], TAG)
    await trio.sleep(60)
    off = b'{"connectorId":0,"type":"Inoperative"}'
    assert await site.command("CP-1", "ChangeAvailability", off) == '{"status":"Scheduled"}'
    await trio.sleep(5)
    assert [each.status for each in station.connectors] == ["Charging", "Unavailable"]
    station.charging.present(station.connectors[0], TAG)
    await trio.sleep(5)
    assert [each.status for each in core_of(site.csms).statuses.of_station("CP-1")] == ["Unavailable"] * 3


async def test_it_obeys_charging_profiles_and_adds_them_up(site: Site) -> None:
    station = await site.station()
    connector = station.connectors[0]
    station.charging.plug_in(connector, Car.arriving(80_000, 10, 22_000))
    station.charging.present(connector, TAG)
    await trio.sleep(120)
    assert connector.meter.power_w == 22_000

    def profile(number: int, purpose: str, unit: str, *limits: float) -> Mapping[str, Any]:
        periods = [{"startPeriod": 600 * index, "limit": limit} for index, limit in enumerate(limits)]
        schedule = {"chargingRateUnit": unit, "chargingSchedulePeriod": periods}
        return {
            "chargingProfileId": number,
            "stackLevel": 1,
            "chargingProfilePurpose": purpose,
            "chargingProfileKind": "Relative",
            "chargingSchedule": schedule,
        }

    wish = profile(1, "TxDefaultProfile", "A", 16, 0, 10)
    assert await ask(site, station, "SetChargingProfile", connectorId=1, csChargingProfiles=wish) == {
        "status": "Accepted"
    }
    assert connector.meter.power_w == 16 * 230 * 3
    composite = await ask(site, station, "GetCompositeSchedule", connectorId=1, duration=1800, chargingRateUnit="A")
    periods = composite["chargingSchedule"]["chargingSchedulePeriod"]
    assert [each["limit"] for each in periods] == [16, 0, 10]
    await trio.sleep(600)
    assert (connector.status, connector.meter.power_w) == ("SuspendedEVSE", 0)
    await trio.sleep(600)
    assert (connector.status, connector.meter.power_w) == ("Charging", 10 * 230 * 3)
    ceiling = profile(2, "ChargePointMaxProfile", "W", 5000)
    await ask(site, station, "SetChargingProfile", connectorId=0, csChargingProfiles=ceiling)
    assert connector.meter.power_w == 5000
    assert await ask(site, station, "ClearChargingProfile", id=2) == {"status": "Accepted"}
    assert await ask(site, station, "ClearChargingProfile", id=2) == {"status": "Unknown"}
    assert connector.meter.power_w == 10 * 230 * 3
    other = {**wish, "chargingProfilePurpose": "TxProfile", "transactionId": 4711}
    assert await ask(site, station, "SetChargingProfile", connectorId=1, csChargingProfiles=other) == {
        "status": "Rejected"
    }


async def test_a_local_list_decides_when_there_is_no_line(site: Site) -> None:
    station = await site.station()
    assert await ask(site, station, "GetLocalListVersion") == {"listVersion": 0}
    entry = {"idTag": "BOB", "idTagInfo": {"status": "Accepted"}}
    full: dict[str, Any] = {"listVersion": 5, "updateType": "Full", "localAuthorizationList": [entry]}
    assert await ask(site, station, "SendLocalList", **full) == {"status": "Accepted"}
    old = {"listVersion": 5, "updateType": "Differential"}
    assert await ask(site, station, "SendLocalList", **old) == {"status": "VersionMismatch"}
    assert await ask(site, station, "GetLocalListVersion") == {"listVersion": 5}
    site.go_offline(station)
    await trio.sleep(1)
    await charge(station, 60, 1, "bob")
    await charge(station, 60, 2, "NOBODY")
    assert station.line.backlog == 3 - 1 + 1 - 1, "start and stop of the one that is listed"


async def test_a_reserved_connector_waits_for_its_tag(site: Site) -> None:
    station = await site.station()
    expiry = (station.now() + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    booking = {"connectorId": 1, "expiryDate": expiry, "idTag": "ALICE", "reservationId": 7}
    assert await ask(site, station, "ReserveNow", **booking) == {"status": "Accepted"}
    assert status_of(station) == "Reserved"
    other = {**booking, "reservationId": 8}
    assert await ask(site, station, "ReserveNow", **other) == {"status": "Occupied"}
    await charge(station, 60, 1, TAG)
    assert await site.transactions() == []
    await charge(station, 60, 1, "ALICE")
    assert [each.reservation_id for each in await site.transactions()] == [7]
    assert await ask(site, station, "CancelReservation", reservationId=7) == {"status": "Rejected"}
    assert await ask(site, station, "ReserveNow", **other) == {"status": "Accepted"}
    await trio.sleep(3700)
    assert status_of(station) == "Available", "it has expired"


async def test_files_go_their_way_and_say_so(site: Site) -> None:
    station = await site.station()
    when = station.now().isoformat().replace("+00:00", "Z")
    await ask(site, station, "UpdateFirmware", location="http://example.invalid/v2.bin", retrieveDate=when)
    await trio.sleep(120)
    told = statuses_sent(site, "FirmwareStatusNotification")
    assert told == ["Downloading", "Downloaded", "Installing", "Installed"]
    assert station.firmware == "v2.bin"
    assert len(await site.exchanges("BootNotification")) == 2
    answer = await ask(site, station, "GetDiagnostics", location="ftp://example.invalid/")
    assert answer == {"fileName": "CP-1-diagnostics.log"}
    await trio.sleep(60)
    assert statuses_sent(site, "DiagnosticsStatusNotification") == ["Uploading", "Uploaded"]
    log = {"remoteLocation": "http://example.invalid/fail"}
    await ask(site, station, "GetLog", logType="SecurityLog", requestId=3, log=log)
    await trio.sleep(60)
    assert statuses_sent(site, "LogStatusNotification") == ["Uploading", "UploadFailure"]
    firmware = {
        "location": "http://example.invalid/v3.bin",
        "retrieveDateTime": when,
        "signingCertificate": "-----BEGIN CERTIFICATE-----",
        "signature": "c2ln",
    }
    await ask(site, station, "SignedUpdateFirmware", requestId=4, firmware=firmware)
    await trio.sleep(120)
    told = statuses_sent(site, "SignedFirmwareStatusNotification")
    assert told == ["Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed"]
    assert site.complaints() == []


@pytest.mark.parametrize(
    ("message", "action"),
    [
        ("BootNotification", "BootNotification"),
        ("Heartbeat", "Heartbeat"),
        ("MeterValues", "MeterValues"),
        ("StatusNotification", "StatusNotification"),
        ("FirmwareStatusNotification", "FirmwareStatusNotification"),
        ("DiagnosticsStatusNotification", "DiagnosticsStatusNotification"),
    ],
)
async def test_it_sends_what_it_is_asked_for(site: Site, message: str, action: str) -> None:
    station = await site.station()
    before = actions_sent(site).count(action)
    assert await ask(site, station, "TriggerMessage", requestedMessage=message) == {"status": "Accepted"}
    assert actions_sent(site).count(action) > before
    assert site.complaints() == []


async def test_a_command_that_makes_no_sense_gets_a_callerror(site: Site) -> None:
    station = await site.station()
    unknown = station.desk.answer(Call("x", "Dance", msgspec.Raw(b"{}")))
    assert isinstance(unknown, Refusal)
    assert unknown.code == "NotImplemented"
    broken = station.desk.answer(Call("x", "Reset", msgspec.Raw(b'{"type":"Gently"}')))
    assert isinstance(broken, Refusal)
    assert broken.code == "FormationViolation"


@pytest.mark.req("BOOT-21")
async def test_a_pending_station_sends_what_it_is_asked_for_and_nothing_else(site: Site) -> None:
    await site.csms.host.stations.register(StationRecord("CP-7", registration="Pending"))
    station = await site.station(station_id="CP-7")
    assert await ask(site, station, "TriggerMessage", requestedMessage="StatusNotification", connectorId=1) == {
        "status": "Accepted"
    }
    station.registration.heartbeat()
    await trio.sleep(5)
    assert actions_sent(site) == ["BootNotification", "StatusNotification"]


async def test_certificates_are_installed_listed_and_deleted(site: Site) -> None:
    station = await site.station()
    root = trustme.CA().cert_pem.bytes().decode()
    kind = "CentralSystemRootCertificate"
    assert await ask(site, station, "GetInstalledCertificateIds", certificateType=kind) == {"status": "NotFound"}
    installed = await ask(site, station, "InstallCertificate", certificateType=kind, certificate=root)
    assert installed == {"status": "Accepted"}
    broken = await ask(site, station, "InstallCertificate", certificateType=kind, certificate="nonsense")
    assert broken == {"status": "Rejected"}
    listed = await ask(site, station, "GetInstalledCertificateIds", certificateType=kind)
    (names,) = listed["certificateHashData"]
    assert await ask(site, station, "DeleteCertificate", certificateHashData=names) == {"status": "Accepted"}
    assert await ask(site, station, "DeleteCertificate", certificateHashData=names) == {"status": "NotFound"}


async def test_a_certificate_is_asked_for_and_must_fit_the_key(site: Site) -> None:
    station = await site.station()
    trigger = "SignChargePointCertificate"
    assert await ask(site, station, "ExtendedTriggerMessage", requestedMessage=trigger) == {"status": "Accepted"}
    (csr_text,) = [frame[3]["csr"] for frame in map(json.loads, site.sent) if frame[2] == "SignCertificate"]
    csr = x509.load_pem_x509_csr(csr_text.encode())
    assert csr.is_signature_valid
    now, key = datetime.now(UTC), ec.generate_private_key(ec.SECP256R1())
    chains: list[str] = []
    for public_key in (key.public_key(), csr.public_key()):
        builder = x509.CertificateBuilder(csr.subject, csr.subject, public_key, 7, now, now + timedelta(days=1))
        chains.append(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode())
    assert await ask(site, station, "CertificateSigned", certificateChain=chains[0]) == {"status": "Rejected"}
    assert "SecurityEventNotification" in actions_sent(site)
    assert await ask(site, station, "CertificateSigned", certificateChain=chains[1]) == {"status": "Accepted"}
    assert site.complaints() == []


@pytest.mark.parametrize("is_elliptic", [True, False])
async def test_signatures_of_firmware_are_really_checked(site: Site, is_elliptic: bool) -> None:
    station = await site.station()
    now, content = datetime.now(UTC), b"firmware"
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "vendor")])
    key: Any = ec.generate_private_key(ec.SECP256R1()) if is_elliptic else rsa.generate_private_key(65537, 2048)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, now, now + timedelta(days=1))
    pem = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    how = (ec.ECDSA(hashes.SHA256()),) if is_elliptic else (padding.PKCS1v15(), hashes.SHA256())
    signature = base64.b64encode(key.sign(content, *how)).decode()
    assert station.key_ring.is_genuine(pem, signature, content)
    assert not station.key_ring.is_genuine(pem, signature, content + b"!")
    assert not station.key_ring.is_genuine("nonsense", signature, content)
