"""Order, crossing calls, duplicates: what a connection does with CALLs that come as they please."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from csmsd.env import Env
from csmsd.ocpp.errors import InternalError
from csmsd.pending import Pending
from csmsd.station import Arrival
from csmsd.testing import TestCsms, TestStation, open_test_csms
from csmsd_core import (
    BootNotificationResponse,
    ClearCacheResponse,
    DataTransfer,
    DataTransferResponse,
    GetConfigurationResponse,
    HeartbeatResponse,
    ResetResponse,
    StartTransactionResponse,
)
from csmsd_core.commands import CLEAR_CACHE, GET_CONFIGURATION, RESET
from csmsd_core.messages import ClearCache, GetConfiguration, Reset
from tests.kernel.engine.probes import BOOT, HEARTBEAT, QUESTION, START, YES, answers, call, exchanges, frames, plugin
from tests.kernel.virtual import VirtualNow


async def say(station: TestStation, *messages: bytes) -> None:
    for message in messages:
        await station.deliver(message)


class Slow:
    """Answers DataTransfer when told to, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        self.may_answer = trio.Event()
        self.plugin = plugin("slow", data_transfer=self._hook())

    def _hook(self) -> Callable[..., Any]:
        async def data_transfer(_self: Any, request: DataTransfer) -> DataTransferResponse:
            self.asked.append(request.data)
            await self.may_answer.wait()
            return YES

        return data_transfer


@pytest.mark.req("RPC-22")
async def test_calls_that_come_too_early_are_answered_in_the_order_of_arrival(autojump_clock: MockClock) -> None:
    slow = Slow()
    async with open_test_csms(plugins=["core", slow.plugin]) as csms:
        station = await csms.connect("CP-1")
        await say(
            station, call("a", "DataTransfer", QUESTION), call("b", "Heartbeat"), call("c", "StartTransaction", START)
        )
        await say(station, call("d", "Bogus"), call("e", "Heartbeat"))
        await trio.sleep(1)
        assert answers(station) == []
        slow.may_answer.set()
        await station.answer_to("e")
        assert answers(station) == ["a", "b", "c", "d", "e"]


