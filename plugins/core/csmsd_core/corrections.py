"""What only an operator may decide: close, reopen, accept or dismiss a proposal, make a transaction of a conflict.

Nothing is overwritten: every step can be taken back or is in the history (TX-22, TX-24, TX-32, TX-40).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from csmsd.errors import CsmsdError
from csmsd.store import Store, UtcTime, fact_row
from csmsd_core import flags
from csmsd_core.facts import TRANSACTION_STARTED
from csmsd_core.moments import Moment
from csmsd_core.plausibility import doubts
from csmsd_core.records import CLOSED, OWN_ID, RECONCILED, Transaction, TransactionChange
from csmsd_core.stop_ledger import Ledger, StopRow
from csmsd_core.stopping import RECONCILED_STOP
from csmsd_core.transaction_rows import BY_IDS, STOPS_BY_IDS, Record, record_of, records_by_id
from csmsd_core.transaction_rules import TransactionRules
from csmsd_core.transaction_tables import meter_value, proposal, transaction

SEPARATED = "TX-22 separated"


class UnknownTransaction(CsmsdError):
    """No transaction of that id is known."""


class UnknownProposal(CsmsdError):
    """No proposal, or no stop, of that id is known."""


class NotPossible(CsmsdError):
    """The transaction, stop or proposal is not in a state that allows it: says why."""


class Closing(msgspec.Struct, frozen=True):
    """Close an open transaction; `meter_stop` in Wh if the operator knows it."""

    transaction_id: int
    actor: str
    at: datetime
    key: str  # unique
    meter_stop: int | None = None
    reason: str = "Other"


class Reopening(msgspec.Struct, frozen=True):
    """Take a close, or the mark "superseded", back."""

    transaction_id: int
    actor: str


class Decision(msgspec.Struct, frozen=True):
    """Accept or dismiss a proposal."""

    proposal_id: int
    actor: str
    is_accepted: bool


class Separation(msgspec.Struct, frozen=True):
    """Make a transaction of its own of a stop that came second (TX-22); the start is what the operator knows of it."""

    stop_id: int
    actor: str
    at: datetime
    started_at: datetime
    meter_start: int  # Wh
    id_tag: str
    id_tag_key: str
    connector_id: int | None = None  # None: that of the transaction it was in conflict with


Outcome = Transaction | CsmsdError

PROPOSALS_BY_ID = sa.select(proposal).where(proposal.c.id == sa.bindparam("wanted"))
DECIDE = (
    sa.update(proposal)
    .where(proposal.c.id == sa.bindparam("of"))
    .values(state=sa.bindparam("new_state"), actor=sa.bindparam("by"))
)
UNMARK = (
    sa.update(transaction).where(transaction.c.id == sa.bindparam("of")).values(superseded_by=None, superseded_at=None)
)
LINK_READINGS = (
    sa.update(meter_value)
    .where(
        meter_value.c.station_id == sa.bindparam("at_station"),
        meter_value.c.connector_id == sa.bindparam("at_connector"),
        meter_value.c.reference <= 0,
        meter_value.c.transaction_id.is_(None),
        meter_value.c.stop_id.is_(None),
        meter_value.c.at >= sa.bindparam("since", type_=UtcTime),
        meter_value.c.at <= sa.bindparam("until", type_=UtcTime),
    )
    .values(transaction_id=sa.bindparam("belongs_to"))
)
ADD_TRANSACTION = sa.insert(transaction)


class Corrections:
    """The writes of operators; one object per store. A refusal is a result, so that it spoils nobody else's batch."""

    def __init__(self, store: Store, rules: TransactionRules) -> None:
        self._store, self._rules = store, rules

    def close(self, connection: sa.Connection, rows: Sequence[Closing]) -> Sequence[Outcome]:
        """A stop of the lowest rank: the station's own StopTransaction will replace it, whenever it comes."""
        return [self._settle(connection, row, row.transaction_id, self._close) for row in rows]

    def reopen(self, connection: sa.Connection, rows: Sequence[Reopening]) -> Sequence[Outcome]:
        """Undo `close`; of a superseded transaction, undo that mark."""
        return [self._settle(connection, row, row.transaction_id, self._reopen) for row in rows]

    def decide(self, connection: sa.Connection, rows: Sequence[Decision]) -> Sequence[Outcome]:
        """Accept or dismiss proposals."""
        return [self._decide(connection, row) for row in rows]

    def separate(self, connection: sa.Connection, rows: Sequence[Separation]) -> Sequence[Outcome]:
        """Turn conflict records into transactions."""
        return [self._separate(connection, row) for row in rows]

    def _settle(
        self, connection: sa.Connection, row: Any, transaction_id: int, change: Callable[[Ledger, Record, Any], Outcome]
    ) -> Outcome:
        records = records_by_id(connection, [transaction_id])
        if transaction_id not in records:
            return UnknownTransaction(f"there is no transaction {transaction_id}")
        ledger = Ledger(connection, self._store, self._rules, records, spare_ids=1)
        outcome = change(ledger, records[transaction_id], row)
        ledger.close()
        return outcome

    def _close(self, ledger: Ledger, record: Record, row: Closing) -> Outcome:
        if record.stop_rank:
            return NotPossible(f"transaction {row.transaction_id} is {record.transaction.status} already")
        ledger.apply(_close_of(row, record.transaction), row.transaction_id, CLOSED)
        ledger.tell(TransactionChange(record.transaction, "closed", row.actor))
        return record.transaction

    def _reopen(self, ledger: Ledger, record: Record, row: Reopening) -> Outcome:
        if record.stop_rank == CLOSED:
            ledger.reopen(row.transaction_id, row.actor)
        elif not record.stop_rank and record.transaction.superseded_by is not None:
            ledger.connection.execute(UNMARK, {"of": row.transaction_id})
            record.transaction = msgspec.structs.replace(
                record.transaction, status="open", superseded_by=None, flags=record.start_flags
            )
            ledger.tell(TransactionChange(record.transaction, "reopened", row.actor))
        else:
            return NotPossible(
                f"transaction {row.transaction_id} is {record.transaction.status}; only a close by an operator and the"
                " mark superseded can be taken back"
            )
        return record.transaction

    def _decide(self, connection: sa.Connection, row: Decision) -> Outcome:
        made = connection.execute(PROPOSALS_BY_ID, {"wanted": row.proposal_id}).mappings().first()
        if made is None:
            return UnknownProposal(f"there is no proposal {row.proposal_id}")
        if made["state"] != "open":
            return NotPossible(f"proposal {row.proposal_id} is {made['state']} already")
        records = records_by_id(connection, [made["transaction_id"]])
        record = records[made["transaction_id"]]
        if row.is_accepted:
            ledger = Ledger(connection, self._store, self._rules, records, spare_ids=0)
            accept = _accept_readings if made["stop_id"] is None else _accept_stop
            refusal = accept(ledger, record, made, row.actor)
            if refusal is not None:
                return refusal
            ledger.close()
        new_state = "accepted" if row.is_accepted else "dismissed"
        connection.execute(DECIDE, {"of": row.proposal_id, "new_state": new_state, "by": row.actor})
        return record.transaction

    def _separate(self, connection: sa.Connection, row: Separation) -> Outcome:
        sent = connection.execute(STOPS_BY_IDS, {"ids": [row.stop_id]}).mappings().first()
        if sent is None:
            return UnknownProposal(f"there is no stop {row.stop_id}")
        if sent["state"] != "conflict":
            return NotPossible(f"stop {row.stop_id} is {sent['state']}; only a conflict can become a transaction")
        original = records_by_id(connection, [sent["transaction_id"]])[sent["transaction_id"]].transaction
        (id_,) = self._store.take_ids(connection, "core_transaction", 1)
        connection.execute(ADD_TRANSACTION, _separated(row, id_, original))
        record = record_of(connection.execute(BY_IDS, {"ids": [id_]}).mappings().one())
        ledger = Ledger(connection, self._store, self._rules, {id_: record}, spare_ids=0)
        self._store.record_facts(connection, [fact_row(TRANSACTION_STARTED, original.station_id, record.transaction)])
        found = _stop_row(sent)
        marks = flags.unique((*doubts(found.meter_stop, found.moment.at, record.transaction, self._rules), SEPARATED))
        ledger.show(found, id_, row.stop_id, OWN_ID, marks)
        ledger.move(row.stop_id, "separated", OWN_ID, id_, marks)
        ledger.tell(TransactionChange(original, "separated", row.actor))
        ledger.close()
        return record.transaction


