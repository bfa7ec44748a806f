"""Questions about transactions, stops and readings; what depends on others is worked out when it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from csmsd.store import UtcTime
from csmsd_core.concurrency import HAS_SUCCESSOR
from csmsd_core.reading_rows import distinct_readings, reading_of
from csmsd_core.reconciliation import LONG_AVAILABLE
from csmsd_core.records import CLOSED, Proposal, Reading, Stop, Transaction, TransactionStatus
from csmsd_core.transaction_rows import NO_STOP, SELECT, SELECT_STOPS, UNMATCHED, stop_of, transaction_of
from csmsd_core.transaction_tables import meter_value, proposal, stop, transaction

STALE = "TX-33 stale"
MISSING_ENERGY = "TX-36 missing energy"
DECREASING_REGISTER = "MV-12 decreasing register"
DECREASING = "TX-07 decreasing meter"

_before = transaction.alias("before")
PREVIOUS_METER_STOP = (
    sa.select(_before.c.meter_stop)
    .where(
        _before.c.station_id == transaction.c.station_id,
        _before.c.connector_id == transaction.c.connector_id,
        _before.c.started_at < transaction.c.started_at,
    )
    .order_by(_before.c.started_at.desc(), _before.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
_SHOWN = SELECT.add_columns(
    PREVIOUS_METER_STOP.label("previous_meter_stop"),
    sa.and_(transaction.c.stop_rank == NO_STOP, sa.or_(LONG_AVAILABLE, HAS_SUCCESSOR)).label("is_stale"),
)


def _given(name: str, column: sa.ColumnElement[Any], *, at_least: bool = False, below: bool = False) -> Any:
    """The column fits the parameter, or there is none."""
    parameter = sa.bindparam(name, type_=column.type)
    fits = column >= parameter if at_least else column < parameter if below else column == parameter
    return sa.or_(parameter.is_(None), fits)


def _page(of: sa.Select[Any]) -> sa.Select[Any]:
    is_superseded = sa.case((transaction.c.superseded_by.is_not(None), 1), else_=0)
    return (
        of.where(
            _given("connector", transaction.c.connector_id),
            _given("tag", transaction.c.id_tag_key),
            _given("since", transaction.c.started_at, at_least=True),
            _given("until", transaction.c.started_at, below=True),
            _given("before_id", transaction.c.id, below=True),
            _given("rank", transaction.c.stop_rank),
            _given("superseded", is_superseded),
        )
        .order_by(transaction.c.id.desc())
        .limit(sa.bindparam("count"))
    )


PAGE = _page(_SHOWN)
PAGE_OF_STATION = _page(_SHOWN.where(transaction.c.station_id == sa.bindparam("station")))
ONE = _SHOWN.where(transaction.c.id == sa.bindparam("wanted"))
CURRENT = (
    _SHOWN.where(
        transaction.c.station_id == sa.bindparam("station"),
        transaction.c.connector_id == sa.bindparam("connector"),
        transaction.c.stop_rank == NO_STOP,
        transaction.c.superseded_by.is_(None),
    )
    .order_by(transaction.c.started_at.desc(), transaction.c.start_received_at.desc(), transaction.c.id.desc())
    .limit(1)
)
READINGS = (
    sa.select(meter_value)
    .where(meter_value.c.transaction_id == sa.bindparam("wanted"))
    .order_by(meter_value.c.at, meter_value.c.id)
)
READINGS_OF_CONNECTOR = (
    sa.select(meter_value)
    .where(
        meter_value.c.station_id == sa.bindparam("station"),
        meter_value.c.connector_id == sa.bindparam("connector"),
        meter_value.c.at >= sa.bindparam("since", type_=UtcTime),
        meter_value.c.at < sa.bindparam("until", type_=UtcTime),
    )
    .order_by(meter_value.c.at, meter_value.c.id)
)
STOPS_OF = SELECT_STOPS.where(stop.c.transaction_id == sa.bindparam("wanted")).order_by(stop.c.id)
UNMATCHED_STOPS = (
    SELECT_STOPS.where(stop.c.state == UNMATCHED, _given("station", stop.c.station_id))
    .order_by(stop.c.id.desc())
    .limit(sa.bindparam("count"))
)
PROPOSALS = (  # those that can still be accepted
    sa.select(proposal)
    .join(transaction, transaction.c.id == proposal.c.transaction_id)
    .outerjoin(stop, stop.c.id == proposal.c.stop_id)
    .where(
        proposal.c.state == "open",
        _given("station", proposal.c.station_id),
        sa.or_(proposal.c.stop_id.is_(None), stop.c.state == UNMATCHED),
        sa.or_(proposal.c.stop_id.is_(None), transaction.c.stop_rank.in_((0, CLOSED))),
    )
    .order_by(proposal.c.id)
    .limit(sa.bindparam("count"))
)

_RANKS: dict[TransactionStatus, tuple[int, int | None]] = {
    "open": (0, 0),
    "superseded": (0, 1),
    "stopped": (1, None),
    "reconciled": (2, None),
    "closed": (3, None),
}


class TransactionFilter(msgspec.Struct, frozen=True):
    """Which transactions to list: everything given must match; newest first, `before_id` for the next page."""

    station_id: str | None = None
    connector_id: int | None = None
    id_tag_key: str | None = None  # folded
    status: TransactionStatus | None = None
    started_since: datetime | None = None
    started_until: datetime | None = None
    before_id: int | None = None
    limit: int = 100


def page(
    connection: sa.Connection, wanted: TransactionFilter, now: datetime, staleness: timedelta
) -> list[Transaction]:
    """One page of transactions."""
    rank, superseded = (None, None) if wanted.status is None else _RANKS[wanted.status]
    query = PAGE if wanted.station_id is None else PAGE_OF_STATION
    parameters = {
        **({} if wanted.station_id is None else {"station": wanted.station_id}),
        "connector": wanted.connector_id,
        "tag": wanted.id_tag_key,
        "since": wanted.started_since,
        "until": wanted.started_until,
        "before_id": wanted.before_id,
        "rank": rank,
        "superseded": superseded,
        "count": wanted.limit,
        "cutoff": now - staleness,
    }
    return [_shown(row) for row in connection.execute(query, parameters).mappings()]


def find(connection: sa.Connection, transaction_id: int, now: datetime, staleness: timedelta) -> Transaction | None:
    """One transaction."""
    row = connection.execute(ONE, {"wanted": transaction_id, "cutoff": now - staleness}).mappings().first()
    return None if row is None else _shown(row)


def current(
    connection: sa.Connection, station_id: str, connector_id: int, now: datetime, staleness: timedelta
) -> Transaction | None:
    """The current transaction of a connector (TX-39)."""
    parameters = {"station": station_id, "connector": connector_id, "cutoff": now - staleness}
    row = connection.execute(CURRENT, parameters).mappings().first()
    return None if row is None else _shown(row)


def readings_of(connection: sa.Connection, transaction_id: int) -> Sequence[Reading]:
    """All readings of a transaction, in the order of their effective times, without repetitions."""
    rows = connection.execute(READINGS, {"wanted": transaction_id}).mappings()
    return _with_register_checked(distinct_readings(reading_of(row) for row in rows))


def _with_register_checked(readings: Sequence[Reading]) -> list[Reading]:
    """Flag readings of the import register that are below an earlier one (MV-12)."""
    highest: int | None = None
    checked: list[Reading] = []
    for reading in readings:
        energy = reading.energy_wh
        if energy is not None and highest is not None and energy < highest:
            checked.append(msgspec.structs.replace(reading, flags=(*reading.flags, DECREASING_REGISTER)))
        else:
            highest = highest if energy is None else energy
            checked.append(reading)
    return checked


def readings_at(
    connection: sa.Connection, station_id: str, connector_id: int, since: datetime, until: datetime
) -> Sequence[Reading]:
    """All readings of a connector, or of the main meter (0), whatever transaction they belong to."""
    parameters = {"station": station_id, "connector": connector_id, "since": since, "until": until}
    return [reading_of(row) for row in connection.execute(READINGS_OF_CONNECTOR, parameters).mappings()]


def stops_of(connection: sa.Connection, transaction_id: int) -> Sequence[Stop]:
    """Every stop of a transaction: the one that counts, conflicts, and those that were replaced or taken back."""
    return [stop_of(row) for row in connection.execute(STOPS_OF, {"wanted": transaction_id}).mappings()]


def unmatched(connection: sa.Connection, station_id: str | None, limit: int) -> Sequence[Stop]:
    """StopTransactions that belong to no transaction, newest first."""
    rows = connection.execute(UNMATCHED_STOPS, {"station": station_id, "count": limit}).mappings()
    return [stop_of(row) for row in rows]


def proposals(connection: sa.Connection, station_id: str | None, limit: int) -> Sequence[Proposal]:
    """What waits for an operator's decision, oldest first."""
    rows = connection.execute(PROPOSALS, {"station": station_id, "count": limit}).mappings()
    return [Proposal(**{name: value for name, value in row.items() if name != "subject"}) for row in rows]


def _shown(row: sa.RowMapping) -> Transaction:
    """With the flags that depend on other transactions and on the connector."""
    more: list[str] = []
    if row["is_stale"]:
        more.append(STALE)
    previous = row["previous_meter_stop"]
    if previous is not None and row["meter_start"] != previous:
        more.append(MISSING_ENERGY if row["meter_start"] > previous else DECREASING)
    return transaction_of(row, more)
