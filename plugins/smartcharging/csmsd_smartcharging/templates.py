"""Charging profile templates: drafts with a name, to be applied to any station and connector."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa

from csmsd.errors import CsmsdError
from csmsd.host import Host
from csmsd_core.upsert import upsert
from csmsd_smartcharging.builder import Draft, build
from csmsd_smartcharging.tables import template


class UnknownTemplate(CsmsdError):
    """No template of that name."""


class Template(msgspec.Struct, frozen=True):
    """A draft under a name; its times are those of the moment in which it is applied, unless it states them."""

    name: str
    draft: Draft
    note: str
    changed_at: datetime


PUT = upsert(template)
REMOVE = sa.delete(template).where(template.c.name == sa.bindparam("of_template"))
SELECT = sa.select(template).order_by(template.c.name)


def put_templates(connection: sa.Connection, rows: Sequence[Template]) -> Sequence[None]:
    """Create or replace templates."""
    latest = {row.name: row for row in rows}
    connection.execute(
        PUT[connection.dialect.name],
        [
            {
                "name": row.name,
                "note": row.note,
                "draft": msgspec.json.encode(row.draft).decode(),
                "changed_at": row.changed_at,
            }
            for row in latest.values()
        ],
    )
    return [None] * len(rows)


def remove_templates(connection: sa.Connection, rows: Sequence[str]) -> Sequence[None]:
    """Forget templates."""
    connection.execute(REMOVE, [{"of_template": name} for name in rows])
    return [None] * len(rows)


def read_templates(connection: sa.Connection) -> list[Template]:
    """All of them, by name."""
    return [
        Template(row["name"], msgspec.json.decode(row["draft"], type=Draft), row["note"], row["changed_at"])
        for row in connection.execute(SELECT).mappings()
    ]


class Templates:
    """All templates of one csmsd."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._by_name: dict[str, Template] = {}

    async def load(self) -> None:
        """Read everything."""
        self._by_name = {each.name: each for each in await self._host.store.read(read_templates)}

    def list(self) -> Sequence[Template]:
        """By name."""
        return [self._by_name[name] for name in sorted(self._by_name)]

    def get(self, name: str) -> Template:
        """The template; UnknownTemplate."""
        try:
            return self._by_name[name]
        except KeyError:
            raise UnknownTemplate(f"there is no template {name}") from None

    async def put(self, name: str, draft: Draft, *, actor: str, note: str = "") -> Template:
        """Create or replace a template; InvalidProfile if no profile can be made of it."""
        build(draft, self._host.env.now(), 1, None)
        before = self._by_name.get(name)
        new = Template(name, draft, note, self._host.env.now())
        await self._host.store.submit(put_templates, new)
        self._by_name[name] = new
        self._host.audit.record(actor, "template.put", f"charging template {name}", before, new)
        return new

    async def remove(self, name: str, *, actor: str) -> None:
        """Forget a template; UnknownTemplate. Profiles that were made of it stay."""
        before = self.get(name)
        await self._host.store.submit(remove_templates, name)
        self._by_name.pop(name, None)
        self._host.audit.record(actor, "template.remove", f"charging template {name}", before)
