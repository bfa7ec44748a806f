"""Reservation's fact."""

from __future__ import annotations

from csmsd.store import Fact
from csmsd_reservation import hookspecs
from csmsd_reservation.records import Reservation

RESERVATION_CHANGED = Fact("reservation_changed", Reservation, hookspecs.reservation_changed)