def _accept_stop(ledger: Ledger, record: Record, made: sa.RowMapping, actor: str) -> NotPossible | None:
    if record.stop_rank not in (0, CLOSED):
        return NotPossible(f"transaction {record.transaction.id} has been stopped by now")
    sent = ledger.connection.execute(STOPS_BY_IDS, {"ids": [made["stop_id"]]}).mappings().one()
    if sent["state"] != "unmatched":
        return NotPossible(f"the stop belongs to transaction {sent['transaction_id']} by now")
    row = _stop_row(sent)
    marks = flags.unique(
        (*row.flags, RECONCILED_STOP, *doubts(row.meter_stop, row.moment.at, record.transaction, ledger.rules))
    )
    ledger.show(row, record.transaction.id, made["stop_id"], RECONCILED, marks)
    ledger.move(made["stop_id"], "applied", RECONCILED, record.transaction.id, marks)
    ledger.tell(TransactionChange(record.transaction, "reconciled", actor))
    return None


def _accept_readings(ledger: Ledger, record: Record, made: sa.RowMapping, actor: str) -> NotPossible | None:
    now = record.transaction
    ledger.connection.execute(
        LINK_READINGS,
        {
            "at_station": made["station_id"],
            "at_connector": made["connector_id"],
            "since": now.started_at,
            "until": now.stopped_at or record.superseded_at or made["made_at"],
            "belongs_to": now.id,
        },
    )
    ledger.tell(TransactionChange(now, "reconciled", actor))
    return None


