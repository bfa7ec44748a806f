"""Who changed what: append-only, and chained by hashes. Only the committer writes it, so the chain has one order."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from csmsd._kernel.auditcheck import TRIM, check_audit
from csmsd._kernel.storage import tables
from csmsd._kernel.storage.chain import BASE, HEAD, Content, as_stored, hash_of
from csmsd.env import Env
from csmsd.host import Audit, AuditEntry, AuditFilter, AuditVerdict, read_actor
from csmsd.store import Store

log = logging.getLogger("csmsd.audit")
_encode = msgspec.json.Encoder().encode
_ADD = sa.insert(tables.audit)
# Another csmsd on the same database waits here until our entries are committed.
_MARK = sa.select(tables.audit_mark.c.entry_id, tables.audit_mark.c.hash).where(
    tables.audit_mark.c.name == sa.bindparam("of")
)
_LOCK_MARK = _MARK.with_for_update()
_MOVE_MARK = (
    sa.update(tables.audit_mark)
    .where(tables.audit_mark.c.name == sa.bindparam("of"))
    .values(entry_id=sa.bindparam("to"), hash=sa.bindparam("with"))
)
_OLDEST = sa.select(tables.audit.c.id, tables.audit.c.at, tables.audit.c.hash).order_by(tables.audit.c.id)
_CUT = sa.delete(tables.audit).where(tables.audit.c.id <= sa.bindparam("last"))


class Written(NamedTuple):
    """Where an entry stands in the chain."""

    id: int
    hash: str


class Trim(msgspec.Struct, frozen=True):
    """Entries before `since` may go, `most` of them, if the oldest is from before `due`."""

    due: datetime
    since: datetime
    now: datetime
    most: int


def add_entries(connection: sa.Connection, entries: Sequence[AuditEntry]) -> Sequence[Written]:
    """Write: append entries to the chain."""
    head = connection.execute(_LOCK_MARK, {"of": HEAD}).one()
    last = Written(head.entry_id, head.hash)
    rows: list[dict[str, Any]] = []
    written: list[Written] = []
    for entry in entries:
        content = Content(
            last.id + 1,
            entry.at,
            as_stored(entry.actor),
            entry.way,
            entry.action,
            as_stored(entry.subject),
            entry.before,
            entry.after,
        )
        digest = hash_of(content, last.hash)
        rows.append({**content._asdict(), "previous": last.hash, "hash": digest})
        last = Written(content.id, digest)
        written.append(last)
    connection.execute(_ADD, rows)
    connection.execute(_MOVE_MARK, {"of": HEAD, "to": last.id, "with": last.hash})
    return written


def trim_audit(connection: sa.Connection, rows: Sequence[Trim]) -> Sequence[int]:
    """Write: delete the oldest entries; the chain begins after them from now on, and an entry of its own says so."""
    return [_trim(connection, row) for row in rows]


def _trim(connection: sa.Connection, row: Trim) -> int:
    oldest = connection.execute(_OLDEST.limit(row.most)).all()
    if not oldest or oldest[0].at >= row.due:
        return 0
    gone = oldest[: next((index for index, each in enumerate(oldest) if each.at >= row.since), len(oldest))]
    if not gone:
        return 0
    last = gone[-1]
    connection.execute(_CUT, {"last": last.id})
    connection.execute(_MOVE_MARK, {"of": BASE, "to": last.id, "with": last.hash})
    facts = {"first": gone[0].id, "last": last.id, "hash": last.hash}
    add_entries(connection, [AuditEntry(row.now, "csmsd", TRIM, "audit", None, _json(facts), "system")])
    return len(gone)


class AuditTrail(Audit):
    """The audit table. What storage refuses goes to the log: a change never goes unnoticed."""

    def __init__(self, store: Store, env: Env) -> None:
        self._store, self._env = store, env

    def record(self, actor: str, action: str, subject: str, before: object = None, after: object = None) -> None:
        """See Audit."""
        name, way = read_actor(actor)
        entry = AuditEntry(self._env.now(), name, action, subject, _json(before), _json(after), way)

        def note(written: Written | None, error: BaseException | None) -> None:
            if written is None:
                log.error("an audit entry could not be stored (%s): %s", error, _encode(entry).decode())
            else:
                facts = {"action": action, "actor": name, "way": way, "subject": subject}
                anchor = f"{written.id}:{written.hash}"
                log.info("%s %s by %s (%s)", action, subject, name, way, extra={**facts, "audit": anchor})

        self._store.submit(add_entries, entry).when_settled(note)

    async def entries(self, wanted: AuditFilter | None = None) -> Sequence[AuditEntry]:
        """See Audit."""
        query = _query(wanted or AuditFilter())

        def read(connection: sa.Connection) -> list[AuditEntry]:
            return [_entry(row) for row in connection.execute(query)]

        return await self._store.read(read)

    async def verify(self, anchor: str = "") -> AuditVerdict:
        """See Audit."""
        return await self._store.read(lambda connection: check_audit(connection, anchor))


def _query(wanted: AuditFilter) -> sa.Select[Any]:
    row = tables.audit.c
    order = row.id.desc() if wanted.after_id is None else row.id
    query = sa.select(tables.audit).order_by(order).limit(wanted.limit)
    if wanted.after_id is not None:
        query = query.where(row.id > wanted.after_id)
    if wanted.before_id is not None:
        query = query.where(row.id < wanted.before_id)
    if wanted.action:
        is_part = row.action.startswith(f"{wanted.action}.", autoescape=True)
        query = query.where(sa.or_(row.action == wanted.action, is_part))
    for column, value in ((row.actor, wanted.actor), (row.way, wanted.way), (row.subject, wanted.subject)):
        if value:
            query = query.where(column == value)
    return query


def _entry(row: sa.Row[Any]) -> AuditEntry:
    return AuditEntry(row.at, row.actor, row.action, row.subject, row.before, row.after, row.way, row.id, row.hash)


def _json(value: object) -> str | None:
    return None if value is None else _encode(value).decode()
