"""Registration, heartbeats, the station's clock, and which status has been reported (1.6 §4.2, §4.6, §4.9)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from csmsd_core.messages import (
    BootNotification,
    BootNotificationResponse,
    ChargePointStatus,
    Heartbeat,
    HeartbeatResponse,
    StatusNotification,
)
from csmsd_simulator.connectors import NO_ERROR, Connector
from csmsd_simulator.line import BOOT

if TYPE_CHECKING:
    from csmsd_simulator.clock import Timer
    from csmsd_simulator.station import SimulatedStation

_RETRY_SECONDS = 60.0  # when BootNotification is not answered, or with interval 0
_TOLERATED_DRIFT = timedelta(seconds=1)


class StationClock:
    """The station's own idea of the time."""

    def __init__(self, station: SimulatedStation) -> None:
        self._station = station
        quirks = station.quirks
        self._offset = timedelta(seconds=quirks.clock_off)
        self._is_set = not quirks.starts_in_1970
        self._started = station.clock.now()

    def now(self) -> datetime:
        """The time, UTC."""
        now = self._station.clock.now()
        if not self._is_set:
            return datetime(1970, 1, 1, tzinfo=UTC) + (now - self._started)
        return now + self._offset

    def set(self, told: datetime) -> None:
        """The central system has said what time it is."""
        if self._station.quirks.clock_off:
            return
        self._is_set = True
        if abs(told - self.now()) > _TOLERATED_DRIFT:
            self._offset = told - self._station.clock.now()


class Registration:
    """From power-on to accepted, and the signs of life after that."""

    def __init__(self, station: SimulatedStation) -> None:
        self._station = station
        self._timer: Timer | None = None
        self._has_booted = False  # since power-on
        self.reported: ChargePointStatus | None = None  # of connector 0

    def connected(self) -> None:
        """A connection is there; only the first one since power-on needs a BootNotification."""
        station = self._station
        if self._has_booted or station.quirks.no_boot:
            self._accept()
            return
        if station.quirks.status_before_boot:
            station.line.is_registered = True
            self.report_changes()
        self.boot()

    def power_off(self) -> None:
        """Everything is forgotten that is not stored."""
        self._has_booted = False
        self._station.line.is_registered = False
        self.reported = None
        for connector in self._station.connectors:
            connector.reported = None
        self.disconnected()

    def disconnected(self) -> None:
        """No heartbeats without a connection."""
        if self._timer is not None:
            self._timer.cancel()

    def boot(self) -> None:
        """Send BootNotification."""
        settings, quirks = self._station.settings, self._station.quirks
        request = BootNotification(
            charge_point_vendor="" if quirks.empty_vendor else settings.vendor,
            charge_point_model="SmartConnect-Deluxe-32A" if quirks.long_model else settings.model,
            charge_point_serial_number=self._station.id[-25:],
            firmware_version=self._station.firmware,
            meter_type="Simulated",
        )
        self._station.line.call(BOOT, lambda: request, self._answered)

    def heartbeat(self) -> None:
        """Send Heartbeat."""
        self._station.line.call("Heartbeat", Heartbeat, self._told_time)

    def restart_heartbeats(self) -> None:
        """HeartbeatInterval has changed."""
        self._later(self._beat)

    def report(self, connector: Connector) -> None:
        """Send a status if it is not what was said last."""
        status = connector.status
        if status == connector.reported or not self._station.line.is_online:
            return
        previous, connector.reported = connector.reported, status
        self._station.tell(f"connector {connector.id}: {previous or 'unknown'} -> {status}")
        in_transaction = ("Charging", "SuspendedEV", "SuspendedEVSE", "Finishing")
        if not (self._station.quirks.no_status and status in in_transaction):
            self.send_status(connector.id, connector.fault, status)

    def report_changes(self) -> None:
        """What has changed since it was reported last, for instance while there was no connection."""
        station = self._station
        status: ChargePointStatus = "Available" if station.is_operative else "Unavailable"
        if status != self.reported and station.line.is_online:
            self.reported = status
            self.send_status(0, NO_ERROR, status)
        for connector in station.connectors:
            self.report(connector)

    def send_status(self, connector_id: int, error: str, status: ChargePointStatus) -> None:
        """Send one StatusNotification."""
        if self._station.quirks.unknown_error:
            error = "Error"
        request = StatusNotification(connector_id, error, status, timestamp=self._station.now())  # type: ignore[arg-type] # any text
        self._station.line.call("StatusNotification", lambda: request)

    # -- inside --------------------------------------------------------------------------------------

    def _answered(self, payload: bytes | None) -> None:
        if payload is None:
            if self._station.line.is_connected:
                self._later(self.boot, _RETRY_SECONDS)
            return
        answer = msgspec.json.decode(payload, type=BootNotificationResponse)
        self._station.told_time.set(answer.current_time)
        self._station.tell(f"BootNotification: {answer.status}, interval {answer.interval} s")
        if answer.status != "Accepted":
            self._station.line.is_registered = False
            self._later(self.boot, answer.interval or _RETRY_SECONDS)
            return
        if answer.interval:
            self._station.configuration.put("HeartbeatInterval", str(answer.interval))
        is_first = not self._has_booted
        self._accept()
        if is_first:
            self._station.booted()

    def _accept(self) -> None:
        """Since power-on nothing has been reported, so the first time that is everything (BOOT-27)."""
        self._has_booted = True
        self._station.line.register()
        self.report_changes()
        self._later(self._beat)

    def _beat(self) -> None:
        if not self._station.quirks.no_heartbeat:
            self.heartbeat()
        self._later(self._beat)

    def _told_time(self, payload: bytes | None) -> None:
        if payload is not None:
            self._station.told_time.set(msgspec.json.decode(payload, type=HeartbeatResponse).current_time)

    def _later(self, action: Callable[[], None], seconds: float | None = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        interval = seconds or self._station.configuration.number("HeartbeatInterval")
        if interval:
            self._timer = self._station.clock.after(interval, action)
