"""OCPP 1.6 Reservation. What other plugins and programs use: commands, messages, the fact, and the services."""

from __future__ import annotations

from csmsd_reservation.booking import Booked, ReservationIdTaken, UnknownReservation, Wish
from csmsd_reservation.commands import CANCEL_RESERVATION, COMMANDS, RESERVE_NOW
from csmsd_reservation.config import ReservationConfig
from csmsd_reservation.facts import RESERVATION_CHANGED
from csmsd_reservation.messages import (
    CancelReservation,
    CancelReservationResponse,
    ReserveNow,
    ReserveNowResponse,
)
from csmsd_reservation.plugin import ReservationPlugin
from csmsd_reservation.records import Finding, Reservation

__all__ = [
    "CANCEL_RESERVATION",
    "COMMANDS",
    "RESERVATION_CHANGED",
    "RESERVE_NOW",
    "Booked",
    "CancelReservation",
    "CancelReservationResponse",
    "Finding",
    "Reservation",
    "ReservationConfig",
    "ReservationIdTaken",
    "ReservationPlugin",
    "ReserveNow",
    "ReserveNowResponse",
    "UnknownReservation",
    "Wish",
]
