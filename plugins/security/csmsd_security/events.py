"""Security events of stations: each is stored once, with a counter, and the critical ones raise an alert (SEC-70)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from csmsd.errors import CsmsdError
from csmsd.host import Host
from csmsd.pending import Pending
from csmsd.station import Arrival, Station
from csmsd.store import fact_row
from csmsd_security.facts import SECURITY_EVENT_RECEIVED, SecurityEventReceived
from csmsd_security.messages import SecurityEventNotification, SecurityEventNotificationResponse
from csmsd_security.tables import event

CRITICAL = frozenset(  # SEC-71; the list is open, and what is not in it is not critical
    {
        "FirmwareUpdated",
        "SettingSystemTime",
        "StartupOfTheDevice",
        "ResetOrReboot",
        "SecurityLogWasCleared",
        "MemoryExhaustion",
        "TamperDetectionActivated",
    }
)
NOT_CRITICAL = frozenset(
    {
        "FailedToAuthenticateAtCentralSystem",
        "CentralSystemFailedToAuthenticate",
        "ReconfigurationOfSecurityParameters",
        "InvalidMessages",
        "AttemptedReplayAttacks",
        "InvalidFirmwareSignature",
        "InvalidFirmwareSigningCertificate",
        "InvalidCentralSystemCertificate",
        "InvalidChargePointCertificate",
        "InvalidTLSVersion",
        "InvalidTLSCipherSuite",
    }
)
CONFIRMED = SecurityEventNotificationResponse()
LAST_ID = 2**62


class UnknownEvent(CsmsdError):
    """No security event has this id."""


class SecurityEvent(msgspec.Struct, frozen=True):
    """What a station reported, once or several times."""

    id: int
    station_id: str
    type: str
    tech_info: str | None
    reported_at: datetime
    received_at: datetime  # first
    last_received_at: datetime
    count: int
    is_critical: bool
    acknowledged_at: datetime | None
    acknowledged_by: str

    @property
    def is_alert(self) -> bool:
        """Whether an operator has to look at it (SEC-71)."""
        return self.is_critical and self.acknowledged_at is None


class EventRow(msgspec.Struct, frozen=True):
    """A notification on its way to the database."""

    station_id: str
    type: str
    tech_info: str | None
    reported_at: datetime
    received_at: datetime
    is_critical: bool

    @property
    def key(self) -> str:
        """Equal for equal events (SEC-70)."""
        content = msgspec.json.encode((self.type, self.reported_at.isoformat(), self.tech_info))
        return hashlib.sha256(content).hexdigest()


class Acknowledgement(msgspec.Struct, frozen=True):
    """An operator has seen an event."""

    id: int
    at: datetime
    by: str


INSERT: dict[str, sqlite.Insert | postgresql.Insert] = {
    "sqlite": sqlite.insert(event),
    "postgresql": postgresql.insert(event),
}
ADD = {
    name: insert.on_conflict_do_update(
        index_elements=["station_id", "event_key"],
        set_={
            "count": event.c.count + insert.excluded.count,
            "last_received_at": insert.excluded.last_received_at,
        },
    ).returning(event.c.station_id, event.c.event_key, event.c.count)
    for name, insert in INSERT.items()
}
ACKNOWLEDGE = (
    sa.update(event)
    .where(event.c.id == sa.bindparam("key"), event.c.acknowledged_at.is_(None))
    .values(acknowledged_at=sa.bindparam("at"), acknowledged_by=sa.bindparam("by"))
)
SELECT = sa.select(event)
ONE = SELECT.where(event.c.id == sa.bindparam("key"))
PAGE = (
    SELECT.where(
        event.c.id < sa.bindparam("before_id"),
        sa.or_(sa.bindparam("any_station", type_=sa.Boolean), event.c.station_id == sa.bindparam("station")),
        sa.or_(
            sa.not_(sa.bindparam("only_alerts", type_=sa.Boolean)),
            sa.and_(event.c.is_critical, event.c.acknowledged_at.is_(None)),
        ),
    )
    .order_by(event.c.id.desc())
    .limit(sa.bindparam("most"))
)


class SecurityEvents:
    """The security events of all stations."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def receive(
        self, station: Station, request: SecurityEventNotification, arrival: Arrival
    ) -> Pending[SecurityEventNotificationResponse]:
        """Store the event, then confirm it, whatever its type (SEC-70)."""
        received_at = arrival.received_at.astimezone(UTC)
        row = EventRow(
            station.id,
            request.type,
            request.tech_info,
            request.timestamp.astimezone(UTC),
            received_at,
            request.type in CRITICAL,
        )
        return self._host.store.submit(self._add, row).then(lambda is_new: self._stored(row, is_new=is_new))

    def _stored(self, row: EventRow, *, is_new: bool) -> SecurityEventNotificationResponse:
        if is_new:
            kind = "security.alert" if row.is_critical else "security.event"
            self._host.events.publish(kind, row.station_id, row.received_at, row)
        return CONFIRMED

    def _add(self, connection: sa.Connection, rows: Sequence[EventRow]) -> list[bool]:
        """A write: for each row, whether it is the first of its kind."""
        groups: dict[tuple[str, str], list[EventRow]] = {}
        for row in rows:
            groups.setdefault((row.station_id, row.key), []).append(row)
        found = connection.execute(
            ADD[connection.dialect.name], [_columns(key, group) for key, group in groups.items()]
        )
        counts = {(station_id, key): count for station_id, key, count in found}
        new = {key for key, group in groups.items() if counts[key] == len(group)}
        facts = [fact_row(SECURITY_EVENT_RECEIVED, key[0], _fact(groups[key][0])) for key in groups if key in new]
        if facts:
            self._host.store.record_facts(connection, facts)
        return [(row.station_id, row.key) in new and groups[row.station_id, row.key][0] is row for row in rows]

    async def page(
        self,
        *,
        station_id: str | None = None,
        only_alerts: bool = False,
        before_id: int | None = None,
        limit: int = 100,
    ) -> Sequence[SecurityEvent]:
        """Newest first; alerts are critical events that nobody has acknowledged."""
        parameters = {
            "before_id": before_id or LAST_ID,
            "any_station": station_id is None,
            "station": station_id or "",
            "only_alerts": only_alerts,
            "most": limit,
        }
        return await self._host.store.read(
            lambda connection: [_event_of(row) for row in connection.execute(PAGE, parameters).mappings()]
        )

    async def acknowledge(self, event_id: int, *, actor: str) -> SecurityEvent:
        """An operator has seen it: it is no alert any more; UnknownEvent."""
        await self._host.store.submit(acknowledge, Acknowledgement(event_id, self._host.env.now(), actor))
        found = await self._host.store.read(
            lambda connection: connection.execute(ONE, {"key": event_id}).mappings().one_or_none()
        )
        if found is None:
            raise UnknownEvent(f"there is no security event {event_id}")
        self._host.audit.record(actor, "security.acknowledge", found["station_id"], None, event_id)
        return _event_of(found)


def acknowledge(connection: sa.Connection, rows: Sequence[Acknowledgement]) -> list[None]:
    """A write: the first acknowledgement stays."""
    connection.execute(ACKNOWLEDGE, [{"key": row.id, "at": row.at, "by": row.by} for row in rows])
    return [None] * len(rows)


def _columns(key: tuple[str, str], group: Sequence[EventRow]) -> dict[str, Any]:
    first = group[0]
    return {
        "station_id": first.station_id,
        "event_key": key[1],
        "type": first.type,
        "tech_info": first.tech_info,
        "reported_at": first.reported_at,
        "received_at": first.received_at,
        "last_received_at": group[-1].received_at,
        "count": len(group),
        "is_critical": first.is_critical,
    }


def _fact(row: EventRow) -> SecurityEventReceived:
    return SecurityEventReceived(row.type, row.reported_at, row.received_at, row.is_critical, row.tech_info)


def _event_of(row: Any) -> SecurityEvent:
    return SecurityEvent(**{name: row[name] for name in SecurityEvent.__struct_fields__})
