"""The table of RPC-34 row by row on the wire, and what becomes of frames that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from csmsd.config import Limits
from csmsd.journal import ExchangeFilter
from csmsd.ocpp import errors
from csmsd.ocpp.decoding import Tolerance
from csmsd.testing import open_test_csms
from csmsd_core import HeartbeatResponse
from tests.kernel.engine.probes import HEARTBEAT, QUESTION, START, STOP, YES, call, exchanges, frames, plugin

OCPP_ERRORS: list[type[errors.OcppError]] = sorted(errors.OcppError.__subclasses__(), key=lambda error: str(error.code))
CODES = {
    "NotImplemented",
    "NotSupported",
    "InternalError",
    "ProtocolError",
    "SecurityError",
    "FormationViolation",
    "PropertyConstraintViolation",
    "OccurenceConstraintViolation",
    "TypeConstraintViolation",
    "GenericError",
}
NO_ANSWER = None
START_TEXT = '{"connectorId":1,"idTag":"TAG","meterStart":100,"timestamp":"2026-01-01T12:00:00Z"%s}'
ROWS: list[tuple[str, str | bytes, str | None]] = [
    ("not JSON", "nonsense", NO_ANSWER),
    ("empty", "", NO_ANSWER),
    ("an object", '{"a":1}', NO_ANSWER),
    ("an empty array", "[]", NO_ANSWER),
    ("cut off", '[2,"x"', "FormationViolation"),
    ("broken payload", '[2,"x","Heartbeat",{]', "FormationViolation"),
    ("type 1", '[1,"x","Heartbeat",{}]', NO_ANSWER),
    ("type 5", '[5,"x","Heartbeat",{}]', NO_ANSWER),
    ("type as text", '["2","x","Heartbeat",{}]', NO_ANSWER),
    ("three elements", '[2,"x","Heartbeat"]', "FormationViolation"),
    ("five elements", '[2,"x","Heartbeat",{},{}]', "FormationViolation"),
    ("action is a number", '[2,"x",7,{}]', "FormationViolation"),
    ("id is an object", '[2,{},"Heartbeat",{}]', NO_ANSWER),
    ("unknown action", '[2,"x","Bogus",{}]', "NotImplemented"),
    ("action in lower case", '[2,"x","heartbeat",{}]', "NotImplemented"),
    ("action with a suffix", '[2,"x","Heartbeat.req",{}]', "NotImplemented"),
    ("unknown action, payload no object", '[2,"x","Bogus",7]', "NotImplemented"),
    ("a command of ours", '[2,"x","Reset",{"type":"Soft"}]', "NotSupported"),
    ("a feature that is off", '[2,"x","LogStatusNotification",{"status":"Idle"}]', "NotSupported"),
    ("payload is a list", '[2,"x","Heartbeat",[]]', "FormationViolation"),
    ("payload is text", '[2,"x","Authorize","TAG"]', "FormationViolation"),
    ("property missing", '[2,"x","Authorize",{}]', "ProtocolError"),
    ("null for a payload that needs something", '[2,"x","Authorize",null]', "ProtocolError"),
    ("wrong type", '[2,"x","Authorize",{"idTag":7}]', "TypeConstraintViolation"),
    ("too long", '[2,"x","Authorize",{"idTag":"%s"}]' % ("x" * 21), "PropertyConstraintViolation"),
    ("unknown status", '[2,"x","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Odd"}]',
     "PropertyConstraintViolation"),
    ("a start without its meter", f'[2,"x","StartTransaction",{(START_TEXT % "").replace("meterStart", "m", 1)}]',
     "ProtocolError"),
    ("a start of a wrong type", f'[2,"x","StartTransaction",{(START_TEXT % "").replace(":100", ":{}", 1)}]',
     "TypeConstraintViolation"),
]  # fmt: skip


@pytest.mark.req("RPC-34", "RPC-32", "RPC-05", "VAL-01")
@pytest.mark.parametrize(("message", "code"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_each_fault_has_its_own_code(message: str, code: str | None, autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1")
        await station.deliver(message.encode())
        await trio.sleep(1)
        assert [frame[:3] for frame in frames(station)] == ([] if code is None else [[4, "x", code]])
        for frame in frames(station):
            assert len(frame) == 5
            assert isinstance(frame[3], str)
            assert isinstance(frame[4], dict)
        await station.send("Heartbeat", HEARTBEAT, HeartbeatResponse)  # RPC-35


@pytest.mark.req("RPC-34", "VAL-02", "VAL-17", "VAL-14")
@pytest.mark.parametrize(
    ("tolerance", "heartbeat", "start"),
    [
        (Tolerance.LENIENT, None, None),
        (Tolerance.TRANSACTIONAL, "FormationViolation", None),
        (Tolerance.STRICT, "FormationViolation", "FormationViolation"),
    ],
)
@pytest.mark.parametrize("is_for_all", [True, False], ids=["configured", "of one station"])
async def test_unknown_properties_are_judged_by_the_tolerance_in_force(
    tolerance: Tolerance, heartbeat: str | None, start: str | None, is_for_all: bool, autojump_clock: MockClock
) -> None:
    other = Tolerance.STRICT if tolerance is Tolerance.LENIENT else Tolerance.LENIENT
    async with open_test_csms(tolerance=tolerance if is_for_all else other) as csms:
        station = await csms.connect("CP-1", tolerance=None if is_for_all else tolerance)
        await station.deliver(call("h", "Heartbeat", '{"odd":1}'))
        await station.deliver(call("s", "StartTransaction", START_TEXT % ',"odd":1'))
        codes = {}
        for call_id in ("h", "s"):
            await station.answer_to(call_id)
        for frame in frames(station):
            codes[frame[1]] = frame[2] if frame[0] == 4 else None
        assert codes == {"h": heartbeat, "s": start}
        if tolerance is Tolerance.LENIENT:
            await exchanges(csms)
            [counted] = await csms.host.journal.deviations(station_id="CP-1")
            assert (counted.rule, counted.count) == ("VAL-02", 2)


@pytest.mark.req("VAL-17")
async def test_the_tolerance_of_a_station_changes_while_it_is_connected(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1")
        await station.deliver(call("a", "Heartbeat", '{"odd":1}'))
        await csms.host.stations.change("CP-1", tolerance=Tolerance.STRICT)
        await station.deliver(call("b", "Heartbeat", '{"odd":1}'))
        assert [frame[0] for frame in frames(station)] == [3, 4]


@pytest.mark.req("RPC-34", "BOOT-20")
async def test_a_station_that_is_not_accepted_is_told_so_before_its_payload_is_read(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1", registration="Pending")
        await station.deliver(call("b", "BootNotification", '{"chargePointVendor":"A","chargePointModel":"B"}'))
        await station.answer_to("b")
        await station.deliver(call("x", "Authorize", "[]"))
        await station.deliver(call("y", "Bogus"))
        assert [frame[2] for frame in frames(station)[1:]] == ["SecurityError", "NotImplemented"]


@pytest.mark.req("RPC-32", "RPC-34")
@pytest.mark.parametrize("error", OCPP_ERRORS)
@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
async def test_an_error_a_plugin_raises_is_what_the_station_is_told(
    error: type[errors.OcppError], is_async: bool, autojump_clock: MockClock
) -> None:
    def plain(_self: Any) -> Any:
        raise error("because", {"a": "b"})

    async def slow(_self: Any) -> Any:
        await trio.sleep(1)
        raise error("because", {"a": "b"})

    async with open_test_csms(plugins=["core", plugin(data_transfer=slow if is_async else plain)]) as csms:
        station = await csms.connect("CP-1")
        await station.deliver(call("x", "DataTransfer", QUESTION))
        await station.answer_to("x")
        assert frames(station) == [[4, "x", error.code, "because", {"a": "b"}]]
        assert csms.host.plugins.status()[1].failures == 0, "to refuse is no failure"


@pytest.mark.req("RPC-05", "RPC-32")
async def test_a_description_is_cut_and_codes_are_those_of_the_table(autojump_clock: MockClock) -> None:
    def data_transfer(_self: Any) -> Any:
        raise errors.GenericError("x" * 1000)

    async with open_test_csms(plugins=["core", plugin(data_transfer=data_transfer)]) as csms:
        station = await csms.connect("CP-1")
        await station.deliver(call("x", "DataTransfer", QUESTION))
        assert frames(station) == [[4, "x", "GenericError", "x" * 255, {}]]
    assert {error.code for error in OCPP_ERRORS} == CODES


@pytest.mark.req("RPC-35")
async def test_malformed_frames_stop_nothing_until_there_are_too_many(autojump_clock: MockClock) -> None:
    limits = Limits(malformed_per_minute=5)
    async with open_test_csms(limits=limits) as csms:
        station = await csms.connect("CP-1")
        for _ in range(5):
            await station.deliver(b"nonsense")
        await trio.sleep(61)
        for _ in range(5):
            await station.deliver(b"nonsense")
        await station.send("Heartbeat", HEARTBEAT, HeartbeatResponse)
        await station.deliver(b"nonsense")
        assert await station.wait_closed() == (1002, "too many malformed messages")
        assert len(await exchanges(csms, only_errors=True)) == 11


@pytest.mark.req("RPC-35")
async def test_the_limit_of_malformed_frames_can_be_switched_off(autojump_clock: MockClock) -> None:
    async with open_test_csms(limits=Limits(malformed_per_minute=0)) as csms:
        station = await csms.connect("CP-1")
        for _ in range(200):
            await station.deliver(b"nonsense")
        await station.send("Heartbeat", HEARTBEAT, HeartbeatResponse)


@pytest.mark.req("RPC-35")
async def test_a_malformed_frame_among_waiting_calls_disturbs_none_of_them(autojump_clock: MockClock) -> None:
    async def data_transfer(_self: Any) -> Any:
        await trio.sleep(2)
        return YES

    async with open_test_csms(plugins=["core", plugin(data_transfer=data_transfer)]) as csms:
        station = await csms.connect("CP-1")
        for message in (
            call("a", "DataTransfer", QUESTION),
            b"nonsense",
            b'[2,"c","Heartbeat"]',
            call("d", "Heartbeat"),
        ):
            await station.deliver(message)
        await station.answer_to("d")
        assert [frame[:2] for frame in frames(station)] == [[4, "c"], [3, "a"], [3, "d"]]


@pytest.mark.req("BOOT-31", "VAL-14", "RPC-31")
@pytest.mark.parametrize(
    ("action", "payload"), [("StartTransaction", START), ("StopTransaction", STOP)], ids=["start", "stop"]
)
async def test_a_refused_transaction_message_is_in_the_journal_before_the_station_hears_of_it(
    action: str, payload: Any, autojump_clock: MockClock
) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1", registration="Rejected")
        await station.deliver(call("b", "BootNotification", '{"chargePointVendor":"A","chargePointModel":"B"}'))
        await station.answer_to("b")
        await station.deliver(call("x", action, payload))
        assert len(station.received) == 1, "no answer before the commit"
        frame: Any = await station.answer_to("x")
        assert frame.code == "SecurityError"
        [row] = await csms.host.journal.exchanges(ExchangeFilter(action=action))
        assert (row.error, row.call_id) == ("SecurityError", "x")
        assert json.loads(row.request)["timestamp"].startswith("2026-01-01T12:00:00")


@pytest.mark.req("BOOT-31")
async def test_a_refused_start_is_processed_when_it_comes_again_after_acceptance(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1", registration="Pending")
        boot = '{"chargePointVendor":"A","chargePointModel":"B"}'
        for call_id, action, payload in (("b", "BootNotification", boot), ("s", "StartTransaction", START)):
            await station.deliver(call(call_id, action, payload))
            await station.answer_to(call_id)
        await csms.host.stations.change("CP-1", registration="Accepted")
        for call_id, action, payload in (("c", "BootNotification", boot), ("s", "StartTransaction", START)):
            await station.deliver(call(call_id, action, payload))
            await station.answer_to(call_id)
        assert [frame[0] for frame in frames(station)] == [3, 4, 3, 3]
