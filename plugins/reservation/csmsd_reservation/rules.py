"""What about reserving and cancelling is likely to be refused or to surprise: shown, never in the way (OP-02)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from csmsd.station import Station
from csmsd_core import CorePlugin
from csmsd_reservation.messages import CancelReservation, ReserveNow
from csmsd_reservation.records import Reservation


def about_reserving(
    core: CorePlugin, station: Station, request: ReserveNow, same_id: Sequence[Reservation], now: datetime
) -> Iterator[str]:
    """`same_id`: live reservations, of any station, with this id."""
    yield from _about_support(core, station)
    if request.expiry_date <= now:
        yield "expiryDate is not in the future (RES-01)"
    for each in same_id:
        if each.station_id == station.id:
            yield f"{station.id} has a reservation {each.reservation_id}: it will be replaced (RES-03)"
        else:
            yield f"{each.station_id} has a reservation {each.reservation_id}: ids should be unique (RES-01)"
    count = core.configuration.number(station.id, "NumberOfConnectors")
    if count is not None and request.connector_id > count:
        yield f"NumberOfConnectors of {station.id} is {count} (BOOT-28)"
    if request.connector_id == 0 and not _supports_connector_0(core, station):
        yield f"{station.id} does not say ReserveConnectorZeroSupported: expect Rejected (RES-04)"
    status = core.statuses.of_connector(station.id, request.connector_id)
    if status is not None and status.status != "Available":
        yield f"connector {request.connector_id} is {status.status} (RES-04)"


def about_cancelling(
    core: CorePlugin, station: Station, request: CancelReservation, same_id: Sequence[Reservation]
) -> Iterator[str]:
    """`same_id`: live reservations, of any station, with this id."""
    yield from _about_support(core, station)
    if not any(each.station_id == station.id for each in same_id):
        yield f"{station.id} is not known to have a reservation {request.reservation_id}: expect Rejected (RES-07)"


def _about_support(core: CorePlugin, station: Station) -> Iterator[str]:
    if core.configuration.lacks_profile(station.id, "Reservation"):
        yield f"{station.id} does not name Reservation among its SupportedFeatureProfiles (OP-02)"


def _supports_connector_0(core: CorePlugin, station: Station) -> bool:
    """True as well if the station was never asked."""
    told = core.configuration.remembered(station.id, "ReserveConnectorZeroSupported")
    if told is None:
        return not core.configuration.lacks(station.id, "ReserveConnectorZeroSupported")
    return told.strip().lower() == "true"
