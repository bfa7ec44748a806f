"""Half-open connections of stations that answer no pings."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from csmsd.env import Env
from csmsd.testing import open_test_csms
from tests.kernel.virtual import VirtualNow


@pytest.mark.req("WS-33", "WS-35")
async def test_a_station_that_says_nothing_and_answers_no_pings_is_closed(autojump_clock: MockClock) -> None:
    async with open_test_csms(env=Env(now=VirtualNow())) as csms:
        silent, talking = await csms.connect("CP-1"), await csms.connect("CP-2")
        for _ in range(80):
            await trio.sleep(60)
            await talking.send_raw("Heartbeat", b"{}")
        assert silent.closed == (1001, "nothing was heard for too long")
        assert talking.closed is None


@pytest.mark.req("WS-33")
async def test_three_heartbeat_intervals_of_the_station_are_waited_for(autojump_clock: MockClock) -> None:
    async with open_test_csms(env=Env(now=VirtualNow())) as csms:
        station = await csms.connect("CP-1", heartbeat_interval=7200)
        await trio.sleep(3 * 7200 - 60)
        assert station.closed is None
        await trio.sleep(240)
        assert station.closed is not None


@pytest.mark.req("WS-33")
async def test_one_that_answers_pings_may_be_silent(autojump_clock: MockClock) -> None:
    async with open_test_csms(env=Env(now=VirtualNow())) as csms:
        station = await csms.connect("CP-1")
        station.answers_pings = True
        await trio.sleep(80_000)
        assert station.closed is None
