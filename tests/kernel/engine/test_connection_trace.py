"""The trace: every frame is in it, and no secret."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
import trio
from trio.testing import MockClock

from csmsd.env import Env
from csmsd.events import Event
from csmsd.journal import Exchange
from csmsd.testing import TestCsms, TestStation, open_test_csms
from csmsd_core import ClearCacheResponse, DataTransferResponse, HeartbeatResponse
from csmsd_core.commands import CLEAR_CACHE
from csmsd_core.messages import ClearCache
from tests.kernel.engine.probes import HEARTBEAT, QUESTION, call, exchanges, plugin
from tests.kernel.virtual import EPOCH, VirtualNow

CANARY = "c0ffee-canary-c0ffee-canary"
SET_KEY = b'{"key":"AuthorizationKey","value":"%s"}' % CANARY.encode()
ECHOED = '{"configurationKey":[{"key":"AuthorizationKey","readonly":false,"value":"' + CANARY + '"}]}'


@pytest.mark.req("RPC-37")
async def test_every_frame_is_in_the_trace_with_what_became_of_it(autojump_clock: MockClock) -> None:
    async def data_transfer(_self: Any) -> None:
        await trio.sleep(2)

    async with open_test_csms(plugins=["core", plugin(data_transfer=data_transfer)], env=Env(now=VirtualNow())) as csms:
        station = await csms.connect("CP-1")
        station.behaviour = {"ClearCache": ClearCacheResponse("Accepted")}
        started = csms.host.env.now()
        await station.send("Heartbeat", HEARTBEAT, HeartbeatResponse, call_id="a")
        await station.send("DataTransfer", QUESTION, DataTransferResponse, call_id="b")
        await csms.host.stations.get("CP-1").call(CLEAR_CACHE, ClearCache())
        for message in (call("c", "Bogus"), b"nonsense", b'[3,"d",{}]', b'[2,"e","Heartbeat"]'):
            await station.deliver(message)
        found = await exchanges(csms, station_id="CP-1")
        assert [
            (each.direction, each.call_id[:1], each.action, each.error) for each in found if each.direction == "in"
        ] == [
            ("in", "a", "Heartbeat", ""),
            ("in", "b", "DataTransfer", ""),
            ("in", "c", "Bogus", "NotImplemented"),
            ("in", "", "", "malformed"),
            ("in", "", "", "late"),
            ("in", "", "", "malformed"),
        ]
        [sent] = [each for each in found if each.direction == "out"]
        assert (sent.action, sent.request, sent.response, sent.error) == (
            "ClearCache",
            "{}",
            '{"status":"Accepted"}',
            "",
        )
        assert found[0].response is not None
        assert msgspec.json.decode(found[0].response).keys() == {"currentTime"}
        assert found[1].request == '{"vendorId":"org.probe","messageId":"ask","data":"1"}'
        assert found[1].at == started
        assert all(each.at >= EPOCH and each.microseconds >= 0 for each in found)
        assert "nonsense" in found[4].request


@pytest.mark.req("RPC-37")
async def test_those_who_watch_see_the_same(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1")
        with csms.host.events.watch(frozenset({"exchange"}), "CP-1") as events:
            await station.send("Heartbeat", HEARTBEAT, HeartbeatResponse)
            await station.deliver(b"nonsense")
            seen = [msgspec.json.decode(events.receive_nowait().data, type=Exchange) for _ in range(2)]
        assert [each.error for each in seen] == ["", "malformed"]
        assert seen[0].response == (await exchanges(csms))[0].response


def _events(channel: trio.MemoryReceiveChannel[Event]) -> str:
    found: list[str] = []
    while channel.statistics().current_buffer_used:
        found.append(bytes(channel.receive_nowait().data).decode())
    return "\n".join(found)


async def _everything_stored(csms: TestCsms) -> str:
    """All rows of all tables, as text."""

    def read(connection: sa.Connection) -> str:
        names = sa.inspect(connection).get_table_names()
        return "\n".join(
            f"{name}: {tuple(row)!r}"
            for name in names
            for row in connection.execute(sa.text(f'SELECT * FROM "{name}"'))
        )

    await exchanges(csms)
    return await csms.host.store.read(read)


async def _set(csms: TestCsms, station: TestStation, answer: str | None) -> None:
    """The operator sets the key; the station answers something that may hold it too."""
    record = await csms.host.commands.submit("CP-1", "ChangeConfiguration", SET_KEY, actor="op")
    command = await station.wait_for_call("ChangeConfiguration")
    assert CANARY in bytes(command.payload).decode(), "the station must get it"
    if answer is not None:
        await station.deliver((answer % command.id).encode())
    await csms.host.commands.outcome(record.id)


ANSWERS = {
    "accepted": '[3,"%s",{"status":"Accepted"}]',
    "rejected": '[3,"%s",{"status":"Rejected"}]',
    "echoes it": '[3,"%s",{"status":"Accepted","key":"AuthorizationKey","value":"' + CANARY + '"}]',
    "answers nonsense with it": '[3,"%s",{"key":"AuthorizationKey","value":"' + CANARY + '"}]',
    "details of an error": '[4,"%s","InternalError","no",{"key":"AuthorizationKey","value":"' + CANARY + '"}]',
    "no answer": None,
}


@pytest.mark.req("WS-24", "RPC-37", "CFG-11")
@pytest.mark.parametrize("answer", ANSWERS)
async def test_a_password_on_its_way_to_a_station_is_seen_nowhere(
    answer: str, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_test_csms() as csms:
        with csms.host.events.watch() as events:
            station = await csms.connect("CP-1")
            await _set(csms, station, ANSWERS[answer])
            for record in await csms.host.commands.recent():
                assert CANARY.encode() not in msgspec.json.encode(record)
            assert CANARY not in await _everything_stored(csms)
            assert CANARY not in _events(events)
        assert CANARY not in caplog.text


@pytest.mark.req("WS-24", "RPC-24", "RPC-35")
@pytest.mark.parametrize(
    "message",
    [f'[3,"nobody asked",{ECHOED}]', f'[3,"x",{ECHOED},1]', f'[2,"x","Y",{ECHOED}', f"nonsense {ECHOED}"],
    ids=["late", "malformed answer", "malformed call", "nonsense"],
)
async def test_a_password_in_a_frame_that_nobody_understands_is_withheld(
    message: str, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_test_csms() as csms:
        with csms.host.events.watch() as events:
            station = await csms.connect("CP-1")
            await station.deliver(message.encode())
            assert CANARY not in await _everything_stored(csms)
            assert CANARY not in _events(events)
        assert CANARY not in caplog.text
        assert "withheld" in (await exchanges(csms))[0].request


@pytest.mark.req("WS-24")
async def test_a_password_that_a_station_reveals_is_seen_nowhere(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        station = await csms.connect("CP-1")
        record = await csms.host.commands.submit("CP-1", "GetConfiguration", b"{}", actor="op")
        command = await station.wait_for_call("GetConfiguration")
        await station.deliver(f'[3,"{command.id}",{ECHOED}]'.encode())
        await csms.host.commands.outcome(record.id)
        assert CANARY not in await _everything_stored(csms)


@pytest.mark.req("WS-35")
@pytest.mark.parametrize(
    "message", [call("a", "Heartbeat"), b'[3,"x",{}]', b"nonsense"], ids=["call", "answer", "nonsense"]
)
async def test_any_message_is_a_sign_of_life(message: bytes, autojump_clock: MockClock) -> None:
    async with open_test_csms(env=Env(now=VirtualNow())) as csms:
        station = await csms.connect("CP-1")
        await trio.sleep(1000)
        await station.deliver(message)
        assert csms.host.stations.last_seen("CP-1") == csms.host.env.now()
