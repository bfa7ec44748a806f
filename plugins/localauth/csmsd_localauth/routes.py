"""The routes of local lists; mounted under `/api/v1` by the web plugin, if there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from csmsd_localauth.limits import Limits
from csmsd_localauth.messages import AuthorizationData, UpdateType
from csmsd_localauth.mirror import ListState
from csmsd_localauth.sync import SyncResult

if TYPE_CHECKING:
    from csmsd_localauth.plugin import LocalAuthPlugin

AnyRequest = Request[Any, Any, Any]
Entries = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Tag = Annotated[str, Meta(min_length=1, max_length=20)]


class SyncBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`full`: replace the list whatever it contains. Limits, in entries, overrule what the station says."""

    full: bool = False
    max_entries: Entries | None = None
    max_entries_per_message: Entries | None = None


class SendBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Id tags to send with what is known of them, and those to take out (Differential only)."""

    update_type: UpdateType
    id_tags: tuple[Tag, ...] = ()
    removed: tuple[Tag, ...] = ()
    max_entries: Entries | None = None
    max_entries_per_message: Entries | None = None


class ListView(msgspec.Struct, frozen=True):
    """A station's list as far as csmsd knows it."""

    state: ListState
    is_certain: bool
    entries: Sequence[AuthorizationData]


def local_list_routes(plugin: LocalAuthPlugin) -> Sequence[ControllerRouterHandler]:
    """Handlers around the service."""
    host = plugin.host

    @get("/stations/{station_id:str}/local-list", scope="read", summary="The local list", tags=["Local list"])
    async def show(station_id: FromPath[str]) -> ListView:
        """The mirror: what was accepted, and whether something speaks against it (`state.concern`)."""
        host.stations.record(station_id)
        state = await plugin.lists.settled(station_id)
        return ListView(state, state.is_certain, list((await plugin.lists.entries_of(station_id)).values()))

    @post(
        "/stations/{station_id:str}/local-list/sync",
        scope="operate",
        summary="Bring the local list in line with the id tags",
        tags=["Local list"],
        status_code=200,
    )
    async def sync(
        request: AnyRequest, station_id: FromPath[str], data: JSONBody[SyncBody | None] = None
    ) -> SyncResult:
        """Only what has changed, if that is safe; a Full list else (LAL-09)."""
        station, body = host.stations.get(station_id), data or SyncBody()
        host.audit.record(request.user, "local_list.sync", station_id, None, body)
        limits = Limits(body.max_entries, body.max_entries_per_message)
        return await plugin.synchroniser.sync(station, force_full=body.full, limits=limits)

    @post(
        "/stations/{station_id:str}/local-list/send",
        scope="operate",
        summary="Send some id tags to the local list",
        tags=["Local list"],
        status_code=200,
    )
    async def send(request: AnyRequest, station_id: FromPath[str], data: JSONBody[SendBody]) -> SyncResult:
        """With a version of csmsd's; the command SendLocalList sends anything."""
        if data.update_type == "Full" and data.removed:
            raise HTTPException(detail="a Full list removes whatever it does not name", status_code=422)
        station = host.stations.get(station_id)
        host.audit.record(request.user, "local_list.send", station_id, None, data)
        limits = Limits(data.max_entries, data.max_entries_per_message)
        return await plugin.synchroniser.send(station, data.update_type, data.id_tags, data.removed, limits)

    return [show, sync, send]
