"""The ledger of stops in one batch: what is entered, what it displaces, and the statements (TX-27, TX-40)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from csmsd.store import FactRow, Store, fact_row
from csmsd_core import flags
from csmsd_core.facts import TRANSACTION_STOPPED, TRANSACTION_UPDATED
from csmsd_core.moments import Moment
from csmsd_core.plausibility import doubts
from csmsd_core.reading_rows import Element, NewReading, reading_facts, store_readings, without_known
from csmsd_core.reconciliation import NewProposal, propose
from csmsd_core.records import CLOSED, OWN_ID, RECONCILED, StopState, Transaction, TransactionChange
from csmsd_core.transaction_rows import SUPERSEDED, Record, energy_of, records_by_id, status_of
from csmsd_core.transaction_rules import TransactionRules
from csmsd_core.transaction_tables import meter_value, stop, transaction

ADD = sa.insert(stop)
SHOW = (  # the stop that counts, in the transaction
    sa.update(transaction)
    .where(transaction.c.id == sa.bindparam("of"))
    .values(
        stop_rank=sa.bindparam("rank"),
        stop_id=sa.bindparam("stop"),
        stopped_at=sa.bindparam("at"),
        meter_stop=sa.bindparam("reading"),
        is_known=sa.bindparam("known"),
    )
)
MOVE = (  # a stop that was stored before
    sa.update(stop)
    .where(stop.c.id == sa.bindparam("of"))
    .values(
        state=sa.bindparam("new_state"),
        rank=sa.bindparam("new_rank"),
        transaction_id=sa.bindparam("belongs_to"),
        flags=sa.func.coalesce(sa.bindparam("new_flags", type_=sa.Text), stop.c.flags),
    )
)
MOVE_READINGS = (
    sa.update(meter_value)
    .where(meter_value.c.stop_id == sa.bindparam("of"))
    .values(transaction_id=sa.bindparam("belongs_to"), connector_id=sa.bindparam("at_connector"))
)


class StopRow(msgspec.Struct, frozen=True, gc=False):
    """A StopTransaction and the verdict on its tag, or a close by an operator."""

    station_id: str
    reference: int  # the transactionId in the message
    meter_stop: int | None  # Wh
    moment: Moment
    stop_key: str
    id_tag: str | None
    id_tag_key: str
    parent_key: str
    reason: str
    verdict: str
    begin_wh: int | None
    elements: tuple[Element, ...]
    flags: tuple[str, ...]
    actor: str = ""


class Lot(msgspec.Struct, frozen=True, gc=False):
    """What becomes of a stop."""

    state: StopState
    rank: int
    transaction_id: int | None
    flags: tuple[str, ...]
    variant: str = ""


class Ledger:
    """Enters stops in memory; `close` writes them, set-based, in an order in which nothing is lost."""

    def __init__(
        self,
        connection: sa.Connection,
        store: Store,
        rules: TransactionRules,
        records: dict[int, Record],
        *,
        spare_ids: int,
    ) -> None:
        self.connection, self._store, self.rules = connection, store, rules
        self.records = records  # by transaction id; kept up to date
        self.proposals: list[NewProposal] = []
        self._ids = iter(store.take_ids(connection, "core_stop", spare_ids))
        self._added: list[dict[str, Any]] = []
        self._moved: list[dict[str, Any]] = []
        self._changed: set[int] = set()
        self._readings: list[NewReading] = []
        self._facts: list[FactRow] = []

    def keep(self, row: StopRow, lot: Lot) -> int:
        """Store a stop that does not count; its id."""
        id_ = next(self._ids)
        self._added.append(_values(id_, row, lot))
        self.add_readings(row, id_, None)
        return id_

    def apply(
        self, row: StopRow, transaction_id: int, rank: int, *, variant: str = "", more_flags: tuple[str, ...] = ()
    ) -> int:
        """Store a stop that counts from now on; its id."""
        id_, of = next(self._ids), self.records[transaction_id].transaction
        marks = flags.unique((*row.flags, *more_flags, *doubts(row.meter_stop, row.moment.at, of, self.rules)))
        self._added.append(_values(id_, row, Lot("applied", rank, transaction_id, marks, variant)))
        self.show(row, transaction_id, id_, rank, marks)
        self.add_readings(row, id_, transaction_id)
        return id_

    def show(self, row: StopRow, transaction_id: int, stop_id: int, rank: int, marks: tuple[str, ...]) -> None:
        """Let a stored stop count for a transaction; the one it displaces stays in the history."""
        record = self.records[transaction_id]
        before = record.stop_rank
        if record.transaction.stop_id is not None:
            self._displace(record.transaction.stop_id, before, transaction_id)
        record.stop_rank, record.is_known = rank, record.is_known or rank == OWN_ID
        record.transaction = _stopped(record, row, stop_id, rank, marks)
        self._changed.add(transaction_id)
        station_id, now = record.transaction.station_id, record.transaction
        if not before:
            self._facts.append(fact_row(TRANSACTION_STOPPED, station_id, now))
        else:
            self.tell(TransactionChange(now, "stop_replaced"))

    def tell(self, change: TransactionChange) -> None:
        """Record the fact that a transaction has changed."""
        self._facts.append(fact_row(TRANSACTION_UPDATED, change.transaction.station_id, change))

    def reopen(self, transaction_id: int, actor: str) -> None:
        """Take an operator's close back (TX-32)."""
        record = self.records[transaction_id]
        now = record.transaction
        if now.stop_id is not None:
            self.move(now.stop_id, "revoked", CLOSED, transaction_id)
        record.stop_rank = 0
        cleared = dict.fromkeys(_STOP_FIELDS)
        record.transaction = msgspec.structs.replace(
            now,
            status=status_of(0, now.superseded_by),
            stop_raw="",
            actor="",
            flags=flags.unique((*record.start_flags, *((SUPERSEDED,) if now.superseded_by is not None else ()))),
            **cleared,
        )
        self._changed.add(transaction_id)
        self.tell(TransactionChange(record.transaction, "reopened", actor))

    def move(
        self,
        stop_id: int,
        state: StopState,
        rank: int,
        transaction_id: int | None,
        marks: Sequence[str] | None = None,
    ) -> None:
        """Give a stored stop another state, and other flags if there are `marks`."""
        new_flags = None if marks is None else flags.to_text(marks)
        self._moved.append(
            {
                "of": stop_id,
                "new_state": state,
                "new_rank": rank,
                "belongs_to": transaction_id,
                "new_flags": new_flags,
            }
        )

    def add_readings(self, row: StopRow, stop_id: int, transaction_id: int | None) -> None:
        """The transactionData of a stop: like MeterValues of its transaction (TX-28)."""
        if not row.elements:
            return
        if transaction_id is not None and transaction_id not in self.records:
            self.records.update(records_by_id(self.connection, [transaction_id]))
        record = None if transaction_id is None else self.records[transaction_id]
        for element in row.elements:
            self._readings.append(
                NewReading(
                    row.station_id,
                    f"stop/{stop_id}",
                    element,
                    connector_id=None if record is None else record.transaction.connector_id,
                    reference=row.reference,
                    transaction_id=transaction_id,
                    stop_id=stop_id,
                )
            )

    def close(self) -> None:
        """Write everything, and record the facts in the same transaction."""
        if self._added:
            self.connection.execute(ADD, self._added)
        stored = store_readings(self.connection, without_known(self.connection, self._readings))
        if self._moved:
            self.connection.execute(MOVE, self._moved)
            self.connection.execute(MOVE_READINGS, [self._with_connector(each) for each in self._moved])
        if self._changed:
            self.connection.execute(SHOW, [self._shown(each) for each in sorted(self._changed)])
        propose(self.connection, self.proposals)
        self._store.record_facts(self.connection, self._facts + reading_facts(stored))

    def _displace(self, stop_id: int, rank: int, transaction_id: int) -> None:
        if rank == RECONCILED:
            self.move(stop_id, "unmatched", 0, None)
        else:
            self.move(stop_id, "replaced", rank, transaction_id)

    def _with_connector(self, moved: dict[str, Any]) -> dict[str, Any]:
        record = self.records.get(moved["belongs_to"])
        place = None if record is None else record.transaction.connector_id
        return {"of": moved["of"], "belongs_to": moved["belongs_to"], "at_connector": place}

    def _shown(self, transaction_id: int) -> dict[str, Any]:
        record = self.records[transaction_id]
        now = record.transaction
        return {
            "of": transaction_id,
            "rank": record.stop_rank,
            "stop": now.stop_id,
            "at": now.stopped_at,
            "reading": now.meter_stop,
            "known": record.is_known,
        }


