"""Storage that fails: no answer where none would be true, and no station that loses a message by it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
import trio
from sqlalchemy import exc
from trio.testing import MockClock

from csmsd.errors import StoreUnavailable
from csmsd.testing import CallErrorReceived, TestCsms, TestStation, open_test_csms
from csmsd_core import StartTransactionResponse
from tests.kernel.engine.probes import METER, QUESTION, START, STOP, call, exchanges, frames, plugin


class Disk:
    """The disk under a csmsd, which can be full."""

    def __init__(self, csms: TestCsms) -> None:
        self.is_full = False
        self.refuses: str | None = None  # a row that holds this text
        engine: sa.Engine = csms.host.store.engine  # type: ignore[attr-defined]  # of the kernel's Database
        sa.event.listen(engine, "before_cursor_execute", self._execute)

    def _execute(self, _c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if self.is_full:
            raise exc.OperationalError(statement, {}, _sqlite_error("SQLITE_FULL", 13))
        if self.refuses is not None and self.refuses in repr(parameters) and "journal" not in statement:
            raise exc.IntegrityError(statement, {}, _sqlite_error("SQLITE_CONSTRAINT", 19))


def _sqlite_error(name: str, code: int) -> Exception:
    import sqlite3

    error = sqlite3.OperationalError(name)
    error.sqlite_errorcode, error.sqlite_errorname = code, name
    return error


BILLING = [("StartTransaction", START), ("StopTransaction", STOP), ("MeterValues", METER)]


@pytest.mark.req("TX-04", "RPC-31", "WS-42")
@pytest.mark.parametrize(("action", "payload"), BILLING, ids=[action for action, _ in BILLING])
async def test_without_storage_stations_are_sent_away_without_any_answer_until_it_is_back(
    action: str, payload: Any, autojump_clock: MockClock
) -> None:
    async with open_test_csms() as csms:
        disk, station, idle = Disk(csms), await csms.connect("CP-1"), await csms.connect("CP-2")
        disk.is_full = True
        await station.deliver(call("x", action, payload))
        assert (await station.wait_closed())[0] == 1013
        assert (await idle.wait_closed())[0] == 1013, "the others are better off outside too: they queue"
        assert station.received == []
        assert await csms.knock(TestStation("CP-1")) == 503
        disk.is_full = False
        await trio.sleep(2)
        again = await csms.connect("CP-1")
        await again.deliver(call("y", action, payload))
        await again.answer_to("y")
        assert frames(again)[0][0] == 3


@pytest.mark.req("TX-04", "RPC-34")
async def test_one_message_that_cannot_be_stored_is_refused_alone_and_kept(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        disk = Disk(csms)
        good, bad = await csms.connect("CP-1"), await csms.connect("CP-2")
        disk.refuses = "POISON"
        poison = json.dumps({"connectorId": 1, "idTag": "POISON", "meterStart": 1, "timestamp": "2026-01-01T12:00:00Z"})
        await bad.deliver(call("x", "StartTransaction", poison))
        await good.deliver(call("y", "StartTransaction", START))
        await bad.answer_to("x")
        await good.answer_to("y")
        assert [frame[:3] for frame in frames(bad)] == [[4, "x", "InternalError"]]
        assert frames(good)[0][0] == 3
        assert (good.closed, bad.closed) == (None, None)
        [kept] = await exchanges(csms, station_id="CP-2")
        assert json.loads(kept.request) == json.loads(poison)
        assert "POISON" not in frames(bad)[0][3]


@pytest.mark.req("BOOT-31", "TX-04")
async def test_a_refusal_that_cannot_be_journaled_is_not_sent(autojump_clock: MockClock) -> None:
    async with open_test_csms(tolerance="strict") as csms:
        disk, station = Disk(csms), await csms.connect("CP-1")
        disk.is_full = True
        await station.deliver(call("x", "StartTransaction", '{"connectorId":1}'))
        assert (await station.wait_closed())[0] == 1013
        assert station.received == []


@pytest.mark.req("BOOT-31", "VAL-14")
async def test_a_refusal_whose_record_is_at_fault_is_sent_and_logged(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_test_csms() as csms:
        engine: sa.Engine = csms.host.store.engine  # type: ignore[attr-defined]  # of the kernel's Database

        def execute(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if "kernel_journal" in statement:
                raise exc.IntegrityError(statement, {}, _sqlite_error("SQLITE_CONSTRAINT", 19))

        sa.event.listen(engine, "before_cursor_execute", execute)
        station = await csms.connect("CP-1")
        with caplog.at_level(logging.ERROR):
            await station.deliver(call("x", "StartTransaction", '{"connectorId":1}'))
            await station.answer_to("x")
        assert frames(station)[0][:3] == [4, "x", "ProtocolError"]
        assert '{"connectorId":1}' in caplog.text
        sa.event.remove(engine, "before_cursor_execute", execute)


@pytest.mark.req("TX-04")
@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
async def test_what_a_plugin_could_not_store_is_not_answered_either(is_async: bool, autojump_clock: MockClock) -> None:
    def plain(_self: Any) -> Any:
        raise StoreUnavailable("no")

    async def task(_self: Any) -> Any:
        await trio.sleep(1)
        raise StoreUnavailable("no")

    hook: Callable[..., Any] = task if is_async else plain
    async with open_test_csms(plugins=["core", plugin(data_transfer=hook)]) as csms:
        station = await csms.connect("CP-1")
        await station.deliver(call("x", "DataTransfer", QUESTION))
        assert (await station.wait_closed())[0] == 1013
        assert station.received == []
        assert [each.error for each in await exchanges(csms)] == ["unstored"]
        assert csms.host.plugins.status()[1].failures == 0


@pytest.mark.req("TX-04")
async def test_calls_behind_one_that_met_an_outage_are_not_answered(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        disk, station = Disk(csms), await csms.connect("CP-1")
        disk.is_full = True
        for message in (call("x", "StartTransaction", START), call("y", "Heartbeat"), call("z", "Heartbeat")):
            await station.deliver(message)
        await station.wait_closed()
        assert station.received == []


@pytest.mark.req("TX-04", "RPC-12")
async def test_after_an_outage_the_same_start_gets_its_transaction(autojump_clock: MockClock) -> None:
    async with open_test_csms() as csms:
        disk, station = Disk(csms), await csms.connect("CP-1")
        first = await station.send("StartTransaction", START, StartTransactionResponse)
        disk.is_full = True
        await station.deliver(call("x", "StartTransaction", START))
        await station.wait_closed()
        disk.is_full = False
        await trio.sleep(2)
        again = await csms.connect("CP-1")
        second = await again.send("StartTransaction", START, StartTransactionResponse)
        assert first.transaction_id == second.transaction_id
        with pytest.raises(CallErrorReceived):
            await again.send_raw("Bogus", b"{}")
