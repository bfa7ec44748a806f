"""The security profile's part of the management API; mounted under `/api/v1` by the web plugin, if there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from litestar.types import ControllerRouterHandler

from csmsd_security.routes_certificates import certificate_routes
from csmsd_security.routes_events import event_routes
from csmsd_security.routes_jobs import job_routes
from csmsd_security.routes_profiles import profile_routes
from csmsd_security.routes_triggers import trigger_routes

if TYPE_CHECKING:
    from csmsd_security.plugin import SecurityPlugin


def security_routes(plugin: SecurityPlugin) -> Sequence[ControllerRouterHandler]:
    """All of them."""
    return [
        *event_routes(plugin.events),
        *job_routes(plugin),
        *trigger_routes(plugin),
        *certificate_routes(plugin),
        *profile_routes(plugin),
    ]
