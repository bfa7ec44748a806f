"""Every command of the Core profile, understood and answered by other people's chargers."""

from __future__ import annotations

import pytest

from tests.interop.charger import Charger
from tests.interop.conftest import IDENTITY, PASSWORD, Csmsd
from tests.interop.routine import ask, boot, core_of, now, provision, start, status


@pytest.mark.req("TC_019_1", "TC_019_2", "TC_021", "TC_040_1", "TC_040_2", "WS-36", "OP-01", "OP-02", "OP-03")
@pytest.mark.exercises(to_station="GetConfiguration ChangeConfiguration")
async def test_configuration_is_read_and_changed(csmsd: Csmsd, charger: Charger) -> None:
    keys = [{"key": f"Vendor.Key{n}", "readonly": bool(n % 2), "value": "x" * 400} for n in range(200)]
    await ask(csmsd, charger, "GetConfiguration", {}, configurationKey=keys)
    profiles = {"key": "SupportedFeatureProfiles", "readonly": True, "value": "Core,RemoteTrigger"}
    await ask(
        csmsd, charger, "GetConfiguration", {"key": ["SupportedFeatureProfiles", "Nonsense"]},
        configurationKey=[profiles], unknownKey=["Nonsense"],
    )  # fmt: skip
    interval = {"key": "MeterValueSampleInterval", "value": "60"}
    await ask(csmsd, charger, "ChangeConfiguration", interval, status="Accepted")
    await ask(csmsd, charger, "ChangeConfiguration", {**interval, "value": "-1"}, status="Rejected")
    await ask(csmsd, charger, "ChangeConfiguration", {"key": "Nonsense", "value": "1"}, status="NotSupported")
    await ask(csmsd, charger, "ChangeConfiguration", {"key": "Vendor.Key1", "value": "y"}, status="RebootRequired")
    mirror = dict(await csmsd.query("SELECT key, value FROM core_configuration"))
    assert mirror["SupportedFeatureProfiles"] == "Core,RemoteTrigger"
    assert mirror["MeterValueSampleInterval"] == "60"
    assert mirror["Vendor.Key7"] == "x" * 400


@pytest.mark.req("TC_013", "TC_014", "OP-14", "BOOT-07")
@pytest.mark.exercises(to_station="Reset")
async def test_the_charger_is_reset(csmsd: Csmsd, charger: Charger) -> None:
    await ask(csmsd, charger, "Reset", {"type": "Soft"}, status="Accepted")
    await boot(charger)  # on the same connection
    await ask(csmsd, charger, "Reset", {"type": "Hard"}, status="Accepted")
    await charger.drop()
    assert await charger.connect(csmsd.url, PASSWORD) == 101
    await boot(charger)
    await ask(csmsd, charger, "Reset", {"type": "Hard"}, status="Rejected")


@pytest.mark.req("TC_017_1", "TC_017_2", "TC_030", "TC_031", "TC_018_1", "OP-15", "OP-02", "TX-31")
@pytest.mark.exercises(to_station="UnlockConnector")
async def test_connectors_are_unlocked(csmsd: Csmsd, charger: Charger) -> None:
    await provision(csmsd)
    for connector, result in ((1, "Unlocked"), (1, "NotSupported"), (1, "UnlockFailed"), (77, "NotSupported")):
        await ask(csmsd, charger, "UnlockConnector", {"connectorId": connector}, status=result)
    transaction = await start(charger)
    await ask(csmsd, charger, "UnlockConnector", {"connectorId": 1}, status="Unlocked")
    await status(charger, 1, "Finishing")
    end = {"transactionId": transaction, "meterStop": 5, "timestamp": now(), "reason": "UnlockCommand"}
    assert await charger.call("StopTransaction", **end) == {}
    await status(charger, 1, "Available")
    assert await csmsd.query("SELECT reason FROM core_stop") == [("UnlockCommand",)]


@pytest.mark.req("TC_061", "OP-17", "OP-18", "CORE-03", "PERF-05")
@pytest.mark.exercises(to_station="ClearCache ChangeAvailability")
async def test_the_cache_is_cleared_and_connectors_are_taken_out_of_service(csmsd: Csmsd, charger: Charger) -> None:
    await ask(csmsd, charger, "ClearCache", {}, status="Accepted")
    await ask(csmsd, charger, "ClearCache", {}, status="Rejected")
    for result in ("Accepted", "Scheduled", "Rejected"):
        await ask(csmsd, charger, "ChangeAvailability", {"connectorId": 2, "type": "Inoperative"}, status=result)
    await status(charger, 2, "Unavailable", timestamp=now())
    assert [each.status for each in core_of(csmsd).statuses.of_station(IDENTITY)] == ["Unavailable"]
    await ask(csmsd, charger, "ChangeAvailability", {"connectorId": 0, "type": "Operative"}, status="Accepted")


@pytest.mark.req("TC_064", "CORE-10", "CORE-11", "OP-19")
@pytest.mark.exercises(to_station="DataTransfer", from_station="DataTransfer")
async def test_vendors_talk_both_ways(csmsd: Csmsd, charger: Charger) -> None:
    assert await charger.call("DataTransfer", vendorId="org.unknown") == {"status": "UnknownVendorId"}
    assert await charger.call("DataTransfer", vendorId="com.ACME", messageId="Nonsense") == {
        "status": "UnknownMessageId"
    }
    assert await charger.call("DataTransfer", vendorId="com.acme", messageId="GetTariff", data="{}") == {
        "status": "Accepted",
        "data": f"{IDENTITY}: {{}}",
    }
    request = {"vendorId": "com.acme", "messageId": "ShowText", "data": '{"text": "Hello"}'}
    await ask(csmsd, charger, "DataTransfer", request, status="Accepted", data="shown")
    for refusal in ("Rejected", "UnknownMessageId", "UnknownVendorId"):
        await ask(csmsd, charger, "DataTransfer", {"vendorId": "com.acme"}, status=refusal)


@pytest.mark.req("OP-03", "OP-04", "RPC-20")
async def test_commands_are_sent_one_after_the_other_and_errors_are_shown(csmsd: Csmsd, charger: Charger) -> None:
    await charger.will_answer("Reset", status="Accepted")
    ids = [await csmsd.command("Reset", b'{"type":"Soft"}') for _ in range(5)]
    ids.append(await csmsd.command("ClearCache"))  # which this charger has not implemented
    assert [await csmsd.result(each) for each in ids] == ['{"status":"Accepted"}'] * 5 + ["failed NotImplemented"]
