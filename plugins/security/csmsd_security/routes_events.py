"""Security events: list them, and acknowledge alerts (SEC-70, SEC-71)."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import get, post
from litestar.exceptions import HTTPException
from litestar.params import FromQuery
from litestar.types import ControllerRouterHandler

from csmsd_core.routes_page import AnyRequest, Limit, Page, PathNumber, QueryNumber, link_after
from csmsd_security.events import SecurityEvent, SecurityEvents, UnknownEvent

TAG = "Security"


def event_routes(events: SecurityEvents) -> Sequence[ControllerRouterHandler]:
    """Handlers around the service."""

    @get("/security/events", scope="read", summary="List security events", tags=[TAG])
    async def list_events(
        request: AnyRequest,
        station: FromQuery[str] = "",
        alerts: FromQuery[bool] = False,
        limit: Limit = 100,
        after: QueryNumber = None,
    ) -> Page[SecurityEvent]:
        """Newest first; `alerts` are the critical ones that nobody has acknowledged."""
        found = await events.page(station_id=station or None, only_alerts=alerts, before_id=after, limit=limit)
        following = link_after(request, found[-1].id) if len(found) == limit else None
        return Page(found, following)

    @post(
        "/security/events/{event_id:int}/acknowledge",
        scope="operate",
        summary="Acknowledge a security event",
        tags=[TAG],
        status_code=200,
    )
    async def acknowledge_event(request: AnyRequest, event_id: PathNumber) -> SecurityEvent:
        """It is no alert any more; the first acknowledgement stays."""
        try:
            return await events.acknowledge(event_id, actor=request.user)
        except UnknownEvent as error:
            raise HTTPException(detail=str(error), status_code=404) from None

    return [list_events, acknowledge_event]
