"""Commands of operators: none is done twice, none is forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from csmsd.command import Command
from csmsd.errors import CommandConflict, CsmsdError, InvalidPayload, StationUnavailable, UnknownCommand, UnknownStation
from csmsd.host import CommandRecord
from csmsd.ocpp.frames import CallError
from csmsd.testing import TestCsms, open_test_csms
from csmsd_core import ClearCacheResponse, CorePlugin, GetConfigurationResponse, ResetResponse
from tests.kernel.engine.probes import exchanges, frames, plugin
from tests.kernel.engine.test_dispatch_storage import Disk

SOFT = b'{"type":"Soft"}'


async def submit(
    csms: TestCsms, action: str = "Reset", payload: bytes = SOFT, command_id: str | None = None
) -> CommandRecord:
    return await csms.host.commands.submit("CP-1", action, payload, actor="op", command_id=command_id)


ENDS: list[tuple[Any, str, str]] = [
    (ResetResponse("Rejected"), "answered", ""),
    (CallError("", "InternalError", "broken", msgspec.Raw(b"{}")), "failed", "InternalError"),
    (ClearCacheResponse("Odd"), "failed", "invalid response"),  # type: ignore[arg-type]  # wrong on purpose
    (None, "timeout", ""),
    ("leave", "disconnected", ""),
]


@pytest.mark.req("OP-03", "OP-04", "RPC-36")
@pytest.mark.parametrize(("end", "state", "code"), ENDS, ids=[end[1] + " " + end[2] for end in ENDS])
async def test_the_operator_gets_whatever_came_of_a_command(
    end: Any, state: str, code: str, autojump_clock: MockClock
) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1")
        record = await submit(csms)
        assert (record.state, record.actor, bytes(record.request)) == ("queued", "op", SOFT)
        call = await station.wait_for_call("Reset")
        if end == "leave":
            await station.disconnect()
        elif end is not None:
            await station.answer(call, end)
        outcome = await csms.host.commands.outcome(record.id)
        assert (outcome.state, outcome.error_code) == (state, code)
        assert outcome.finished_at is not None
        assert await csms.host.commands.find(record.id) == outcome
        assert list(await csms.host.commands.recent("CP-1")) == [outcome]
        assert (outcome.result is not None) == (state in {"answered", "failed"})
        assert (outcome.error != "") == (state != "answered")


@pytest.mark.req("OP-03", "OP-02")
async def test_a_command_that_a_plugin_refuses_is_recorded_as_refused(autojump_clock: MockClock) -> None:
    async def guard_command(_self: Any) -> str:
        return "not today"

    async with open_test_csms(plugins=["core", plugin(guard_command=guard_command)]) as csms:
        station = await csms.connect("CP-1")
        outcome = await csms.host.commands.outcome((await submit(csms)).id)
        assert outcome.state == "refused"
        assert "not today" in outcome.error
        assert station.received == []


@pytest.mark.req("OP-01", "OP-04")
async def test_the_same_id_again_has_no_second_effect(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1")
        station.behaviour = {"Reset": ResetResponse("Accepted")}
        records: list[CommandRecord] = []

        async def one() -> None:
            records.append(await submit(csms, command_id="mine"))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(one)
        outcome = await csms.host.commands.outcome("mine")
        assert await submit(csms, command_id="mine") == outcome
        await station.disconnect()
        assert await submit(csms, command_id="mine") == outcome, "also while the station is away"
        assert len(station.received) == 1
        assert len(records) == 5
        assert {record.id for record in records} == {"mine"}


@pytest.mark.req("OP-04")
@pytest.mark.parametrize("other", [("Reset", b'{"type":"Hard"}'), ("ClearCache", b"{}")], ids=["payload", "action"])
async def test_an_id_used_for_something_else_is_a_conflict(other: tuple[str, bytes], autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1")
        await submit(csms, command_id="mine")
        with pytest.raises(CommandConflict, match="mine"):
            await submit(csms, *other, command_id="mine")
        await trio.sleep(100)
        assert len(station.received) == 1


@pytest.mark.req("OP-03", "VAL-01")
@pytest.mark.parametrize(
    ("station_id", "action", "payload", "error"),
    [
        ("CP-9", "Reset", SOFT, UnknownStation),
        ("CP-2", "Reset", SOFT, StationUnavailable),
        ("CP-1", "Bogus", b"{}", UnknownCommand),
        ("CP-1", "Heartbeat", b"{}", UnknownCommand),
        ("CP-1", "Reset", b"{}", InvalidPayload),
        ("CP-1", "Reset", b"nonsense", InvalidPayload),
        ("CP-1", "Reset", b'{"type":"Soft","odd":1}', InvalidPayload),
    ],
)
async def test_what_cannot_be_sent_is_not_stored(
    station_id: str, action: str, payload: bytes, error: type[CsmsdError], autojump_clock: MockClock
) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1")
        await (await csms.connect("CP-2")).disconnect()
        with pytest.raises(error):
            await csms.host.commands.submit(station_id, action, payload, actor="op")
        assert list(await csms.host.commands.recent()) == []
        assert station.received == []


@pytest.mark.req("OPS-01", "OP-01", "CFG-01")
async def test_what_the_caller_omits_stays_omitted(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1")
        station.behaviour = {"GetConfiguration": GetConfigurationResponse()}
        record = await submit(csms, "GetConfiguration", b"{}")
        outcome = await csms.host.commands.outcome(record.id)
        assert frames(station)[0][3] == {}
        assert outcome.result is not None
        assert bytes(outcome.result) == b"{}"


@pytest.mark.req("OP-01")
async def test_every_command_of_the_core_profile_is_known(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        known = csms.host.commands.known
        assert set(known) == {command.name for command in CorePlugin.commands}
        assert all(isinstance(command, Command) for command in known.values())


@pytest.mark.req("OP-03", "RPC-25")
async def test_after_a_restart_the_outcome_of_an_unanswered_command_is_unknown_and_it_is_not_sent_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_test_csms(data_dir=tmp_path) as csms:
        await csms.connect("CP-1")
        answered = await submit(csms, command_id="lost")
    assert answered.state == "queued"
    async with open_test_csms(data_dir=tmp_path) as csms:
        lost = await csms.host.commands.outcome("lost")
        assert lost.state in {"unknown", "disconnected"}
        assert lost.finished_at is not None
        station = await csms.connect("CP-1")
        assert await submit(csms, command_id="lost") == lost
        await trio.sleep(100)
        assert station.received == []


@pytest.mark.req("OP-03", "TX-04")
async def test_an_outcome_that_cannot_be_stored_at_once_is_stored_when_storage_is_back(
    autojump_clock: MockClock,
) -> None:
    async with open_test_csms() as csms:
        disk, station = Disk(csms), await csms.connect("CP-1")
        record = await submit(csms)
        call = await station.wait_for_call("Reset")
        disk.is_full = True
        await station.answer(call, ResetResponse("Accepted"))
        await trio.sleep(1)
        disk.is_full = False
        await trio.sleep(2)
        await exchanges(csms)
        found = await csms.host.commands.find(record.id)
        assert found is not None
        assert found.state == "answered"


@pytest.mark.req("OP-03")
async def test_nobody_knows_an_id_that_was_never_used(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        assert await csms.host.commands.find("nothing") is None
        with pytest.raises(UnknownCommand):
            await csms.host.commands.outcome("nothing")
