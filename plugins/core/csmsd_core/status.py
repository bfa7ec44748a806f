"""Connector status: the current one and the complete history (CORE-03); nothing about transactions (CORE-09)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from csmsd.host import Host
from csmsd.pending import Pending
from csmsd.station import Arrival, Station
from csmsd.store import fact_row
from csmsd_core import flags
from csmsd_core.clock import Clocks
from csmsd_core.facts import CONNECTOR_STATUS_CHANGED, ConnectorStatusChanged
from csmsd_core.messages import StatusNotification, StatusNotificationResponse
from csmsd_core.status_rules import KNOWN_ERRORS, findings, is_operative
from csmsd_core.tables import status, status_history
from csmsd_core.upsert import upsert


class ConnectorStatus(msgspec.Struct, frozen=True):
    """What a connector reported last, or once; connector 0 is the station's main controller."""

    station_id: str
    connector_id: int
    status: str
    error_code: str  # as received
    info: str
    vendor_id: str
    vendor_error_code: str
    reported_at: datetime  # the time of receipt if the station gave none
    received_at: datetime
    warnings: tuple[str, ...] = ()
    since: datetime | None = None  # when this status was received first in a row; None in the history

    @property
    def error(self) -> str:
        """The errorCode, with OtherError for one that OCPP 1.6 does not know (VAL-15)."""
        return self.error_code if self.error_code in KNOWN_ERRORS else "OtherError"

    @property
    def is_operative(self) -> bool:
        """Whether it is in service (CORE-08)."""
        return is_operative(self.status)


class StatusRow(msgspec.Struct, frozen=True):
    """A StatusNotification on its way to the database."""

    current: ConnectorStatus
    previous: ConnectorStatus | None

    @property
    def is_change(self) -> bool:
        """Whether it tells something else than the one before."""
        before, now = self.previous, self.current
        return before is None or any(getattr(before, name) != getattr(now, name) for name in TOLD)


ALL_CONNECTORS = -1
LAST_ID = 2**62
TOLD = ("status", "error_code", "info", "vendor_id", "vendor_error_code")
SELECT_CURRENT = sa.select(status)
PUT_CURRENT = upsert(status)
ADD_HISTORY = sa.insert(status_history)
SELECT_HISTORY = (
    sa.select(status_history)
    .where(
        status_history.c.station_id == sa.bindparam("station_id"),
        status_history.c.id < sa.bindparam("before_id"),
        sa.or_(
            status_history.c.connector_id == sa.bindparam("connector_id"),
            sa.bindparam("connector_id", type_=sa.BigInteger) == ALL_CONNECTORS,
        ),
    )
    .order_by(status_history.c.id.desc())
    .limit(sa.bindparam("count"))
)


class StatusHistoryEntry(msgspec.Struct, frozen=True):
    """One StatusNotification as stored."""

    id: int
    status: ConnectorStatus


