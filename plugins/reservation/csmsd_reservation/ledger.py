"""Reservations in the database: one write takes all changes, so that they keep their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from csmsd.store import Store, fact_row
from csmsd_reservation.changes import (
    Answered,
    Cancelled,
    Change,
    Expired,
    OutOfService,
    Requested,
    Started,
    after_answer,
    after_cancel,
    after_expiry,
    after_outage,
    after_start,
)
from csmsd_reservation.facts import RESERVATION_CHANGED
from csmsd_reservation.records import LIVE, Finding, Reservation
from csmsd_reservation.tables import finding, reservation

SELECT = sa.select(reservation)
IS_LIVE = reservation.c.state.in_(LIVE)
SELECT_LIVE = SELECT.where(IS_LIVE).order_by(reservation.c.number)
SELECT_DUE = SELECT_LIVE.where(reservation.c.expires_at <= sa.bindparam("now", type_=reservation.c.expires_at.type))
SELECT_LIVE_OF_STATION = SELECT_LIVE.where(reservation.c.station_id == sa.bindparam("station_id"))
SELECT_NAMED = SELECT.where(
    reservation.c.station_id == sa.bindparam("station_id"),
    reservation.c.reservation_id == sa.bindparam("reservation_id"),
)
SELECT_FOR_START = SELECT.where(
    sa.or_(
        sa.and_(reservation.c.station_id == sa.bindparam("station_id"), IS_LIVE),
        reservation.c.reservation_id == sa.bindparam("reservation_id", type_=sa.BigInteger),
    )
)
SELECT_OF_TRANSACTION = sa.select(reservation.c.number).where(
    reservation.c.transaction_id == sa.bindparam("transaction_id")
)
SELECT_FINDING = sa.select(finding.c.transaction_id).where(finding.c.transaction_id == sa.bindparam("transaction_id"))
SELECT_TAKEN = sa.select(reservation.c.reservation_id).where(
    reservation.c.reservation_id.between(sa.bindparam("lowest"), sa.bindparam("highest"))
)
COUNT_ABOVE = sa.select(sa.func.count(reservation.c.reservation_id.distinct())).where(
    reservation.c.reservation_id > sa.bindparam("above")
)
ADD, ADD_FINDING = sa.insert(reservation), sa.insert(finding)
CHANGE = (
    sa.update(reservation)
    .where(reservation.c.number == sa.bindparam("of"))
    .values(
        state=sa.bindparam("new_state"),
        answered_at=sa.bindparam("new_answered_at"),
        ended_at=sa.bindparam("new_ended_at"),
        transaction_id=sa.bindparam("new_transaction_id"),
    )
)


class Ledger:
    """The writes of Reservation; one object per store, because rows of one write are one batch."""

    def __init__(self, store: Store, tolerance: timedelta) -> None:
        self._store, self._tolerance = store, tolerance

    def write(self, connection: sa.Connection, rows: Sequence[Change]) -> Sequence[tuple[Reservation, ...]]:
        """Apply changes one after the other; each gets the reservations that it has changed."""
        return [tuple(self._apply(connection, row)) for row in rows]

    def take_ids(self, connection: sa.Connection, rows: Sequence[None]) -> Sequence[int]:
        """A reservationId for each, that no station was ever told (RES-01)."""
        return [self._take_id(connection) for _ in rows]

    def _take_id(self, connection: sa.Connection) -> int:
        (first,) = self._store.take_ids(connection, "reservation_id", 1)
        if not _taken(connection, [first]):
            return first
        above: int = connection.execute(COUNT_ABOVE, {"above": first}).scalar_one()
        ids = self._store.take_ids(connection, "reservation_id", above + 1)  # one at least is free
        taken = _taken(connection, ids)
        return next(each for each in ids if each not in taken)

    def _apply(self, connection: sa.Connection, row: Change) -> list[Reservation]:
        match row:
            case Requested():
                changed = [self._add(connection, row.reservation)]
            case Answered():
                changed = after_answer(_select(connection, SELECT_NAMED, _name_of(row)), row)
            case Cancelled():
                changed = after_cancel(_select(connection, SELECT_NAMED, _name_of(row)), row)
            case Started():
                changed = self._start(connection, row)
            case OutOfService():
                known = _select(connection, SELECT_LIVE_OF_STATION, {"station_id": row.station_id})
                changed = after_outage(known, row)
            case Expired():
                changed = after_expiry(_select(connection, SELECT_DUE, {"now": row.at}), row.at)
        if changed:
            connection.execute(CHANGE, [_values_of(each) for each in changed])
            facts = [fact_row(RESERVATION_CHANGED, each.station_id, each) for each in changed]
            self._store.record_facts(connection, facts)
        return changed

    def _add(self, connection: sa.Connection, wanted: Reservation) -> Reservation:
        (number,) = self._store.take_ids(connection, "reservation_number", 1)
        stored = msgspec.structs.replace(wanted, number=number)
        connection.execute(ADD, msgspec.structs.asdict(stored))
        return stored

    def _start(self, connection: sa.Connection, row: Started) -> list[Reservation]:
        """Once for each transaction: its fact may be told again."""
        transaction = row.transaction
        one = {"transaction_id": transaction.id}
        if any(connection.execute(query, one).first() for query in (SELECT_OF_TRANSACTION, SELECT_FINDING)):
            return []
        keys = {"station_id": transaction.station_id, "reservation_id": transaction.reservation_id}
        used, misfit = after_start(_select(connection, SELECT_FOR_START, keys), row, self._tolerance)
        if misfit is not None and transaction.reservation_id is not None:
            found = Finding(transaction.id, transaction.station_id, transaction.reservation_id, misfit, row.at)
            connection.execute(ADD_FINDING, msgspec.structs.asdict(found))
        return used


def reservation_of(row: Mapping[Any, Any]) -> Reservation:
    """A row of the table."""
    return Reservation(**row)


def _select(connection: sa.Connection, query: sa.Select[Any], parameters: Mapping[str, Any]) -> list[Reservation]:
    return [reservation_of(row) for row in connection.execute(query, parameters).mappings()]


def _name_of(row: Answered | Cancelled) -> dict[str, Any]:
    return {"station_id": row.station_id, "reservation_id": row.reservation_id}


def _taken(connection: sa.Connection, ids: Sequence[int]) -> set[int]:
    return set(connection.scalars(SELECT_TAKEN, {"lowest": min(ids), "highest": max(ids)}))


def _values_of(each: Reservation) -> dict[str, Any]:
    return {
        "of": each.number,
        "new_state": each.state,
        "new_answered_at": each.answered_at,
        "new_ended_at": each.ended_at,
        "new_transaction_id": each.transaction_id,
    }
