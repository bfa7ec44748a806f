"""Thousands of strangers who leave again, while stations work."""

from __future__ import annotations

import gc
import os
import tracemalloc

import pytest
import trio

from csmsd._kernel.transport.link import WireLimits
from csmsd._kernel.transport.reactor import SLOW
from tests.kernel.conftest import TEXT, House, OpenHouse, Peer, client_frame, upgrade_request

ABORTS = 2000
HEALTHY = 50
FAREWELLS = (b"", b"G", upgrade_request()[:40], upgrade_request(), upgrade_request() + client_frame(TEXT, b"x"))


async def abort(house: House, number: int) -> None:
    peer = await house.dial()
    try:
        if farewell := FAREWELLS[number % len(FAREWELLS)]:
            await peer.send(farewell)
        if number % 2:
            peer.reset()
    finally:
        peer.sock.close()
        house.peers.remove(peer)


async def talk(peer: Peer, waits: list[float]) -> None:
    while True:
        started = trio.current_time()
        await peer.say("well?")
        assert await peer.frame() == (TEXT, b"well?")
        waits.append(trio.current_time() - started)
        await trio.sleep(0.05)


def tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


@pytest.mark.timeout(60)
async def test_two_thousand_aborted_connects_leave_nothing_while_stations_are_answered(
    open_house: OpenHouse, caplog: pytest.LogCaptureFixture
) -> None:
    house = await open_house(limits=WireLimits(ping=0, handshake=2.0, close=0.5))
    door = house.door
    stations = [await house.enter() for _ in range(HEALTHY)]
    for number in range(50):  # warm up
        await abort(house, number)

    def gone() -> int:
        return len(door.refusals) + sum(bool(station.lost_with) for station in door.stations)

    await door.until(lambda: gone() == 50)
    gc.collect()
    baseline = tasks(), len(os.listdir("/proc/self/fd"))
    door.stations[HEALTHY:] = []
    for record in (door.refusals, door.turned, door.knocks):
        record.clear()
    tracemalloc.start()
    memory = tracemalloc.get_traced_memory()[0]
    waits: list[float] = []
    async with trio.open_nursery() as nursery:
        for peer, _ in stations:
            nursery.start_soon(talk, peer, waits)
        for first in range(0, ABORTS, 100):
            async with trio.open_nursery() as wave:
                for number in range(first, first + 100):
                    wave.start_soon(abort, house, number)
        await door.until(lambda: gone() == ABORTS)
        nursery.cancel_scope.cancel()
    assert len(waits) > HEALTHY
    assert max(waits) < 2.0
    assert not any(station.lost_with for _, station in stations)
    door.stations[HEALTHY:] = []
    for record in (door.refusals, door.turned, door.knocks):
        record.clear()
    await trio.sleep(0.1)
    gc.collect()
    used = tracemalloc.get_traced_memory()[0] - memory
    tracemalloc.stop()
    if type(house.backend).__name__ == "TrioWebSocket":  # the reactor's pool parks the tasks it needed
        assert tasks() <= baseline[0]
    assert len(os.listdir("/proc/self/fd")) <= baseline[1]
    assert used < 2 << 20
    strange = [record for record in caplog.records if record.msg != SLOW]  # that is about stations that were let in
    assert not strange, "strangers cannot fill the log"
