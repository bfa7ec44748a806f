"""The mirror of each station's configuration keys (CFG-09)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from csmsd.host import Host
from csmsd_core.configuration import ConfigurationMirror, Mirror, is_secret
from csmsd_core.messages import GetConfigurationResponse
from csmsd_core.routes_page import AnyRequest


class RefreshBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which keys to read; none means all of them."""

    keys: tuple[Annotated[str, Meta(min_length=1, max_length=50)], ...] = ()


def _without_secrets(response: GetConfigurationResponse) -> GetConfigurationResponse:
    """Some stations tell even their password (CFG-11, WS-24)."""
    shown = tuple(
        msgspec.structs.replace(each, value=None) if is_secret(each.key) else each
        for each in response.configuration_key
    )
    return msgspec.structs.replace(response, configuration_key=shown)


def configuration_routes(mirror: ConfigurationMirror, host: Host) -> Sequence[ControllerRouterHandler]:
    """Handlers around the service."""

    @get("/stations/{station_id:str}/configuration", scope="read", summary="Configuration", tags=["Configuration"])
    async def get_configuration(station_id: FromPath[str]) -> Mirror:
        """As far as csmsd knows it; secrets are never kept (CFG-11)."""
        host.stations.record(station_id)
        return await mirror.of_station(station_id)

    @post(
        "/stations/{station_id:str}/configuration/refresh",
        scope="operate",
        summary="Read from the station",
        tags=["Configuration"],
        status_code=200,
    )
    async def refresh(
        request: AnyRequest, station_id: FromPath[str], data: JSONBody[RefreshBody | None] = None
    ) -> GetConfigurationResponse:
        """In as many GetConfigurations as the station's limit needs (CFG-03)."""
        station = host.stations.get(station_id)
        keys = () if data is None else data.keys
        host.audit.record(request.user, "configuration.refresh", station_id, None, keys)
        return _without_secrets(await mirror.refresh(station, keys))

    return [get_configuration, refresh]
