"""Two transactions on one connector: the older one lost its stop, or the newer one is late (TX-12)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa

from csmsd.store import Store, fact_row
from csmsd_core.facts import TRANSACTION_UPDATED
from csmsd_core.records import Transaction, TransactionChange
from csmsd_core.transaction_rows import NO_STOP, records_by_id
from csmsd_core.transaction_tables import transaction

DUPLICATE = "TX-12 probable duplicate"
OVERLAPPING = "TX-07 overlapping"

OPEN = sa.select(
    transaction.c.id,
    transaction.c.station_id,
    transaction.c.connector_id,
    transaction.c.id_tag_key,
    transaction.c.meter_start,
    transaction.c.started_at,
).where(
    transaction.c.stop_rank == NO_STOP,
    transaction.c.superseded_by.is_(None),
    transaction.c.station_id.in_(sa.bindparam("stations", expanding=True)),
)
MARK = (
    sa.update(transaction)
    .where(transaction.c.id == sa.bindparam("of"))
    .values(superseded_by=sa.bindparam("successor"), superseded_at=sa.bindparam("since"))
)


class Start(msgspec.Struct, frozen=True, gc=False):
    """A transaction that is open and not superseded."""

    id: int
    station_id: str
    connector_id: int
    id_tag_key: str
    meter_start: int
    started_at: datetime

    def is_like(self, other: Start) -> bool:
        """Whether a station has perhaps corrected its clock between two attempts."""
        return (self.id_tag_key, self.meter_start) == (other.id_tag_key, other.meter_start)


def supersede(
    connection: sa.Connection, store: Store, new: Sequence[Start]
) -> tuple[list[tuple[int, str]], list[Transaction]]:
    """Mark older open transactions on the connectors of `new`, which are stored already.

    Returns flags for the new ones, and those that are marked, as they are now.
    """
    connectors = {(each.station_id, each.connector_id) for each in new if each.connector_id > 0}
    if not connectors:
        return [], []
    arriving = {each.id for each in new}
    places: dict[tuple[str, int], dict[int, Start]] = {place: {} for place in connectors}
    stations = sorted({station_id for station_id, _ in connectors})
    for row in connection.execute(OPEN, {"stations": stations}).mappings():
        place = places.get((row["station_id"], row["connector_id"]))
        if place is not None and row["id"] not in arriving:
            place[row["id"]] = Start(**row)
    flags: list[tuple[int, str]] = []
    superseded: dict[int, Start] = {}
    for start in new:
        place = places.get((start.station_id, start.connector_id))
        if place is None:
            continue
        older = [each for each in place.values() if each.started_at <= start.started_at]
        if len(older) < len(place):
            flags.append((start.id, OVERLAPPING))
        if any(each.is_like(start) for each in place.values()):
            flags.append((start.id, DUPLICATE))
        for each in older:
            superseded[each.id] = start
            del place[each.id]
        place[start.id] = start
    return flags, _mark(connection, store, superseded)


def _mark(connection: sa.Connection, store: Store, superseded: dict[int, Start]) -> list[Transaction]:
    if not superseded:
        return []
    connection.execute(
        MARK,
        [{"of": id_, "successor": start.id, "since": start.started_at} for id_, start in superseded.items()],
    )
    changed = [record.transaction for record in records_by_id(connection, superseded).values()]
    store.record_facts(
        connection,
        [fact_row(TRANSACTION_UPDATED, each.station_id, TransactionChange(each, "superseded")) for each in changed],
    )
    return changed
