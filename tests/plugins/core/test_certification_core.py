"""Cases of the certification that are about sessions which come to nothing, and its declared response times."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock

from csmsd import Config
from csmsd.testing import TestCsms, TestStation, open_test_csms
from csmsd_core import (
    Authorize,
    AuthorizeResponse,
    BootNotification,
    BootNotificationResponse,
    CorePlugin,
    Heartbeat,
    HeartbeatResponse,
    StatusNotification,
    StatusNotificationResponse,
    Tag,
)
from csmsd_core.messages import ChargePointErrorCode, ChargePointStatus

STORM = 300
DECLARED = 60.0


@pytest.fixture
async def csms(autojump_clock: MockClock) -> AsyncIterator[TestCsms]:
    async with open_test_csms() as csms:
        await core_of(csms).tags.put(Tag("CARD"), actor="op")
        yield csms


def core_of(csms: TestCsms) -> CorePlugin:
    core = csms.host.plugins.get("core")
    assert isinstance(core, CorePlugin)
    return core


async def authorize(station: TestStation) -> None:
    answer = await station.send("Authorize", Authorize("CARD"), AuthorizeResponse)
    assert answer.id_tag_info.status == "Accepted"


async def report(station: TestStation, status: ChargePointStatus, error: ChargePointErrorCode = "NoError") -> None:
    await station.send("StatusNotification", StatusNotification(1, error, status), StatusNotificationResponse)


@pytest.mark.req("TC_004_2", "CORE-09")
async def test_who_is_accepted_and_never_plugs_in_leaves_no_transaction(
    csms: TestCsms, autojump_clock: MockClock
) -> None:
    station = await csms.connect("CP-1")
    await authorize(station)
    await report(station, "Preparing")
    await report(station, "Available")
    assert await core_of(csms).transactions.current("CP-1", 1) is None
    assert core_of(csms).statuses.of_station("CP-1")[-1].status == "Available"


@pytest.mark.req("TC_024", "CORE-09")
async def test_a_lock_that_fails_is_shown_and_starts_no_transaction(csms: TestCsms, autojump_clock: MockClock) -> None:
    station = await csms.connect("CP-1")
    await authorize(station)
    await report(station, "Preparing")
    await report(station, "Faulted", "ConnectorLockFailure")
    current = core_of(csms).statuses.of_station("CP-1")[-1]
    assert (current.status, current.error_code) == ("Faulted", "ConnectorLockFailure")
    assert await core_of(csms).transactions.current("CP-1", 1) is None


@pytest.mark.req("PERF-02", "RPC-23")
async def test_a_station_has_the_declared_sixty_seconds_for_its_answer(
    csms: TestCsms, autojump_clock: MockClock
) -> None:
    assert Config().limits.call_timeout == DECLARED
    station = await csms.connect("CP-1")
    station.behaviour = {"ClearCache": None}
    begun = trio.current_time()
    record = await csms.host.commands.submit("CP-1", "ClearCache", b"{}", actor="op")
    assert (await csms.host.commands.outcome(record.id)).state == "timeout"
    assert trio.current_time() - begun == pytest.approx(DECLARED, abs=1)


@pytest.mark.req("PERF-03")
async def test_neither_a_silent_station_nor_a_storm_of_boots_delays_anybody(
    csms: TestCsms, autojump_clock: MockClock
) -> None:
    silent = await csms.connect("SILENT")
    silent.behaviour = {"ClearCache": None}
    record = await csms.host.commands.submit("SILENT", "ClearCache", b"{}", actor="op")
    answered: list[str] = []

    async def come_back(identity: str) -> None:
        station = await csms.connect(identity)
        boot = await station.send("BootNotification", BootNotification("ACME", "Box"), BootNotificationResponse)
        await station.send("Heartbeat", Heartbeat(), HeartbeatResponse)
        answered.append(boot.status)

    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(STORM):
            nursery.start_soon(come_back, f"CP-{number}")
    assert answered == ["Accepted"] * STORM
    assert trio.current_time() - begun < 1, "virtual seconds: nothing had to wait for a clock"
    waiting = await csms.host.commands.find(record.id)
    assert waiting is not None
    assert waiting.finished_at is None
