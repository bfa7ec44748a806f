"""Which RemoteStartTransaction led to a transaction (TX-10)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa

from csmsd.store import UtcTime
from csmsd_core.tables import remote_start
from csmsd_core.transaction_tables import transaction

PENDING = (
    sa.select(
        remote_start.c.id,
        remote_start.c.station_id,
        remote_start.c.id_tag_key,
        remote_start.c.connector_id,
        remote_start.c.requested_at,
        remote_start.c.valid_until,
    )
    .where(
        remote_start.c.station_id.in_(sa.bindparam("stations", expanding=True)),
        remote_start.c.valid_until >= sa.bindparam("earliest", type_=UtcTime),
        remote_start.c.outcome.in_(("sent", "accepted")),
        ~sa.exists().where(transaction.c.remote_start_id == remote_start.c.id),
    )
    .order_by(remote_start.c.requested_at)
)


class _Request(msgspec.Struct, frozen=True):
    id: str
    station_id: str
    id_tag_key: str
    connector_id: int | None
    requested_at: datetime
    valid_until: datetime


class RemoteLinks:
    """The remote starts of some stations that wait for their transaction, oldest first."""

    def __init__(
        self, connection: sa.Connection, tolerance: timedelta, stations: Iterable[str], earliest: datetime
    ) -> None:
        self._tolerance = tolerance
        rows = connection.execute(PENDING, {"stations": sorted(set(stations)), "earliest": earliest}).mappings()
        self._pending = [_Request(**row) for row in rows]

    def take(self, station_id: str, id_tag_key: str, connector_id: int, started_at: datetime) -> str | None:
        """The id of the remote start that fits; it is taken then. A start from before the request has another cause."""
        for request in self._pending:
            is_for_it = (request.station_id, request.id_tag_key) == (station_id, id_tag_key)
            is_here = request.connector_id is None or request.connector_id == connector_id
            is_then = request.requested_at - self._tolerance <= started_at <= request.valid_until
            if is_for_it and is_here and is_then:
                self._pending.remove(request)
                return request.id
        return None
