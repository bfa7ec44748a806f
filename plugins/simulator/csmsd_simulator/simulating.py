"""`csmsd simulate`: one station on a real line, with drivers, until it is interrupted or has had enough of them."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import click
import trio

from csmsd.env import utc_now
from csmsd.errors import CsmsdError
from csmsd_simulator.building import build_station
from csmsd_simulator.clock import Clock
from csmsd_simulator.station import SimulatedStation, StationSettings
from csmsd_simulator.transfers import Transfers
from csmsd_simulator.visitors import Traffic, visit
from csmsd_simulator.websocket import Endpoint, keep_connected

_GOODBYE_SECONDS = 10.0  # for transactions to end when the simulator does


class GaveUp(CsmsdError):
    """The central system does not let the station in."""


@dataclass(frozen=True)
class Simulation:
    """One station and what happens at it."""

    settings: StationSettings
    endpoint: Endpoint
    traffic: Traffic = field(default_factory=Traffic)
    keys: Sequence[tuple[str, str]] = ()  # configuration to begin with
    attempts: int | None = None  # refused connections, then it gives up


def teller(station_id: str) -> Callable[[str], None]:
    """Prints what happens at a station."""

    def tell(sentence: str) -> None:
        click.echo(f"{utc_now().astimezone():%H:%M:%S} {station_id}  {sentence}")

    return tell


async def run_until_interrupted(*simulations: Simulation, seconds: float = math.inf) -> None:
    """Simulate until SIGINT or SIGTERM, for so many seconds, or until all drivers have been there.

    Then transactions end and are told, if that is possible soon; a second signal does not wait for that.
    """
    clock, stop = Clock(), trio.Event()
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def obey() -> None:
                async for _ in signals:
                    if stop.is_set():
                        nursery.cancel_scope.cancel()
                    stop.set()

            async def watch_the_time() -> None:
                await trio.sleep(seconds)
                stop.set()

            nursery.start_soon(obey)
            nursery.start_soon(watch_the_time)
            nursery.start_soon(clock.run)
            async with trio.open_nursery() as stations:
                for each in simulations:
                    stations.start_soon(simulate, each, clock, teller(each.settings.id), stop)
            nursery.cancel_scope.cancel()


async def simulate(simulation: Simulation, clock: Clock, tell: Callable[[str], None], stop: trio.Event) -> None:
    """One station, until all its drivers have been there, or `stop`; GaveUp if it is never let in."""
    station = build_station(simulation.settings, clock, tell=tell)
    for name, value in simulation.keys:
        station.configuration.put(name, value)
    refusals = 0

    def failed(why: str, was_connected: bool) -> None:
        nonlocal refusals
        refusals = 0 if was_connected else refusals + 1
        if simulation.attempts is not None and refusals >= simulation.attempts:
            raise GaveUp(f"{station.id} gives up after {refusals} attempts: {why}")

    async with trio.open_nursery() as nursery:
        station.files.transfer = Transfers(nursery).start
        nursery.start_soon(keep_connected, station, simulation.endpoint, failed)
        with trio.CancelScope() as visits:
            nursery.start_soon(_cancel_at, stop, visits)
            async with trio.open_nursery() as drivers:
                for connector in station.connectors:
                    drivers.start_soon(visit, station, connector, simulation.traffic)
        with trio.move_on_after(_GOODBYE_SECONDS):
            await finish(station)
        nursery.cancel_scope.cancel()


async def _cancel_at(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


async def finish(station: SimulatedStation) -> None:
    """Everybody leaves, and what there is to tell about it is told."""
    for connector in station.connectors:
        station.charging.stop(connector, "Local")
        station.charging.unplug(connector)
    while station.line.backlog and station.line.is_online:  # noqa: ASYNC110 - as above, the core is plain
        await trio.sleep(0.05)
