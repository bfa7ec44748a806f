"""Each misbehaviour shows up as what it is, and the energy is right all the same."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import trio

from csmsd.errors import ConfigError
from csmsd.ocpp.frames import Call
from csmsd_simulator import Quirks, parse_quirks
from csmsd_simulator.car import Car
from csmsd_simulator.messages import Status
from csmsd_simulator.quirks import NAMES, lines_of_help
from tests.plugins.simulator.conftest import TAG, Site, charge, core_of


def sent(site: Site, action: str) -> list[dict[str, Any]]:
    frames = [json.loads(message) for message in site.sent]
    return [frame[3] for frame in frames if frame[0] == 2 and frame[2] == action]


def test_quirks_are_chosen_by_name() -> None:
    chosen = parse_quirks(["no-pong", "clock-off=-60", "late-answers"])
    assert (chosen.no_pong, chosen.clock_off, chosen.late_answers) == (True, -60.0, 90.0)
    assert parse_quirks([]) == Quirks()
    assert len(NAMES) == len(fields(Quirks)) == len(lines_of_help()) >= 40
    for wrong in ("no-such-thing", "no-pong=1", "clock-off=much"):
        with pytest.raises(ConfigError):
            parse_quirks([wrong])


@pytest.mark.parametrize(
    ("quirk", "rule"),
    [
        ("null-optionals", "VAL-13"),
        ("unknown-fields", "VAL-02"),
        ("long-model", "VAL-17"),
        ("unknown-error", "VAL-15"),
        ("unit-hertz", "VAL-11"),
        ("no-zone", "VAL-05"),
    ],
)
async def test_csmsd_notices_what_it_puts_up_with(site: Site, quirk: str, rule: str) -> None:
    station = await site.station(quirk)
    station.configuration.put("MeterValuesSampledData", "Energy.Active.Import.Register,Frequency")
    await charge(station, 600)
    await trio.sleep(400)
    assert await site.deviations() == {rule}
    (transaction,) = await site.transactions()
    assert transaction.energy_wh == station.energy_wh > 0


@pytest.mark.parametrize(
    "quirk",
    [
        "repeat-start", "new-id-on-retry", "same-ids", "no-status", "no-authorize", "no-heartbeat", "kilo-units",
        "no-meter-values", "other-case", "zero-transaction", "register-restarts", "meter-drops-out",
        "values-after-stop", "status-before-boot", "no-boot", "empty-vendor", "firmware-status-at-boot",
        "drops-connection-every=45", "broken-json", "starts-in-1970", "null-payload", "numeric-ids", "empty-values",
    ],
)  # fmt: skip
async def test_the_energy_is_right_in_spite_of(site: Site, quirk: str) -> None:
    site.is_judging = False
    station = await site.station(quirk)
    for _ in range(2):
        await charge(station, 600)
    await trio.sleep(120)
    transactions = await site.transactions()
    assert [each.is_stopped for each in transactions] == [True, True]
    assert sum(each.energy_wh or 0 for each in transactions) == station.energy_wh > 0


@pytest.mark.parametrize(
    ("quirk", "beginning", "end"),
    [
        ("null-payload", b"[2,", b',"Heartbeat",null]'),
        ("numeric-ids", b"[2,1,", b""),
        ("no-zone", b"[2,", b'.000"}]'),
        ("broken-json", b"[2,", b',"transactionId":}]'),
        ("unknown-fields", b"[2,", b',"vendorSpecific":{"uptime":4711}}]'),
    ],
)
async def test_the_wire_carries_what_was_asked_for(site: Site, quirk: str, beginning: bytes, end: bytes) -> None:
    site.is_judging = False
    station = await site.station(quirk)
    await charge(station, 600)
    assert any(message.startswith(beginning) and message.endswith(end) for message in site.sent)


async def test_a_start_that_comes_twice_is_one_transaction(site: Site) -> None:
    station = await site.station("new-id-on-retry")
    await charge(station, 600)
    assert len(sent(site, "StartTransaction")) == 2
    assert len(await site.transactions()) == 1


async def test_a_clock_that_is_off_is_off_by_that_much(site: Site) -> None:
    station = await site.station("clock-off=3600")
    await charge(station, 600)
    (transaction,) = await site.transactions()
    assert transaction.start_reported_at is not None
    lead = transaction.start_reported_at - transaction.start_received_at
    assert timedelta(minutes=59) < lead < timedelta(minutes=61)


async def test_a_stop_without_a_number_keeps_its_energy_for_an_operator(site: Site) -> None:
    station = await site.station("minus-one-transaction")
    await charge(station, 600)
    assert [each["transactionId"] for each in sent(site, "StopTransaction")] == [-1]
    stops = await core_of(site.csms).transactions.unmatched_stops("CP-1")
    (transaction,) = await site.transactions()
    assert stops or transaction.is_stopped


async def test_a_stop_that_never_comes_leaves_the_transaction_open(site: Site) -> None:
    station = await site.station("lost-stop")
    station.charging.plug_in(station.connectors[0], Car())
    station.charging.present(station.connectors[0], TAG)
    await trio.sleep(600)
    station.charging.unplug(station.connectors[0])
    await trio.sleep(60)
    assert [each.is_stopped for each in await site.transactions()] == [False]
    assert station.connectors[0].status == "Available"


async def test_late_answers_are_late(site: Site) -> None:
    await site.station("late-answers=90")
    began = trio.current_time()
    record = await site.csms.host.commands.submit("CP-1", "ClearCache", b"{}", actor="test")
    outcome = await site.csms.host.commands.outcome(record.id)
    assert outcome.state == "timeout"
    assert 59 < trio.current_time() - began < 61
    await trio.sleep(60)
    assert site.sent[-1].endswith(b'{"status":"Accepted"}]')


async def test_no_answers_are_none(site: Site) -> None:
    await site.station("no-answers")
    record = await site.csms.host.commands.submit("CP-1", "ClearCache", b"{}", actor="test")
    assert (await site.csms.host.commands.outcome(record.id)).state == "timeout"


@pytest.mark.parametrize(
    ("quirk", "action", "payload", "answer"),
    [
        ("needs-connector", "RemoteStartTransaction", b'{"idTag":"ALICE"}', '{"status":"Rejected"}'),
        ("ignores-remote-start", "RemoteStartTransaction", b'{"idTag":"ALICE"}', '{"status":"Accepted"}'),
        ("read-only-keys", "ChangeConfiguration", b'{"key":"HeartbeatInterval","value":"9"}', '{"status":"Rejected"}'),
    ],
)
async def test_commands_are_answered_as_such_stations_do(
    site: Site, quirk: str, action: str, payload: bytes, answer: str
) -> None:
    station = await site.station(quirk)
    assert await site.command("CP-1", action, payload) == answer
    await trio.sleep(10)
    assert station.connectors[0].status == "Available"


async def test_a_hasty_reset_still_delivers_its_stop(site: Site) -> None:
    station = await site.station("hasty-reset")
    station.charging.plug_in(station.connectors[0], Car())
    station.charging.present(station.connectors[0], TAG)
    await trio.sleep(600)
    await site.command("CP-1", "Reset", b'{"type":"Hard"}')
    await trio.sleep(60)
    assert [each.is_stopped for each in await site.transactions()] == [True]


async def test_a_lost_start_leaves_only_the_stop(site: Site) -> None:
    station = await site.station("lost-start")
    await charge(station, 600)
    assert sent(site, "StartTransaction") == []
    assert len(sent(site, "StopTransaction")) == 1


def set_profile(limit: float, unit: str = "W", level: int = 0) -> Call:
    schedule = {"chargingRateUnit": unit, "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}
    profile = {
        "chargingProfileId": 1,
        "stackLevel": level,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
    }
    payload = {"connectorId": 1, "csChargingProfiles": profile}
    return Call("x", "SetChargingProfile", msgspec.Raw(json.dumps(payload).encode()))


@pytest.mark.parametrize(
    ("quirk", "call", "status", "power"),
    [
        ("unknown-fields", set_profile(7000, level=3), "Accepted", 7000),
        ("one-stack-level", set_profile(7000, level=1), "Rejected", 22_000),
        ("watts-only", set_profile(10, "A"), "Rejected", 22_000),
        ("rejects-zero-limit", set_profile(0), "Rejected", 22_000),
        ("ignores-limits", set_profile(7000), "Accepted", 22_000),
        ("limit-steps=6", set_profile(17, "A"), "Accepted", 12 * 690),
        ("zero-ends", set_profile(0), "Accepted", 0),
    ],
)
async def test_limits_are_obeyed_as_such_stations_do(
    site: Site, quirk: str, call: Call, status: str, power: int
) -> None:
    site.is_judging = False
    station = await site.station(quirk)
    connector = station.connectors[0]
    station.charging.plug_in(connector, Car.arriving(80_000, 10, 22_000))
    station.charging.present(connector, TAG)
    await trio.sleep(120)
    assert station.desk.answer(call) == Status(status)
    await trio.sleep(20)
    assert connector.meter.power_w == power
    assert (connector.transaction is None) is (quirk == "zero-ends")


async def test_configuration_is_told_as_such_stations_do(site: Site) -> None:
    silent = await site.station("no-full-configuration")
    everything = Call("x", "GetConfiguration", msgspec.Raw(b"{}"))
    assert silent.desk.answer(everything) is None
    one = Call("x", "GetConfiguration", msgspec.Raw(b'{"key":["AuthorizationKey"]}'))
    assert b'"value"' not in msgspec.json.encode(silent.desk.answer(one))
    chatty = await site.station("shows-password", station_id="CP-2")
    chatty.configuration.put("AuthorizationKey", "0123456789abcdef")
    assert b"0123456789abcdef" in msgspec.json.encode(chatty.desk.answer(one))
