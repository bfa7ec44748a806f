"""The live feed."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, HeaderParameter, QueryParameter
from litestar.types import ASGIApp

from csmsd_web.sse import EventStream, Streams
from csmsd_web.tokens import Tokens

Kinds = Annotated[
    str, QueryParameter(description="Comma-separated kinds, for instance `exchange,transaction.started`.")
]


@get("/events", scope="read", summary="Watch what happens", tags=["Events"], media_type="text/event-stream")
async def watch_events(
    request: Request[Any, Any, Any],
    streams: NamedDependency[Streams],
    tokens: NamedDependency[Tokens],
    kinds: Kinds = "",
    station_id: FromQuery[str | None] = None,
    last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
) -> ASGIApp:
    """Server-sent events. Live and lossy: after an event `resync`, something was missed; read again what you show."""
    streams.check_room()
    wanted = frozenset(kind.strip() for kind in kinds.split(",") if kind.strip())
    is_allowed = partial(tokens.is_valid, request.auth.id)
    return EventStream(streams, wanted, station_id, is_allowed=is_allowed, has_missed=last_event_id is not None)


ROUTES = [watch_events]
