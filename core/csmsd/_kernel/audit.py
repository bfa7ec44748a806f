"""Who changed what: append-only."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from csmsd._kernel.storage import tables
from csmsd.env import Env
from csmsd.host import Audit, read_actor
from csmsd.store import Store

log = logging.getLogger("csmsd.audit")
_encode = msgspec.json.Encoder().encode
_ADD = sa.insert(tables.audit)


class AuditEntry(msgspec.Struct, frozen=True):
    """One change. `before` and `after` are JSON; None: there was, or is, nothing."""

    at: datetime
    actor: str
    action: str
    subject: str
    before: str | None = None
    after: str | None = None
    id: int = 0


def add_entries(connection: sa.Connection, entries: Sequence[AuditEntry]) -> Sequence[None]:
    """Write: append entries."""
    rows = [msgspec.structs.asdict(entry) for entry in entries]
    for row in rows:
        del row["id"]
    connection.execute(_ADD, rows)
    return [None] * len(entries)


class AuditTrail(Audit):
    """The audit table. What storage refuses goes to the log: a change never goes unnoticed."""

    def __init__(self, store: Store, env: Env) -> None:
        self._store, self._env = store, env

    def record(self, actor: str, action: str, subject: str, before: object = None, after: object = None) -> None:
        """See Audit."""
        name, _ = read_actor(actor)
        entry = AuditEntry(self._env.now(), name, action, subject, _json(before), _json(after))

        def note(_value: Any, error: BaseException | None) -> None:
            if error is not None:
                log.error("an audit entry could not be stored (%s): %s", error, _encode(entry).decode())

        self._store.submit(add_entries, entry).when_settled(note)

    async def entries(self, *, before_id: int | None = None, limit: int = 100) -> Sequence[AuditEntry]:
        """Newest first."""
        query = sa.select(tables.audit).order_by(tables.audit.c.id.desc()).limit(limit)
        if before_id is not None:
            query = query.where(tables.audit.c.id < before_id)

        def read(connection: sa.Connection) -> list[AuditEntry]:
            return [
                AuditEntry(row.at, row.actor, row.action, row.subject, row.before, row.after, row.id)
                for row in connection.execute(query)
            ]

        return await self._store.read(read)


def _json(value: object) -> str | None:
    return None if value is None else _encode(value).decode()
