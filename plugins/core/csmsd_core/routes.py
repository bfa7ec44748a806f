"""The Core profile's part of the management API; mounted under `/api/v1` by the web plugin, if there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from litestar.types import ControllerRouterHandler

from csmsd_core.routes_configuration import configuration_routes
from csmsd_core.routes_connectors import connector_routes
from csmsd_core.routes_corrections import correction_routes
from csmsd_core.routes_remote_start import remote_start_routes
from csmsd_core.routes_tags import tag_routes
from csmsd_core.routes_transactions import transaction_routes

if TYPE_CHECKING:
    from csmsd_core.plugin import CorePlugin


def core_routes(core: CorePlugin) -> Sequence[ControllerRouterHandler]:
    """All of them."""
    return [
        *tag_routes(core.tags, core.host.env),
        *transaction_routes(core.transactions, core.price_of),
        *correction_routes(core.transactions),
        *connector_routes(core.statuses, core.transactions, core.host),
        *remote_start_routes(core),
        *configuration_routes(core.configuration, core.host),
    ]
