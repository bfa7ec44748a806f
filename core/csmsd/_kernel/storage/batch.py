"""One batch of writes, one transaction: each kind of write runs once, over all its rows.

The order within a batch: rows of one kind keep their order; kinds run in the order of their first row. So a row may
overtake one of *another* kind that was submitted earlier and is in the same batch. Dependent writes are safe because
who depends on a write submits after it has settled: a station has one CALL in progress, and what follows from a write
follows in its `then`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from csmsd._kernel.storage.faults import judge
from csmsd._kernel.storage.sequences import Sequences
from csmsd._kernel.storage.tables import sequence
from csmsd._kernel.storage.tenancy import Tenancy
from csmsd.errors import Bug, OutcomeUnknown, StoreError, StoreUnavailable, WriteFailed
from csmsd.facts import RecordedFact
from csmsd.pending import Pending
from csmsd.store import Write

log = logging.getLogger("csmsd.store")


@dataclass(slots=True, eq=False)
class Item:
    """A write on its way. Nobody waits for one without `pending`."""

    write: Write[Any, Any]
    row: Any
    pending: Pending[Any] | None
    tick: int = 0  # of the watchdog, when it was submitted
    is_claimed: bool = False  # the committer has it: it may be in the database any moment
    is_abandoned: bool = False  # the watchdog has given it up before it was claimed


Settlement = tuple[Item, Any, StoreError | None]


@dataclass(slots=True)
class Report:
    """What became of a batch, in its order."""

    settled: list[tuple[Item, Any, StoreError | None]] = field(
        default_factory=list[tuple[Item, Any, StoreError | None]]
    )
    is_available: bool = True
    facts: list[RecordedFact] = field(default_factory=list[RecordedFact])  # that were recorded, by id
    splits: int = 0


_PROBE_ROW = {"name": "probe", "next": 0}
_PROBE = {
    name: insert.on_conflict_do_update(index_elements=[sequence.c.name], set_={"next": sequence.c.next + 1})
    for name, insert in (("sqlite", sqlite.insert(sequence)), ("postgresql", postgresql.insert(sequence)))
}


class BatchRunner:
    """Commits batches over one connection, which it replaces when it breaks. Used by one thread at a time."""

    def __init__(self, engine: sa.Engine, sequences: Sequences) -> None:
        self._engine = engine
        self._connection: sa.Connection | None = None
        self._tenancy = Tenancy()
        self.sequences = sequences
        self.facts: list[RecordedFact] = []  # of the current transaction

    def run(self, batch: Sequence[Item]) -> Report:
        """Commit what can be committed; never raises."""
        report = Report()
        self._commit_or_split(batch, report)
        return report

    def is_storage_back(self) -> bool:
        """Write and commit something, over a new connection."""
        try:
            transaction = self._begin()
            try:
                transaction.connection.execute(_PROBE[self._engine.dialect.name], _PROBE_ROW)
                transaction.commit()
            finally:
                self._disconnect()
        except StoreUnavailable:
            return False
        except Bug as error:
            return isinstance(judge(error, in_commit=False), WriteFailed)  # it has an opinion: it is there
        return True

    def close(self) -> None:
        """Give the connection back."""
        self._disconnect()

    def _commit_or_split(self, batch: Sequence[Item], report: Report) -> None:
        """A batch with a bad row is halved until the row is alone: only its submitter sees its error."""
        error: StoreError
        if report.is_available:
            try:
                results = self._commit(batch)
            except WriteFailed as raised:
                if len(batch) > 1:
                    report.splits += 1
                    middle = len(batch) // 2
                    self._commit_or_split(batch[:middle], report)
                    self._commit_or_split(batch[middle:], report)
                    return
                error = raised
            except StoreError as raised:
                report.is_available = False
                error = raised
            else:
                report.facts += self.facts
                report.settled += [(item, result, None) for item, result in zip(batch, results, strict=True)]
                return
        else:
            error = StoreUnavailable("storage failed during this batch")
        report.settled += [(item, None, error) for item in batch]

    def _commit(self, batch: Sequence[Item]) -> list[Any]:
        """All or nothing; raises WriteFailed, StoreUnavailable or OutcomeUnknown."""
        try:
            transaction = self._begin()
        except Bug as error:
            self._disconnect()
            raise StoreUnavailable(str(judge(error, in_commit=False))) from error
        self.facts = []
        try:
            results = _perform(transaction.connection, batch)
        except Bug as error:
            verdict = judge(error, in_commit=False)
            self._roll_back(transaction, verdict)
            raise verdict from error
        try:
            transaction.commit()
        except Bug as error:
            self._disconnect()
            verdict = judge(error, in_commit=True)
            if isinstance(verdict, OutcomeUnknown):
                self.sequences.forget()
            else:
                self.sequences.rolled_back()
            raise verdict from error
        self.sequences.committed()
        return results

    def _begin(self) -> sa.RootTransaction:
        if self._connection is None:
            connection = self._engine.connect()
            try:
                self._tenancy.claim(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection.begin()

    def _roll_back(self, transaction: sa.RootTransaction, verdict: StoreError) -> None:
        self.sequences.rolled_back()
        if not isinstance(verdict, WriteFailed):
            self._disconnect()
            return
        try:
            transaction.rollback()
        except Bug:
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.invalidate()
                connection.close()
            except Bug:
                log.debug("a broken connection could not be closed", exc_info=True)


def _perform(connection: sa.Connection, batch: Sequence[Item]) -> list[Any]:
    kinds: dict[Write[Any, Any], list[int]] = {}
    for index, item in enumerate(batch):
        kinds.setdefault(item.write, []).append(index)
    results: list[Any] = [None] * len(batch)
    for write, indexes in kinds.items():
        outcomes = write(connection, [batch[index].row for index in indexes])
        for index, result in zip(indexes, outcomes, strict=True):
            results[index] = result
    return results
