"""Remote Trigger's part of the management API; mounted under `/api/v1` by the web plugin, if there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import trio
from litestar import Request, get, post
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from csmsd.errors import InvalidPayload
from csmsd_core import Trigger
from csmsd_core.trigger_rules import needless_connector
from csmsd_trigger.commands import TRIGGER_MESSAGE
from csmsd_trigger.messages import MessageTrigger, TriggerMessage

if TYPE_CHECKING:
    from csmsd_trigger.plugin import TriggerPlugin


class TriggerBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to trigger, and for how many seconds to wait for it; null: as long as is configured."""

    requested_message: MessageTrigger
    connector_id: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    wait: Annotated[float, Meta(ge=0, le=3600)] | None = None


class TriggerView(msgspec.Struct, frozen=True):
    """A trigger, and what csmsd has to say about it."""

    trigger: Trigger
    warnings: tuple[str, ...]


class TriggerList(msgspec.Struct, frozen=True):
    """The last triggers of a station, newest first."""

    items: Sequence[Trigger]
    next: None = None


def trigger_routes(plugin: TriggerPlugin) -> Sequence[ControllerRouterHandler]:
    """Handlers around the service."""
    host = plugin.host

    @post(
        "/stations/{station_id:str}/trigger",
        scope="operate",
        summary="Trigger a message and wait for it",
        tags=["Remote Trigger"],
        status_code=200,
    )
    async def trigger(
        request: Request[Any, Any, Any], station_id: FromPath[str], data: JSONBody[TriggerBody]
    ) -> TriggerView:
        """State `arrived` has the message; `nothing came` is a warning, and nothing is repeated (TRG-04, TRG-06)."""
        station = host.stations.get(station_id)
        wanted = TriggerMessage(data.requested_message, data.connector_id)
        needless = needless_connector(wanted)
        if needless is not None:
            raise InvalidPayload(needless)
        host.audit.record(request.user, "trigger.send", station_id, None, wanted)
        warnings = plugin.core.warnings_for(TRIGGER_MESSAGE, wanted, station)
        pending = await plugin.triggers.send(station, wanted)
        with trio.move_on_after(float("inf") if data.wait is None else data.wait):
            await pending
        sent = pending.result() if pending.is_settled else plugin.triggers.recent(station_id)[0]
        return TriggerView(sent, (*warnings, *_late_warnings(sent)))

    @get("/stations/{station_id:str}/triggers", scope="read", summary="List triggers", tags=["Remote Trigger"])
    async def list_triggers(station_id: FromPath[str]) -> TriggerList:
        """Newest first, since csmsd was started."""
        host.stations.record(station_id)
        return TriggerList(plugin.triggers.recent(station_id))

    return [trigger, list_triggers]


def _late_warnings(sent: Trigger) -> Sequence[str]:
    if sent.state == "nothing came":
        return [f"{sent.station_id} accepted, but no {sent.requested_message} came (TRG-06)"]
    if sent.state == "arrived" and sent.error:
        return [f"{sent.requested_message} came and was answered with {sent.error}"]
    return []
