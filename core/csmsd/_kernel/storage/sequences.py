"""Unique positive integers in hi/lo blocks: a block is reserved in the database, its ids are handed out from memory."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from csmsd._kernel.storage.tables import sequence
from csmsd.errors import StoreError

LAST_ID = 2**31 - 1
BLOCK = 1000  # what a crash leaves unused, at most


def _reservation(insert: sqlite.Insert | postgresql.Insert) -> sa.Executable:
    added = insert.values(name=sa.bindparam("name"), next=sa.bindparam("first_end"))
    return added.on_conflict_do_update(
        index_elements=[sequence.c.name], set_={"next": sequence.c.next + sa.bindparam("size")}
    ).returning(sequence.c.next)


_RESERVE = {
    "sqlite": _reservation(sqlite.insert(sequence)),
    "postgresql": _reservation(postgresql.insert(sequence)),
}


class Sequences:
    """The blocks of one committer; used in its thread only.

    A block that was reserved in a transaction exists only if that transaction is committed: `rolled_back` forgets it,
    `forget` forgets all of them when nobody knows. Ids may be skipped, never used twice (TX-02).
    """

    def __init__(self) -> None:
        self._blocks: dict[str, range] = {}
        self._reserved_now: set[str] = set()

    def take(self, connection: sa.Connection, name: str, count: int, last: int = LAST_ID) -> list[int]:
        """Take `count` ids up to `last`; StoreError when the sequence is exhausted."""
        block = self._blocks.get(name, range(0))
        taken = list(block[:count])
        rest = block[count:]
        if len(taken) < count:
            missing = count - len(taken)
            block = self._reserve(connection, name, missing, last)
            taken += block[:missing]
            rest = block[missing:]
        self._blocks[name] = rest
        return taken

    def _reserve(self, connection: sa.Connection, name: str, wanted: int, last: int) -> range:
        size = max(BLOCK, wanted)
        parameters = {"name": name, "first_end": 1 + size, "size": size}
        end: int = connection.execute(_RESERVE[connection.dialect.name], parameters).scalar_one()
        self._reserved_now.add(name)
        block = range(end - size, min(end, last + 1))
        if len(block) < wanted:
            raise StoreError(f"the sequence {name!r} is exhausted: all ids up to {last} have been used")
        return block

    def committed(self) -> None:
        """What was reserved is reserved for good."""
        self._reserved_now.clear()

    def rolled_back(self) -> None:
        """What was reserved in this transaction is not."""
        for name in self._reserved_now:
            self._blocks.pop(name, None)
        self._reserved_now.clear()

    def forget(self) -> None:
        """Nobody knows: start over from what the database says."""
        self._blocks.clear()
        self._reserved_now.clear()