_STOP_FIELDS = (
    "stop_id", "stopped_at", "stop_reported_at", "stop_received_at", "stop_id_tag", "meter_stop", "energy_wh", "reason",
)  # fmt: skip


def _stopped(record: Record, row: StopRow, stop_id: int, rank: int, marks: tuple[str, ...]) -> Transaction:
    now = record.transaction
    return msgspec.structs.replace(
        now,
        status=status_of(rank, now.superseded_by),
        stop_id=stop_id,
        stopped_at=row.moment.at,
        stop_reported_at=row.moment.reported_at,
        stop_received_at=row.moment.received_at,
        stop_raw=row.moment.raw,
        stop_id_tag=row.id_tag,
        meter_stop=row.meter_stop,
        energy_wh=energy_of(now.meter_start, row.meter_stop),
        reason=row.reason,
        actor=row.actor,
        flags=flags.unique((*record.start_flags, *marks)),
    )


def _values(id_: int, row: StopRow, lot: Lot) -> dict[str, Any]:
    return {
        "id": id_,
        "stop_key": row.stop_key,
        "station_id": row.station_id,
        "reference": row.reference,
        "meter_stop": row.meter_stop,
        "id_tag": row.id_tag,
        "id_tag_key": row.id_tag_key,
        "parent_key": row.parent_key,
        "reason": row.reason,
        "variant": lot.variant,
        "at": row.moment.at,
        "reported_at": row.moment.reported_at,
        "raw_timestamp": row.moment.raw,
        "received_at": row.moment.received_at,
        "begin_wh": row.begin_wh,
        "verdict": row.verdict,
        "state": lot.state,
        "rank": lot.rank,
        "transaction_id": lot.transaction_id,
        "actor": row.actor,
        "flags": flags.to_text(lot.flags),
    }
