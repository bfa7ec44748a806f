"""Smart Charging's part of the management API; mounted under `/api/v1` by the web plugin, if there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from litestar.types import ControllerRouterHandler

from csmsd_smartcharging.routes_profiles import profile_routes
from csmsd_smartcharging.routes_schedules import schedule_routes
from csmsd_smartcharging.routes_sharing import site_routes, template_routes

if TYPE_CHECKING:
    from csmsd_smartcharging.plugin import SmartChargingPlugin


def smart_charging_routes(plugin: SmartChargingPlugin) -> Sequence[ControllerRouterHandler]:
    """All of them."""
    return [
        *profile_routes(plugin),
        *schedule_routes(plugin),
        *template_routes(plugin),
        *site_routes(plugin),
    ]
