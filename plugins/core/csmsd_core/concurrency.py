"""ConcurrentTx: only where the operator has limited a token, and never because of a stop that got lost (TX-08)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa

from csmsd_core.reconciliation import LONG_AVAILABLE
from csmsd_core.transaction_rows import NO_STOP
from csmsd_core.transaction_rules import TransactionRules
from csmsd_core.transaction_tables import transaction

_later = transaction.alias("later")
HAS_SUCCESSOR = sa.exists().where(  # a later *received* transaction of the connector (TX-33)
    _later.c.station_id == transaction.c.station_id,
    _later.c.connector_id == transaction.c.connector_id,
    _later.c.start_received_at > transaction.c.start_received_at,
)
OPEN_OF_TOKENS = sa.select(
    transaction.c.id,
    transaction.c.station_id,
    transaction.c.connector_id,
    transaction.c.id_tag_key,
    transaction.c.parent_key,
).where(
    transaction.c.stop_rank == NO_STOP,
    transaction.c.superseded_by.is_(None),
    sa.or_(
        transaction.c.id_tag_key.in_(sa.bindparam("tags", expanding=True)),
        transaction.c.parent_key.in_(sa.bindparam("groups", expanding=True)),
    ),
    ~LONG_AVAILABLE,
    ~HAS_SUCCESSOR,
)


class Limited(msgspec.Struct, frozen=True, gc=False):
    """A start whose token may have a limit."""

    id: int
    station_id: str
    connector_id: int
    id_tag_key: str
    parent_key: str
    limit: int | None  # None: no limit
    started_at: datetime
    received_at: datetime


def over_the_limit(
    connection: sa.Connection, starts: Sequence[Limited], rules: TransactionRules, *, order: Sequence[int]
) -> set[int]:
    """The ids of those for which the answer is ConcurrentTx; `order`: the new ids, as they came."""
    judged = [
        each for each in starts if each.limit is not None and each.received_at - each.started_at <= rules.tolerance
    ]
    if not judged:
        return set()
    groups = sorted({each.parent_key for each in judged if each.parent_key}) if rules.count_groups else []
    parameters = {
        "tags": sorted({each.id_tag_key for each in judged}),
        "groups": groups,
        "cutoff": max(each.received_at for each in judged) - rules.staleness,
    }
    open_ones = connection.execute(OPEN_OF_TOKENS, parameters).all()
    turn = {id_: position for position, id_ in enumerate(order)}
    refused: set[int] = set()
    for each in judged:
        own_turn = turn.get(each.id, -1)
        count = sum(
            1
            for other in open_ones
            if (other.id < each.id if own_turn < 0 else turn.get(other.id, -1) < own_turn)
            and (other.station_id, other.connector_id) != (each.station_id, each.connector_id)  # nor itself
            and (
                other.id_tag_key == each.id_tag_key
                or (bool(each.parent_key) and other.parent_key == each.parent_key and rules.count_groups)
            )
        )
        if each.limit is not None and count >= each.limit:
            refused.add(each.id)
    return refused
