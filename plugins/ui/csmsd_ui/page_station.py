"""A station's page: its first tab, live."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Response, get
from litestar.params import FromPath
from litestar.types import ASGIApp, ControllerRouterHandler

from csmsd.journal import ExchangeFilter
from csmsd_ui.command_forms import box_of
from csmsd_ui.desk import Desk
from csmsd_ui.principal import AnyRequest
from csmsd_ui.rendering import segment
from csmsd_ui.station_view import EXCHANGES, LiveStation, about, cards, sessions
from csmsd_ui.tabs import head_of


def station_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """The tab, and its stream."""

    @get("/ui/stations/{station_id:str}", scope="read")
    async def station(request: AnyRequest, station_id: FromPath[str]) -> Response[str]:
        """What it does now."""
        host, viewer = desk.host, desk.viewer(request)
        told = await about(desk, station_id)
        head = head_of(desk, viewer, station_id, "", told.line)
        connectors = await cards(desk, station_id)
        running = await sessions(desk, connectors)
        offset = desk.core.clocks.drifting().get(station_id)
        return desk.pages.respond(
            request,
            "station.html",
            title=station_id,
            live=f"/ui/events/stations/{segment(station_id)}",
            head=head,
            record=host.stations.record(station_id),
            connection=host.stations.find(station_id),
            last_seen=host.stations.last_seen(station_id),
            clock_offset=None if offset is None else f"{abs(offset):.0f} s {'ahead' if offset > 0 else 'behind'}",
            facts=told.facts,
            connectors=connectors,
            sessions=running,
            chart=f"/ui/data/transactions/{running[0].id}" if running else "",
            chart_of=running[0].id if running else "",
            exchanges=await host.journal.exchanges(ExchangeFilter(station_id, limit=EXCHANGES)),
            deviations=(await host.journal.deviations(station_id=station_id))[:3],
            panels=await desk.panels(request, "station", station_id),
            box=box_of(desk, station_id, "RemoteStartTransaction") if viewer.may("operate") else None,
        )

    @get("/ui/events/stations/{station_id:str}", scope="read")
    async def watch_station(request: AnyRequest, station_id: FromPath[str]) -> ASGIApp:
        """Its live parts."""
        desk.host.stations.record(station_id)
        return desk.stream(request, LiveStation(desk, station_id, desk.viewer(request)))

    return [station, watch_station]
