"""Remote starts without OCPP's payload (OPS-02)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
from litestar import post
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from csmsd_core.remote_starting import RemotelyStarted, start_remotely
from csmsd_core.routes_page import AnyRequest

if TYPE_CHECKING:
    from csmsd_core.plugin import CorePlugin


class StartBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who charges, and where: without a connector, the one where a car is plugged in."""

    id_tag: Annotated[str, Meta(min_length=1, max_length=20)]
    connector_id: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None


def remote_start_routes(core: CorePlugin) -> Sequence[ControllerRouterHandler]:
    """Handlers around the service."""

    @post(
        "/stations/{station_id:str}/remote-start",
        scope="operate",
        summary="Start a transaction",
        tags=["Transactions"],
        status_code=200,
    )
    async def remote_start(
        request: AnyRequest, station_id: FromPath[str], data: JSONBody[StartBody]
    ) -> RemotelyStarted:
        """Any status of the station is a normal result. The raw command fills in nothing (OPS-01)."""
        station = core.host.stations.get(station_id)
        core.host.audit.record(request.user, "transaction.remote_start", station_id, None, data)
        return await start_remotely(core, station, data.id_tag, data.connector_id)

    return [remote_start]
