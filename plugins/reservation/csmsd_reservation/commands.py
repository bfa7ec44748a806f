"""The commands of Reservation (MSG-34, MSG-35)."""

from __future__ import annotations

from csmsd.command import Command
from csmsd_reservation import messages as m

RESERVE_NOW = Command(
    "ReserveNow",
    m.ReserveNow,
    m.ReserveNowResponse,
    "Keep a connector, or any one (connector 0), for an id tag until a time.",
)
CANCEL_RESERVATION = Command(
    "CancelReservation", m.CancelReservation, m.CancelReservationResponse, "Give a reservation up."
)

COMMANDS = (RESERVE_NOW, CANCEL_RESERVATION)
