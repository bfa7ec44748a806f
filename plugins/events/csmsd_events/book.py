"""The webhooks, as they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from csmsd.store import Store
from csmsd_events.tables import webhook

SEQUENCE = "events_webhook"


class Webhook(msgspec.Struct, frozen=True):
    """Who gets which events."""

    id: int
    url: str
    types: tuple[str, ...]  # patterns; * stands for anything
    stations: tuple[str, ...]  # the same
    note: str
    disabled_because: str  # "" = enabled
    created_at: datetime

    @property
    def is_enabled(self) -> bool:
        """Are events sent there?"""
        return not self.disabled_because


class Stored(msgspec.Struct, frozen=True):
    """The same with what nobody is told."""

    webhook: Webhook
    secret: str


class NewWebhook(msgspec.Struct, frozen=True):
    """One that has no id yet."""

    url: str
    secret: str
    types: tuple[str, ...]
    stations: tuple[str, ...]
    note: str
    created_at: datetime


_ALL = sa.select(webhook).order_by(webhook.c.id)
_ADD = sa.insert(webhook)
_REMOVE = sa.delete(webhook).where(webhook.c.id == sa.bindparam("key"))
_DISABLE = (
    sa.update(webhook).where(webhook.c.id == sa.bindparam("key")).values(disabled_because=sa.bindparam("because"))
)


class Book:
    """Reads and writes them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def load(self) -> list[Stored]:
        """All of them, by id."""
        return await self._store.read(lambda connection: [_stored(row) for row in connection.execute(_ALL)])

    async def add(self, new: NewWebhook) -> Stored:
        """Store one, and give it its id."""
        return await self._store.submit(self._add, new)

    async def remove(self, id_: int) -> None:
        """Forget one."""
        await self._store.submit(_remove, id_)

    async def disable(self, id_: int, because: str) -> None:
        """Stop it, or with "" let it go on."""
        await self._store.submit(_disable, (id_, because))

    def _add(self, connection: sa.Connection, rows: Sequence[NewWebhook]) -> Sequence[Stored]:
        ids = self._store.take_ids(connection, SEQUENCE, len(rows))
        made = [
            Stored(Webhook(id_, new.url, new.types, new.stations, new.note, "", new.created_at), new.secret)
            for id_, new in zip(ids, rows, strict=True)
        ]
        connection.execute(_ADD, [_row(each) for each in made])
        return made


def _remove(connection: sa.Connection, ids: Sequence[int]) -> Sequence[None]:
    connection.execute(_REMOVE, [{"key": id_} for id_ in ids])
    return [None] * len(ids)


def _disable(connection: sa.Connection, rows: Sequence[tuple[int, str]]) -> Sequence[None]:
    connection.execute(_DISABLE, [{"key": id_, "because": because} for id_, because in rows])
    return [None] * len(rows)


def _row(stored: Stored) -> dict[str, Any]:
    row = msgspec.structs.asdict(stored.webhook)
    lists = {name: msgspec.json.encode(row[name]).decode() for name in ("types", "stations")}
    return row | lists | {"secret": stored.secret}


def _stored(row: sa.Row[Any]) -> Stored:
    types, stations = (msgspec.json.decode(text, type=tuple[str, ...]) for text in (row.types, row.stations))
    found = Webhook(row.id, row.url, types, stations, row.note, row.disabled_because, row.created_at)
    return Stored(found, row.secret)
