"""What couriers read and write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from csmsd._kernel.storage.tables import outbox, outbox_cursor, outbox_straggler
from csmsd.facts import RecordedFact

Names = Sequence[str] | None  # of facts; None: all


@dataclass(frozen=True, slots=True)
class Page:
    """What comes after a cursor."""

    facts: Sequence[RecordedFact]
    read_to: int  # everything up to here that concerns the reader is in `facts` or was before
    beyond: int  # facts that did not fit


@dataclass(frozen=True, slots=True)
class Straggler:
    """A station that a plugin's cursor has passed although facts of it wait."""

    station_id: str
    position: int  # everything of this station up to here is delivered or set aside
    last_left: int  # the last of those that wait, up to the cursor
    left: int  # how many


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a plugin has come."""

    cursor: int
    behind: Mapping[str, int]  # stragglers whose positions have changed
    caught_up: Set[str]  # stations that are stragglers no longer


@dataclass(frozen=True, slots=True)
class Position:
    """Whose progress."""

    plugin: str
    progress: Progress


_IS_WANTED = sa.or_(sa.bindparam("every", type_=sa.Boolean), outbox.c.name.in_(sa.bindparam("names", expanding=True)))
_PAGE = (
    sa.select(outbox.c.id, outbox.c.name, outbox.c.station_id, outbox.c.payload, outbox.c.at)
    .where(outbox.c.id > sa.bindparam("after"), _IS_WANTED)
    .order_by(outbox.c.id)
    .limit(sa.bindparam("limit"))
)
_BEYOND = sa.select(sa.func.count()).select_from(outbox).where(outbox.c.id > sa.bindparam("after"), _IS_WANTED)
_END = sa.select(sa.func.coalesce(sa.func.max(outbox.c.id), 0))


def _wanted(names: Names) -> dict[str, Any]:
    return {"names": names or (), "every": names is None}


def page_of(connection: sa.Connection, after: int, names: Names, limit: int) -> Page:
    """Up to `limit` facts of these names after a cursor."""
    end: int = connection.execute(_END).scalar_one()  # first: what is committed meanwhile must not be passed over
    rows = connection.execute(_PAGE, {"after": after, "limit": limit, **_wanted(names)})
    facts = [RecordedFact(*row) for row in rows]
    if len(facts) < limit:
        return Page(facts, max([after, end, *(fact.id for fact in facts[-1:])]), 0)
    last = facts[-1].id
    beyond: int = connection.execute(_BEYOND, {"after": last, **_wanted(names)}).scalar_one()
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


_OF_STATION = (
    sa.select(outbox.c.id, outbox.c.name, outbox.c.station_id, outbox.c.payload, outbox.c.at)
    .where(
        outbox.c.station_id == sa.bindparam("station"),
        outbox.c.id > sa.bindparam("after"),
        outbox.c.id <= sa.bindparam("to"),
        _IS_WANTED,
    )
    .order_by(outbox.c.id)
    .limit(sa.bindparam("limit"))
)


def facts_of(
    connection: sa.Connection, station_id: str, after: int, to: int, names: Names, limit: int
) -> Sequence[RecordedFact]:
    """Up to `limit` facts of these names that happened to one station, after one and up to another."""
    wanted = {"station": station_id, "after": after, "to": to, "limit": limit, **_wanted(names)}
    return [RecordedFact(*row) for row in connection.execute(_OF_STATION, wanted)]


_STRAGGLERS = (
    sa.select(
        outbox_straggler.c.station_id,
        outbox_straggler.c.fact_id,
        sa.func.coalesce(sa.func.max(outbox.c.id), 0),
        sa.func.count(outbox.c.id),
    )
    .select_from(outbox_straggler)
    .outerjoin(
        outbox,
        sa.and_(
            outbox.c.station_id == outbox_straggler.c.station_id,
            outbox.c.id > outbox_straggler.c.fact_id,
            outbox.c.id <= sa.bindparam("cursor"),
            _IS_WANTED,
        ),
    )
    .where(outbox_straggler.c.plugin == sa.bindparam("name"))
    .group_by(outbox_straggler.c.station_id, outbox_straggler.c.fact_id)
)


def stragglers_of(connection: sa.Connection, plugin: str, cursor: int, names: Names) -> Sequence[Straggler]:
    """Every straggler of a plugin, and what waits for it of these names."""
    rows = connection.execute(_STRAGGLERS, {"name": plugin, "cursor": cursor, **_wanted(names)})
    return [Straggler(*row) for row in rows]


_MOVE = (
    sa.update(outbox_cursor).where(outbox_cursor.c.plugin == sa.bindparam("name")).values(fact_id=sa.bindparam("to"))
)
_FALL_BEHIND = {
    name: insert.on_conflict_do_update(
        index_elements=["plugin", "station_id"], set_={"fact_id": insert.excluded.fact_id}
    )
    for name, insert in (
        ("sqlite", sqlite.insert(outbox_straggler)),
        ("postgresql", postgresql.insert(outbox_straggler)),
    )
}
_CATCH_UP = sa.delete(outbox_straggler).where(
    outbox_straggler.c.plugin == sa.bindparam("name"), outbox_straggler.c.station_id == sa.bindparam("station")
)


def move_cursors(connection: sa.Connection, positions: Sequence[Position]) -> Sequence[None]:
    """Note how far plugins have come, and which stations they have left behind: never one without the other."""
    for position in positions:
        plugin, progress = position.plugin, position.progress
        connection.execute(_MOVE, {"name": plugin, "to": progress.cursor})
        if progress.behind:
            rows = [{"plugin": plugin, "station_id": each, "fact_id": to} for each, to in progress.behind.items()]
            connection.execute(_FALL_BEHIND[connection.dialect.name], rows)
        if progress.caught_up:
            connection.execute(_CATCH_UP, [{"name": plugin, "station": each} for each in progress.caught_up])
    return [None] * len(positions)
