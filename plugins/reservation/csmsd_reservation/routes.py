"""Reservation's part of the management API; mounted under `/api/v1` by the web plugin, if there is one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

import msgspec
from litestar import Request, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from csmsd_reservation.booking import Booked, UnknownReservation, Wish
from csmsd_reservation.records import LIVE, Finding, Reservation, State

if TYPE_CHECKING:
    from csmsd_reservation.plugin import ReservationPlugin

Item = TypeVar("Item")
AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="How many items at most.")]
After = Annotated[int | None, QueryParameter(ge=0, le=2**62, description="Where the page before ended.")]
Id32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]


class ReservationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Either `expires_at` or `expires_in` seconds from now. Without a parent the tag's group is sent, if it has one."""

    id_tag: Annotated[str, Meta(min_length=1, max_length=20)]
    connector_id: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None
    expires_in: Annotated[int, Meta(ge=1, le=366 * 86400)] | None = None
    parent_id_tag: Annotated[str, Meta(min_length=1, max_length=20)] | None = None
    with_group: bool = True
    reservation_id: Id32 | None = None

    def wish(self, now: datetime) -> Wish:
        """HTTPException 422 unless there is one end."""
        if (self.expires_at is None) == (self.expires_in is None):
            raise HTTPException(detail="give either expires_at or expires_in", status_code=422)
        return Wish(
            id_tag=self.id_tag,
            connector_id=self.connector_id,
            expires_at=self.expires_at or now + timedelta(seconds=self.expires_in or 0),
            parent_id_tag=self.parent_id_tag,
            with_group=self.with_group,
            reservation_id=self.reservation_id,
        )


class ReservationPage(msgspec.Struct, Generic[Item], frozen=True):
    """A part of a list, and the path of the next part; null at the end."""

    items: Sequence[Item]
    next: str | None = None


def reservation_routes(plugin: ReservationPlugin) -> Sequence[ControllerRouterHandler]:
    """Handlers around the service."""
    host = plugin.host

    @post(
        "/stations/{station_id:str}/reservations",
        scope="operate",
        summary="Reserve a connector",
        tags=["Reservations"],
        status_code=200,
    )
    async def reserve(request: AnyRequest, station_id: FromPath[str], data: JSONBody[ReservationBody]) -> Booked:
        """Every status of the station is a normal result; only Accepted reserves (RES-04)."""
        station = host.stations.get(station_id)
        wish = data.wish(host.env.now())
        host.audit.record(request.user, "reservation.add", station_id, None, wish)
        return await plugin.reserve(station, wish)

    @post(
        "/reservations/{reservation_id:int}/cancel",
        scope="operate",
        summary="Cancel a reservation",
        tags=["Reservations"],
        status_code=200,
    )
    async def cancel(request: AnyRequest, reservation_id: FromPath[Id32]) -> Booked:
        """Also one that seems to be over: the station is asked in any case (RES-07)."""
        host.audit.record(request.user, "reservation.cancel", str(reservation_id))
        try:
            return await plugin.cancel(reservation_id)
        except UnknownReservation as error:
            raise HTTPException(detail=str(error), status_code=404) from None

    @get("/reservations", scope="read", summary="List reservations", tags=["Reservations"])
    async def list_reservations(
        request: AnyRequest,
        station_id: FromQuery[str | None] = None,
        wanted: Annotated[State | None, QueryParameter(name="state")] = None,
        live: FromQuery[bool] = False,
        limit: Limit = 100,
        after: After = None,
    ) -> ReservationPage[Reservation]:
        """Newest first; `live`: only those that stations hold, or may hold."""
        states = LIVE if live else () if wanted is None else (wanted,)
        found = await plugin.reservations.page(station_id=station_id, states=states, before=after, limit=limit)
        return ReservationPage(found, _next(request, found[-1].number) if len(found) == limit else None)

    @get("/reservation-findings", scope="read", summary="Starts with an odd reservationId", tags=["Reservations"])
    async def list_findings(request: AnyRequest, limit: Limit = 100, after: After = None) -> ReservationPage[Finding]:
        """Transactions whose reservationId fits no reservation, newest first (TX-09)."""
        found = await plugin.reservations.findings(before=after, limit=limit)
        return ReservationPage(found, _next(request, found[-1].transaction_id) if len(found) == limit else None)

    return [reserve, cancel, list_reservations, list_findings]


def _next(request: AnyRequest, after: int) -> str:
    """The path and query of the page behind `after`, with the same filter."""
    pairs = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
    return f"{request.url.path}?{urlencode([*pairs, ('after', str(after))])}"
