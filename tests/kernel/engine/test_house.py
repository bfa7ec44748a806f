"""Houses: built, taken down, and apart from each other."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from csmsd._kernel import house
from csmsd._kernel.lingering import naming_who_lingers
from csmsd.config import Limits
from csmsd.errors import PluginError
from csmsd.plugin import Plugin
from csmsd.testing import TestCsms, TestStation, open_test_csms
from csmsd_core import DataTransferResponse, HeartbeatResponse, StartTransactionResponse
from tests.kernel.engine.probes import HEARTBEAT, QUESTION, START, YES, answers, call, exchanges, plugin


@pytest.mark.req("WS-39", "TX-04")
async def test_whoever_stops_csmsd_stations_are_answered_first_and_then_sent_away(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async def data_transfer(_self: Any) -> DataTransferResponse:
        await trio.sleep(3)
        return YES

    async with open_test_csms(plugins=["core", plugin(data_transfer=data_transfer)], data_dir=tmp_path) as csms:
        busy, idle = await csms.connect("CP-1"), await csms.connect("CP-2")
        await busy.deliver(call("a", "DataTransfer", QUESTION))
        await busy.deliver(call("b", "StartTransaction", START))
        await trio.sleep(1)
    assert answers(busy) == ["a", "b"]
    assert busy.closed == idle.closed == (1001, "going away")
    async with open_test_csms(data_dir=tmp_path) as csms:
        assert {each.action for each in await exchanges(csms)} == {"DataTransfer", "StartTransaction"}
        station = await csms.connect("CP-1")
        again = await station.send("StartTransaction", START, StartTransactionResponse)
        assert f'"transactionId":{again.transaction_id}' in busy.received[1].decode()


@pytest.mark.req("WS-39")
async def test_a_call_that_never_ends_does_not_keep_csmsd_from_stopping(autojump_clock: MockClock) -> None:
    async def data_transfer(_self: Any) -> None:
        await trio.sleep_forever()

    limits = Limits(drain_timeout=4, hook_timeout=60, answer_timeout=60)
    async with open_test_csms(plugins=["core", plugin(data_transfer=data_transfer)], limits=limits) as csms:
        station = await csms.connect("CP-1")
        await station.deliver(call("a", "DataTransfer", QUESTION))
        await trio.sleep(1)
        stopped_at = trio.current_time()
    assert 4 <= trio.current_time() - stopped_at < 5
    assert station.received == []


@pytest.mark.req("WS-42", "WS-39")
async def test_nobody_is_let_in_while_csmsd_stops(autojump_clock: MockClock) -> None:
    async def data_transfer(_self: Any) -> None:
        await trio.sleep(5)

    statuses: list[int] = []

    async def come(csms: TestCsms) -> None:
        await trio.sleep(2)
        statuses.append(await csms.knock(TestStation("CP-1")))
        assert not csms.host.is_ready

    slow = plugin(data_transfer=data_transfer)
    async with trio.open_nursery() as nursery, open_test_csms(plugins=["core", slow]) as csms:
        busy = await csms.connect("CP-1")
        await busy.deliver(call("a", "DataTransfer", QUESTION))
        nursery.start_soon(come, csms)
        assert csms.host.is_ready
    assert statuses == [503]


class Failing(Plugin[Any]):
    """Cannot start."""

    name = "failing"

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        raise ValueError("no licence")


@pytest.mark.req("WS-42")
async def test_a_plugin_that_cannot_start_is_named_before_any_station_comes(autojump_clock: MockClock) -> None:
    with pytest.raises((PluginError, BaseExceptionGroup)) as caught:
        async with open_test_csms(plugins=["core", Failing]):
            pytest.fail("the block began")
    error: BaseException = caught.value
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, PluginError)
    assert "failing" in str(error)


@pytest.mark.req("WS-30", "RPC-12")
async def test_two_csmsds_in_one_process_share_nothing(autojump_clock: MockClock) -> None:
    seen: dict[str, list[str]] = {"left": [], "right": []}

    def mine(side: str) -> type[Plugin[Any]]:
        def data_transfer(_self: Any, station: Any) -> DataTransferResponse:
            seen[side].append(station.id)
            return DataTransferResponse("Accepted", side)

        return plugin("probe", data_transfer=data_transfer)

    async with (
        open_test_csms(plugins=["core", mine("left")]) as left,
        open_test_csms(plugins=["core", mine("right")]) as right,
    ):
        one, other = await left.connect("CP-1"), await right.connect("CP-1")
        for station, side in ((one, "left"), (other, "right")):
            answer = await station.send("DataTransfer", QUESTION, DataTransferResponse, call_id="same")
            assert answer.data == side
        assert seen == {"left": ["CP-1"], "right": ["CP-1"]}
        assert one.closed is None, "no takeover between houses"
        await one.send("StartTransaction", START, StartTransactionResponse)
        assert [each.action for each in await exchanges(right)] == ["DataTransfer"]
        with right.host.events.watch() as events:
            await one.send("Heartbeat", HEARTBEAT, HeartbeatResponse)
            assert not events.statistics().current_buffer_used
        await left.host.plugins.disable("probe")
        assert (await other.send("DataTransfer", QUESTION, DataTransferResponse)).data == "right"
        figures = {metric.labels: metric.value for metric in right.host.metrics() if metric.name == "calls_total"}
        assert figures[(("action", "Heartbeat"),)] == 0


@pytest.mark.req("WS-39")
async def test_a_csmsd_that_was_stopped_can_be_opened_again(tmp_path: Path, autojump_clock: MockClock) -> None:
    ids: set[int] = set()
    for _ in range(3):
        async with open_test_csms(data_dir=tmp_path) as csms:
            station = await csms.connect("CP-1")
            ids.add((await station.send("StartTransaction", START, StartTransactionResponse)).transaction_id)
    assert len(ids) == 1


@pytest.mark.req("PERF-01")
async def test_figures_count_what_was_answered(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        async with open_test_csms() as csms:
            station = await csms.connect("CP-1")
            await station.send("Heartbeat", HEARTBEAT, HeartbeatResponse)
            await station.deliver(call("x", "Authorize", "{}"))
            figures = {(metric.name, metric.labels): metric.value for metric in csms.host.metrics()}
            for name, action, count in (
                ("calls_total", "Heartbeat", 1),
                ("call_errors_total", "Heartbeat", 0),
                ("calls_total", "Authorize", 1),
                ("call_errors_total", "Authorize", 1),
            ):
                assert figures[name, (("action", action),)] == count
            assert figures["stations_connected", ()] == 1
            assert figures["ready", ()] == 1
    assert caplog.text == ""


async def test_who_keeps_csmsd_from_ending_is_named(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """In real time: the complaint comes although the loop may be blocked."""

    async def data_transfer(_self: Any) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house, "naming_who_lingers", partial(naming_who_lingers, patience=0.2))
        limits = Limits(drain_timeout=0.1)
        async with open_test_csms(plugins=["core", plugin(data_transfer=data_transfer)], limits=limits) as csms:
            station = await csms.connect("CP-1")
            await station.deliver(call("a", "DataTransfer", QUESTION))
            await trio.sleep(0.1)
    assert "csmsd cannot end: it still waits for plugin probe, which ignores that it is cancelled" in caplog.text
