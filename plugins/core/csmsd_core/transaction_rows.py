"""Transactions between their tables and the Structs that others see."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
import sqlalchemy as sa

from csmsd_core import flags
from csmsd_core.records import CLOSED, OWN_ID, RECONCILED, Stop, Transaction, TransactionStatus
from csmsd_core.transaction_tables import stop, transaction

LARGEST = 2**63 - 1
SUPERSEDED = "TX-12 superseded"
NO_STOP: sa.ColumnElement[int] = sa.literal_column("0")  # a literal, or SQLite cannot see that the partial index fits
UNMATCHED: sa.ColumnElement[str] = sa.literal_column("'unmatched'")

_STOP_COLUMNS = (
    stop.c.reported_at.label("stop_reported_at"),
    stop.c.received_at.label("stop_received_at"),
    stop.c.raw_timestamp.label("stop_raw"),
    stop.c.id_tag.label("stop_id_tag"),
    stop.c.reason.label("stop_reason"),
    stop.c.actor.label("stop_actor"),
    stop.c.flags.label("stop_flags"),
)
SELECT = sa.select(transaction, *_STOP_COLUMNS).select_from(
    transaction.outerjoin(stop, transaction.c.stop_id == stop.c.id)
)
BY_IDS = SELECT.where(transaction.c.id.in_(sa.bindparam("ids", expanding=True)))
SELECT_STOPS = sa.select(stop)
STOPS_BY_IDS = SELECT_STOPS.where(stop.c.id.in_(sa.bindparam("ids", expanding=True)))

_STATUS_BY_RANK: dict[int, TransactionStatus] = {OWN_ID: "stopped", RECONCILED: "reconciled", CLOSED: "closed"}


class Record(msgspec.Struct):
    """A transaction in the committer's hands: what others see of it, and what only the rules need."""

    transaction: Transaction
    id_tag_key: str
    parent_key: str
    is_known: bool
    superseded_at: datetime | None
    stop_rank: int
    start_flags: tuple[str, ...]

    def owned_by(self, station_id: str) -> bool:
        """Whether a message of this station may touch it (WS-08)."""
        return self.transaction.station_id == station_id


def status_of(stop_rank: int, superseded_by: int | None) -> TransactionStatus:
    """What a transaction is, by the stop that counts."""
    if stop_rank:
        return _STATUS_BY_RANK[stop_rank]
    return "open" if superseded_by is None else "superseded"


def energy_of(meter_start: int, meter_stop: int | None) -> int | None:
    """The difference in Wh; None without a reading, or if it is more than any integer of ours holds (MSG-91)."""
    energy = None if meter_stop is None else meter_stop - meter_start
    return None if energy is None or abs(energy) > LARGEST else energy


def transaction_of(row: sa.RowMapping, more_flags: Iterable[str] = ()) -> Transaction:
    """A row of `SELECT` as others see it."""
    status = status_of(row["stop_rank"], row["superseded_by"])
    own = flags.from_text(row["flags"])
    of_stop = () if row["stop_flags"] is None else flags.from_text(row["stop_flags"])
    mark = (SUPERSEDED,) if status == "superseded" else ()
    return Transaction(
        id=row["id"],
        station_id=row["station_id"],
        connector_id=row["connector_id"],
        id_tag=row["id_tag"],
        parent_id_tag=row["parent_id_tag"],
        status=status,
        started_at=row["started_at"],
        start_reported_at=row["start_reported_at"],
        start_received_at=row["start_received_at"],
        start_raw=row["start_raw"],
        meter_start=row["meter_start"],
        verdict=row["verdict"],
        is_verified=row["is_verified"],
        reservation_id=row["reservation_id"],
        remote_start_id=row["remote_start_id"],
        superseded_by=row["superseded_by"],
        stop_id=row["stop_id"],
        stopped_at=row["stopped_at"],
        stop_reported_at=row["stop_reported_at"],
        stop_received_at=row["stop_received_at"],
        stop_raw=row["stop_raw"] or "",
        stop_id_tag=row["stop_id_tag"],
        meter_stop=row["meter_stop"],
        energy_wh=energy_of(row["meter_start"], row["meter_stop"]),
        reason=row["stop_reason"],
        actor=row["stop_actor"] or "",
        flags=flags.unique((*own, *mark, *of_stop, *more_flags)),
    )


def record_of(row: sa.RowMapping) -> Record:
    """A row of `SELECT` for the rules."""
    return Record(
        transaction_of(row),
        row["id_tag_key"],
        row["parent_key"],
        row["is_known"],
        row["superseded_at"],
        row["stop_rank"],
        flags.from_text(row["flags"]),
    )


def records_by_id(connection: sa.Connection, ids: Iterable[int]) -> dict[int, Record]:
    """The transactions of these ids, whoever they belong to."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    rows = connection.execute(BY_IDS, {"ids": wanted}).mappings()
    return {row["id"]: record_of(row) for row in rows}


def stop_of(row: sa.RowMapping) -> Stop:
    """A row of the table `stop` as others see it."""
    return Stop(
        id=row["id"],
        station_id=row["station_id"],
        reference=row["reference"],
        transaction_id=row["transaction_id"],
        state=row["state"],
        rank=row["rank"],
        at=row["at"],
        reported_at=row["reported_at"],
        received_at=row["received_at"],
        raw_timestamp=row["raw_timestamp"],
        meter_stop=row["meter_stop"],
        id_tag=row["id_tag"],
        reason=row["reason"],
        verdict=row["verdict"],
        begin_wh=row["begin_wh"],
        actor=row["actor"],
        flags=flags.from_text(row["flags"]),
    )
