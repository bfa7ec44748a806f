"""Transport without sockets: a simulated station inside a test, against `csmsd.testing`, in virtual time."""

from __future__ import annotations

from collections.abc import Callable

import trio

from csmsd.testing import TestCsms, TestStation
from csmsd_simulator.station import SimulatedStation

_PAUSE_SECONDS = 5.0  # before the next attempt
Overheard = Callable[[bytes, bool], None]  # a message; True: the station has sent it


class MemoryWire:
    """`Wire` whose other end is a csmsd in this process."""

    def __init__(self, station: SimulatedStation, overheard: Overheard = lambda _message, _is_ours: None) -> None:
        self._station, self._overheard = station, overheard
        self._ours = _OurEnd(station.id, self)

    async def connect(self, csms: TestCsms, password: str | None = None) -> None:
        """Connect; ConnectionRefusedError with the HTTP status."""
        status = await csms.knock(self._ours, password)
        if status != 101:
            raise ConnectionRefusedError(f"csmsd answered {self._station.id} with {status}")
        self._station.connected(self)

    async def wait_closed(self) -> None:
        """Until the connection has ended, whoever ends it."""
        await self._ours.wait_closed()

    def send(self, message: bytes) -> None:
        """See Wire."""
        self._overheard(message, True)
        self._ours.push(message)

    def cut(self) -> None:
        """See Wire."""
        trio.lowlevel.current_trio_token().run_sync_soon(self._ours.drop, "connection reset")

    def heard(self, message: bytes) -> None:
        """Csmsd has sent something."""
        self._overheard(message, False)
        self._station.clock.after(0, lambda: self._station.received(message))

    def lost(self) -> None:
        """The connection has ended."""
        self._station.disconnected()


class _OurEnd(TestStation):
    """Tells the wire what csmsd does."""

    def __init__(self, station_id: str, wire: MemoryWire) -> None:
        super().__init__(station_id)
        self._wire = wire
        self._is_over = False

    def send_message(self, message: bytes) -> None:
        """See TestStation."""
        self._wire.heard(message)

    def drop(self, reason: str) -> None:
        """See TestStation."""
        super().drop(reason)
        if not self._is_over:
            self._is_over = True
            self._wire.lost()


async def stay_connected(
    csms: TestCsms,
    station: SimulatedStation,
    password: str | None = None,
    overheard: Overheard = lambda _message, _is_ours: None,
) -> None:
    """Connect again and again, until cancelled."""
    while True:
        if station.power.is_on:
            wire = MemoryWire(station, overheard)
            await wire.connect(csms, password)
            await wire.wait_closed()
        await trio.sleep(_PAUSE_SECONDS)
