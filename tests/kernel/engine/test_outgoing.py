"""Our CALLs to a station: one on the line, the others in order, each with an end."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from csmsd.command import AnyCommand
from csmsd.config import Limits
from csmsd.errors import (
    CallFailed,
    CallRefused,
    CallTimeout,
    CsmsdError,
    InvalidResponse,
    NeverSent,
    StationUnavailable,
)
from csmsd.ocpp.frames import CallError
from csmsd.pending import Pending
from csmsd.testing import TestCsms, TestStation, open_test_csms
from csmsd_core import (
    ClearCacheResponse,
    DataTransferResponse,
    GetConfigurationResponse,
    HeartbeatResponse,
    KeyValue,
    ResetResponse,
)
from csmsd_core.commands import CLEAR_CACHE, GET_CONFIGURATION, RESET
from csmsd_core.messages import ClearCache, GetConfiguration, Reset
from tests.kernel.engine.probes import HEARTBEAT, QUESTION, YES, call, exchanges, frames, plugin

DONE = ClearCacheResponse("Accepted")


async def clear_cache(csms: TestCsms, outcomes: list[Any], timeout: float | None = None) -> None:
    """Send ClearCache and note what comes of it."""
    try:
        outcomes.append(await csms.host.stations.get("CP-1").call(CLEAR_CACHE, ClearCache(), timeout=timeout))
    except CsmsdError as error:
        outcomes.append(error)


class Observer:
    """What `command_handled` and `command_failed` hear."""

    def __init__(self) -> None:
        self.handled: list[Any] = []
        self.failed: list[Any] = []
        self.plugin = plugin(
            "observer",
            command_handled=lambda _, response: self.handled.append(response),
            command_failed=lambda _, error: self.failed.append(type(error)),
        )


@pytest.mark.req("RPC-20", "RPC-10", "RPC-01", "RPC-03")
async def test_one_command_is_on_the_line_and_the_others_wait_in_order(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms, trio.open_nursery() as nursery:
        station, handle = await csms.connect("CP-1"), csms.host.stations.get("CP-1")
        orders: list[tuple[AnyCommand, Any]] = [
            (RESET, Reset("Hard")),
            (CLEAR_CACHE, ClearCache()),
            (GET_CONFIGURATION, GetConfiguration()),
        ]
        for command, request in orders:
            nursery.start_soon(handle.call, command, request)
            await trio.sleep(0.1)
        seen: list[str] = []
        for answer in (ResetResponse("Rejected"), DONE, GetConfigurationResponse()):
            await trio.sleep(1)
            assert len(station.received) == len(seen) + 1
            number, call_id, action, payload = frames(station)[-1]
            seen.append(call_id)
            assert number == 2
            assert (action, payload) != ("ClearCache", None)
            await station.answer(station.calls.pop(), answer)
        assert [frame[2] for frame in frames(station)] == ["Reset", "ClearCache", "GetConfiguration"]
        assert frames(station)[1][3] == {}
        assert len(set(seen)) == 3
        assert all(len(call_id) == 36 for call_id in seen)


@pytest.mark.req("RPC-20")
async def test_a_callerror_and_a_time_out_free_the_line_too(autojump_clock: MockClock) -> None:
    outcomes: list[Any] = []
    async with open_test_csms() as csms, trio.open_nursery() as nursery:
        station = await csms.connect("CP-1")
        for _ in range(3):
            nursery.start_soon(clear_cache, csms, outcomes)
        await station.answer(await station.wait_for_call("ClearCache"), CallError("", "InternalError", "no"))
        await station.wait_for_call("ClearCache")  # and no answer
        await station.answer(await station.wait_for_call("ClearCache"), DONE)
        await trio.sleep(1)
        assert [type(outcome) for outcome in outcomes] == [CallFailed, CallTimeout, ClearCacheResponse]


@pytest.mark.req("RPC-23")
@pytest.mark.parametrize(
    ("limits", "record", "own", "expected"),
    [({}, {}, None, 60), ({"call_timeout": 7}, {}, None, 7), ({}, {"call_timeout": 3.0}, None, 3), ({}, {}, 2, 2)],
    ids=["default", "configured", "of one station", "of one call"],
)
async def test_the_time_out_of_a_command_can_be_set(
    limits: dict[str, Any], record: dict[str, Any], own: float | None, expected: float, autojump_clock: MockClock
) -> None:
    async with open_test_csms(limits=Limits(**limits)) as csms:
        await csms.connect("CP-1", **record)
        started, outcomes = trio.current_time(), list[Any]()
        await clear_cache(csms, outcomes, own)
        assert isinstance(outcomes[0], CallTimeout)
        assert expected <= trio.current_time() - started < expected + 0.2
        [exchange] = await exchanges(csms)
        assert (exchange.direction, exchange.error, exchange.response) == ("out", "timeout", None)


@pytest.mark.req("RPC-23", "RPC-20")
async def test_time_in_the_queue_does_not_count(autojump_clock: MockClock) -> None:
    outcomes: list[Any] = []
    async with open_test_csms(limits=Limits(call_timeout=10)) as csms, trio.open_nursery() as nursery:
        station = await csms.connect("CP-1")
        for _ in range(3):
            nursery.start_soon(clear_cache, csms, outcomes)
        for _ in range(3):
            command = await station.wait_for_call("ClearCache")
            await trio.sleep(8)
            await station.answer(command, DONE)
        await trio.sleep(1)
        assert outcomes == [DONE] * 3


@pytest.mark.req("RPC-24", "CFG-10")
async def test_an_answer_that_is_late_changes_mirrors_and_nothing_else(autojump_clock: MockClock) -> None:
    observer = Observer()
    async with open_test_csms(plugins=["core", observer.plugin]) as csms, trio.open_nursery() as nursery:
        station = await csms.connect("CP-1")
        outcomes: list[Any] = []
        nursery.start_soon(clear_cache, csms, outcomes, 5)
        command = await station.wait_for_call("ClearCache")
        await trio.sleep(6)
        assert isinstance(outcomes[0], CallTimeout)
        sent = len(station.received)
        await station.answer(command, DONE)
        await station.answer(command, DONE)
        assert observer.handled == [DONE], "once"
        assert observer.failed == [CallTimeout]
        assert len(station.received) == sent, "nothing is said to the station"
        assert [each.error for each in await exchanges(csms)] == ["timeout", "", "late"]


@pytest.mark.req("RPC-24")
async def test_a_late_answer_does_not_pass_for_the_next_command_s(autojump_clock: MockClock) -> None:
    outcomes: list[Any] = []
    async with open_test_csms() as csms, trio.open_nursery() as nursery:
        station = await csms.connect("CP-1")
        nursery.start_soon(clear_cache, csms, outcomes, 5)
        first = await station.wait_for_call("ClearCache")
        await trio.sleep(6)
        nursery.start_soon(clear_cache, csms, outcomes, 5)
        second = await station.wait_for_call("ClearCache")
        await station.answer(first, DONE)
        assert len(outcomes) == 1
        await station.answer(second, ClearCacheResponse("Rejected"))
        await trio.sleep(0.1)
        assert outcomes[1] == ClearCacheResponse("Rejected")


@pytest.mark.req("RPC-25")
@pytest.mark.parametrize("how", ["the line breaks", "csmsd closes", "a newer connection", "removed"])
async def test_when_the_connection_ends_all_commands_fail_and_none_is_sent_again(
    how: str, autojump_clock: MockClock
) -> None:
    observer, outcomes = Observer(), list[Any]()
    async with open_test_csms(plugins=["core", observer.plugin]) as csms, trio.open_nursery() as nursery:
        station, handle = await csms.connect("CP-1"), csms.host.stations.get("CP-1")
        for _ in range(3):
            nursery.start_soon(clear_cache, csms, outcomes)
        await station.wait_for_call("ClearCache")
        if how == "the line breaks":
            await station.disconnect()
        elif how == "csmsd closes":
            handle.close(1000, "enough")
        elif how == "removed":
            await csms.host.stations.remove("CP-1")
        again = await csms.connect("CP-1")
        await trio.sleep(100)
        assert [type(outcome) for outcome in outcomes] == [StationUnavailable] * 3
        assert len(station.received) == 1
        assert again.received == []
        assert Counter(observer.failed) == {StationUnavailable: 1, NeverSent: 2}, "one was on the line"
        with pytest.raises(StationUnavailable):
            await handle.call(CLEAR_CACHE, ClearCache())


@pytest.mark.req("RPC-25", "RPC-26")
@pytest.mark.parametrize("is_taken_over", [False, True], ids=["lost", "taken over"])
async def test_a_command_held_for_an_answer_that_is_never_given_fails_with_the_connection(
    is_taken_over: bool, autojump_clock: MockClock
) -> None:
    submitted: list[Pending[Any]] = []
    prepared: list[Any] = []

    async def data_transfer(_self: Any, station: Any) -> None:
        submitted.append(station.submit(CLEAR_CACHE, ClearCache()))
        await trio.sleep_forever()

    async def prepare_command(_self: Any, command: Any) -> None:
        prepared.append(command)

    probe = plugin("probe", data_transfer=data_transfer, prepare_command=prepare_command)
    async with open_test_csms(plugins=["core", probe]) as csms:
        station, handle = await csms.connect("CP-1"), csms.host.stations.get("CP-1")
        await station.deliver(call("x", "DataTransfer", QUESTION))
        await trio.sleep(1)
        await (csms.connect("CP-1") if is_taken_over else station.disconnect())
        with trio.fail_after(1), pytest.raises(StationUnavailable):
            await submitted[0]
        with trio.fail_after(1), pytest.raises(StationUnavailable):
            await handle.submit(CLEAR_CACHE, ClearCache())
        assert prepared == [], "nothing is prepared for a station that is gone"


@pytest.mark.req("RPC-20")
async def test_who_stops_waiting_takes_a_queued_command_back(autojump_clock: MockClock) -> None:
    outcomes: list[Any] = []
    async with open_test_csms() as csms, trio.open_nursery() as nursery:
        station, handle = await csms.connect("CP-1"), csms.host.stations.get("CP-1")
        nursery.start_soon(clear_cache, csms, outcomes)
        first = await station.wait_for_call("ClearCache")
        with trio.move_on_after(5):
            await handle.call(RESET, Reset("Hard"))
        await station.answer(first, DONE)
        await trio.sleep(100)
        assert len(station.received) == 1, "nobody wants this reset any more"
        nursery.start_soon(clear_cache, csms, outcomes)
        await station.answer(await station.wait_for_call("ClearCache"), DONE)
        await trio.sleep(1)
        assert outcomes == [DONE, DONE]


@pytest.mark.req("RPC-20", "RPC-24")
async def test_who_stops_waiting_for_a_command_on_the_line_changes_nothing(autojump_clock: MockClock) -> None:
    observer = Observer()
    async with open_test_csms(plugins=["core", observer.plugin]) as csms:
        station, handle = await csms.connect("CP-1"), csms.host.stations.get("CP-1")
        with trio.move_on_after(5):
            await handle.call(CLEAR_CACHE, ClearCache())
        await station.answer(await station.wait_for_call("ClearCache"), DONE)
        assert observer.handled == [DONE]


@pytest.mark.req("RPC-33", "OP-03")
@pytest.mark.parametrize(
    ("answer", "code", "description"),
    [
        ('[4,"%s","OccurrenceConstraintViolation","why",{"a":1}]', "OccurenceConstraintViolation", "why"),
        ('[4,"%s","FormatViolation","",{}]', "FormationViolation", ""),
        ('[4,"%s","MyOwnCode"]', "MyOwnCode", ""),
        ('[4,"%s","InternalError",null,null]', "InternalError", ""),
        ('[4,"%s","","",{}]', "", ""),
    ],
)
async def test_any_callerror_is_taken_for_one(
    answer: str, code: str, description: str, autojump_clock: MockClock
) -> None:
    outcomes: list[Any] = []
    async with open_test_csms() as csms, trio.open_nursery() as nursery:
        station = await csms.connect("CP-1")
        nursery.start_soon(clear_cache, csms, outcomes)
        command = await station.wait_for_call("ClearCache")
        await station.deliver((answer % command.id).encode())
        await trio.sleep(0.1)
        assert isinstance(outcomes[0], CallFailed)
        assert (outcomes[0].code, outcomes[0].description) == (code, description)


@pytest.mark.req("RPC-36", "VAL-01")
@pytest.mark.parametrize("payload", ["{}", "[]", '{"status":"Odd"}', '{"status":7}', "7", '"x"'])
async def test_an_invalid_answer_is_reported_with_what_the_station_sent(
    payload: str, autojump_clock: MockClock
) -> None:
    observer, outcomes = Observer(), list[Any]()
    async with open_test_csms(plugins=["core", observer.plugin]) as csms, trio.open_nursery() as nursery:
        station = await csms.connect("CP-1")
        nursery.start_soon(clear_cache, csms, outcomes)
        command = await station.wait_for_call("ClearCache")
        await station.deliver(f'[3,"{command.id}",{payload}]'.encode())
        await trio.sleep(0.1)
        assert isinstance(outcomes[0], InvalidResponse)
        assert json.loads(outcomes[0].raw) == json.loads(payload)
        assert len(station.received) == 1, "nothing is sent to the station"
        assert observer.failed == [InvalidResponse]
        [exchange] = await exchanges(csms)
        assert (exchange.error, exchange.response) == ("invalid response", payload)


@pytest.mark.req("RPC-36", "RPC-03", "VAL-17")
async def test_harmless_deviations_in_an_answer_are_put_up_with(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms, trio.open_nursery() as nursery:
        station, handle = await csms.connect("CP-1"), csms.host.stations.get("CP-1")
        answers: list[Any] = []

        async def ask() -> None:
            answers.append(await handle.call(GET_CONFIGURATION, GetConfiguration()))

        for payload in ("null", '{"odd":1,"configurationKey":[{"key":"K","readonly":true,"value":null}]}'):
            nursery.start_soon(ask)
            command = await station.wait_for_call("GetConfiguration")
            await station.deliver(f'[3,"{command.id}",{payload}]'.encode())
            await trio.sleep(0.1)
        assert answers == [GetConfigurationResponse(), GetConfigurationResponse((KeyValue("K", True),))]
        assert {found.rule for found in (await exchanges(csms))[-1].deviations} == {"VAL-02", "VAL-13"}


@pytest.mark.req("RPC-20")
async def test_a_completion_that_raises_does_not_block_the_line(autojump_clock: MockClock) -> None:
    def explode(_value: Any, _error: Any) -> None:
        raise ValueError("a bug in a plugin")

    def heartbeat(_self: Any, station: Any) -> None:
        station.submit(CLEAR_CACHE, ClearCache()).when_settled(explode)
        station.submit(CLEAR_CACHE, ClearCache())

    async with open_test_csms(plugins=["core", plugin(heartbeat=heartbeat)]) as csms:
        station = await csms.connect("CP-1")
        station.behaviour = {"ClearCache": DONE}
        await station.send("Heartbeat", HEARTBEAT, HeartbeatResponse)
        await trio.sleep(1)
        assert [frame[0] for frame in frames(station)] == [3, 2, 2]


def _bug(_self: Any) -> Any:
    raise ValueError("bug")


async def _slow(_self: Any) -> Any:
    await trio.sleep_forever()


async def _refuse(_self: Any) -> str:
    return "not today"


async def _stop(_self: Any) -> None:
    raise CallRefused("not prepared")


@pytest.mark.req("OP-02", "SEC-33")
@pytest.mark.parametrize(
    ("hooks", "is_sent"),
    [
        ({"command_handled": _bug}, True),
        ({"guard_command": _slow}, True),
        ({"guard_command": _refuse}, False),
        ({"prepare_command": _stop}, False),
        ({"prepare_command": _slow}, False),
    ],
    ids=["mirror fails", "guard is slow", "guard refuses", "not prepared", "preparing is slow"],
)
async def test_plugins_may_stop_a_command_and_their_bugs_may_not(
    hooks: dict[str, Any], is_sent: bool, autojump_clock: MockClock
) -> None:
    outcomes: list[Any] = []
    async with open_test_csms(plugins=["core", plugin(**hooks)]) as csms:
        station = await csms.connect("CP-1")
        station.behaviour = {"ClearCache": DONE}
        await clear_cache(csms, outcomes)
        assert [type(outcome) for outcome in outcomes] == [ClearCacheResponse if is_sent else CallRefused]
        assert len(station.received) == is_sent


@pytest.mark.req("VAL-01", "RPC-04")
async def test_a_command_that_breaks_its_schema_is_not_sent(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        station, handle = await csms.connect("CP-1"), csms.host.stations.get("CP-1")
        wrong: Any = Reset("Gentle")  # type: ignore[arg-type]  # wrong on purpose
        with pytest.raises(CsmsdError, match="Reset"):
            await handle.call(RESET, wrong)
        assert station.received == []


@pytest.mark.req("RPC-20")
async def test_stations_do_not_wait_for_each_other(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms, trio.open_nursery() as nursery:
        await csms.connect("CP-1")
        other = await csms.connect("CP-2")
        other.behaviour = {"ClearCache": DONE}
        nursery.start_soon(clear_cache, csms, [])
        await trio.sleep(1)
        started = trio.current_time()
        await csms.host.stations.get("CP-2").call(CLEAR_CACHE, ClearCache())
        assert trio.current_time() == started
        nursery.cancel_scope.cancel()


@pytest.mark.req("WS-30", "RPC-21")
async def test_calls_that_had_arrived_are_processed_although_a_newer_connection_took_over(
    autojump_clock: MockClock,
) -> None:
    asked: list[str] = []

    async def data_transfer(_self: Any, arrival: Any) -> DataTransferResponse:
        await trio.sleep(5)
        asked.append(arrival.call_id)
        return YES

    async with open_test_csms(plugins=["core", plugin(data_transfer=data_transfer)]) as csms:
        old = await csms.connect("CP-1")
        for call_id in ("a", "b"):
            await old.deliver(call(call_id, "DataTransfer", QUESTION))
        new = await csms.connect("CP-1")
        assert (await old.wait_closed())[0] == 1000
        await trio.sleep(1)
        assert csms.host.stations.get("CP-1").is_online, "the end of the old one does not unregister the new one"
        await trio.sleep(20)
        assert asked == ["a", "b"]
        assert (old.received, new.received) == ([], [])
        await new.send("Heartbeat", HEARTBEAT, HeartbeatResponse)


@pytest.mark.req("WS-30")
async def test_the_old_connection_is_deaf(autojump_clock: MockClock) -> None:
    outcomes: list[Any] = []
    async with open_test_csms() as csms, trio.open_nursery() as nursery:
        old = await csms.connect("CP-1")
        nursery.start_soon(clear_cache, csms, outcomes)
        command = await old.wait_for_call("ClearCache")
        await csms.connect("CP-1")
        receiver: Any = old._receiver
        receiver.receive(f'[3,"{command.id}",{{"status":"Accepted"}}]'.encode())
        receiver.receive(call("x", "Heartbeat"))
        await trio.sleep(1)
        assert isinstance(outcomes[0], StationUnavailable)
        assert len(old.received) == 1
        assert [each.action for each in await exchanges(csms)] == ["ClearCache"], "nothing else was heard"


@pytest.mark.req("WS-30")
async def test_an_attempt_that_fails_disturbs_nobody(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1", password="correct-horse-bat")
        assert await csms.knock(TestStation("CP-1"), "wrong-horse-bat-x") == 401
        await station.send("Heartbeat", HEARTBEAT, HeartbeatResponse)


@pytest.mark.req("RPC-06", "RPC-01", "RPC-04")
async def test_what_we_send_is_ascii_and_has_nothing_that_is_absent(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        station, handle = await csms.connect("CP-1"), csms.host.stations.get("CP-1")
        station.behaviour = {"GetConfiguration": GetConfigurationResponse()}
        await handle.call(GET_CONFIGURATION, GetConfiguration())
        await station.deliver(call("x", "Bogus\u2028"))
        for message in station.received:
            assert message.isascii()
            assert b"null" not in message
        assert msgspec.json.decode(station.received[0])[3] == {}
