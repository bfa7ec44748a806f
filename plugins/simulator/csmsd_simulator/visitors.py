"""Drivers: they come, hold up a tag, charge, and leave when they have enough."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import trio

from csmsd_simulator.car import Car
from csmsd_simulator.connectors import Connector
from csmsd_simulator.station import SimulatedStation

_LOOK_SECONDS = 1.0  # how often a driver looks at the car
_PATIENCE_SECONDS = 5.0  # for the station to let the driver charge


@dataclass(frozen=True)
class Traffic:
    """How busy it is. Seconds; at the speed of the station's cars, not of the clock."""

    tags: tuple[str, ...] = ("SIMULATED",)
    first_gap: float = 60.0  # at most so long until the first one comes
    shortest_gap: float = 60.0
    longest_gap: float = 900.0
    longest_stay: float = 4 * 3600.0
    sessions: int | None = None  # then nobody comes any more


def random_car(chance: Random) -> Car:
    """One like many."""
    capacity, power, phases = chance.choice(
        ((40_000, 7_400, 1), (52_000, 11_000, 3), (64_000, 11_000, 3), (77_000, 11_000, 3), (82_000, 22_000, 3))
    )
    return Car.arriving(capacity, chance.randint(15, 70), power, phases)


async def visit(station: SimulatedStation, connector: Connector, traffic: Traffic) -> None:
    """One driver after the other, at one connector."""
    chance, speed = station.chance, station.settings.speed
    count = 0
    gap = chance.uniform(0, traffic.first_gap)
    while traffic.sessions is None or count < traffic.sessions:
        count += 1
        await trio.sleep(gap / speed)
        gap = chance.uniform(traffic.shortest_gap, traffic.longest_gap)
        await wait_until_online(station)
        await charge_once(station, connector, random_car(chance), chance.choice(traffic.tags), traffic.longest_stay)


async def wait_until_online(station: SimulatedStation) -> None:
    """Until the station has been accepted."""
    while not station.line.is_online:  # noqa: ASYNC110 - the core is plain: nothing in it wakes tasks
        await trio.sleep(_LOOK_SECONDS)


async def charge_once(
    station: SimulatedStation, connector: Connector, car: Car, id_tag: str, longest_stay: float
) -> None:
    """Plug in, hold up the tag, wait until the car is full or it has been long enough, stop, leave."""
    speed = station.settings.speed
    station.charging.plug_in(connector, car)
    await trio.sleep(min(2.0, 20 / speed))
    station.charging.present(connector, id_tag)
    decided_at = trio.current_time() + _PATIENCE_SECONDS
    leaves_at = trio.current_time() + station.chance.uniform(0.3, 1.0) * longest_stay / speed
    while trio.current_time() < leaves_at and not car.is_full:
        await trio.sleep(_LOOK_SECONDS)
        is_waiting = connector.permission is not None or trio.current_time() < decided_at
        if connector.transaction is None and not is_waiting:
            break  # refused, or somebody has ended it
    if connector.transaction is not None:
        station.charging.present(connector, connector.transaction.id_tag)
    await trio.sleep(min(3.0, 60 / speed))
    station.charging.unplug(connector)
