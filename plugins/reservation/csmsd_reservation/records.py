"""What others see of reservations: in the fact, in the API and in the live feed."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

State = Literal[
    "requested",  # sent, or about to be, and not answered
    "active",
    "occupied", "faulted", "unavailable", "rejected",  # what the station answered instead of Accepted (RES-04)
    "failed",  # it answered CALLERROR
    "used",  # a transaction took it
    "expired", "cancelled",
    "gone",  # CancelReservation was rejected: the station does not know it (RES-07)
    "out of service",  # its connector, or the station, became Faulted or Unavailable
    "replaced",  # by a ReserveNow with the same id (RES-03)
]  # fmt: skip
LIVE: tuple[State, ...] = ("requested", "active")
REFUSED: dict[str, State] = {
    "Occupied": "occupied",
    "Faulted": "faulted",
    "Unavailable": "unavailable",
    "Rejected": "rejected",
}


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """One ReserveNow and what became of it (RES-06)."""

    number: int  # csmsd's own; a reservationId that is replaced appears more than once
    reservation_id: int
    station_id: str
    connector_id: int  # 0: any
    id_tag: str
    parent_id_tag: str = ""
    expires_at: datetime
    requested_at: datetime
    state: State = "requested"
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    transaction_id: int | None = None  # the one that used it

    @property
    def is_live(self) -> bool:
        """Whether the station holds it, as far as csmsd knows, or may hold it."""
        return self.state in LIVE


Misfit = Literal["unknown", "of another station", "used", "ended", "older than the reservation"]


class Finding(msgspec.Struct, frozen=True):
    """A transaction whose reservationId fits no reservation; it was accepted all the same (TX-09, RES-09)."""

    transaction_id: int
    station_id: str
    reservation_id: int
    finding: Misfit
    found_at: datetime
