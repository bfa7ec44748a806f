"""`csmsd swarm`: many stations at once, and what became of their calls."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import click
import trio

from csmsd_simulator.building import build_station
from csmsd_simulator.car import Car
from csmsd_simulator.clock import Clock
from csmsd_simulator.quirks import Quirks
from csmsd_simulator.simulating import finish
from csmsd_simulator.station import SimulatedStation, StationSettings
from csmsd_simulator.visitors import wait_until_online
from csmsd_simulator.websocket import Endpoint, keep_connected

_FINISH_SECONDS = 30.0
_HUGE_BATTERY_WH = 100_000_000


@dataclass(frozen=True)
class Load:
    """How much."""

    stations: int
    seconds: float
    rate: float  # meter values a second, all together
    ramp: float = 50.0  # new connections a second; a door that protects itself refuses more than a few hundred
    prefix: str = "SWARM"
    tag: str = "SWARM"
    quirks: Quirks = field(default_factory=Quirks)


@dataclass
class Tally:
    """What has happened so far."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list[float]))  # by action
    errors: Counter[str] = field(default_factory=Counter[str])  # by action and cause
    refusals: Counter[str] = field(default_factory=Counter[str])  # connections
    charged: set[str] = field(default_factory=set[str])
    stations: list[SimulatedStation] = field(default_factory=list[SimulatedStation])

    @property
    def calls(self) -> int:
        """Answered ones."""
        return sum(map(len, self.seconds.values()))

    @property
    def undelivered(self) -> int:
        """Transaction-related messages that nobody has confirmed."""
        return sum(station.line.backlog for station in self.stations)

    def problems(self, wanted: int) -> list[str]:
        """Why this was no success."""
        never = wanted - sum(station.line.is_registered for station in self.stations)
        found = [f"{never} stations were never accepted"] if never else []
        idle = wanted - never - len(self.charged)
        found += [f"{idle} stations never charged: is their tag accepted?"] if idle else []
        found += [f"{count} times: {what}" for what, count in self.errors.most_common(10)]
        found += [f"{count} connections: {why}" for why, count in self.refusals.most_common(5)]
        if self.undelivered:
            found.append(f"{self.undelivered} messages about transactions were not delivered")
        return found

    def table(self, elapsed: float) -> list[str]:
        """Calls per second, and latencies in milliseconds."""
        lines = [f"{'action':<22}{'calls':>9}{'calls/s':>10}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}"]
        for action, seconds in self.seconds.items():
            p50, p99, most = percentiles(seconds)
            lines.append(
                f"{action:<22}{len(seconds):>9}{len(seconds) / elapsed:>10.1f}{p50:>10.1f}{p99:>10.1f}{most:>10.1f}"
            )
        return lines


def percentiles(seconds: Sequence[float]) -> tuple[float, float, float]:
    """Median, 99th percentile and maximum, in milliseconds."""
    ordered = sorted(1000 * each for each in seconds) or [0.0]
    return ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1]


async def swarm(load: Load, endpoint: Endpoint, every: float = 5.0) -> Tally:
    """Ramp up, charge for `load.seconds`, end all transactions, leave."""
    tally, clock = Tally(), Clock()
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(clock.run)
        nursery.start_soon(_report, load, tally, began, every)
        async with trio.open_nursery() as stations:
            for number in range(1, load.stations + 1):
                stations.start_soon(_station, load, endpoint, tally, clock, f"{load.prefix}-{number:05}")
                await trio.sleep(1 / load.ramp)
        nursery.cancel_scope.cancel()
    elapsed = trio.current_time() - began
    for line in tally.table(elapsed):
        click.echo(line)
    return tally


async def _station(load: Load, endpoint: Endpoint, tally: Tally, clock: Clock, station_id: str) -> None:
    """One station's life: a single transaction of a car that is never full."""
    station = build_station(StationSettings(station_id, connectors=1, quirks=load.quirks), clock)
    station.configuration.put("MeterValueSampleInterval", "0")
    tally.stations.append(station)
    station.line.traffic.answered = lambda action, seconds: tally.seconds[action].append(seconds)
    station.line.traffic.failed = lambda action, why: tally.errors.update([f"{action}: {why}"])

    def failed(why: str, _was_connected: bool) -> None:
        tally.refusals[why] += 1

    async with trio.open_nursery() as nursery:
        own = Endpoint(endpoint.url, endpoint.password, endpoint.ssl_context)
        nursery.start_soon(keep_connected, station, own, failed)
        with trio.move_on_after(load.seconds):
            await wait_until_online(station)
            await _charge(load, tally, station)
        with trio.move_on_after(_FINISH_SECONDS):
            await finish(station)
        station.tell("done")
        nursery.cancel_scope.cancel()


async def _charge(load: Load, tally: Tally, station: SimulatedStation) -> None:
    connector = station.connectors[0]
    station.charging.plug_in(connector, Car.arriving(_HUGE_BATTERY_WH, 10, 22_000))
    station.charging.present(connector, load.tag)
    pause = load.stations / load.rate
    await trio.sleep(station.chance.uniform(0, pause))
    while True:
        if connector.transaction is not None and station.line.backlog < 2:  # a real one sends no faster than it can
            tally.charged.add(station.id)
            station.metering.send(connector, connector.transaction, "Sample.Periodic")
        await trio.sleep(pause)


async def _report(load: Load, tally: Tally, began: float, every: float) -> None:
    """A line now and then."""
    before = 0
    while True:
        await trio.sleep(every)
        recent = [each for seconds in tally.seconds.values() for each in seconds[-1000:]]
        p50, p99, _ = percentiles(recent)
        online = sum(station.line.is_online for station in tally.stations)
        calls, before = tally.calls - before, tally.calls
        click.echo(
            f"{trio.current_time() - began:6.0f} s  {online}/{load.stations} online  {calls / every:8.1f} calls/s  "
            f"{sum(tally.errors.values())} errors  p50 {p50:.1f} ms  p99 {p99:.1f} ms"
        )
