"""Security: profiles in use, certificates by expiry, events to acknowledge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from litestar import Response, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler

from csmsd_security import SecurityPlugin
from csmsd_security.certificate_rows import UnknownCertificate
from csmsd_security.events import UnknownEvent
from csmsd_ui.desk import Desk
from csmsd_ui.principal import AnyRequest
from csmsd_ui.rendering import query_of
from csmsd_ui.station_view import about
from csmsd_ui.tabs import head_of
from csmsd_ui.targets import back_to, local_target

ROWS = 50


def security_routes(desk: Desk) -> Sequence[ControllerRouterHandler]:
    """The page, a station's tab, two actions."""

    def plugin() -> SecurityPlugin:
        found = desk.plugin(SecurityPlugin, "security")
        if found is None:
            raise HTTPException(detail="The plugin security is off.", status_code=404)
        return found

    @get("/ui/security", scope="read")
    async def security(
        request: AnyRequest, alerts: FromQuery[bool] = True, before: FromQuery[int | None] = None
    ) -> Response[str]:
        """Alerts first; with `alerts=false` every event."""
        service = plugin()
        profiles = Counter(station.security_profile for station in desk.host.stations.online())
        events = list(await service.events.page(only_alerts=alerts, before_id=before, limit=ROWS + 1))
        last = events[ROWS - 1].id if len(events) > ROWS else None
        certificates = list(service.certificates.book.of_station(None))
        certificates.sort(key=lambda each: (each.not_after is None, each.not_after or each.requested_at))
        here = "/ui/security" + query_of(alerts=str(alerts).lower())
        return desk.pages.respond(
            request,
            "security.html",
            title="Security",
            profiles=[(number, profiles.get(number, 0)) for number in range(4)],
            events=events[:ROWS],
            alerts=alerts,
            certificates=certificates[:200],
            roots=[(kind, root.certificate.subject.rfc4514_string()) for kind, root in service.authority.roots.items()],
            next="/ui/security" + query_of(alerts=str(alerts).lower(), before=last) if last is not None else "",
            first=here if before is not None else "",
        )

    @get("/ui/stations/{station_id:str}/certificates", scope="read")
    async def certificates(request: AnyRequest, station_id: FromPath[str]) -> Response[str]:
        """A station's own, those that are installed in it, and its events."""
        head = head_of(desk, desk.viewer(request), station_id, "certificates", (await about(desk, station_id)).line)
        service = plugin()
        return desk.pages.respond(
            request,
            "station_certificates.html",
            title=f"Certificates of {station_id}",
            head=head,
            certificates=service.certificates.book.of_station(station_id),
            installed=service.installed.of_station(station_id),
            events=await service.events.page(station_id=station_id, limit=20),
        )

    @post("/ui/security/events/{event_id:int}", scope="operate", status_code=303)
    async def acknowledge(request: AnyRequest, event_id: FromPath[int]) -> Redirect:
        """It is no alert any more."""
        form = await request.form()
        try:
            await plugin().events.acknowledge(event_id, actor=request.user)
        except UnknownEvent as error:
            raise HTTPException(detail=str(error), status_code=404) from None
        return back_to(local_target(form.get("back")))

    @post("/ui/security/certificates/{certificate_id:str}/revoke", scope="admin", status_code=303)
    async def revoke(request: AnyRequest, certificate_id: FromPath[str]) -> Redirect:
        """It opens no connection any more."""
        try:
            await plugin().certificates.revoke(certificate_id, actor=request.user)
        except UnknownCertificate as error:
            raise HTTPException(detail=str(error), status_code=404) from None
        return back_to("/ui/security")

    return [security, certificates, acknowledge, revoke]
