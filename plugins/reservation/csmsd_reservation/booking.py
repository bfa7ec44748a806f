"""Reserving as operators want it: ids, groups and relative times are filled in (RES-01, RES-02, RES-05)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from csmsd.errors import CsmsdError, InvalidPayload
from csmsd.host import Host
from csmsd.ocpp.errors import OcppError
from csmsd.station import Station
from csmsd_core import CorePlugin
from csmsd_reservation.commands import CANCEL_RESERVATION, RESERVE_NOW
from csmsd_reservation.messages import CancelReservation, ReserveNow
from csmsd_reservation.records import Reservation
from csmsd_reservation.reservations import Reservations


class UnknownReservation(CsmsdError):
    """No reservation of that id was ever requested."""


class ReservationIdTaken(CsmsdError):
    """Another station has a reservation of that id."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What to reserve; without an id csmsd chooses one, without a parent the tag's group is filled in."""

    id_tag: str
    connector_id: int  # 0: any
    expires_at: datetime
    parent_id_tag: str | None = None
    with_group: bool = True  # False: no group is filled in
    reservation_id: int | None = None


class Booked(msgspec.Struct, frozen=True):
    """The station's answer, what has become of the reservation, and what csmsd has to say."""

    status: str
    reservation: Reservation | None  # None: csmsd knows of none
    warnings: tuple[str, ...]


async def reserve(host: Host, core: CorePlugin, reservations: Reservations, station: Station, wish: Wish) -> Booked:
    """Send a ReserveNow; InvalidPayload, ReservationIdTaken, and the errors of `Station.call`."""
    if wish.expires_at <= host.env.now():
        raise InvalidPayload("a reservation ends in the future (RES-01)")
    reservation_id = await reservations.new_id() if wish.reservation_id is None else wish.reservation_id
    elsewhere = [each for each in reservations.live_with_id(reservation_id) if each.station_id != station.id]
    if elsewhere:
        raise ReservationIdTaken(f"{elsewhere[0].station_id} has a reservation {reservation_id} (RES-01)")
    parent = wish.parent_id_tag or (await group_of(core, station, wish.id_tag) if wish.with_group else None)
    request = ReserveNow(wish.connector_id, wish.expires_at, wish.id_tag, reservation_id, parent)
    warnings = core.warnings_for(RESERVE_NOW, request, station)
    response = await station.call(RESERVE_NOW, request)
    result = reservations.result_of(request)
    return Booked(response.status, None if result is None else await result, tuple(warnings))


async def cancel(core: CorePlugin, reservations: Reservations, host: Host, reservation_id: int) -> Booked:
    """Send a CancelReservation to the station that has it; UnknownReservation, and the errors of `Station.call`."""
    latest = await reservations.latest(reservation_id)
    if latest is None:
        raise UnknownReservation(f"no reservation {reservation_id} was ever requested")
    station = host.stations.get(latest.station_id)
    request = CancelReservation(reservation_id)
    warnings = core.warnings_for(CANCEL_RESERVATION, request, station)
    response = await station.call(CANCEL_RESERVATION, request)
    return Booked(response.status, await reservations.latest(reservation_id), tuple(warnings))


async def group_of(core: CorePlugin, station: Station, id_tag: str) -> str | None:
    """The parent that stations are told for this tag (AUTH-04); None if nobody can say now."""
    try:
        verdict = await core.authorization.judge(station, id_tag, "authorize")
    except OcppError:
        known = core.tags.find(id_tag)
        return None if known is None else known.parent_id_tag or None
    return verdict.info.parent_id_tag
