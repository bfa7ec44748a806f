"""Id tags: what the operator knows of each token. Kept in memory, changed only after the COMMIT (AUTH-12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from csmsd.errors import CsmsdError
from csmsd.host import Host
from csmsd.pending import Pending
from csmsd_core.folding import folded
from csmsd_core.tables import tag
from csmsd_core.upsert import upsert

MAX_LENGTH = 20  # of an IdToken (1.6 §7.28)


class UnknownTag(CsmsdError):
    """No id tag of that text is known."""


class InvalidTag(CsmsdError):
    """The id tag cannot be stored: says what is wrong with it."""


class Tag(msgspec.Struct, frozen=True):
    """One id tag. `Expired` is not a status: it follows from `expires_at`."""

    id_tag: str
    status: Literal["Accepted", "Blocked"] = "Accepted"
    parent_id_tag: str = ""  # "" = no group; groups are equal if these are equal, whatever the case (AUTH-04)
    expires_at: datetime | None = None  # None = never
    max_active_transactions: int | None = None  # None = no limit (TX-08)
    note: str = ""
    created_at: datetime | None = None
    changed_at: datetime | None = None


SELECT = sa.select(*(column for column in tag.c if column.name != "id_tag_key"))
PAGE = (
    SELECT.where(
        tag.c.id_tag_key > sa.bindparam("after"),
        sa.func.substr(tag.c.id_tag_key, 1, sa.bindparam("prefix_length")) == sa.bindparam("prefix"),
    )
    .order_by(tag.c.id_tag_key)
    .limit(sa.bindparam("count"))
)
PUT = upsert(tag)
DELETE = sa.delete(tag).where(tag.c.id_tag_key == sa.bindparam("key"))


class Change(msgspec.Struct, frozen=True):
    """A change of an id tag on its way to the database, one kind for all, so that their order is kept."""

    key: str
    tag: Tag | None  # None: forget it


def change_tags(connection: sa.Connection, rows: Sequence[Change]) -> Sequence[None]:
    """Create, replace and forget id tags; of several changes to one the last counts."""
    last = {row.key: row.tag for row in rows}
    put = [{"id_tag_key": key, **msgspec.structs.asdict(tag)} for key, tag in sorted(last.items()) if tag is not None]
    forgotten = [{"key": key} for key, tag in sorted(last.items()) if tag is None]
    if put:
        connection.execute(PUT[connection.dialect.name], put)
    if forgotten:
        connection.execute(DELETE, forgotten)
    return [None] * len(rows)


def _tag_of(row: Mapping[Any, Any]) -> Tag:
    return Tag(**row)


def read_all(connection: sa.Connection) -> dict[str, Tag]:
    """Every id tag, by its folded text."""
    tags = (_tag_of(row) for row in connection.execute(SELECT).mappings())
    return {folded(each.id_tag): each for each in tags}


class Tags:
    """All id tags of one csmsd."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._by_key: dict[str, Tag] = {}

    async def load(self) -> None:
        """Read them all; before stations are let in."""
        self._by_key = await self._host.store.read(read_all)

    def find(self, id_tag: str) -> Tag | None:
        """The tag of that text in any case, or None."""
        return self._by_key.get(folded(id_tag))

    def get(self, id_tag: str) -> Tag:
        """The tag of that text in any case; UnknownTag if there is none."""
        found = self.find(id_tag)
        if found is None:
            raise UnknownTag(f"no id tag {id_tag!r} is known")
        return found

    def __len__(self) -> int:
        return len(self._by_key)

    def all(self) -> Sequence[Tag]:
        """Every tag, in the order of their folded text."""
        return [self._by_key[key] for key in sorted(self._by_key)]

    async def page(self, *, after: str = "", prefix: str = "", limit: int = 100) -> Sequence[Tag]:
        """Tags in the order of their folded text: those behind `after` that begin with `prefix`."""
        start = folded(prefix)
        parameters = {"after": folded(after), "prefix": start, "prefix_length": len(start), "count": limit}

        def read(connection: sa.Connection) -> list[Tag]:
            return [_tag_of(row) for row in connection.execute(PAGE, parameters).mappings()]

        return await self._host.store.read(read)

    def put(self, wanted: Tag, *, actor: str) -> Pending[Tag]:
        """Create or replace a tag, effective when the result settles (AUTH-12); InvalidTag."""
        check(wanted)
        now, before = self._host.env.now(), self.find(wanted.id_tag)
        stored = msgspec.structs.replace(
            wanted, created_at=before.created_at if before is not None else now, changed_at=now
        )

        def publish(_: None) -> Tag:
            self._by_key[folded(stored.id_tag)] = stored
            self._host.audit.record(actor, "tag.put", stored.id_tag, before, stored)
            return stored

        return self._host.store.submit(change_tags, Change(folded(stored.id_tag), stored)).then(publish)

    def change(self, id_tag: str, *, actor: str, **fields: Any) -> Pending[Tag]:
        """Replace some fields of a tag, by name; UnknownTag, InvalidTag."""
        return self.put(msgspec.structs.replace(self.get(id_tag), **fields), actor=actor)

    def delete(self, id_tag: str, *, actor: str) -> Pending[None]:
        """Forget a tag: it is `Invalid` from then on; UnknownTag."""
        before, key = self.get(id_tag), folded(id_tag)

        def publish(_: None) -> None:
            self._by_key.pop(key, None)
            self._host.audit.record(actor, "tag.delete", before.id_tag, before)

        return self._host.store.submit(change_tags, Change(key, None)).then(publish)


def check(wanted: Tag) -> None:
    """InvalidTag if the tag cannot be sent to a station in OCPP 1.6."""
    for name, text in (("idTag", wanted.id_tag), ("parentIdTag", wanted.parent_id_tag)):
        if len(text) > MAX_LENGTH:
            raise InvalidTag(f"{name} {text!r} has {len(text)} characters; an IdToken has {MAX_LENGTH} at most")
        if not text.isprintable():
            raise InvalidTag(f"{name} {text!r} contains control characters")
    if not wanted.id_tag:
        raise InvalidTag("idTag is empty: stations would be told Invalid (AUTH-11)")
    if wanted.status not in ("Accepted", "Blocked"):
        raise InvalidTag(f"status {wanted.status!r} is neither Accepted nor Blocked; for Expired set expires_at")
    if wanted.expires_at is not None and wanted.expires_at.tzinfo is None:
        raise InvalidTag("expires_at needs a time zone")
    if wanted.max_active_transactions is not None and wanted.max_active_transactions < 1:
        raise InvalidTag("max_active_transactions must be 1 at least; without a limit leave it out")
