"""StartTransaction: one insert for a batch, and what the new ones mean for their neighbours (TX-05..TX-12)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from csmsd.store import Store, fact_row
from csmsd_core import flags
from csmsd_core.concurrency import Limited, over_the_limit
from csmsd_core.facts import TRANSACTION_STARTED
from csmsd_core.insertion import insert_new
from csmsd_core.lookup import by_key, wanted
from csmsd_core.moments import Moment
from csmsd_core.reconciliation import Candidate, NewProposal, propose, unmatched_stops
from csmsd_core.records import Transaction
from csmsd_core.remote_links import RemoteLinks
from csmsd_core.superseding import Start, supersede
from csmsd_core.transaction_rows import SELECT, transaction_of
from csmsd_core.transaction_rules import TransactionRules
from csmsd_core.transaction_tables import transaction

Key = tuple[str, str, int, str, int]

KEY = ("start_key", "station_id", "connector_id", "id_tag_key", "meter_start")
INSERT = insert_new(transaction, KEY, returning=("id",))
BY_KEY = SELECT.where(by_key(transaction.c.start_key, transaction.c.station_id))
ADJUST = (
    sa.update(transaction)
    .where(transaction.c.id == sa.bindparam("of"))
    .values(flags=sa.bindparam("new_flags"), remote_start_id=sa.bindparam("remote"), verdict=sa.bindparam("status"))
)


class StartRow(msgspec.Struct, frozen=True, gc=False):
    """A StartTransaction and the verdict on its tag."""

    station_id: str
    connector_id: int
    id_tag: str
    id_tag_key: str
    meter_start: int
    moment: Moment
    reservation_id: int | None
    verdict: str
    parent_id_tag: str
    parent_key: str
    is_verified: bool
    max_active: int | None  # None: no limit (TX-08)
    flags: tuple[str, ...]

    @property
    def key(self) -> Key:
        """Equal for retransmissions, whatever the message id, connection or time between them (TX-05)."""
        return (self.moment.key, self.station_id, self.connector_id, self.id_tag_key, self.meter_start)


class Started(msgspec.Struct, frozen=True):
    """What a StartTransaction is answered with."""

    transaction: Transaction
    status: str  # the current verdict, which on a retry may differ from the stored one (TX-06)
    is_new: bool
    superseded: Sequence[Transaction] = ()  # by this one, now (TX-12)


class Starting:
    """The write of StartTransactions; one object per store, because rows of one write are one batch."""

    def __init__(self, store: Store, rules: TransactionRules) -> None:
        self._store, self._rules = store, rules

    def write(self, connection: sa.Connection, rows: Sequence[StartRow]) -> Sequence[Started]:
        """Store what is new; a retransmission gets the transaction that is there."""
        batch: dict[Key, StartRow] = {}
        for row in rows:
            batch.setdefault(row.key, row)
        ids = dict(zip(batch, self._store.take_ids(connection, "core_transaction", len(batch)), strict=True))
        values = [_values(row, ids[key]) for key, row in batch.items()]
        inserted = {row.id for row in connection.execute(INSERT[connection.dialect.name], values)}
        new = [(ids[key], row) for key, row in batch.items() if ids[key] in inserted]
        stored = _existing(connection, [key for key in batch if ids[key] not in inserted])
        notes = self._look_around(connection, new) if new else {}
        refused = over_the_limit(
            connection, [_limited(row, stored, ids) for row in rows], self._rules, order=[each for each, _ in new]
        )
        fresh = {row.key: _finished(row, id_, notes[id_], id_ in refused) for id_, row in new}
        self._record(connection, fresh.values(), notes)
        unannounced, results = set(fresh), list[Started]()
        for row in rows:
            now = fresh.get(row.key) or stored[row.key]
            superseded = notes[now.id].superseded if row.key in unannounced else ()
            results.append(Started(now, _status(row, now.id in refused), row.key in unannounced, superseded))
            unannounced.discard(row.key)
        return results

    def _look_around(self, connection: sa.Connection, new: Sequence[tuple[int, StartRow]]) -> dict[int, _Notes]:
        """Neighbours on the connector, remote starts that may have led to it, stops that came before it."""
        notes = {id_: _Notes() for id_, _ in new}
        starts = [_start_of(id_, row) for id_, row in new]
        marks, superseded = supersede(connection, self._store, starts)
        for id_, mark in marks:
            notes[id_].flags.append(mark)
        for older in superseded:
            if older.superseded_by is not None:
                notes[older.superseded_by].superseded.append(older)
        earliest = min(row.moment.at for _, row in new)
        links = RemoteLinks(connection, self._rules.remote_tolerance, [row.station_id for _, row in new], earliest)
        for id_, row in new:
            notes[id_].remote_start_id = links.take(row.station_id, row.id_tag_key, row.connector_id, row.moment.at)
        _propose_stops(connection, new)
        return notes

    def _record(self, connection: sa.Connection, new: Iterable[Transaction], notes: Mapping[int, _Notes]) -> None:
        """Write what was found out after the insert, and tell."""
        adjusted = [
            {"of": now.id, "new_flags": flags.to_text(now.flags), "remote": now.remote_start_id, "status": now.verdict}
            for now in new
            if notes[now.id].has_something or now.verdict == "ConcurrentTx"
        ]
        if adjusted:
            connection.execute(ADJUST, adjusted)
        self._store.record_facts(connection, [fact_row(TRANSACTION_STARTED, now.station_id, now) for now in new])


class _Notes(msgspec.Struct):
    """What was found out about a new transaction."""

    flags: list[str] = msgspec.field(default_factory=list[str])
    remote_start_id: str | None = None
    superseded: list[Transaction] = msgspec.field(default_factory=list[Transaction])

    @property
    def has_something(self) -> bool:
        return bool(self.flags) or self.remote_start_id is not None


def _status(row: StartRow, is_refused: bool) -> str:
    return "ConcurrentTx" if is_refused else row.verdict


def _values(row: StartRow, id_: int) -> dict[str, Any]:
    return {
        "id": id_,
        "station_id": row.station_id,
        "connector_id": row.connector_id,
        "id_tag": row.id_tag,
        "id_tag_key": row.id_tag_key,
        "parent_id_tag": row.parent_id_tag,
        "parent_key": row.parent_key,
        "meter_start": row.meter_start,
        "start_key": row.moment.key,
        "started_at": row.moment.at,
        "start_reported_at": row.moment.reported_at,
        "start_raw": row.moment.raw,
        "start_received_at": row.moment.received_at,
        "reservation_id": row.reservation_id,
        "verdict": row.verdict,
        "is_verified": row.is_verified,
        "is_known": False,
        "stop_rank": 0,
        "flags": flags.to_text(row.flags),
    }


def _existing(connection: sa.Connection, keys: Sequence[Key]) -> dict[Key, Transaction]:
    if not keys:
        return {}
    found = connection.execute(BY_KEY, wanted(keys)).mappings()
    return {
        (row["start_key"], row["station_id"], row["connector_id"], row["id_tag_key"], row["meter_start"]): (
            transaction_of(row)
        )
        for row in found
    }


def _finished(row: StartRow, id_: int, notes: _Notes, is_refused: bool) -> Transaction:
    return Transaction(
        id=id_,
        station_id=row.station_id,
        connector_id=row.connector_id,
        id_tag=row.id_tag,
        parent_id_tag=row.parent_id_tag,
        started_at=row.moment.at,
        start_reported_at=row.moment.reported_at,
        start_received_at=row.moment.received_at,
        start_raw=row.moment.raw,
        meter_start=row.meter_start,
        verdict=_status(row, is_refused),
        is_verified=row.is_verified,
        reservation_id=row.reservation_id,
        remote_start_id=notes.remote_start_id,
        flags=flags.unique((*row.flags, *notes.flags)),
    )


def _limited(row: StartRow, stored: Mapping[Key, Transaction], ids: Mapping[Key, int]) -> Limited:
    known = stored.get(row.key)
    return Limited(
        id=ids[row.key] if known is None else known.id,
        station_id=row.station_id,
        connector_id=row.connector_id,
        id_tag_key=row.id_tag_key,
        parent_key=row.parent_key,
        limit=row.max_active if row.verdict == "Accepted" else None,
        started_at=row.moment.at,
        received_at=row.moment.received_at,
    )


def _start_of(id_: int, row: StartRow) -> Start:
    return Start(id_, row.station_id, row.connector_id, row.id_tag_key, row.meter_start, row.moment.at)


def _propose_stops(connection: sa.Connection, new: Sequence[tuple[int, StartRow]]) -> None:
    """Stops that came before their start, for the operator (TX-41)."""
    lost = unmatched_stops(connection, [row.station_id for _, row in new])
    if not lost:
        return
    proposals: list[NewProposal] = []
    for id_, row in new:
        candidate = Candidate(
            id_, row.station_id, row.connector_id, row.id_tag_key, row.parent_key, row.meter_start, row.moment.at, None
        )
        for each in lost:
            evidence = each.evidence_for(candidate) if each.fits(candidate) else ""
            if evidence:
                made_at: datetime = row.moment.received_at
                proposals.append(NewProposal(row.station_id, id_, made_at, stop_id=each.id, evidence=evidence))
    propose(connection, proposals)
