"""Simulated stations at a csmsd in this process, in virtual time; the official schemas listen to what they say."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from csmsd.env import Env
from csmsd.journal import Exchange, ExchangeFilter
from csmsd.station import StationRecord
from csmsd.testing import TestCsms, open_test_csms
from csmsd_core import CorePlugin, Tag, Transaction, TransactionFilter
from csmsd_simulator import Clock, SimulatedStation, StationSettings, build_station, parse_quirks
from csmsd_simulator.car import Car
from csmsd_simulator.memory import stay_connected
from tests.interop.oracle import Oracle
from tests.kernel.virtual import VirtualNow
from tests.plugins.profile import run_in_virtual_time

TAG = "SIMULATED"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    run_in_virtual_time(items, Path(__file__).parent)


@dataclass
class Site:
    """A csmsd and its simulated stations."""

    csms: TestCsms
    clock: Clock
    nursery: trio.Nursery
    oracles: dict[str, Oracle] = field(default_factory=dict)
    stories: dict[str, list[str]] = field(default_factory=dict)
    sent: list[bytes] = field(default_factory=list)
    is_judging: bool = True
    scopes: dict[str, trio.CancelScope] = field(default_factory=dict)

    async def station(self, *quirks: str, station_id: str = "CP-1", **settings: Any) -> SimulatedStation:
        """A station, registered, booted and idle unless it has a quirk against that."""
        if station_id not in {each.id for each in self.csms.host.stations.records()}:
            await self.csms.host.stations.register(StationRecord(station_id))
        chosen = replace(StationSettings(station_id, quirks=parse_quirks(quirks)), **settings)
        story = self.stories.setdefault(station_id, [])
        station = build_station(chosen, self.clock, tell=story.append, chance=random.Random(7))
        self.oracles[station_id] = Oracle()
        self.go_online(station)
        await trio.sleep(2)
        return station

    def go_online(self, station: SimulatedStation) -> None:
        """Connect from now on."""
        self.nursery.start_soon(self._connect, station)

    def go_offline(self, station: SimulatedStation) -> None:
        """The line breaks, and nobody connects it again."""
        self.scopes.pop(station.id).cancel()
        station.line.cut()

    async def _connect(self, station: SimulatedStation) -> None:
        with trio.CancelScope() as scope:
            self.scopes[station.id] = scope
            await stay_connected(self.csms, station, overheard=self._listener(station.id))

    def _listener(self, station_id: str) -> Callable[[bytes, bool], None]:
        def listen(message: bytes, is_from_station: bool) -> None:
            oracle = self.oracles[station_id]
            if is_from_station:
                self.sent.append(message)
                if self.is_judging:
                    oracle.heard(message.decode())  # the oracle judges the side that it hears: here the station
            else:
                oracle.said(message.decode())

        return listen

    async def command(self, station_id: str, action: str, payload: bytes = b"{}") -> str:
        """Send a command: the answer's payload, or its error code."""
        record = await self.csms.host.commands.submit(station_id, action, payload, actor="test")
        outcome = await self.csms.host.commands.outcome(record.id)
        return bytes(outcome.result or b"").decode() if not outcome.error_code else outcome.error_code

    async def transactions(self) -> list[Transaction]:
        """All of them, the oldest first."""
        found = await core_of(self.csms).transactions.list(TransactionFilter(limit=1000))
        return sorted(found, key=lambda each: each.id)

    async def deviations(self) -> set[str]:
        """The rules that csmsd has seen broken."""
        await trio.sleep(60)
        return {each.rule for each in await self.csms.host.journal.deviations()}

    async def exchanges(self, action: str | None = None) -> list[Exchange]:
        """What the stations have sent, the oldest first."""
        await trio.sleep(60)
        found = await self.csms.host.journal.exchanges(ExchangeFilter(action=action, limit=100_000))
        return [each for each in reversed(found) if each.direction == "in"]

    def complaints(self) -> list[str]:
        """What the official schemas have against the stations."""
        return [complaint for oracle in self.oracles.values() for complaint in oracle.complaints]


def core_of(csms: TestCsms) -> CorePlugin:
    return cast(CorePlugin, csms.host.plugins.get("core"))


@asynccontextmanager
async def open_site(**settings: Any) -> AsyncGenerator[Site]:
    now = VirtualNow()
    async with open_test_csms(env=Env(now=now), **settings) as csms, trio.open_nursery() as nursery:
        for tag in (TAG, "ALICE"):
            await core_of(csms).tags.put(Tag(tag), actor="test")
        clock = Clock(now)
        nursery.start_soon(clock.run)
        yield Site(csms, clock, nursery)
        nursery.cancel_scope.cancel()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with open_site() as one:
        yield one


async def charge(station: SimulatedStation, seconds: float, number: int = 1, tag: str = TAG) -> None:
    """One session with a big battery."""
    connector = station.connectors[number - 1]
    station.charging.plug_in(connector, Car.arriving(80_000, 10, 11_000))
    station.charging.present(connector, tag)
    await trio.sleep(seconds)
    station.charging.present(connector, tag)
    await trio.sleep(1)
    station.charging.unplug(connector)
    await trio.sleep(1)
