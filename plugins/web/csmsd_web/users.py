"""The people who may use this csmsd: names, roles, password digests; in memory, changed only after the COMMIT."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
import trio

from csmsd.host import Host, actor_of
from csmsd_web.passwords import Passwords, check_password
from csmsd_web.principals import Role
from csmsd_web.refusals import InvalidUser, LastAdministrator, UnknownUser, UserExists
from csmsd_web.tables import user as table

NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}", re.ASCII)


class User(msgspec.Struct, frozen=True):
    """A user as it may be shown."""

    name: str
    role: Role
    is_disabled: bool
    created_at: datetime
    created_by: str
    password_changed_at: datetime | None = None  # None: has not chosen a password yet
    last_login_at: datetime | None = None


class Entry(msgspec.Struct, frozen=True):
    """A user as it is stored."""

    user: User
    digest: str | None = None


ADD = sa.insert(table)
DELETE = sa.delete(table).where(table.c.name == sa.bindparam("of"))
_OWN = [column.name for column in table.columns if column.name != "name"]
CHANGE = (
    sa.update(table)
    .where(table.c.name == sa.bindparam("of"))
    .values({name: sa.bindparam(f"new_{name}") for name in _OWN})
)


def add_users(connection: sa.Connection, rows: Sequence[Entry]) -> Sequence[None]:
    """Write: new users."""
    connection.execute(ADD, [_row(row) for row in rows])
    return [None] * len(rows)


def change_users(connection: sa.Connection, rows: Sequence[Entry]) -> Sequence[None]:
    """Write: users as they are from now on."""
    changed = [{f"new_{name}": value for name, value in _row(row).items() if name != "name"} for row in rows]
    connection.execute(CHANGE, [new | {"of": row.user.name} for new, row in zip(changed, rows, strict=True)])
    return [None] * len(rows)


def delete_users(connection: sa.Connection, rows: Sequence[str]) -> Sequence[None]:
    """Write: these are users no more."""
    connection.execute(DELETE, [{"of": name} for name in rows])
    return [None] * len(rows)


def read_all(connection: sa.Connection) -> list[Entry]:
    """Every user."""
    return [_entry(row) for row in connection.execute(sa.select(table)).mappings()]


def _row(entry: Entry) -> dict[str, Any]:
    return {**msgspec.structs.asdict(entry.user), "digest": entry.digest}


def _entry(row: sa.RowMapping) -> Entry:
    fields = dict(row)
    digest = fields.pop("digest")
    return Entry(User(**fields), digest)


class Users:
    """All users of one csmsd. `actor` is who changes something, for the audit."""

    def __init__(self, host: Host, passwords: Passwords) -> None:
        self._host, self._passwords = host, passwords
        self._entries: dict[str, Entry] = {}
        self._changing = trio.Lock()  # two administrators must not remove each other at once
        self.when_shut_out: list[Callable[[str], None]] = []  # told a name whose sessions must end
        self.when_removed: list[Callable[[str], None]] = []  # told a name of which nothing may be left

    async def load(self) -> None:
        """Read them all; before the first request."""
        self._entries = {entry.user.name: entry for entry in await self._host.store.read(read_all)}

    def all(self) -> Sequence[User]:
        """Every user, by name."""
        return [self._entries[name].user for name in sorted(self._entries)]

    def find(self, name: str) -> User | None:
        """The user, in any spelling of his name."""
        entry = self._entries.get(name.lower())
        return None if entry is None else entry.user

    def get(self, name: str) -> User:
        """The user; UnknownUser."""
        return self._get(name).user

    def active(self, name: str) -> User | None:
        """The user if he may come in."""
        user = self.find(name)
        return None if user is None or user.is_disabled else user

    async def is_password(self, name: str, password: str) -> bool:
        """Is it the password of a user who may come in? It takes as long for names that nobody has."""
        entry = self._entries.get(name.lower())
        is_right = await self._passwords.is_right(None if entry is None else entry.digest, password)
        now = self._entries.get(name.lower())  # it may have been changed meanwhile
        return (
            is_right
            and entry is not None
            and now is not None
            and now.digest == entry.digest
            and not (now.user.is_disabled)
        )

    async def add(self, name: str, role: Role, *, actor: str, password: str | None = None) -> User:
        """A new user; without a password he needs a one-time link. InvalidUser, UserExists."""
        return await self._add(name, role, password, actor, is_first=False)

    async def add_first(self, name: str, password: str) -> User:
        """The first administrator makes himself; UserExists if there is any user."""
        return await self._add(name, "administrator", password, actor_of(name.lower(), "ui"), is_first=True)

    async def _add(self, name: str, role: Role, password: str | None, actor: str, *, is_first: bool) -> User:
        name = name.lower()
        if NAME.fullmatch(name) is None:
            raise InvalidUser(
                f"{name!r} cannot be a user's name: 1 to 64 of a-z 0-9 . _ @ + -, a letter or digit first"
            )
        digest = await self._digest(name, password)
        async with self._changing:
            if name in self._entries or (is_first and self._entries):
                raise UserExists("there is an administrator already" if is_first else f"there is a user {name} already")
            now = self._host.env.now()
            user = User(name, role, False, now, actor, None if digest is None else now)
            await self._host.store.submit(add_users, Entry(user, digest))
            self._entries[name] = Entry(user, digest)
        self._host.audit.record(actor, "user.add", name, None, user)
        return user

    async def change(self, name: str, *, actor: str, role: Role | None = None, is_disabled: bool | None = None) -> User:
        """Another role, or shut out, or let in again; UnknownUser, LastAdministrator."""
        async with self._changing:
            entry = self._get(name)
            before = entry.user
            after = msgspec.structs.replace(
                before,
                role=role or before.role,
                is_disabled=before.is_disabled if is_disabled is None else is_disabled,
            )
            self._check_administered(before, after)
            await self._put(Entry(after, entry.digest))
        self._host.audit.record(actor, "user.change", before.name, before, after)
        if after.is_disabled or after.role != before.role:
            self._shut_out(before.name)
        return after

    async def set_password(self, name: str, password: str, *, actor: str) -> User:
        """Another password; every session of the user ends. UnknownUser, InvalidUser."""
        digest = await self._digest(self.get(name).name, password)
        async with self._changing:
            entry = self._get(name)
            # Later than the last change, whatever the clock says: who has shown the former password must be told apart.
            moment, former = self._host.env.now(), entry.user.password_changed_at
            if former is not None:
                moment = max(moment, former + timedelta(microseconds=1))
            after = msgspec.structs.replace(entry.user, password_changed_at=moment)
            await self._put(Entry(after, digest))
        self._host.audit.record(actor, "user.password", after.name, None, None)
        self._shut_out(after.name)
        return after

    async def remove(self, name: str, *, actor: str) -> None:
        """Forget a user and end his sessions; UnknownUser, LastAdministrator."""
        async with self._changing:
            before = self._get(name).user
            self._check_administered(before, None)
            await self._host.store.submit(delete_users, before.name)
            del self._entries[before.name]
        self._host.audit.record(actor, "user.remove", before.name, before, None)
        self._shut_out(before.name)
        for tell in self.when_removed:
            tell(before.name)

    async def note_login(self, name: str) -> None:
        """He has just come in."""
        async with self._changing:
            entry = self._get(name)
            user = msgspec.structs.replace(entry.user, last_login_at=self._host.env.now())
            await self._put(Entry(user, entry.digest))

    def _get(self, name: str) -> Entry:
        entry = self._entries.get(name.lower())
        if entry is None:
            raise UnknownUser(f"there is no user {name}")
        return entry

    async def _put(self, entry: Entry) -> None:
        await self._host.store.submit(change_users, entry)
        self._entries[entry.user.name] = entry

    async def _digest(self, name: str, password: str | None) -> str | None:
        if password is None:
            return None
        check_password(name, password)
        return await self._passwords.digest(password)

    def _check_administered(self, before: User, after: User | None) -> None:
        def rules(user: User | None) -> bool:
            return user is not None and user.role == "administrator" and not user.is_disabled

        others = any(rules(entry.user) for name, entry in self._entries.items() if name != before.name)
        if rules(before) and not rules(after) and not others:
            raise LastAdministrator(f"{before.name} is the last administrator: make another one first")

    def _shut_out(self, name: str) -> None:
        for tell in self.when_shut_out:
            tell(name)