def _close_of(row: Closing, now: Transaction) -> StopRow:
    return StopRow(
        station_id=now.station_id,
        reference=now.id,
        meter_stop=row.meter_stop,
        moment=Moment(row.at, row.at, row.at),
        stop_key=f"operator:{row.key}",
        id_tag=None,
        id_tag_key="",
        parent_key="",
        reason=row.reason,
        verdict="",
        begin_wh=None,
        elements=(),
        flags=("TX-32 closed by an operator",),
        actor=row.actor,
    )


def _stop_row(sent: sa.RowMapping) -> StopRow:
    return StopRow(
        station_id=sent["station_id"],
        reference=sent["reference"],
        meter_stop=sent["meter_stop"],
        moment=Moment(sent["at"], sent["reported_at"], sent["received_at"], sent["raw_timestamp"]),
        stop_key=sent["stop_key"],
        id_tag=sent["id_tag"],
        id_tag_key=sent["id_tag_key"],
        parent_key=sent["parent_key"],
        reason=sent["reason"],
        verdict=sent["verdict"],
        begin_wh=sent["begin_wh"],
        elements=(),
        flags=tuple(each for each in flags.from_text(sent["flags"]) if not each.endswith(" unmatched")),
    )


def _separated(row: Separation, id_: int, original: Transaction) -> dict[str, object]:
    return {
        "id": id_,
        "station_id": original.station_id,
        "connector_id": original.connector_id if row.connector_id is None else row.connector_id,
        "id_tag": row.id_tag,
        "id_tag_key": row.id_tag_key,
        "parent_id_tag": "",
        "parent_key": "",
        "meter_start": row.meter_start,
        "start_key": f"operator:{row.stop_id}",
        "started_at": row.started_at,
        "start_reported_at": None,
        "start_raw": "",
        "start_received_at": row.at,
        "reservation_id": None,
        "verdict": original.verdict,
        "is_verified": original.is_verified,
        "is_known": True,
        "stop_rank": 0,
        "flags": flags.to_text((SEPARATED,)),
    }
