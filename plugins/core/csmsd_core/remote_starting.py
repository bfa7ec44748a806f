"""Starting a transaction as operators want it: who charges; where follows from what the connectors say (OPS-02)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from csmsd.station import Station
from csmsd_core.commands import REMOTE_START_TRANSACTION
from csmsd_core.messages import RemoteStartTransaction
from csmsd_core.status import ConnectorStatus

if TYPE_CHECKING:
    from csmsd_core.plugin import CorePlugin


class RemotelyStarted(msgspec.Struct, frozen=True):
    """The station's answer to a remote start. Accepted: it will try; the transaction comes when it has begun."""

    status: str
    connector_id: int | None  # that the station was told; None: it chooses
    warnings: tuple[str, ...]


async def start_remotely(
    core: CorePlugin, station: Station, id_tag: str, connector_id: int | None = None
) -> RemotelyStarted:
    """Send a RemoteStartTransaction (OP-10); InvalidPayload, and the errors of `Station.call`."""
    if connector_id is None:
        connector_id = waiting_connector(core.statuses.of_station(station.id))
    request = RemoteStartTransaction(id_tag, connector_id)
    warnings = core.warnings_for(REMOTE_START_TRANSACTION, request, station)
    response = await station.call(REMOTE_START_TRANSACTION, request)
    return RemotelyStarted(response.status, connector_id, tuple(warnings))


def waiting_connector(statuses: Iterable[ConnectorStatus]) -> int | None:
    """The one where a car is plugged in, or the only one there is; None if that leaves a choice."""
    connectors = [each for each in statuses if each.connector_id > 0]
    prepared = [each for each in connectors if each.status == "Preparing"]
    fitting = prepared or connectors
    return fitting[0].connector_id if len(fitting) == 1 else None
