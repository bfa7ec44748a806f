"""Extended triggers: have a message sent now, and wait for it (SEC-74)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
import trio
from litestar import get, post
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from csmsd.errors import InvalidPayload
from csmsd_core import Trigger
from csmsd_core.routes_page import AnyRequest, Page
from csmsd_core.trigger_rules import WITH_CONNECTOR
from csmsd_security.commands import EXTENDED_TRIGGER_MESSAGE
from csmsd_security.messages import ExtendedTrigger, ExtendedTriggerMessage

if TYPE_CHECKING:
    from csmsd_security.plugin import SecurityPlugin

TAG = "Security"


class ExtendedTriggerBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to trigger, and for how many seconds to wait for it; null: as long as is configured."""

    requested_message: ExtendedTrigger
    connector_id: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    wait: Annotated[float, Meta(ge=0, le=3600)] | None = None


class ExtendedTriggerView(msgspec.Struct, frozen=True):
    """A trigger, and what csmsd has to say about it."""

    trigger: Trigger
    warnings: Sequence[str]


def trigger_routes(plugin: SecurityPlugin) -> Sequence[ControllerRouterHandler]:
    """Handlers around the service."""
    host = plugin.host

    @post(
        "/stations/{station_id:str}/extended-trigger",
        scope="operate",
        summary="Trigger a message, also one about security, and wait for it",
        tags=[TAG],
        status_code=200,
    )
    async def extended_trigger(
        request: AnyRequest, station_id: FromPath[str], data: JSONBody[ExtendedTriggerBody]
    ) -> ExtendedTriggerView:
        """State `arrived` has the message; `nothing came` is a warning, and nothing is repeated (TRG-04, TRG-06)."""
        station = host.stations.get(station_id)
        if data.connector_id is not None and data.requested_message not in WITH_CONNECTOR:
            raise InvalidPayload(f"{data.requested_message} has no connector: it is triggered without one (TRG-02)")
        wanted = ExtendedTriggerMessage(data.requested_message, data.connector_id)
        host.audit.record(request.user, "security.trigger", station_id, None, wanted)
        warnings = plugin.core.warnings_for(EXTENDED_TRIGGER_MESSAGE, wanted, station)
        pending = await plugin.triggers.send(station, wanted)
        with trio.move_on_after(float("inf") if data.wait is None else data.wait):
            await pending
        sent = pending.result() if pending.is_settled else plugin.triggers.recent(station_id)[0]
        return ExtendedTriggerView(sent, warnings)

    @get("/stations/{station_id:str}/extended-triggers", scope="read", summary="List extended triggers", tags=[TAG])
    async def list_extended_triggers(station_id: FromPath[str]) -> Page[Trigger]:
        """Newest first, since csmsd was started."""
        host.stations.record(station_id)
        return Page(plugin.triggers.recent(station_id))

    return [extended_trigger, list_extended_triggers]
