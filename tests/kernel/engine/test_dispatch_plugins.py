"""What a plugin can do wrong while it answers a station, and that the station is answered all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from csmsd.action import Action
from csmsd.config import Limits
from csmsd.errors import StationUnavailable
from csmsd.hookspecs import hookimpl
from csmsd.ocpp.errors import InternalError
from csmsd.pending import Pending
from csmsd.plugin import Plugin
from csmsd.testing import CallErrorReceived, TestCsms, open_test_csms
from csmsd_core import DataTransferResponse, Heartbeat, HeartbeatResponse, StartTransactionResponse
from tests.kernel.engine import clock_hooks
from tests.kernel.engine.probes import (
    HEARTBEAT,
    NOON,
    QUESTION,
    START,
    YES,
    answers,
    call,
    exchanges,
    frames,
    nothing,
    plugin,
)


def _raise(error: BaseException) -> Any:
    raise error


async def _never() -> Any:
    await trio.sleep_forever()


def failed(error: BaseException) -> Pending[Any]:
    pending: Pending[Any] = Pending()
    pending.settle(error=error)
    return pending


def later(host: Any, value: Any = None, error: BaseException | None = None) -> Pending[Any]:
    pending: Pending[Any] = Pending()
    host.call_later(1, lambda: pending.settle(value, error))
    return pending


NOT_MINE: dict[str, Callable[[Any], Any]] = {
    "None": lambda _: None,
    "kept promise": lambda _: Pending.of(None),
    "promise": lambda host: later(host),
}
FAULTS: dict[str, Callable[[Any], Any]] = {
    "raises": lambda _: _raise(ValueError("bug")),
    "exits": lambda _: _raise(SystemExit(1)),
    "wants a station that has left": lambda _: _raise(StationUnavailable("gone")),
    "answers text": lambda _: "yes",
    "answers a dict": lambda _: {"status": "Accepted"},
    "answers another message": lambda _: HeartbeatResponse(NOON),
    "answers a coroutine": lambda _: _never(),
    "answers a class": lambda _: DataTransferResponse,
    "promised and failed": lambda _: failed(ValueError("bug")),
    "promised and answers text": lambda _: Pending.of("yes"),
    "promises and fails": lambda host: later(host, error=ValueError("bug")),
    "promises and answers text": lambda host: later(host, "yes"),
}


def made_of(fault: Callable[[Any], Any], colour: str) -> Callable[..., Any]:
    def plain(self: Any) -> Any:
        return fault(self.host)

    async def task(self: Any) -> Any:
        await trio.sleep(0.5)
        return fault(self.host)

    return plain if colour == "plain" else task


@pytest.mark.req("RPC-30", "RPC-22")
@pytest.mark.parametrize("colour", ["plain", "async"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_plugin_that_fails_is_passed_over_and_blamed(
    fault: str, colour: str, autojump_clock: MockClock
) -> None:
    bad = plugin("bad", data_transfer=made_of(FAULTS[fault], colour))
    good = plugin("good", data_transfer=lambda _: YES)
    async with open_test_csms(plugins=["core", good, bad]) as csms:
        station = await csms.connect("CP-1")
        for _ in range(3):
            assert await station.send("DataTransfer", QUESTION, DataTransferResponse) == YES
        status = {status.name: status for status in csms.host.plugins.status()}
        assert (status["bad"].failures, status["good"].failures) == (3, 0)
        steps = [(step.plugin, step.outcome) for step in (await exchanges(csms))[-1].trace if step.outcome != "pending"]
        assert steps == [("bad", "failed"), ("good", "answered")]


@pytest.mark.req("RPC-34", "RPC-32")
@pytest.mark.parametrize("fault", FAULTS)
async def test_when_everybody_has_failed_it_is_an_internal_error(fault: str, autojump_clock: MockClock) -> None:
    class Clock(Plugin[Any]):
        name = "clock"
        specs = (clock_hooks,)
        actions = (Action("Heartbeat", Heartbeat, DataTransferResponse, clock_hooks.tell_time),)
        tell_time = hookimpl(made_of(FAULTS[fault], "plain"))

    async with open_test_csms(plugins=[Clock]) as csms:
        station = await csms.connect("CP-1")
        await station.deliver(call("x", "Heartbeat"))
        await station.answer_to("x")
        assert [frame[:3] for frame in frames(station)] == [[4, "x", "InternalError"]]


@pytest.mark.req("RPC-22")
@pytest.mark.parametrize("how", NOT_MINE)
@pytest.mark.parametrize("colour", ["plain", "async"])
async def test_a_plugin_may_say_not_mine_at_once_or_later(how: str, colour: str, autojump_clock: MockClock) -> None:
    silent = plugin("silent", data_transfer=made_of(NOT_MINE[how], colour))
    good = plugin("good", data_transfer=lambda _: YES)
    async with open_test_csms(plugins=["core", good, silent]) as csms:
        station = await csms.connect("CP-1")
        assert await station.send("DataTransfer", QUESTION, DataTransferResponse) == YES
        assert all(status.failures == 0 for status in csms.host.plugins.status())


@pytest.mark.req("RPC-21")
async def test_a_slow_task_is_passed_over_in_time(autojump_clock: MockClock) -> None:
    slow = plugin("slow", data_transfer=_sleeping())
    async with open_test_csms(plugins=["core", slow], limits=Limits(hook_timeout=2)) as csms:
        station, started = await csms.connect("CP-1"), trio.current_time()
        answer = await station.send("DataTransfer", QUESTION, DataTransferResponse)
        assert answer.status == "UnknownVendorId"
        assert 2 <= trio.current_time() - started < 2.2
        [exchange] = await exchanges(csms)
        assert [(step.plugin, step.outcome) for step in exchange.trace] == [("slow", "too slow"), ("core", "answered")]


def _sleeping() -> Callable[..., Any]:
    async def data_transfer(_self: Any) -> Any:
        await trio.sleep_forever()

    return data_transfer


@pytest.mark.req("RPC-34")
async def test_all_tasks_together_have_a_limited_time(autojump_clock: MockClock) -> None:
    slow = [plugin(f"slow{index}", data_transfer=_sleeping()) for index in range(4)]
    async with open_test_csms(plugins=["core", *slow], limits=Limits(hook_timeout=4, answer_timeout=10)) as csms:
        station, started = await csms.connect("CP-1"), trio.current_time()
        with pytest.raises(CallErrorReceived, match="InternalError: no answer to DataTransfer in time"):
            await station.send("DataTransfer", QUESTION, DataTransferResponse)
        assert 10 <= trio.current_time() - started < 10.3


@pytest.mark.req("RPC-34")
async def test_a_promise_that_is_never_kept_does_not_hang_the_station(autojump_clock: MockClock) -> None:
    promises: list[Pending[Any]] = []

    def data_transfer(_self: Any) -> Any:
        promises.append(Pending())
        return promises[-1]

    async with open_test_csms(plugins=["core", plugin(data_transfer=data_transfer)]) as csms:
        station = await csms.connect("CP-1")
        with pytest.raises(CallErrorReceived, match="InternalError"):
            await station.send("DataTransfer", QUESTION, DataTransferResponse)
        promises[0].settle(YES)
        await station.send("Heartbeat", HEARTBEAT, HeartbeatResponse)
        assert len(answers(station)) == 2, "one kept too late counts for nothing"
        assert [each.error for each in await exchanges(csms)] == ["InternalError", ""]
        assert csms.host.plugins.status()[1].failures == 1


@pytest.mark.req("RPC-31", "TX-04")
async def test_a_promise_of_billing_data_that_is_not_kept_ends_in_silence(autojump_clock: MockClock) -> None:
    forgetful = plugin(start_transaction=lambda _: Pending())
    async with open_test_csms(plugins=["core", forgetful]) as csms:
        station = await csms.connect("CP-1")
        await station.deliver(call("x", "StartTransaction", START))
        assert (await station.wait_closed())[0] == 1011
        assert station.received == []


@pytest.mark.req("VAL-01", "RPC-04")
@pytest.mark.parametrize(
    "answer",
    [
        DataTransferResponse("Maybe"),  # type: ignore[arg-type]  # wrong on purpose
        DataTransferResponse(7),  # type: ignore[arg-type]  # wrong on purpose
        DataTransferResponse("Accepted", object()),  # type: ignore[arg-type]  # wrong on purpose
        DataTransferResponse("Accepted", "\ud800"),
        DataTransferResponse("Accepted", 2**70),  # type: ignore[arg-type]  # wrong on purpose
    ],
    ids=["status", "type", "object", "surrogate", "number"],
)
@pytest.mark.parametrize("colour", ["plain", "async"])
async def test_an_answer_that_breaks_its_schema_never_reaches_the_station(
    answer: DataTransferResponse, colour: str, autojump_clock: MockClock
) -> None:
    bad = plugin("bad", data_transfer=made_of(lambda _: answer, colour))
    async with open_test_csms(plugins=["core", bad], limits=Limits(quarantine_after=3)) as csms:
        station = await csms.connect("CP-1")
        for _ in range(3):
            with pytest.raises(CallErrorReceived, match="InternalError"):
                await station.send("DataTransfer", QUESTION, DataTransferResponse)
        status = csms.host.plugins.status()[1]
        assert (status.failures, status.state) == (3, "quarantined"), "an answer that cannot be sent is a failure"


@pytest.mark.req("BOOT-20")
@pytest.mark.parametrize("answer", ["no", ValueError("no"), 7, True])
async def test_a_guard_that_answers_nonsense_refuses_nothing(answer: Any, autojump_clock: MockClock) -> None:
    async with open_test_csms(plugins=["core", plugin(guard_call=lambda _: answer)]) as csms:
        station = await csms.connect("CP-1")
        await station.send("Heartbeat", HEARTBEAT, HeartbeatResponse)


@pytest.mark.req("RPC-34")
async def test_a_guard_refuses_with_any_code(autojump_clock: MockClock) -> None:
    async with open_test_csms(plugins=["core", plugin(guard_call=lambda _: InternalError("closed"))]) as csms:
        station = await csms.connect("CP-1")
        with pytest.raises(CallErrorReceived, match="InternalError: closed"):
            await station.send("Heartbeat", HEARTBEAT, HeartbeatResponse)


async def _start_and_leave(csms: TestCsms) -> None:
    station = await csms.connect("CP-1")
    await station.deliver(call("x", "DataTransfer", QUESTION))
    await station.deliver(call("y", "Heartbeat"))
    await trio.sleep(1)
    await station.disconnect()
    await trio.sleep(1)
    assert station.received == []


@pytest.mark.req("RPC-25", "RPC-37")
async def test_a_task_ends_with_the_connection_and_nobody_is_blamed(autojump_clock: MockClock) -> None:
    ended: list[str] = []

    async def data_transfer(_self: Any) -> Any:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("slow")

    async with open_test_csms(plugins=["core", plugin("slow", data_transfer=data_transfer)]) as csms:
        await _start_and_leave(csms)
        assert ended == ["slow"]
        assert csms.host.plugins.status()[1].failures == 0
        told = {each.action: each.error for each in await exchanges(csms)}
        assert told == {"DataTransfer": "disconnected", "Heartbeat": "disconnected"}


@pytest.mark.req("RPC-37")
async def test_a_promise_kept_after_the_station_has_left_is_recorded_as_disconnected(autojump_clock: MockClock) -> None:
    def data_transfer(self: Any) -> Any:
        pending: Pending[Any] = Pending()
        self.host.call_later(5, lambda: pending.settle(YES))
        return pending

    async with open_test_csms(plugins=["core", plugin(data_transfer=data_transfer)]) as csms:
        await _start_and_leave(csms)
        await trio.sleep(10)
        assert [each.error for each in await exchanges(csms, action="DataTransfer")] == ["disconnected"]


@pytest.mark.req("RPC-22")
async def test_an_action_goes_with_its_plugin(autojump_clock: MockClock) -> None:
    async with open_test_csms(plugins=["core", plugin("mine", data_transfer=lambda _: YES)]) as csms:
        station = await csms.connect("CP-1")
        assert (await station.send("DataTransfer", QUESTION, DataTransferResponse)).status == "Accepted"
        await csms.host.plugins.disable("mine")
        second = await csms.connect("CP-2")
        assert (await second.send("DataTransfer", QUESTION, DataTransferResponse)).status == "UnknownVendorId"


@pytest.mark.req("TX-01")
async def test_a_plugin_may_look_at_a_start_and_leave_it_to_the_core_profile(autojump_clock: MockClock) -> None:
    seen: list[Any] = []

    async def start_transaction(self: Any, request: Any) -> None:
        await self.host.store.submit(nothing, None)
        seen.append(request)

    async with open_test_csms(plugins=["core", plugin(start_transaction=start_transaction)]) as csms:
        station = await csms.connect("CP-1")
        answer = await station.send("StartTransaction", START, StartTransactionResponse)
        assert answer.transaction_id > 0
        assert seen == [START]
