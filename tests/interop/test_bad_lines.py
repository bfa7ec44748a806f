"""Lines break, chargers queue what they have to say and try again: nothing is lost, nothing counts twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from csmsd.config import Listen
from tests.interop.charger import CallError, Charger
from tests.interop.conftest import IDENTITY, PASSWORD, Csmsd, OpenCharger, run_csmsd
from tests.interop.routine import boot, now, provision, register, start, status

TRANSACTIONS = "SELECT id, meter_start, meter_stop, stop_rank, stopped_at FROM core_transaction ORDER BY id"


@pytest.mark.req("TC_037_1", "TC_039", "TX-30", "TX-31", "TX-39", "WS-31", "WS-34", "BOOT-10", "MV-10")
async def test_what_happened_off_line_is_told_later_without_a_boot(csmsd: Csmsd, charger: Charger) -> None:
    await provision(csmsd)
    await boot(charger)
    first = await start(charger, meterStart=100, timestamp=now(-120))
    await charger.drop()

    assert await charger.connect(csmsd.url, PASSWORD) == 101
    await status(charger, 1, "Available")  # overtakes the queue
    sample = {"timestamp": now(-90), "sampledValue": [register(150, "Sample.Clock")]}
    assert await charger.call("MeterValues", connectorId=1, transactionId=first, meterValue=[sample]) == {}
    ends = now(-60), now(-30)
    assert await charger.call("StopTransaction", transactionId=first, meterStop=200, timestamp=ends[0]) == {}
    second = await start(charger, meterStart=200, timestamp=now(-50))
    assert second != first
    sample = {"timestamp": now(-40), "sampledValue": [register(250, "Sample.Clock")]}
    assert await charger.call("MeterValues", connectorId=1, transactionId=second, meterValue=[sample]) == {}
    end = {"transactionId": second, "meterStop": 300, "timestamp": ends[1], "reason": "Local", "idTag": "ALICE-1"}
    assert await charger.call("StopTransaction", **end) == {"idTagInfo": {"status": "Accepted"}}

    rows = await csmsd.query(TRANSACTIONS)
    assert sorted(row[:4] for row in rows) == sorted([(first, 100, 200, 1), (second, 200, 300, 1)])
    assert sorted(row[4][:19] for row in rows) == [moment[:19] for moment in ends]
    values = await csmsd.query("SELECT transaction_id, energy_wh FROM core_meter_value ORDER BY at")
    assert values == [(first, 150), (second, 250)]


@pytest.mark.req("TX-05", "TX-22", "TX-34", "RPC-12", "MV-13")
async def test_whatever_is_said_again_after_a_lost_answer_counts_once(csmsd: Csmsd, charger: Charger) -> None:
    await provision(csmsd)
    moment = now()
    transaction = await start(charger, meterStart=7, timestamp=moment)
    for _ in range(2):
        await charger.drop()
        assert await charger.connect(csmsd.url, PASSWORD) == 101
        assert await start(charger, meterStart=7, timestamp=moment) == transaction
    sample = {"timestamp": now(1), "sampledValue": [register(8, "Sample.Periodic")]}
    for _ in range(2):
        assert await charger.call("MeterValues", connectorId=1, transactionId=transaction, meterValue=[sample]) == {}
    end = {"transactionId": transaction, "meterStop": 9, "timestamp": now(2)}
    for _ in range(2):
        assert await charger.call("StopTransaction", **end) == {}
        await charger.drop()
        assert await charger.connect(csmsd.url, PASSWORD) == 101
    assert await start(charger, meterStart=7, timestamp=moment) == transaction  # also after its stop

    assert [row[:4] for row in await csmsd.query(TRANSACTIONS)] == [(transaction, 7, 9, 1)]
    assert await csmsd.query("SELECT count(*) FROM core_stop") == [(1,)]
    assert await csmsd.query("SELECT energy_wh FROM core_meter_value") == [(8,)]


@pytest.mark.req("TX-05", "TX-04", "RPC-12")
async def test_a_start_whose_answer_got_lost_on_the_line_has_one_id(csmsd: Csmsd, charger: Charger) -> None:
    await provision(csmsd)
    moment = now()
    request = {"connectorId": 1, "idTag": "Alice-1", "meterStart": 7, "timestamp": moment}
    for _ in range(3):
        await charger.call_unheard("StartTransaction", **request)
        await charger.drop()
        assert await charger.connect(csmsd.url, PASSWORD) == 101
    transaction = await start(charger, meterStart=7, timestamp=moment)
    assert await csmsd.query("SELECT id FROM core_transaction") == [(transaction,)]


@pytest.mark.req("TC_032_1", "BOOT-06", "BOOT-07", "TX-32")
async def test_a_power_failure_ends_the_transaction_only_when_the_charger_says_so(
    csmsd: Csmsd, charger: Charger
) -> None:
    await provision(csmsd)
    await boot(charger)
    transaction = await start(charger)
    await charger.drop()
    assert await charger.connect(csmsd.url, PASSWORD) == 101
    await boot(charger)
    assert await csmsd.query("SELECT stop_rank FROM core_transaction") == [(0,)]
    await status(charger, 1, "Finishing")
    end = {"transactionId": transaction, "meterStop": 5, "timestamp": now(), "reason": "PowerLoss"}
    assert await charger.call("StopTransaction", **end) == {}
    assert await csmsd.query("SELECT reason FROM core_stop") == [("PowerLoss",)]


@pytest.mark.req("WS-30", "RPC-25", "OP-03")
async def test_the_newer_of_two_connections_stays(csmsd: Csmsd, charger: Charger, switch_on: OpenCharger) -> None:
    await charger.will_keep_silent("ClearCache")
    pending = await csmsd.command("ClearCache")
    await charger.command("ClearCache")
    newer = await switch_on(IDENTITY)
    assert await newer.connect(csmsd.url, PASSWORD) == 101
    code, reason = await charger.closed()
    assert code in (1000, 1008)
    assert reason
    assert await csmsd.result(pending) == "disconnected"

    assert await charger.connect(csmsd.url, b"not-the-password") == 401  # a stranger does not disturb
    assert "currentTime" in await newer.call("Heartbeat")
    await newer.will_answer("ClearCache", status="Accepted")
    assert await csmsd.result(await csmsd.command("ClearCache")) == '{"status":"Accepted"}'
    assert await newer.leave() == (1000, "")


@pytest.mark.req("TC_085", "WS-20", "WS-21", "WS-22", "WS-23")
async def test_only_who_shows_the_password_comes_in(csmsd: Csmsd, switch_on: OpenCharger) -> None:
    key = "0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF"
    await csmsd.host.credentials.put(IDENTITY, key)
    charger = await switch_on(IDENTITY)
    for wrong in (None, b"", PASSWORD, key[:-1].encode(), bytes.fromhex(key)[:-1]):
        assert await charger.connect(csmsd.url, wrong) == 401
    for right in (bytes.fromhex(key), key.encode(), key.lower().encode()):
        assert await charger.connect(csmsd.url, right) == 101
        assert "currentTime" in await charger.call("Heartbeat")
        await charger.leave()
    stages = await csmsd.host.journal.attempts()
    assert {attempt.stage for attempt in stages} == {"credentials", "admitted"}


@pytest.mark.req("TC_073", "SEC-30", "SEC-31")
async def test_a_new_password_is_good_as_soon_as_the_charger_has_taken_it(csmsd: Csmsd, charger: Charger) -> None:
    key = csmsd.host.credentials.generate()
    await charger.will_answer("ChangeConfiguration", status="Accepted")
    command = await csmsd.command("ChangeConfiguration", f'{{"key":"AuthorizationKey","value":"{key}"}}'.encode())
    assert await charger.command("ChangeConfiguration") == {"key": "AuthorizationKey", "value": key}
    assert await csmsd.result(command) == '{"status":"Accepted"}'
    await charger.leave()
    assert await charger.connect(csmsd.url, bytes.fromhex(key)) == 101
    assert "currentTime" in await charger.call("Heartbeat")
    await charger.leave()
    assert await charger.connect(csmsd.url, PASSWORD) == 401


@pytest.mark.req("TC_088", "WS-10", "WS-11")
async def test_the_subprotocol_is_agreed_on(csmsd: Csmsd, switch_on: OpenCharger) -> None:
    charger = await switch_on(IDENTITY)
    assert await charger.connect(csmsd.url, PASSWORD, subprotocols=["ocpp0.1"]) == 400
    assert await charger.connect(csmsd.url, PASSWORD, subprotocols=["ocpp0.1", "ocpp1.6"]) == 101
    assert charger.subprotocol == "ocpp1.6"
    await boot(charger)


@pytest.mark.req("WS-39", "WS-31", "TX-04", "BOOT-10")
async def test_csmsd_says_goodbye_and_knows_everything_when_it_is_back(
    transport: str, tmp_path: Path, switch_on: OpenCharger
) -> None:
    charger, listen = await switch_on(IDENTITY), Listen(ocpp="127.0.0.1:0", http="")
    async with run_csmsd(transport, tmp_path, listen) as csmsd:
        await provision(csmsd)
        assert await charger.connect(csmsd.url, PASSWORD) == 101
        transaction = await start(charger)
    code, _ = await charger.closed()
    assert code == 1001
    async with run_csmsd(transport, tmp_path, listen) as csmsd:
        assert await charger.connect(csmsd.url, PASSWORD) == 101
        end = {"transactionId": transaction, "meterStop": 5, "timestamp": now(), "idTag": "Alice-1"}
        assert await charger.call("StopTransaction", **end) == {"idTagInfo": {"status": "Accepted"}}
        assert [row[:4] for row in await csmsd.query(TRANSACTIONS)] == [(transaction, 0, 5, 1)]


@pytest.mark.req("BOOT-03", "BOOT-11", "BOOT-20", "RPC-34")
async def test_a_charger_that_is_not_accepted_yet_has_to_wait(csmsd: Csmsd, charger: Charger) -> None:
    await csmsd.host.stations.change(IDENTITY, registration="Pending")
    answer = await charger.call("BootNotification", chargePointVendor="ACME", chargePointModel="Wallbox 9")
    assert answer["status"] == "Pending"
    assert answer["interval"] > 0
    with pytest.raises(CallError) as refused:
        await charger.call("Heartbeat")
    assert refused.value.code == "SecurityError"
    await csmsd.host.stations.change(IDENTITY, registration="Accepted")
    await boot(charger)
