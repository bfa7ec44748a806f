"""The live feed."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, HeaderParameter, QueryParameter
from litestar.types import ASGIApp

from csmsd_web.access import Access
from csmsd_web.principals import Principal
from csmsd_web.sse import EventStream, Streams

Kinds = Annotated[
    str, QueryParameter(description="Comma-separated kinds, for instance `exchange,transaction.started`.")
]


@get("/events", scope="read", summary="Watch what happens", tags=["Events"], media_type="text/event-stream")
async def watch_events(
    request: Request[Any, Any, Any],
    streams: NamedDependency[Streams],
    access: NamedDependency[Access],
    kinds: Kinds = "",
    station_id: FromQuery[str | None] = None,
    last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
) -> ASGIApp:
    """Server-sent events. Live and lossy: after an event `resync`, something was missed; read again what you show."""
    streams.check_room()
    wanted = frozenset(kind.strip() for kind in kinds.split(",") if kind.strip())
    principal: Principal = request.auth
    return EventStream(
        streams, wanted, station_id, is_allowed=lambda: access.is_valid(principal), has_missed=last_event_id is not None
    )


ROUTES = [watch_events]
