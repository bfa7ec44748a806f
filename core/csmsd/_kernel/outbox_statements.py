"""What couriers read and write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from csmsd._kernel.storage.tables import outbox, outbox_cursor, outbox_failure


@dataclass(frozen=True, slots=True)
class StoredFact:
    """A row of the outbox."""

    id: int
    name: str
    station_id: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """What comes after a cursor."""

    facts: Sequence[StoredFact]
    read_to: int  # everything up to here that concerns the reader is in `facts` or was before
    beyond: int  # facts that did not fit


@dataclass(frozen=True, slots=True)
class Position:
    """How far a plugin has come."""

    plugin: str
    fact_id: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A fact that a plugin could not take."""

    plugin: str
    fact: StoredFact
    attempts: int
    reason: str
    at: datetime


_PAGE = (
    sa.select(outbox.c.id, outbox.c.name, outbox.c.station_id, outbox.c.payload)
    .where(outbox.c.id > sa.bindparam("after"), outbox.c.name.in_(sa.bindparam("names", expanding=True)))
    .order_by(outbox.c.id)
    .limit(sa.bindparam("limit"))
)
_BEYOND = (
    sa.select(sa.func.count())
    .select_from(outbox)
    .where(outbox.c.id > sa.bindparam("after"), outbox.c.name.in_(sa.bindparam("names", expanding=True)))
)
_END = sa.select(sa.func.coalesce(sa.func.max(outbox.c.id), 0))


def page_of(connection: sa.Connection, after: int, names: Sequence[str], limit: int) -> Page:
    """Up to `limit` facts of these names after a cursor."""
    end: int = connection.execute(_END).scalar_one()  # first: what is committed meanwhile must not be passed over
    rows = connection.execute(_PAGE, {"after": after, "names": names, "limit": limit})
    facts = [StoredFact(*row) for row in rows]
    if len(facts) < limit:
        return Page(facts, max([after, end, *(fact.id for fact in facts[-1:])]), 0)
    last = facts[-1].id
    beyond: int = connection.execute(_BEYOND, {"after": last, "names": names}).scalar_one()
    return Page(facts, last, beyond)


_NEW = sa.select(sa.bindparam("name", type_=sa.Text), sa.func.coalesce(sa.func.max(outbox.c.id), 0)).where(sa.true())
_START = {
    name: insert.on_conflict_do_nothing().from_select(["plugin", "fact_id"], _NEW)
    for name, insert in (("sqlite", sqlite.insert(outbox_cursor)), ("postgresql", postgresql.insert(outbox_cursor)))
}
_CURSOR = sa.select(outbox_cursor.c.fact_id).where(outbox_cursor.c.plugin == sa.bindparam("name"))


def find_cursors(connection: sa.Connection, plugins: Sequence[str]) -> Sequence[int]:
    """Where each plugin stands; a new one stands at the end."""
    cursors: list[int] = []
    for plugin in plugins:
        connection.execute(_START[connection.dialect.name], {"name": plugin})
        cursors.append(connection.execute(_CURSOR, {"name": plugin}).scalar_one())
    return cursors


_MOVE = (
    sa.update(outbox_cursor).where(outbox_cursor.c.plugin == sa.bindparam("name")).values(fact_id=sa.bindparam("to"))
)


def move_cursors(connection: sa.Connection, positions: Sequence[Position]) -> Sequence[None]:
    """Note how far plugins have come."""
    latest = {position.plugin: position.fact_id for position in positions}
    connection.execute(_MOVE, [{"name": plugin, "to": fact_id} for plugin, fact_id in latest.items()])
    return [None] * len(positions)


_SET_ASIDE = {
    name: insert.on_conflict_do_nothing()
    for name, insert in (("sqlite", sqlite.insert(outbox_failure)), ("postgresql", postgresql.insert(outbox_failure)))
}


def set_aside(connection: sa.Connection, failures: Sequence[Failure]) -> Sequence[None]:
    """Keep facts that a plugin cannot take; a second time is harmless."""
    rows = [
        {
            "plugin": failure.plugin,
            "fact_id": failure.fact.id,
            "station_id": failure.fact.station_id,
            "name": failure.fact.name,
            "payload": failure.fact.payload,
            "attempts": failure.attempts,
            "reason": failure.reason,
            "at": failure.at,
        }
        for failure in failures
    ]
    connection.execute(_SET_ASIDE[connection.dialect.name], rows)
    return [None] * len(failures)


_FORGET = sa.delete(outbox_failure).where(
    outbox_failure.c.plugin == sa.bindparam("name"), outbox_failure.c.fact_id == sa.bindparam("id")
)


def forget_failures(connection: sa.Connection, keys: Sequence[tuple[str, int]]) -> Sequence[None]:
    """They have been delivered after all."""
    connection.execute(_FORGET, [{"name": plugin, "id": fact_id} for plugin, fact_id in keys])
    return [None] * len(keys)


_FAILURES = (
    sa.select(outbox_failure)
    .where(outbox_failure.c.plugin == sa.bindparam("name"))
    .order_by(outbox_failure.c.fact_id)
    .limit(1000)
)


def failures_of(connection: sa.Connection, plugin: str) -> Sequence[Failure]:
    """The oldest thousand facts that a plugin could not take."""
    return [
        Failure(
            row.plugin,
            StoredFact(row.fact_id, row.name, row.station_id, row.payload),
            row.attempts,
            row.reason,
            row.at,
        )
        for row in connection.execute(_FAILURES, {"name": plugin})
    ]
