"""The messages of Reservation (MSG-34, MSG-35)."""

from __future__ import annotations

from typing import Literal

from csmsd.ocpp.types import ConnectorOrStation, IdTag, Integer, Payload, Timestamp


class ReserveNow(Payload, frozen=True):
    """Keep a connector, or any one (connector 0), for an id tag; an id that the station knows is replaced (RES-03)."""

    connector_id: ConnectorOrStation
    expiry_date: Timestamp
    id_tag: IdTag
    reservation_id: Integer
    parent_id_tag: IdTag | None = None


class ReserveNowResponse(Payload, frozen=True):
    """Answer to ReserveNow; all of them are normal results (RES-04)."""

    status: Literal["Accepted", "Faulted", "Occupied", "Rejected", "Unavailable"]


class CancelReservation(Payload, frozen=True):
    """Give a reservation up."""

    reservation_id: Integer


class CancelReservationResponse(Payload, frozen=True):
    """Answer to CancelReservation; Rejected: the station knows no such reservation (RES-07)."""

    status: Literal["Accepted", "Rejected"]
