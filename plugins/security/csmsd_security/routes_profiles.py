"""Raise a station's security profile (SEC-40)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
from litestar import post
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from csmsd_core import CHANGE_CONFIGURATION, ChangeConfiguration
from csmsd_core.routes_page import AnyRequest
from csmsd_security.profiles import KEY

if TYPE_CHECKING:
    from csmsd_security.plugin import SecurityPlugin


class ProfileBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new profile; lowering one is not possible over OCPP (SEC-46)."""

    profile: Annotated[int, Meta(ge=1, le=3)]


class ProfileView(msgspec.Struct, frozen=True):
    """What the station answered, and what it may connect with now."""

    status: str
    security_profile: int | None
    profile_upgrade_to: int | None
    warnings: Sequence[str]


def profile_routes(plugin: SecurityPlugin) -> Sequence[ControllerRouterHandler]:
    """Handlers around the service."""
    host = plugin.host

    @post(
        "/stations/{station_id:str}/security/profile",
        scope="admin",
        summary="Raise a station's security profile",
        tags=["Security"],
        status_code=200,
    )
    async def raise_profile(request: AnyRequest, station_id: FromPath[str], data: JSONBody[ProfileBody]) -> ProfileView:
        """After Accepted it may connect with the old or the new one, until the new one was used once (SEC-42)."""
        station = host.stations.get(station_id)
        wanted = ChangeConfiguration(KEY, str(data.profile))
        warnings = plugin.core.warnings_for(CHANGE_CONFIGURATION, wanted, station)
        host.audit.record(request.user, "security.raise_profile", station_id, None, data.profile)
        answer = await station.call(CHANGE_CONFIGURATION, wanted)
        record = station.record
        return ProfileView(answer.status, record.security_profile, record.profile_upgrade_to, warnings)

    return [raise_profile]
