"""Reservations: who waits for what; reserve, cancel."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from litestar import Response, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from csmsd_reservation import ReservationPlugin, Wish
from csmsd_reservation.records import LIVE
from csmsd_ui.desk import Desk
from csmsd_ui.principal import AnyRequest
from csmsd_ui.rendering import query_of, segment
from csmsd_ui.station_view import about
from csmsd_ui.tabs import head_of
from csmsd_ui.targets import back_to, local_target

ROWS = 50
LENGTHS = (15, 30, 60, 120, 480)  # minutes


def reservation_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """The list, a station's tab, two actions."""

    def plugin() -> ReservationPlugin:
        found = desk.plugin(ReservationPlugin, "reservation")
        if found is None:
            raise HTTPException(detail="The plugin reservation is off.", status_code=404)
        return found

    @get("/ui/reservations", scope="read")
    async def reservations(
        request: AnyRequest, live: FromQuery[bool] = True, before: FromQuery[int | None] = None
    ) -> Response[str]:
        """Those that stations hold; or all, newest first."""
        states = LIVE if live else ()
        found = list(await plugin().reservations.page(states=states, before=before, limit=ROWS + 1))
        last = found[ROWS - 1].number if len(found) > ROWS else None
        return desk.pages.respond(
            request,
            "reservations.html",
            title="Reservations",
            rows=found[:ROWS],
            live_only=live,
            next="/ui/reservations" + query_of(live=str(live).lower(), before=last) if last is not None else "",
            first="/ui/reservations" + query_of(live=str(live).lower()) if before is not None else "",
        )

    @get("/ui/stations/{station_id:str}/reservations", scope="read")
    async def of_station(request: AnyRequest, station_id: FromPath[str]) -> Response[str]:
        """A station's, and a form for another one."""
        head = head_of(desk, desk.viewer(request), station_id, "reservations", (await about(desk, station_id)).line)
        return desk.pages.respond(
            request,
            "station_reservations.html",
            title=f"Reservations of {station_id}",
            head=head,
            rows=await plugin().reservations.page(station_id=station_id, limit=ROWS),
            connectors=[each.connector_id for each in desk.core.statuses.of_station(station_id)] or [0, 1],
            lengths=LENGTHS,
            booked=request.query_params.get("booked", ""),
        )

    @post("/ui/stations/{station_id:str}/reservations", scope="operate", status_code=303)
    async def reserve(request: AnyRequest, station_id: FromPath[str]) -> Redirect:
        """Ask the station to keep a connector."""
        form = {name: str(value).strip() for name, value in (await request.form()).items()}
        connector, minutes = form.get("connector_id", ""), form.get("minutes", "")
        if not (connector.isdecimal() and minutes.isdecimal() and 0 < len(form.get("id_tag", "")) <= 20):
            raise HTTPException(detail="A reservation needs a connector, a tag and a time.", status_code=422)
        ends = desk.host.env.now() + timedelta(minutes=min(int(minutes), 10_080))
        wish = Wish(id_tag=form["id_tag"], connector_id=int(connector), expires_at=ends)
        station = desk.host.stations.get(station_id)
        desk.host.audit.record(request.user, "reservation.add", station_id, None, wish)
        booked = await plugin().reserve(station, wish)
        return back_to(f"/ui/stations/{segment(station_id)}/reservations" + query_of(booked=booked.status))

    @post("/ui/reservations/{reservation_id:int}/cancel", scope="operate", status_code=303)
    async def cancel(request: AnyRequest, reservation_id: FromPath[int]) -> Redirect:
        """The station is asked in any case."""
        form = await request.form()
        desk.host.audit.record(request.user, "reservation.cancel", str(reservation_id))
        await plugin().cancel(reservation_id)
        return back_to(local_target(form.get("back")))

    return [reservations, of_station, reserve, cancel]
