"""A driver comes, charges and leaves; other people's chargers tell csmsd."""

from __future__ import annotations

import json

import pytest

from tests.interop.charger import Charger
from tests.interop.conftest import IDENTITY, Csmsd
from tests.interop.routine import boot, now, provision, register, status


@pytest.mark.req(
    "TC_001", "TC_003", "TC_012", "BOOT-01", "BOOT-02", "BOOT-04", "CORE-01", "CORE-02", "AUTH-01", "AUTH-03"
)
@pytest.mark.req("TX-01", "TX-02", "TX-28", "MV-01", "MV-02", "MV-13", "OP-13", "WS-04", "WS-20", "VAL-01", "RPC-01")
@pytest.mark.exercises(
    from_station="BootNotification Heartbeat StatusNotification Authorize StartTransaction MeterValues StopTransaction",
    to_station="RemoteStopTransaction",
)
async def test_a_charging_session_from_boot_to_remote_stop(csmsd: Csmsd, charger: Charger) -> None:
    await provision(csmsd)
    await boot(charger)
    assert "currentTime" in await charger.call("Heartbeat")

    await status(charger, 1, "Preparing")
    assert await charger.call("Authorize", idTag="ALICE-1") == {"idTagInfo": {"status": "Accepted"}}
    started = await charger.call("StartTransaction", connectorId=1, idTag="Alice-1", meterStart=1000, timestamp=now())
    assert started["idTagInfo"] == {"status": "Accepted"}
    transaction = started["transactionId"]
    await status(charger, 1, "Charging")
    middle = {"timestamp": now(5), "sampledValue": [register(1500, "Sample.Periodic")]}
    for power in ("7400.5", "7391"):
        sample = {
            **middle,
            "sampledValue": [*middle["sampledValue"], {"value": power, "measurand": "Power.Active.Import"}],
        }
        answer = await charger.call("MeterValues", connectorId=1, transactionId=transaction, meterValue=[sample])
        assert answer == {}

    await charger.will_answer("RemoteStopTransaction", status="Accepted")
    command = await csmsd.command("RemoteStopTransaction", json.dumps({"transactionId": transaction}).encode())
    assert await charger.command("RemoteStopTransaction") == {"transactionId": transaction}
    assert await csmsd.result(command) == '{"status":"Accepted"}'
    stopped = await charger.call(
        "StopTransaction",
        transactionId=transaction,
        meterStop=9000,
        timestamp=now(10),
        reason="Remote",
        transactionData=[
            {"timestamp": now(0), "sampledValue": [register(1000, "Transaction.Begin")]},
            {"timestamp": now(10), "sampledValue": [register(9000, "Transaction.End")]},
        ],
    )
    assert stopped == {}
    await status(charger, 1, "Finishing")
    await status(charger, 1, "Available")
    assert await charger.leave() == (1000, "")

    assert await csmsd.query(
        "SELECT id, station_id, connector_id, id_tag, meter_start, meter_stop, verdict, stop_rank FROM core_transaction"
    ) == [(transaction, IDENTITY, 1, "Alice-1", 1000, 9000, "Accepted", 1)]
    assert await csmsd.query("SELECT reference, reason, state, transaction_id FROM core_stop") == [
        (transaction, "Remote", "applied", transaction)
    ]
    values = await csmsd.query("SELECT transaction_id, energy_wh, samples FROM core_meter_value ORDER BY at, id")
    assert [row[:2] for row in values if row[1] is not None] == [
        (transaction, 1000),
        (transaction, 1500),
        (transaction, 9000),
    ]
    assert "7400.5" in str(values)
    assert "7391" in str(values)


@pytest.mark.req(
    "TC_023_1",
    "TC_023_2",
    "TC_023_3",
    "TC_037_3",
    "TC_007",
    "AUTH-01",
    "AUTH-04",
    "AUTH-06",
    "AUTH-08",
    "TX-03",
    "TX-21",
)
async def test_tags_are_judged_alike_in_every_answer(csmsd: Csmsd, charger: Charger) -> None:
    await provision(csmsd)
    verdicts = {"nobody": "Invalid", "EXPIRED": "Expired", "blocked": "Blocked", "car-1": "Accepted"}
    for connector, (tag, verdict) in enumerate(verdicts.items(), start=1):
        info = (await charger.call("Authorize", idTag=tag))["idTagInfo"]
        assert info["status"] == verdict
        started = await charger.call(
            "StartTransaction", connectorId=connector, idTag=tag, meterStart=0, timestamp=now()
        )
        assert started["idTagInfo"] == info
        assert started["transactionId"] > 0
        end = {"transactionId": started["transactionId"], "meterStop": 10, "timestamp": now(1)}
        stopped = await charger.call("StopTransaction", idTag=tag, reason="DeAuthorized", **end)
        assert stopped["idTagInfo"] == info
    assert info["parentIdTag"] == "FLEET"
    rows = await csmsd.query("SELECT id_tag, verdict, meter_stop FROM core_transaction ORDER BY connector_id")
    assert rows == [(tag, verdict, 10) for tag, verdict in verdicts.items()]


@pytest.mark.req("TC_010", "TC_011_1", "TC_011_2", "TC_026", "TC_028", "AUTH-10", "OP-10", "OP-03", "TX-10")
@pytest.mark.exercises(to_station="RemoteStartTransaction")
async def test_a_session_that_the_operator_starts(csmsd: Csmsd, charger: Charger) -> None:
    await boot(charger)
    await charger.will_answer("RemoteStartTransaction", status="Accepted")
    command = await csmsd.command("RemoteStartTransaction", b'{"idTag":"APP-4711","connectorId":2}')
    assert await charger.command("RemoteStartTransaction") == {"idTag": "APP-4711", "connectorId": 2}
    assert await csmsd.result(command) == '{"status":"Accepted"}'
    assert (await charger.call("Authorize", idTag="APP-4711"))["idTagInfo"]["status"] == "Accepted"
    await status(charger, 2, "Preparing")
    await status(charger, 2, "Available")  # the driver was too late
    await status(charger, 2, "Preparing")
    started = await charger.call("StartTransaction", connectorId=2, idTag="APP-4711", meterStart=5, timestamp=now())
    assert started["idTagInfo"]["status"] == "Accepted"
    await status(charger, 2, "Charging")
    assert await csmsd.query("SELECT remote_start_id IS NOT NULL FROM core_transaction") == [(1,)]

    for action, payload in (
        ("RemoteStartTransaction", b'{"idTag":"APP-4712"}'),
        ("RemoteStopTransaction", b'{"transactionId":2000000000}'),
    ):
        await charger.will_answer(action, status="Rejected")
        assert await csmsd.result(await csmsd.command(action, payload)) == '{"status":"Rejected"}'
        assert await charger.command(action)