@pytest.mark.req("RPC-21", "RPC-20")
async def test_a_station_is_answered_without_delay_while_it_owes_us_an_answer(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        station, started = await csms.connect("CP-1"), trio.current_time()
        handle = csms.host.stations.get("CP-1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(handle.call, RESET, Reset("Soft"))
            reset = await station.wait_for_call("Reset")
            for _ in range(20):
                await station.send("Heartbeat", HEARTBEAT, HeartbeatResponse)
            await station.send("StartTransaction", START, StartTransactionResponse)
            assert trio.current_time() == started
            await station.answer(reset, ResetResponse("Accepted"))


@pytest.mark.req("RPC-21")
async def test_a_command_may_be_sent_and_answered_while_a_call_is_handled(autojump_clock: MockClock) -> None:
    async def data_transfer(_self: Any, station: Any) -> DataTransferResponse:
        answer = await station.call(CLEAR_CACHE, ClearCache())
        return DataTransferResponse("Accepted", answer.status)

    async with open_test_csms(plugins=["core", plugin(data_transfer=data_transfer)]) as csms:
        station = await csms.connect("CP-1")
        station.behaviour = {"ClearCache": ClearCacheResponse("Rejected")}
        answer = await station.send("DataTransfer", QUESTION, DataTransferResponse)
        assert answer.data == "Rejected"


@pytest.mark.req("RPC-21", "RPC-22")
async def test_a_slow_station_delays_no_other(autojump_clock: MockClock) -> None:
    slow = Slow()
    async with open_test_csms(plugins=["core", slow.plugin]) as csms:
        first, second = await csms.connect("CP-1"), await csms.connect("CP-2")
        await first.deliver(call("a", "DataTransfer", QUESTION))
        started = trio.current_time()
        await second.send("Heartbeat", HEARTBEAT, HeartbeatResponse)
        assert trio.current_time() == started


@pytest.mark.req("RPC-14")
async def test_the_same_call_again_while_it_is_processed_gets_the_one_answer_once(autojump_clock: MockClock) -> None:
    slow = Slow()
    async with open_test_csms(plugins=["core", slow.plugin]) as csms:
        station = await csms.connect("CP-1")
        await say(station, *[call("a", "DataTransfer", QUESTION)] * 3)
        slow.may_answer.set()
        await station.answer_to("a")
        await station.send("Heartbeat", HEARTBEAT, HeartbeatResponse)
        assert answers(station).count("a") == 1
        assert slow.asked == ["1"]
        assert [each.error for each in await exchanges(csms, action="DataTransfer")] == ["duplicate", "duplicate", ""]


@pytest.mark.req("RPC-14")
@pytest.mark.parametrize(
    ("action", "payload"), [("DataTransfer", '{"vendorId":"other"}'), ("Heartbeat", "{}")], ids=["payload", "action"]
)
@pytest.mark.parametrize("place", ["in hand", "waiting"])
async def test_another_call_under_an_id_in_use_is_refused(
    action: str, payload: str, place: str, autojump_clock: MockClock
) -> None:
    slow = Slow()
    async with open_test_csms(plugins=["core", slow.plugin]) as csms:
        station = await csms.connect("CP-1")
        if place == "waiting":
            await station.deliver(call("0", "DataTransfer", QUESTION))
        await say(station, call("a", "DataTransfer", QUESTION), call("a", action, payload))
        [refusal] = frames(station)
        assert refusal[:3] == [4, "a", "GenericError"]
        assert "message id" in refusal[3]
        slow.may_answer.set()
        assert msgspec.json.decode(await _payload(station, "a", refused_first=True))["status"] == "Accepted"


async def _payload(station: TestStation, call_id: str, *, refused_first: bool = False) -> bytes:
    if refused_first:
        await station.answer_to(call_id)
    frame: Any = await station.answer_to(call_id)
    return bytes(frame.payload)


@pytest.mark.req("RPC-12")
async def test_a_data_transfer_sent_again_gets_the_stored_answer_and_is_not_processed(
    autojump_clock: MockClock,
) -> None:
    asked: list[Any] = []

    def data_transfer(_self: Any, request: DataTransfer) -> DataTransferResponse:
        asked.append(request)
        return DataTransferResponse("Accepted", str(len(asked)))

    async with open_test_csms(plugins=["core", plugin(data_transfer=data_transfer)]) as csms:
        station = await csms.connect("CP-1")

        async def ask(call_id: str = "a", question: DataTransfer = QUESTION, on: TestStation = station) -> str | None:
            return (await on.send("DataTransfer", question, DataTransferResponse, call_id=call_id)).data

        assert [await ask(), await ask()] == ["1", "1"]
        last = (await exchanges(csms, action="DataTransfer"))[-1]
        assert last.response == '{"status":"Accepted","data":"1"}', "the trace shows what was answered (RPC-37)"
        assert await ask("b") == "2", "another id is another message"
        assert await ask("a", DataTransfer("org.probe", "ask", "2")) == "3", "another payload too (RPC-13)"
        assert await ask("b") == "2"
        again = await csms.connect("CP-1")
        assert await ask("b", on=again) == "2", "also over a new connection"
        await again.send("BootNotification", BOOT, BootNotificationResponse)
        assert await ask("b", on=again) == "4", "after a boot ids may start again"
        other = await csms.connect("CP-2")
        assert await ask("b", on=other) == "5", "another station has ids of its own"
        await trio.sleep(3601)
        assert await ask("b", on=again) == "6", "an hour later nothing is remembered"


@pytest.mark.req("RPC-12")
async def test_a_callerror_is_never_repeated(autojump_clock: MockClock) -> None:
    asked: list[str] = []

    def data_transfer(_self: Any, arrival: Arrival) -> DataTransferResponse:
        asked.append(str(arrival.call_id))
        if len(asked) == 1:
            raise InternalError("not now")
        return YES

    async with open_test_csms(plugins=["core", plugin(data_transfer=data_transfer)]) as csms:
        station = await csms.connect("CP-1")
        await say(station, *[call("a", "DataTransfer", QUESTION)] * 3)
        assert [frame[0] for frame in frames(station)] == [4, 3, 3]
        assert asked == ["a", "a"]


@pytest.mark.req("RPC-12")
async def test_other_messages_are_evaluated_again(autojump_clock: MockClock) -> None:
    async with open_test_csms(env=Env(now=VirtualNow())) as csms:
        station = await csms.connect("CP-1")
        first = await station.send("Heartbeat", HEARTBEAT, HeartbeatResponse, call_id="a")
        await trio.sleep(1)
        second = await station.send("BootNotification", BOOT, BootNotificationResponse, call_id="a")
        await trio.sleep(1)
        third = await station.send("Heartbeat", HEARTBEAT, HeartbeatResponse, call_id="a")
        assert first.current_time < second.current_time < third.current_time


@pytest.mark.req("RPC-12", "TX-05")
async def test_a_start_sent_again_is_one_transaction_whatever_its_id(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1")
        ids = {
            (await station.send("StartTransaction", START, StartTransactionResponse, call_id=call_id)).transaction_id
            for call_id in ("a", "a", "b")
        }
        again = await csms.connect("CP-1")
        ids.add((await again.send("StartTransaction", START, StartTransactionResponse, call_id="1")).transaction_id)
        assert len(ids) == 1


@pytest.mark.req("RPC-13")
async def test_an_id_used_before_for_something_else_is_a_new_request(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1")
        await say(station, call("1", "Heartbeat"), call("1", "Authorize", '{"idTag":"A"}'), call("1", "Heartbeat"))
        assert [frame[:2] for frame in frames(station)] == [[3, "1"]] * 3
        assert [each.action for each in await exchanges(csms)] == ["Heartbeat", "Authorize", "Heartbeat"]


LONG, LONGER = "x" * 255, "x" * 256


@pytest.mark.req("RPC-15")
@pytest.mark.parametrize(
    ("call_id", "message", "code"),
    [
        ("x" * 36, ("Heartbeat", HEARTBEAT), None),
        ("x" * 37, ("Heartbeat", HEARTBEAT), "FormationViolation"),
        ("x" * 37, ("StartTransaction", START), None),
        (LONG, ("StartTransaction", START), None),
        (LONGER, ("StartTransaction", START), "FormationViolation"),
    ],
    ids=["36", "37", "transaction 37", "transaction 255", "transaction 256"],
)
async def test_long_ids_are_put_up_with_where_billing_data_would_be_lost(
    call_id: str, message: tuple[str, Any], code: str | None, autojump_clock: MockClock
) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1")
        await station.deliver(call(call_id, *message))
        await station.answer_to(call_id)
        [frame] = frames(station)
        assert frame[:2] == [3 if code is None else 4, call_id]
        assert code is None or frame[2] == code


@pytest.mark.req("RPC-15", "VAL-17")
async def test_long_ids_may_be_allowed_for_one_station(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        tolerated = await csms.connect("CP-1", accept_long_message_ids=True)
        usual = await csms.connect("CP-2")
        for station in (tolerated, usual):
            await station.deliver(call("x" * 100, "Heartbeat"))
        assert [frames(station)[0][0] for station in (tolerated, usual)] == [3, 4]


@pytest.mark.req("RPC-11", "RPC-15")
@pytest.mark.parametrize("call_id", ["", " a ", "ü€", '\\"', 7, -1, 2**40, 1.5, "7"], ids=repr)
async def test_an_answer_repeats_the_id_as_it_came(call_id: Any, autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1")
        await say(station, call(call_id, "Heartbeat"), call(call_id, "Bogus"))
        for frame in frames(station):
            assert frame[1] == call_id
            assert type(frame[1]) is type(call_id)


@pytest.mark.req("RPC-26")
@pytest.mark.parametrize("is_later", [False, True], ids=["inline", "after a commit"])
async def test_a_triggered_command_leaves_after_the_answer(is_later: bool, autojump_clock: MockClock) -> None:
    submitted: list[Any] = []

    def data_transfer(self: Any, station: Any) -> Any:
        submitted.append(station.submit(CLEAR_CACHE, ClearCache()))
        if not is_later:
            return YES
        pending: Pending[Any] = Pending()
        self.host.call_later(3, lambda: pending.settle(YES))
        return pending

    async with open_test_csms(plugins=["core", plugin(data_transfer=data_transfer)]) as csms:
        station = await csms.connect("CP-1")
        station.behaviour = {"ClearCache": ClearCacheResponse("Accepted")}
        await station.deliver(call("a", "DataTransfer", QUESTION))
        assert (await submitted[0]).status == "Accepted"
        assert [frame[0] for frame in frames(station)] == [3, 2]


@pytest.mark.req("RPC-26", "RPC-20")
@pytest.mark.parametrize("is_held", [True, False], ids=["during a call", "in between"])
async def test_submitted_commands_keep_their_order_however_long_their_guards_take(
    is_held: bool, autojump_clock: MockClock
) -> None:
    async def guard_command(_self: Any, command: Any) -> None:
        await trio.sleep(2 if command is CLEAR_CACHE else 0)

    def submit_all(_self: Any, station: Any) -> None:
        for command, request in ((CLEAR_CACHE, ClearCache()), (GET_CONFIGURATION, GetConfiguration())) * 4:
            station.submit(command, request)

    hooks = {"heartbeat": submit_all} if is_held else {}
    async with open_test_csms(plugins=["core", plugin("probe", guard_command=guard_command, **hooks)]) as csms:
        station = await csms.connect("CP-1")
        station.behaviour = {
            "ClearCache": ClearCacheResponse("Accepted"),
            "GetConfiguration": GetConfigurationResponse(),
        }
        await station.send("Heartbeat", HEARTBEAT, HeartbeatResponse)
        if not is_held:
            submit_all(None, csms.host.stations.get("CP-1"))
        await trio.sleep(20)
        assert [frame[2] for frame in frames(station)[1:]] == ["ClearCache", "GetConfiguration"] * 4


@pytest.mark.req("RPC-27", "RPC-24")
async def test_an_answer_is_never_answered(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1")
        for message in (
            b'[3,"x",{}]',
            b'[3,"x",null]',
            b'[4,"x","InternalError","",{}]',
            b'[4,"x","Whatever"]',
            b"[3,1,2,3]",
        ):
            await station.deliver(message)
        await trio.sleep(1)
        assert station.received == []
        assert station.closed is None
        assert [each.error for each in await exchanges(csms)] == ["late"] * 4 + ["malformed"]


async def _flood(csms: TestCsms, number: int) -> TestStation:
    station = await csms.connect("CP-1")
    for index in range(number):
        await station.deliver(call(f"{index}", "DataTransfer", QUESTION))
    return station


@pytest.mark.req("RPC-22")
async def test_csmsd_stops_reading_while_too_many_calls_wait(autojump_clock: MockClock) -> None:
    slow = Slow()
    async with open_test_csms(plugins=["core", slow.plugin]) as csms:
        station = await _flood(csms, 30)
        assert station.is_paused
        assert station.closed is None
        slow.may_answer.set()
        await station.answer_to("29")
        assert answers(station) == [str(index) for index in range(30)]
        assert not station.is_paused


@pytest.mark.req("RPC-20", "RPC-22")
async def test_csmsd_reads_on_while_it_awaits_an_answer_that_would_be_stuck_behind_calls(
    autojump_clock: MockClock,
) -> None:
    async def data_transfer(_self: Any, station: Any) -> DataTransferResponse:
        await trio.sleep(1)
        await station.call(CLEAR_CACHE, ClearCache())
        return YES

    async with open_test_csms(plugins=["core", plugin(data_transfer=data_transfer)]) as csms:
        station = await _flood(csms, 12)
        assert station.is_paused
        station.behaviour = {"ClearCache": ClearCacheResponse("Accepted")}
        await station.answer_to("11")
        assert [i for i in answers(station) if i.isdigit()] == [str(index) for index in range(12)]


@pytest.mark.req("RPC-22")
async def test_a_flood_during_our_call_ends_the_connection(autojump_clock: MockClock) -> None:
    slow = Slow()
    async with open_test_csms(plugins=["core", slow.plugin]) as csms:
        station = await csms.connect("CP-1")
        async with trio.open_nursery() as nursery:

            async def command() -> None:
                with pytest.raises(Exception, match="left before"):
                    await csms.host.stations.get("CP-1").call(RESET, Reset("Soft"))

            nursery.start_soon(command)
            await station.wait_for_call("Reset")
            for index in range(100):
                await station.deliver(call(f"{index}", "DataTransfer", QUESTION))
            assert await station.wait_closed() == (1008, "too many unanswered calls")
        assert len(slow.asked) == 1
        told = [each.error for each in await exchanges(csms, action="DataTransfer")]
        assert told == ["disconnected"] * len(told), "each CALL that has arrived is in the journal (RPC-37)"
        assert len(told) == 65
