"""Facts on their way into the outbox, and out of it again without a read: who commits one knows what it says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from csmsd._kernel.storage.sequences import Sequences
from csmsd._kernel.storage.tables import outbox
from csmsd.facts import RecordedFact
from csmsd.store import BulkInsert, FactRow

SEQUENCE = "kernel_outbox"
LAST_ID = 2**63 - 1
_add = BulkInsert(outbox, "id", "name", "station_id", "payload", "at")


def add_facts(
    connection: sa.Connection, sequences: Sequences, rows: Sequence[FactRow], at: datetime
) -> list[RecordedFact]:
    """Insert facts. Ids are ours, not the database's: to ask for those of many rows is dear, to guess them unsafe."""
    ids = sequences.take(connection, SEQUENCE, len(rows), LAST_ID)
    facts = [RecordedFact(id_, row.name, row.station_id, row.payload, at) for id_, row in zip(ids, rows, strict=True)]
    _add(connection, [(fact.id, fact.name, fact.station_id, fact.payload, fact.at) for fact in facts])
    return facts
