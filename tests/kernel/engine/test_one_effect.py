"""What a station or an operator repeats while the first try is still under way, or has ended unseen."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
import trio
from trio.testing import MockClock

from csmsd import NoConfig, Plugin, Station, hookimpl
from csmsd._kernel.commands import add_commands
from csmsd.command import AnyCommand
from csmsd.errors import CallFailed, CallRefused, CsmsdError, NeverSent, OutcomeUnknown
from csmsd.journal import ExchangeFilter
from csmsd.ocpp.frames import CallError, CallResult, encode_call
from csmsd.pending import Pending
from csmsd.testing import TestStation, open_test_csms
from csmsd_core import CHANGE_CONFIGURATION, CLEAR_CACHE, ChangeConfiguration, ClearCache, DataTransferResponse

MESSAGE = encode_call("q", "DataTransfer", b'{"vendorId":"V"}')


class SlowVendor(Plugin[NoConfig]):
    """Takes five seconds for a DataTransfer."""

    name = "slow"
    requires = ("core",)
    began: ClassVar[list[float]] = []

    @hookimpl
    async def data_transfer(self) -> DataTransferResponse:
        self.began.append(trio.current_time())
        await trio.sleep(4)
        return DataTransferResponse("Accepted", str(len(self.began)))


class PromisingVendor(Plugin[NoConfig]):
    """Answers a DataTransfer later, from plain code."""

    name = "promising"
    requires = ("core",)
    asked: ClassVar[list[str]] = []

    @hookimpl
    def data_transfer(self, station: Station) -> Pending[DataTransferResponse]:
        self.asked.append(station.id)
        answer: Pending[DataTransferResponse] = Pending()
        self.host.call_later(4, lambda: answer.settle(DataTransferResponse("Accepted", str(len(self.asked)))))
        return answer


class Objector(Plugin[NoConfig]):
    """Stops commands at the last moment, and hears what became of all."""

    name = "objector"
    requires = ("core",)
    failures: ClassVar[list[CsmsdError]] = []

    @hookimpl
    async def prepare_command(self, command: AnyCommand) -> None:
        if command is CLEAR_CACHE:
            raise CallRefused("not today")

    @hookimpl
    def command_failed(self, error: CsmsdError) -> None:
        self.failures.append(error)


async def answer_of(station: TestStation) -> Any:
    """The payload of the answer to MESSAGE."""
    frame = await station.answer_to("q")
    assert isinstance(frame, CallResult)
    return json.loads(bytes(frame.payload))


@pytest.mark.req("RPC-12", "WS-30")
async def test_a_message_repeated_over_a_takeover_has_one_effect_and_two_answers(autojump_clock: MockClock) -> None:
    SlowVendor.began.clear()
    async with open_test_csms(plugins=["core", SlowVendor]) as csms:
        older = await csms.connect("CP-1")
        await older.deliver(MESSAGE)
        await trio.sleep(2)
        newer = await csms.connect("CP-1")
        await newer.deliver(MESSAGE)
        assert (await answer_of(newer))["data"] == "1"
        assert len(SlowVendor.began) == 1


@pytest.mark.req("RPC-12")
async def test_an_answer_that_came_after_the_line_was_lost_is_given_to_the_repeat(autojump_clock: MockClock) -> None:
    PromisingVendor.asked.clear()
    async with open_test_csms(plugins=["core", PromisingVendor]) as csms:
        station = await csms.connect("CP-1")
        await station.deliver(MESSAGE)
        await station.disconnect()
        for wait in (1, 10):  # while it is still promised, and after it was kept
            station = await csms.connect("CP-1")
            await station.deliver(MESSAGE)
            assert (await answer_of(station))["data"] == "1"
            await trio.sleep(wait)
        assert PromisingVendor.asked == ["CP-1"]


@pytest.mark.req("RPC-12")
async def test_a_repeat_of_what_was_interrupted_is_a_new_try(autojump_clock: MockClock) -> None:
    SlowVendor.began.clear()
    async with open_test_csms(plugins=["core", SlowVendor]) as csms:
        station = await csms.connect("CP-1")
        await station.deliver(MESSAGE)
        await trio.sleep(1)
        await station.disconnect()
        station = await csms.connect("CP-1")
        await station.deliver(MESSAGE)
        assert (await answer_of(station))["status"] == "Accepted"
        assert len(SlowVendor.began) == 2


@pytest.mark.req("WS-24")
async def test_a_station_that_repeats_the_password_in_an_error_is_not_quoted(autojump_clock: MockClock) -> None:
    secret = "0011223344556677889900112233445566778899"
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1")
        error = CallError("x", "InternalError", f"value {secret} refused")
        station.behaviour["ChangeConfiguration"] = error
        with pytest.raises(CallFailed) as failure:
            await csms.host.stations.get("CP-1").call(
                CHANGE_CONFIGURATION, ChangeConfiguration("AuthorizationKey", secret)
            )
        assert secret not in str(failure.value)
        payload = json.dumps({"key": "AuthorizationKey", "value": secret}).encode()
        submitted = await csms.host.commands.submit("CP-1", "ChangeConfiguration", payload, actor="test")
        outcome = await csms.host.commands.outcome(submitted.id)
        assert outcome.state == "failed"
        assert secret not in repr(outcome)
        assert secret not in repr(await csms.host.journal.exchanges(ExchangeFilter()))


@pytest.mark.req("RPC-25", "SEC-33")
async def test_whoever_prepared_a_command_hears_that_it_was_not_sent(autojump_clock: MockClock) -> None:
    Objector.failures.clear()
    async with open_test_csms(plugins=["core", Objector]) as csms:
        station = await csms.connect("CP-1")
        handle = csms.host.stations.get("CP-1")
        with pytest.raises(CallRefused, match="not today"):
            await handle.call(CLEAR_CACHE, ClearCache())
        assert [type(error) for error in Objector.failures] == [NeverSent]
        with trio.move_on_after(1):
            async with trio.open_nursery() as nursery:
                for key in ("A", "B"):
                    nursery.start_soon(handle.call, CHANGE_CONFIGURATION, ChangeConfiguration(key, "1"))
        assert [type(error) for error in Objector.failures] == [NeverSent, NeverSent], "the second one was withdrawn"
        assert len(station.calls) == 1


@pytest.mark.req("OP-04")
async def test_a_command_whose_commit_was_given_up_and_came_true_says_that_it_was_not_sent(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1")
        real = csms.host.store.submit

        def hang(write: Any, row: Any) -> Pending[Any]:
            stored = real(write, row)
            if write is not add_commands:
                return stored
            given_up: Pending[Any] = Pending()
            given_up.settle(error=OutcomeUnknown("the disk hangs"))
            return given_up

        with monkeypatch.context() as patch:
            patch.setattr(csms.host.store, "submit", hang)
            with pytest.raises(OutcomeUnknown):
                await csms.host.commands.submit("CP-1", "ClearCache", b"{}", actor="test", command_id="k")
        await trio.sleep(1)
        again = await csms.host.commands.submit("CP-1", "ClearCache", b"{}", actor="test", command_id="k")
        assert (again.state, station.calls) == ("refused", [])
        assert "another id" in again.error
