"""To which transaction a reading belongs (MV-08..MV-10, TX-24, TX-25)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa

from csmsd.store import UtcTime
from csmsd_core.reading_rows import Element
from csmsd_core.reconciliation import Candidate, Candidates
from csmsd_core.transaction_rows import NO_STOP
from csmsd_core.transaction_tables import transaction

FINISHED = "MV-09 after the stop"
OTHER_CONNECTOR = "MV-09 other connector"
UNKNOWN = "TX-25 unknown transaction"
RECONCILED = "TX-24 reconciled"
UNMATCHED = "TX-24 unmatched"

_COLUMNS = (
    transaction.c.id,
    transaction.c.station_id,
    transaction.c.connector_id,
    transaction.c.started_at,
    transaction.c.stopped_at,
    transaction.c.superseded_at,
    transaction.c.is_known,
)
NAMED = sa.select(*_COLUMNS).where(transaction.c.id.in_(sa.bindparam("ids", expanding=True)))
_AT_STATIONS = sa.select(*_COLUMNS).where(
    transaction.c.station_id.in_(sa.bindparam("stations", expanding=True)),
    transaction.c.started_at <= sa.bindparam("latest", type_=UtcTime),
)
RECENT = timedelta(days=1)  # before receipt; older moments are looked up one by one
OVERLAPPING = 8  # transactions of a connector that may have begun after the one that was running
BEGUN_BEFORE = (
    sa.select(*_COLUMNS)
    .where(
        transaction.c.station_id == sa.bindparam("station_id"),
        transaction.c.connector_id == sa.bindparam("connector_id"),
        transaction.c.started_at <= sa.bindparam("at", type_=UtcTime),
    )
    .order_by(transaction.c.started_at.desc(), transaction.c.id.desc())
    .limit(OVERLAPPING)
)
RUNNING = sa.union_all(  # two selects, for each has its own index
    _AT_STATIONS.where(transaction.c.stop_rank == NO_STOP),
    _AT_STATIONS.where(transaction.c.stopped_at >= sa.bindparam("earliest", type_=UtcTime)),
)


class MeterRow(msgspec.Struct, frozen=True, gc=False):
    """A MeterValues message, normalised."""

    station_id: str
    connector_id: int
    reference: int | None  # the transactionId in the message
    received_at: datetime
    elements: tuple[Element, ...]

    @property
    def origin(self) -> str:
        """Connector and transactionId as sent: a part of the readings' unique key."""
        return f"{self.connector_id}/{'' if self.reference is None else self.reference}"


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a reading belongs, and what is odd about it; `candidates` if only an operator can tell."""

    transaction_id: int | None = None
    flags: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()


class _Known(msgspec.Struct, frozen=True, gc=False):
    id: int
    station_id: str
    connector_id: int
    started_at: datetime
    stopped_at: datetime | None
    superseded_at: datetime | None
    is_known: bool

    def is_running_at(self, at: datetime) -> bool:
        if at < self.started_at:
            return False
        if self.stopped_at is not None:
            return at <= self.stopped_at
        return self.superseded_at is None or at < self.superseded_at


class Attribution:
    """What has to be known about transactions to attribute one batch, asked once and only if it comes up."""

    def __init__(self, connection: sa.Connection, rows: Sequence[MeterRow], staleness: timedelta) -> None:
        ids = sorted({row.reference for row in rows if row.reference is not None and row.reference > 0})
        named = connection.execute(NAMED, {"ids": ids}).mappings() if ids else ()
        self._named = {row["id"]: _Known(**row) for row in named}
        self._connection = connection
        self._running = _running(connection, [row for row in rows if row.reference is None and row.connector_id > 0])
        self._candidates: Candidates | None = None
        lost = [row for row in rows if row.reference is not None and row.reference <= 0]
        if lost:
            cutoff = max(row.received_at for row in lost) - staleness
            self._candidates = Candidates(connection, [row.station_id for row in lost], cutoff)

    def newly_known(self, rows: Sequence[MeterRow]) -> list[tuple[str, int]]:
        """Stations and ids of transactions, that they have used for the first time (TX-24)."""
        unknown = {each.id for each in self._named.values() if not each.is_known}
        return sorted({(row.station_id, row.reference) for row in rows if row.reference in unknown})

    def place(self, row: MeterRow, at: datetime) -> Place:
        """Where a reading of this message and moment belongs."""
        if row.reference is None:
            return Place(self._running_at(row, at))
        if row.reference <= 0:
            return self._reconciled(row, at)
        named = self._named.get(row.reference)
        if named is None or named.station_id != row.station_id:
            return Place(None, (UNKNOWN,))
        marks: tuple[str, ...] = ()
        if named.stopped_at is not None and at > named.stopped_at:
            marks += (FINISHED,)
        if row.connector_id not in (0, named.connector_id):
            marks += (OTHER_CONNECTOR,)
        return Place(named.id, marks)

    def _running_at(self, row: MeterRow, at: datetime) -> int | None:
        if row.connector_id <= 0:
            return None  # the main meter is nobody's (MV-08)
        known = self._running.get((row.station_id, row.connector_id), [])
        if at < row.received_at - RECENT:
            known = [*known, *self._begun_before(row, at)]
        running = [each for each in known if each.is_running_at(at)]
        return max(running, key=lambda each: (each.started_at, each.id)).id if running else None

    def _begun_before(self, row: MeterRow, at: datetime) -> list[_Known]:
        """One station with a clock of last year must not make a batch read a year of all stations."""
        parameters = {"station_id": row.station_id, "connector_id": row.connector_id, "at": at}
        return [_Known(**found) for found in self._connection.execute(BEGUN_BEFORE, parameters).mappings()]

    def _reconciled(self, row: MeterRow, at: datetime) -> Place:
        if self._candidates is None:
            return Place(None, (UNMATCHED,))
        fitting = self._candidates.for_reading(row.station_id, row.connector_id, at)
        if len(fitting) == 1:
            return Place(fitting[0].id, (RECONCILED,))
        return Place(None, (UNMATCHED,), tuple(fitting))


def _running(connection: sa.Connection, rows: Sequence[MeterRow]) -> dict[tuple[str, int], list[_Known]]:
    """By station and connector: what is open, and what has stopped lately."""
    moments = [element.moment.at for row in rows for element in row.elements]
    if not moments:
        return {}
    parameters = {
        "stations": sorted({row.station_id for row in rows}),
        "earliest": max(min(moments), min(row.received_at for row in rows) - RECENT),
        "latest": max(moments),
    }
    running: dict[tuple[str, int], list[_Known]] = {}
    for found in connection.execute(RUNNING, parameters).mappings():
        known = _Known(**found)
        running.setdefault((known.station_id, known.connector_id), []).append(known)
    return running