class StatusService:
    """The connectors of all stations."""

    def __init__(self, host: Host, clocks: Clocks, number_of_connectors: Callable[[str], int | None]) -> None:
        self._host, self._clocks, self._number_of_connectors = host, clocks, number_of_connectors
        self._current: dict[str, dict[int, ConnectorStatus]] = {}

    async def load(self) -> None:
        """Read the current status of every connector; before stations are let in."""

        def read(connection: sa.Connection) -> list[ConnectorStatus]:
            return [_status_of(row) for row in connection.execute(SELECT_CURRENT).mappings()]

        for each in await self._host.store.read(read):
            self._current.setdefault(each.station_id, {})[each.connector_id] = each
            if each.reported_at != each.received_at:
                self._clocks.note(each.station_id, each.reported_at, each.received_at)

    def of_station(self, station_id: str) -> Sequence[ConnectorStatus]:
        """All connectors that have ever been mentioned, by number (BOOT-27)."""
        return [each for _, each in sorted(self._current.get(station_id, {}).items())]

    def of_connector(self, station_id: str, connector_id: int) -> ConnectorStatus | None:
        """What a connector reported last: the last received counts, whatever its timestamp (CORE-05)."""
        return self._current.get(station_id, {}).get(connector_id)

    def notify(
        self, station: Station, request: StatusNotification, arrival: Arrival
    ) -> Pending[StatusNotificationResponse]:
        """Store a StatusNotification, then confirm it (CORE-02)."""
        connectors = self._current.setdefault(station.id, {})
        previous = connectors.get(request.connector_id)
        warnings = findings(
            request, None if previous is None else previous.status, self._number_of_connectors(station.id)
        )
        continues = previous is not None and previous.status == request.status
        current = ConnectorStatus(
            station_id=station.id,
            connector_id=request.connector_id,
            status=request.status,
            error_code=request.error_code,
            info=request.info or "",
            vendor_id=request.vendor_id or "",
            vendor_error_code=request.vendor_error_code or "",
            reported_at=request.timestamp or arrival.received_at,
            received_at=arrival.received_at,
            warnings=flags.unique([*warnings, *map(flags.flag_of, arrival.deviations)]),
            since=previous.since if previous is not None and continues else arrival.received_at,
        )
        connectors[request.connector_id] = current  # in order of arrival, so that the next one is compared with this
        if request.timestamp is not None:
            self._clocks.note(station.id, request.timestamp, arrival.received_at)
        stored = self._host.store.submit(self.record_statuses, StatusRow(current, previous))
        return stored.then(lambda _: self._respond(current))

    def _respond(self, current: ConnectorStatus) -> StatusNotificationResponse:
        self._host.events.publish("connector.status", current.station_id, current.received_at, current)
        return StatusNotificationResponse()

    def record_statuses(self, connection: sa.Connection, rows: Sequence[StatusRow]) -> Sequence[None]:
        """Write the history and the current status, and tell the plugins what is new."""
        columns = [_columns(row.current) for row in rows]
        connection.execute(ADD_HISTORY, [{name: each[name] for name in each if name != "since"} for each in columns])
        latest = {(each["station_id"], each["connector_id"]): each for each in columns}
        connection.execute(PUT_CURRENT[connection.dialect.name], [latest[key] for key in sorted(latest)])
        changes = [
            fact_row(CONNECTOR_STATUS_CHANGED, row.current.station_id, _fact(row)) for row in rows if row.is_change
        ]
        if changes:
            self._host.store.record_facts(connection, changes)
        return [None] * len(rows)

    async def history(
        self,
        station_id: str,
        *,
        connector_id: int | None = None,
        before_id: int | None = None,
        limit: int = 100,
    ) -> Sequence[StatusHistoryEntry]:
        """StatusNotifications of a station or one connector, newest first."""
        parameters = {
            "station_id": station_id,
            "connector_id": ALL_CONNECTORS if connector_id is None else connector_id,
            "before_id": before_id or LAST_ID,
            "count": limit,
        }

        def read(connection: sa.Connection) -> list[StatusHistoryEntry]:
            rows = connection.execute(SELECT_HISTORY, parameters).mappings()
            return [StatusHistoryEntry(row["id"], _status_of(row)) for row in rows]

        return await self._host.store.read(read)


def _columns(current: ConnectorStatus) -> dict[str, Any]:
    return {**msgspec.structs.asdict(current), "warnings": flags.to_text(current.warnings)}


def _status_of(row: Mapping[Any, Any]) -> ConnectorStatus:
    fields = {name: value for name, value in row.items() if name not in ("id", "warnings")}
    return ConnectorStatus(**fields, warnings=flags.from_text(row["warnings"]))


def _fact(row: StatusRow) -> ConnectorStatusChanged:
    now, before = row.current, row.previous
    return ConnectorStatusChanged(
        connector_id=now.connector_id,
        status=now.status,
        previous="" if before is None else before.status,
        error_code=now.error_code,
        info=now.info,
        vendor_id=now.vendor_id,
        vendor_error_code=now.vendor_error_code,
        reported_at=now.reported_at,
        received_at=now.received_at,
    )
