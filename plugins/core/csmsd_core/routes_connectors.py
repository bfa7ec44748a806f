"""Connectors: what they reported last, and their history (CORE-03)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from litestar import get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from csmsd.host import Host
from csmsd_core.records import Transaction
from csmsd_core.routes_page import AnyRequest, Limit, Page, QueryNumber, link_after
from csmsd_core.status import ConnectorStatus, StatusHistoryEntry, StatusService
from csmsd_core.transactions import Transactions


class ConnectorView(msgspec.Struct, frozen=True):
    """A connector: the status is as old as `received_at`, whether the station is online or not."""

    status: ConnectorStatus
    operative: bool
    transaction: Transaction | None  # the current one (TX-39)


def connector_routes(
    statuses: StatusService, transactions: Transactions, host: Host
) -> Sequence[ControllerRouterHandler]:
    """Handlers around the services."""

    @get("/stations/{station_id:str}/connectors", scope="read", summary="Connectors", tags=["Connectors"])
    async def list_connectors(station_id: FromPath[str]) -> Page[ConnectorView]:
        """All that have ever been mentioned, by number; 0 is the station itself (BOOT-27)."""
        host.stations.record(station_id)
        found = [
            ConnectorView(each, each.is_operative, await transactions.current(station_id, each.connector_id))
            for each in statuses.of_station(station_id)
        ]
        return Page(found)

    @get("/stations/{station_id:str}/status-history", scope="read", summary="Status history", tags=["Connectors"])
    async def list_history(
        request: AnyRequest,
        station_id: FromPath[str],
        connector_id: QueryNumber = None,
        limit: Limit = 100,
        after: QueryNumber = None,
    ) -> Page[StatusHistoryEntry]:
        """Every StatusNotification, newest first; also of a station that has been removed."""
        found = await statuses.history(station_id, connector_id=connector_id, before_id=after, limit=limit)
        return Page(found, link_after(request, found[-1].id) if len(found) == limit else None)

    return [list_connectors, list_history]
