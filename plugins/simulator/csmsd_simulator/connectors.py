"""Connectors: what is true of one at a moment, and the status that follows from it (1.6 §4.9)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from csmsd_core.messages import ChargePointStatus, MeterValue
from csmsd_simulator.car import Car
from csmsd_simulator.clock import Timer
from csmsd_simulator.meter import Meter
from csmsd_simulator.profiles import Session

NO_ERROR = "NoError"


@dataclass(eq=False)
class Transaction:
    """A transaction, from the moment the station begins it; its id comes later."""

    connector_id: int
    id_tag: str
    meter_start: int
    started_at: datetime
    began: float  # on the clock of deadlines
    transaction_id: int | None = None
    parent_id_tag: str | None = None
    is_refused: bool = False  # the central system does not accept the tag
    data: list[MeterValue] = field(default_factory=list[MeterValue])  # for StopTransaction

    @property
    def session(self) -> Session:
        """As charging profiles see it."""
        return Session(self.connector_id, self.transaction_id, self.started_at)


@dataclass(frozen=True)
class Reservation:
    """Somebody comes until then."""

    reservation_id: int
    connector_id: int
    id_tag: str
    parent_id_tag: str | None
    expires_at: datetime

    def admits(self, id_tag: str, parent_id_tag: str | None) -> bool:
        """Is it for this tag?"""
        if id_tag.casefold() == self.id_tag.casefold():
            return True
        return parent_id_tag is not None and parent_id_tag == self.parent_id_tag


@dataclass(frozen=True)
class Permission:
    """A tag that has been accepted and waits for a plug."""

    id_tag: str
    parent_id_tag: str | None
    ends: Timer  # ConnectionTimeOut


@dataclass(eq=False)
class Connector:
    """Everything about one connector."""

    id: int
    meter: Meter = field(default_factory=Meter)
    is_operative: bool = True
    becomes_operative: bool | None = None  # scheduled: when the transaction has ended
    fault: str = NO_ERROR
    car: Car | None = None
    permission: Permission | None = None
    transaction: Transaction | None = None
    reservation: Reservation | None = None
    is_finishing: bool = False  # a transaction has ended, and the plug is still in
    reported: ChargePointStatus | None = None

    @property
    def status(self) -> ChargePointStatus:
        """What a StatusNotification would say now."""
        if self.fault != NO_ERROR:
            return "Faulted"
        if self.transaction is not None:
            return self._charging_status()
        if not self.is_operative:
            return "Unavailable"
        if self.is_finishing:
            return "Finishing"
        if self.car is not None or self.permission is not None:
            return "Preparing"
        return "Available" if self.reservation is None else "Reserved"

    @property
    def is_free(self) -> bool:
        """Could a transaction begin here?"""
        return self.transaction is None and self.is_operative and self.fault == NO_ERROR

    def _charging_status(self) -> ChargePointStatus:
        if self.meter.offered_w == 0:
            return "SuspendedEVSE"
        if self.car is None or self.car.is_full:
            return "SuspendedEV"
        return "Charging"
