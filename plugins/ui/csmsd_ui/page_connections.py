"""The connection doctor's page: causes, one station's stages, what to do, and the address to type in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from litestar import Response, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromQuery
from litestar.types import ASGIApp, ControllerRouterHandler

from csmsd.events import Event
from csmsd.station import Registration, StationRecord
from csmsd_ui.addresses import addresses_for
from csmsd_ui.desk import Desk
from csmsd_ui.doctor import causes, is_known, stages_of, steps_for
from csmsd_ui.live import LiveView, Part
from csmsd_ui.principal import AnyRequest
from csmsd_ui.rendering import Viewer

EXAMPLE = "YOUR-STATION"


class LiveAttempts(LiveView):
    """The causes, as attempts come in."""

    kinds = frozenset({"station.attempt", "station.connected"})

    def __init__(self, desk: Desk, viewer: Viewer) -> None:
        self._desk, self._viewer = desk, viewer

    def dirtied(self, event: Event) -> Iterable[str]:
        """See LiveView."""
        return ("causes",)

    async def render(self, dirty: frozenset[str]) -> Sequence[Part]:
        """See LiveView."""
        host, fragment = self._desk.host, self._desk.pages.fragment
        latest = await host.journal.attempts(limit=20)
        return [
            Part("causes", fragment(self._viewer, "connections_causes.html", causes=await causes(host), chosen="")),
            Part("latest", fragment(self._viewer, "connections_latest.html", attempts=latest)),
        ]


def connection_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """The page, its stream, and adopting."""

    @get("/ui/connections", scope="read")
    async def connections(request: AnyRequest, id: FromQuery[str] = "") -> Response[str]:  # noqa: A002
        """All causes; with `id` one station's last attempt."""
        host, found = desk.host, await causes(desk.host)
        station_id = id.strip() or next((cause.first_station for cause in found if cause.first_station), "")
        attempts = list(await host.journal.attempts(station_id=station_id, limit=50)) if station_id else []
        attempt = attempts[0] if attempts else None
        failing = next((each for each in attempts if each.stage != "admitted"), None)
        return desk.pages.respond(
            request,
            "connections.html",
            title="Connections",
            live="/ui/events/connections",
            causes=found,
            chosen=station_id,
            attempt=attempt,
            failing=failing,
            tries=sum(each.count for each in attempts),
            is_known=bool(station_id) and is_known(host, station_id),
            is_online=host.stations.find(station_id) is not None,
            stages=stages_of(attempt) if attempt else [],
            steps=steps_for(host, attempt) if attempt and attempt.stage != "admitted" else [],
            addresses=addresses_for(host, station_id or EXAMPLE),
            attempts=await host.journal.attempts(limit=20),
            fleet=await desk.figures.fleet(),
        )

    @get("/ui/events/connections", scope="read")
    async def watch(request: AnyRequest) -> ASGIApp:
        """Causes and attempts as they come."""
        return desk.stream(request, LiveAttempts(desk, desk.viewer(request)))

    @post("/ui/connections/adopt", scope="operate", status_code=200)
    async def adopt(request: AnyRequest) -> Response[str]:
        """Register a station that knocks, with a password that it must be given, or with none where none is needed."""
        form = await request.form()
        station_id, host = str(form.get("id") or ""), desk.host
        if is_known(host, station_id):
            raise HTTPException(detail=f"{station_id} is registered already.", status_code=409)
        is_open = host.config.access.authentication != "required"
        password = None if is_open and form.get("password") == "none" else host.credentials.generate()
        registration: Registration = "Pending" if form.get("registration") == "Pending" else "Accepted"
        record = await host.stations.register(StationRecord(station_id, registration), password)
        host.audit.record(request.user, "station.register", station_id, None, record)
        return desk.pages.respond(
            request,
            "station_added.html",
            title=f"{station_id} is adopted",
            station_id=station_id,
            password=password,
            what="is adopted",
            addresses=addresses_for(host, station_id),
        )

    return [connections, watch, adopt]
