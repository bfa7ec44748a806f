"""StopTransaction: the first of the highest rank counts, the others are kept (TX-20..TX-28, TX-38, TX-40)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from csmsd.store import Store
from csmsd_core import flags
from csmsd_core.lookup import by_key, wanted
from csmsd_core.reconciliation import Candidates, LostStop, NewProposal
from csmsd_core.records import OWN_ID, RECONCILED, StopState, Transaction
from csmsd_core.stop_ledger import Ledger, Lot, StopRow
from csmsd_core.transaction_rows import records_by_id
from csmsd_core.transaction_rules import TransactionRules
from csmsd_core.transaction_tables import stop

Key = tuple[str, str, int, str, int | None]

KEY = ("stop_key", "station_id", "reference", "id_tag_key", "meter_stop")
BY_KEY = sa.select(
    *(stop.c[name] for name in KEY), stop.c.id, stop.c.reason, stop.c.state, stop.c.transaction_id
).where(by_key(stop.c.stop_key, stop.c.station_id))

CONFLICT = "TX-22 conflict"
UNKNOWN = "TX-25 unknown transaction"
FOREIGN = "TX-25 transaction of another station"
RECONCILED_STOP = "TX-24 reconciled"
UNMATCHED = "TX-24 unmatched"


class Stopped(msgspec.Struct, frozen=True):
    """What became of a StopTransaction."""

    state: StopState
    transaction: Transaction | None  # as it is now; None: unmatched, or a repeated message
    is_new: bool
    stops_transaction: bool = False  # True: this message has given the transaction the stop that counts


class _Earlier(msgspec.Struct, frozen=True):
    """A stop that is stored already."""

    id: int
    reason: str
    state: StopState
    transaction_id: int | None


class Stopping:
    """The write of StopTransactions; one object per store."""

    def __init__(self, store: Store, rules: TransactionRules) -> None:
        self._store, self._rules = store, rules

    def write(self, connection: sa.Connection, rows: Sequence[StopRow]) -> Sequence[Stopped]:
        """Store what is new, let it count if its rank says so, and confirm everything (TX-20)."""
        batch = _Batch(connection, self._store, self._rules, rows)
        results = [batch.take(row) for row in rows]
        batch.ledger.close()
        return results


class _Batch:
    """Stops are taken one after the other, each against what the ones before it have left."""

    def __init__(
        self, connection: sa.Connection, store: Store, rules: TransactionRules, rows: Sequence[StopRow]
    ) -> None:
        records = records_by_id(connection, [row.reference for row in rows if row.reference > 0])
        self.ledger = Ledger(connection, store, rules, records, spare_ids=len(rows))
        self._connection = connection
        self._earlier = self._read_earlier([row for row in rows if not self._is_plain(row)])
        self._candidates = Candidates(
            connection, [row.station_id for row in rows], max(row.moment.received_at for row in rows) - rules.staleness
        )

    def take(self, row: StopRow) -> Stopped:
        earlier = self._earlier.setdefault(_key(row), [])
        record = self.ledger.records.get(row.reference) if row.reference > 0 else None
        is_own = record is not None and record.owned_by(row.station_id)
        same = next((each for each in earlier if each.reason == row.reason or not is_own), None)
        if same is not None:
            self.ledger.add_readings(row, same.id, same.transaction_id if same.state == "applied" else None)
            return Stopped(same.state, None, is_new=False)
        if is_own:
            result, id_ = self._with_own_id(row, variant=row.reason if earlier else "")
        elif row.reference > 0:
            mark = UNKNOWN if record is None else FOREIGN
            result, id_ = Stopped("unmatched", None, is_new=True), self.ledger.keep(row, _unmatched(row, mark))
        else:
            result, id_ = self._without_id(row)
        linked = result.transaction.id if result.transaction is not None else None
        earlier.append(_Earlier(id_, row.reason, result.state, linked))
        return result

    def _with_own_id(self, row: StopRow, variant: str) -> tuple[Stopped, int]:
        record = self.ledger.records[row.reference]
        if record.stop_rank == OWN_ID:
            lot = Lot("conflict", OWN_ID, row.reference, flags.unique((*row.flags, CONFLICT)), variant)
            return Stopped("conflict", record.transaction, is_new=True), self.ledger.keep(row, lot)
        id_ = self.ledger.apply(row, row.reference, OWN_ID, variant=variant)
        self._candidates.remove(row.reference)
        return Stopped("applied", record.transaction, is_new=True, stops_transaction=True), id_

    def _without_id(self, row: StopRow) -> tuple[Stopped, int]:
        """Reconcile it, or leave it to the operator (TX-23, TX-24)."""
        lost = LostStop(row.station_id, row.moment.at, row.meter_stop, row.id_tag_key, row.parent_key, row.begin_wh)
        fitting = self._candidates.for_stop(lost)
        evidence = [lost.evidence_for(each) for each in fitting]
        if len(fitting) == 1 and evidence[0]:
            only = fitting[0].id
            if only not in self.ledger.records:
                self.ledger.records.update(records_by_id(self._connection, [only]))
            id_ = self.ledger.apply(row, only, RECONCILED, more_flags=(RECONCILED_STOP,))
            self._candidates.remove(only)
            now = self.ledger.records[only].transaction
            return Stopped("applied", now, is_new=True, stops_transaction=True), id_
        id_ = self.ledger.keep(row, _unmatched(row, UNMATCHED))
        for candidate, found in zip(fitting, evidence, strict=True):
            self.ledger.proposals.append(
                NewProposal(row.station_id, candidate.id, row.moment.received_at, stop_id=id_, evidence=found)
            )
        return Stopped("unmatched", None, is_new=True), id_

    def _is_plain(self, row: StopRow) -> bool:
        """The first stop of an open transaction of its own: nothing like it can be stored yet."""
        record = self.ledger.records.get(row.reference) if row.reference > 0 else None
        return record is not None and record.owned_by(row.station_id) and record.stop_rank == 0

    def _read_earlier(self, rows: Sequence[StopRow]) -> dict[Key, list[_Earlier]]:
        earlier: dict[Key, list[_Earlier]] = {}
        if rows:
            for row in self._connection.execute(BY_KEY, wanted([_key(row) for row in rows])):
                key: Key = (row.stop_key, row.station_id, row.reference, row.id_tag_key, row.meter_stop)
                earlier.setdefault(key, []).append(_Earlier(row.id, row.reason, row.state, row.transaction_id))
        return earlier


def _key(row: StopRow) -> Key:
    """TX-38; seconds suffice, for fractions get lost in queues."""
    return (row.stop_key, row.station_id, row.reference, row.id_tag_key, row.meter_stop)


def _unmatched(row: StopRow, mark: str) -> Lot:
    return Lot("unmatched", 0, None, flags.unique((*row.flags, mark)))
