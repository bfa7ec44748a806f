"""Reservations (1.6 §3.11, §5.3, §5.13): of one connector, or of any (connector 0)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csmsd_simulator.connectors import Connector, Reservation
from csmsd_simulator.messages import CancelReservation, ReserveNow, Status

if TYPE_CHECKING:
    from csmsd_simulator.station import SimulatedStation


class Reservations:
    """Who comes when; a reservation of connector 0 keeps the last free connector free."""

    def __init__(self, station: SimulatedStation) -> None:
        self._station = station
        self._known: dict[int, Reservation] = {}

    def reserve(self, request: ReserveNow) -> Status:
        """ReserveNow; a known reservation is replaced."""
        station = self._station
        candidates = [each for each in station.connectors if request.connector_id in (0, each.id)]
        if not candidates:
            return Status("Rejected")
        replaced = self._known.get(request.reservation_id)
        free = [
            each
            for each in candidates
            if each.status == "Available" or (each.reservation is replaced and each.status == "Reserved")
        ]
        if not free:
            states = {each.status for each in candidates}
            if states <= {"Faulted"}:
                return Status("Faulted")
            return Status("Unavailable" if states <= {"Unavailable", "Faulted"} else "Occupied")
        if replaced is not None:
            self._drop(replaced)
        reservation = Reservation(
            request.reservation_id, request.connector_id, request.id_tag, request.parent_id_tag, request.expiry_date
        )
        self._known[reservation.reservation_id] = reservation
        free[0].reservation = reservation
        seconds = (reservation.expires_at - station.now()).total_seconds()
        station.clock.after(max(seconds, 0.0), lambda: self._expire(reservation))
        station.clock.after(0, lambda: station.refresh(free[0]))
        return Status("Accepted")

    def cancel(self, request: CancelReservation) -> Status:
        """CancelReservation."""
        reservation = self._known.get(request.reservation_id)
        if reservation is None:
            return Status("Rejected")
        self._station.clock.after(0, lambda: self._drop(reservation))
        return Status("Accepted")

    def use(self, connector: Connector, id_tag: str, parent_id_tag: str | None) -> int | None:
        """A transaction begins: the id of the reservation that it uses up."""
        for reservation in list(self._known.values()):
            if reservation.connector_id in (0, connector.id) and reservation.admits(id_tag, parent_id_tag):
                self._drop(reservation)
                return reservation.reservation_id
        return None

    def _expire(self, reservation: Reservation) -> None:
        if self._known.get(reservation.reservation_id) is reservation:
            self._drop(reservation)

    def _drop(self, reservation: Reservation) -> None:
        self._known.pop(reservation.reservation_id, None)
        for connector in self._station.connectors:
            if connector.reservation is reservation:
                connector.reservation = None
                self._station.refresh(connector)
