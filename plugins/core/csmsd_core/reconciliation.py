"""To which transaction does a message without a usable id belong? Candidates and evidence (TX-24, TX-33, TX-41).

Nobody is billed on a guess: a stop is linked only if there is exactly one candidate and evidence for it. Everything
else is a proposal to the operator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa

from csmsd_core.insertion import insert_new
from csmsd_core.records import CLOSED
from csmsd_core.tables import status
from csmsd_core.transaction_rows import NO_STOP, UNMATCHED
from csmsd_core.transaction_tables import proposal, stop, transaction

LONG_AVAILABLE = sa.exists().where(  # `cutoff`: since when at least; a start that has just arrived is not stale yet
    status.c.station_id == transaction.c.station_id,
    status.c.connector_id == transaction.c.connector_id,
    status.c.status == "Available",
    status.c.since <= sa.bindparam("cutoff"),
    transaction.c.start_received_at <= sa.bindparam("cutoff"),
)
_UNKNOWN_TO_STATION = (
    sa.select(
        transaction.c.id,
        transaction.c.station_id,
        transaction.c.connector_id,
        transaction.c.id_tag_key,
        transaction.c.parent_key,
        transaction.c.meter_start,
        transaction.c.started_at,
        transaction.c.superseded_at,
    )
    .where(transaction.c.station_id.in_(sa.bindparam("stations", expanding=True)))
    .where(~transaction.c.is_known, ~LONG_AVAILABLE)
    .order_by(transaction.c.id)
)
WITHOUT_STOP = _UNKNOWN_TO_STATION.where(transaction.c.stop_rank == NO_STOP)
CLOSED_BY_OPERATOR = _UNKNOWN_TO_STATION.where(transaction.c.stop_rank == CLOSED)
UNMATCHED_STOPS = (
    sa.select(
        stop.c.id,
        stop.c.station_id,
        stop.c.at,
        stop.c.meter_stop,
        stop.c.id_tag_key,
        stop.c.parent_key,
        stop.c.begin_wh,
    )
    .where(stop.c.station_id.in_(sa.bindparam("stations", expanding=True)), stop.c.state == UNMATCHED)
    .order_by(stop.c.id)
)
PROPOSE = insert_new(proposal, ("transaction_id", "subject", "station_id"))


class Candidate(msgspec.Struct, frozen=True):
    """A transaction without a known stop, whose id its station has never shown to know."""

    id: int
    station_id: str
    connector_id: int
    id_tag_key: str
    parent_key: str
    meter_start: int
    started_at: datetime
    superseded_at: datetime | None

    def is_possible_at(self, at: datetime) -> bool:
        """Whether it may have been running then."""
        return self.started_at <= at and (self.superseded_at is None or at <= self.superseded_at)


class LostStop(msgspec.Struct, frozen=True):
    """What a StopTransaction tells about a transaction that it cannot name."""

    station_id: str
    at: datetime
    meter_stop: int | None
    id_tag_key: str = ""
    parent_key: str = ""
    begin_wh: int | None = None
    id: int = 0

    def fits(self, candidate: Candidate) -> bool:
        """The conditions of TX-24."""
        has_room = self.meter_stop is None or candidate.meter_start <= self.meter_stop
        return candidate.station_id == self.station_id and candidate.is_possible_at(self.at) and has_room

    def evidence_for(self, candidate: Candidate) -> str:
        """`tag`, `group` or `register`; "" if there is none."""
        if self.id_tag_key and self.id_tag_key == candidate.id_tag_key:
            return "tag"
        if self.parent_key and self.parent_key == candidate.parent_key:
            return "group"
        return "register" if self.begin_wh is not None and self.begin_wh == candidate.meter_start else ""


class Candidates:
    """The candidates of the stations in one batch, read when the first is asked for."""

    def __init__(self, connection: sa.Connection, stations: Iterable[str], cutoff: datetime) -> None:
        self._connection = connection
        self._parameters = {"stations": sorted(set(stations)), "cutoff": cutoff}
        self._open: list[Candidate] | None = None
        self._closed: list[Candidate] | None = None
        self._removed: set[int] = set()

    def for_stop(self, lost: LostStop) -> list[Candidate]:
        """Those without a stop; if there is none, those that only an operator has closed (TX-40)."""
        return self._fitting(lost, self._without_stop()) or self._fitting(lost, self._closed_by_operator())

    def for_reading(self, station_id: str, connector_id: int, at: datetime) -> list[Candidate]:
        """Those that may have been running on the connector."""
        return [
            each
            for each in self._without_stop()
            if (each.station_id, each.connector_id) == (station_id, connector_id) and each.is_possible_at(at)
        ]

    def remove(self, transaction_id: int) -> None:
        """It has a stop now."""
        self._removed.add(transaction_id)

    def _fitting(self, lost: LostStop, candidates: Sequence[Candidate]) -> list[Candidate]:
        return [each for each in candidates if lost.fits(each) and each.id not in self._removed]

    def _without_stop(self) -> list[Candidate]:
        if self._open is None:
            self._open = self._read(WITHOUT_STOP)
        return self._open

    def _closed_by_operator(self) -> list[Candidate]:
        if self._closed is None:
            self._closed = self._read(CLOSED_BY_OPERATOR)
        return self._closed

    def _read(self, query: sa.Executable) -> list[Candidate]:
        return [Candidate(**row) for row in self._connection.execute(query, self._parameters).mappings()]


class NewProposal(msgspec.Struct, frozen=True):
    """A suspicion that is worth an operator's look."""

    station_id: str
    transaction_id: int
    made_at: datetime
    stop_id: int | None = None
    connector_id: int | None = None  # of readings without an id
    evidence: str = ""

    @property
    def subject(self) -> str:
        """What it is about, as part of the unique key."""
        return f"meter/{self.connector_id}" if self.stop_id is None else f"stop/{self.stop_id}"


def propose(connection: sa.Connection, proposals: Sequence[NewProposal]) -> None:
    """Store proposals; those that exist, whatever became of them, are left alone."""
    if proposals:
        connection.execute(PROPOSE[connection.dialect.name], [_row_of(each) for each in proposals])


def unmatched_stops(connection: sa.Connection, stations: Iterable[str]) -> list[LostStop]:
    """StopTransactions of these stations that belong to no transaction."""
    rows = connection.execute(UNMATCHED_STOPS, {"stations": sorted(set(stations))}).mappings()
    return [LostStop(**row) for row in rows]


def _row_of(new: NewProposal) -> Mapping[str, object]:
    return {**msgspec.structs.asdict(new), "subject": new.subject, "state": "open", "actor": ""}
