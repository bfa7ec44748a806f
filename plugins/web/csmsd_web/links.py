"""One-time links: the first administrator makes himself with one, and users choose their passwords with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from csmsd.host import Host, actor_of
from csmsd_web.config import WebConfig
from csmsd_web.keys import new_key, read_key
from csmsd_web.refusals import LinkRefused
from csmsd_web.tables import link as table
from csmsd_web.users import User, Users

PREFIX = "csml"
PATH = "/ui/welcome"  # the page; the secret is its query `link`
REFUSED = "this link is unknown, used or too old: ask for a new one"


class Link(msgspec.Struct, frozen=True):
    """A one-time link as it may be shown."""

    id: str
    user: str | None  # whose password it sets; None: it makes the first administrator
    created_at: datetime
    created_by: str
    expires_at: datetime


class Entry(msgspec.Struct, frozen=True):
    """A link as it is stored."""

    link: Link
    digest: str


ADD = sa.insert(table)
DELETE = sa.delete(table).where(table.c.id == sa.bindparam("of"))


def add_links(connection: sa.Connection, rows: Sequence[Entry]) -> Sequence[None]:
    """Write: new links."""
    connection.execute(ADD, [{**msgspec.structs.asdict(row.link), "digest": row.digest} for row in rows])
    return [None] * len(rows)


def delete_links(connection: sa.Connection, rows: Sequence[str]) -> Sequence[None]:
    """Write: these links are used, or too old."""
    connection.execute(DELETE, [{"of": id_} for id_ in rows])
    return [None] * len(rows)


def read_all(connection: sa.Connection) -> list[Entry]:
    """Every link that was not used."""
    return [_entry(row) for row in connection.execute(sa.select(table)).mappings()]


def _entry(row: sa.RowMapping) -> Entry:
    fields: dict[str, Any] = dict(row)
    digest = fields.pop("digest")
    return Entry(Link(**fields), digest)


def path_of(text: str) -> str:
    """Where a browser uses the link."""
    return f"{PATH}?link={text}"


class Links:
    """All unused links of one csmsd."""

    def __init__(self, host: Host, users: Users, config: WebConfig) -> None:
        self._host, self._users, self._public_url = host, users, config.public_url
        self._lifetime = timedelta(seconds=config.link_lifetime)
        self._entries: dict[str, Entry] = {}

    async def load(self) -> None:
        """Read them all; those for the first administrator of an earlier start are no good any more."""
        self._entries = {entry.link.id: entry for entry in await self._host.store.read(read_all)}
        for id_, entry in list(self._entries.items()):
            if entry.link.user is None or not self._is_current(entry.link):
                await self._forget(id_)

    async def for_first_administrator(self) -> str:
        """The text of a link that makes the first administrator; older ones are no good any more."""
        return await self._make(None, "csmsd")

    async def for_user(self, name: str, *, actor: str) -> str:
        """The text of a link with which a user chooses his password; UnknownUser."""
        user = self._users.get(name)
        text = await self._make(user.name, actor)
        self._host.audit.record(actor, "user.link", user.name, None, None)
        return text

    def url_of(self, text: str, local_url: str) -> str:
        """What to open in a browser; "" if nobody knows how csmsd is reached."""
        base = self._public_url or local_url
        return base and base + path_of(text)

    def get(self, text: str) -> Link:
        """The link that a text opens; LinkRefused."""
        link = self.look(text)
        if link is None:
            raise LinkRefused(REFUSED)
        return link

    def look(self, text: str) -> Link | None:
        """The link that a text opens, if it is still good: for the page that asks for name and password."""
        shown = read_key(PREFIX, text)
        if shown is None:
            return None
        entry = self._entries.get(shown.id)
        if not shown.fits(None if entry is None else entry.digest) or entry is None:
            return None
        if not self._is_current(entry.link) or (entry.link.user is None and self._users.all()):
            return None
        if entry.link.user is not None and self._users.active(entry.link.user) is None:
            return None
        return entry.link

    async def redeem(self, text: str, password: str, name: str = "") -> User:
        """Use a link up: set the password of its user, or make the first administrator, called `name`.

        LinkRefused; InvalidUser or UserExists, after which the link is still good. See `Logins.log_in_by_link`.
        """
        link = self.get(text)
        entry = self._entries.pop(link.id)  # nobody uses it a second time while the password is digested
        try:
            if link.user is None:
                user = await self._users.add_first(name, password)
            else:
                user = await self._users.set_password(link.user, password, actor=actor_of(link.user, "ui"))
        except BaseException:
            self._entries[link.id] = entry
            raise
        await self._forget(link.id)
        return user

    def forget_all_of(self, user: str) -> None:
        """The user is gone: so are his links; the database follows."""
        for id_, entry in list(self._entries.items()):
            if entry.link.user == user:
                del self._entries[id_]
                self._host.store.submit(delete_links, id_)

    async def _make(self, user: str | None, actor: str) -> str:
        for id_, entry in list(self._entries.items()):
            if entry.link.user == user:
                await self._forget(id_)
        key, now = new_key(PREFIX, self._host.env.token_bytes), self._host.env.now()
        entry = Entry(Link(key.id, user, now, actor, now + self._lifetime), key.digest)
        await self._host.store.submit(add_links, entry)
        self._entries[key.id] = entry
        return key.text

    def _is_current(self, link: Link) -> bool:
        return self._host.env.now() < link.expires_at

    async def _forget(self, id_: str) -> None:
        self._entries.pop(id_, None)
        await self._host.store.submit(delete_links, id_)
