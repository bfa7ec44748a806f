"""Power and resets: what a station forgets, and what it keeps (1.6 §5.14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from csmsd_simulator.station import SimulatedStation

_BOOT_SECONDS = 5.0
_PATIENCE_SECONDS = 20.0  # for StopTransaction to be answered before the connection is left


class Power:
    """On and off. What is durable in a real station survives: keys, lists, profiles, the queue."""

    def __init__(self, station: SimulatedStation) -> None:
        self._station = station
        self.is_on = True
        self._is_resetting = False

    def reset(self, reason: Literal["HardReset", "SoftReset"]) -> None:
        """Transactions end, their ends are told if that is possible soon, then the station starts anew."""
        if self._is_resetting:
            return
        self._is_resetting = True
        self._station.tell(f"resetting ({reason})")
        self._station.charging.stop_all(reason)
        if self._station.quirks.hasty_reset:
            self._station.clock.after(0, self._off)
        else:
            self._leave_when_told(self._station.clock.monotonic() + _PATIENCE_SECONDS)

    def fail(self) -> None:
        """The power goes, without a word; transactions end when it is back (reason PowerLoss)."""
        station = self._station
        station.line.cut()
        station.line.disconnect()  # at once: not a word leaves any more
        station.charging.stop_all("PowerLoss")
        self._off()

    def _leave_when_told(self, deadline: float) -> None:
        station = self._station
        if station.line.backlog and station.line.is_online and station.clock.monotonic() < deadline:
            station.clock.after(0.5, lambda: self._leave_when_told(deadline))
        else:
            self._off()

    def _off(self) -> None:
        station = self._station
        self.is_on = False
        station.line.cut()
        station.registration.power_off()
        station.clock.after(_BOOT_SECONDS, self._on)

    def _on(self) -> None:
        self.is_on, self._is_resetting = True, False
        if self._station.line.is_connected:  # the transport never noticed
            self._station.registration.connected()
        self._station.powered_on()
