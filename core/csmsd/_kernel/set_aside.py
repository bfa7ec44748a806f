"""Facts that a plugin, or a reader of a plugin, could not take: kept until somebody retries or discards them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from csmsd._kernel.storage.tables import outbox_cursor, outbox_failure, outbox_straggler
from csmsd.facts import RecordedFact


@dataclass(frozen=True, slots=True)
class Failure:
    """A fact that was not taken."""

    taker: str  # a plugin, or "<plugin>/<reader>"
    fact: RecordedFact
    attempts: int
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Key:
    """Which one."""

    taker: str
    fact_id: int


_SET_ASIDE = {
    name: insert.on_conflict_do_update(
        index_elements=["plugin", "fact_id"],
        set_={column: insert.excluded[column] for column in ("attempts", "reason", "at")},
    )
    for name, insert in (("sqlite", sqlite.insert(outbox_failure)), ("postgresql", postgresql.insert(outbox_failure)))
}
_IS_ONE = sa.and_(outbox_failure.c.plugin == sa.bindparam("taker"), outbox_failure.c.fact_id == sa.bindparam("key"))
_FIND = sa.select(outbox_failure).where(_IS_ONE)
_DISCARD = sa.delete(outbox_failure).where(_IS_ONE)
_PAGE = (
    sa.select(outbox_failure)
    .where(
        sa.or_(
            outbox_failure.c.plugin == sa.bindparam("taker"),
            outbox_failure.c.plugin.like(sa.bindparam("pattern", type_=sa.Text), escape="\\"),
        ),
        sa.or_(
            outbox_failure.c.fact_id > sa.bindparam("after_id", type_=sa.BigInteger),
            sa.and_(
                outbox_failure.c.fact_id == sa.bindparam("after_id", type_=sa.BigInteger),
                outbox_failure.c.plugin > sa.bindparam("after_taker", type_=sa.Text),
            ),
        ),
    )
    .order_by(outbox_failure.c.fact_id, outbox_failure.c.plugin)
    .limit(sa.bindparam("limit"))
)
_COUNTS = sa.select(outbox_failure.c.plugin, sa.func.count()).group_by(outbox_failure.c.plugin)
_FORGET = [
    sa.delete(table).where(table.c.plugin == sa.bindparam("taker"))
    for table in (outbox_failure, outbox_straggler, outbox_cursor)
]


def set_aside(connection: sa.Connection, failures: Sequence[Failure]) -> Sequence[None]:
    """Keep facts; the last time that one fails is the one that is shown."""
    for failure in failures:  # they are rare, and one may be there twice
        row = {
            "plugin": failure.taker,
            "fact_id": failure.fact.id,
            "station_id": failure.fact.station_id,
            "name": failure.fact.name,
            "payload": failure.fact.payload,
            "attempts": failure.attempts,
            "reason": failure.reason,
            "at": failure.at,
            "recorded_at": failure.fact.at,
        }
        connection.execute(_SET_ASIDE[connection.dialect.name], row)
    return [None] * len(failures)


def discard(connection: sa.Connection, keys: Sequence[Key]) -> Sequence[None]:
    """They are taken after all, or given up."""
    connection.execute(_DISCARD, [{"taker": each.taker, "key": each.fact_id} for each in keys])
    return [None] * len(keys)


def forget(connection: sa.Connection, takers: Sequence[str]) -> Sequence[None]:
    """All that is known of somebody who takes no facts any more."""
    for statement in _FORGET:
        connection.execute(statement, [{"taker": taker} for taker in takers])
    return [None] * len(takers)


def find(connection: sa.Connection, key: Key) -> Failure | None:
    """One of them."""
    row = connection.execute(_FIND, {"taker": key.taker, "key": key.fact_id}).one_or_none()
    return None if row is None else _failure(row)


def page(
    connection: sa.Connection, taker: str, after: tuple[int, str], limit: int, *, with_readers: bool = False
) -> Sequence[Failure]:
    """What one, or a plugin and its readers, could not take, by fact and taker."""
    pattern = taker.replace("_", "\\_") + "/%" if with_readers else ""
    wanted = {"taker": taker, "pattern": pattern, "after_id": after[0], "after_taker": after[1], "limit": limit}
    return [_failure(row) for row in connection.execute(_PAGE, wanted)]


def counts(connection: sa.Connection) -> dict[str, int]:
    """How many there are, by taker."""
    return {row[0]: row[1] for row in connection.execute(_COUNTS)}


def _failure(row: sa.Row[Any]) -> Failure:
    recorded_at = row.recorded_at or row.at
    fact = RecordedFact(row.fact_id, row.name, row.station_id, row.payload, recorded_at)
    return Failure(row.plugin, fact, row.attempts, row.reason, row.at)
