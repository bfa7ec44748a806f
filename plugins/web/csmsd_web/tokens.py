"""API tokens: `csms_<id>_<256 random bits>`, stored as SHA-256, checked in constant time (SEC-80)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa

from csmsd.host import Host
from csmsd_web.keys import new_key, read_key
from csmsd_web.principals import SCOPE_OF, Scope, lesser
from csmsd_web.refusals import UnknownToken
from csmsd_web.tables import token as table
from csmsd_web.users import Users

PREFIX = "csms"
USE_INTERVAL = timedelta(minutes=1)  # between two notes that a token was used


class Token(msgspec.Struct, frozen=True):
    """An API token as it may be shown."""

    id: str
    name: str
    scope: Scope
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    user: str | None = None  # whose it is: good while he may come in, for no more than his role allows


class Entry(msgspec.Struct, frozen=True):
    """A token as it is stored."""

    token: Token
    digest: str


class Use(msgspec.Struct, frozen=True):
    """A token was used."""

    id: str
    at: datetime


SELECT = sa.select(table)
ADD = sa.insert(table)
DELETE = sa.delete(table).where(table.c.id == sa.bindparam("of"))
NOTE_USE = sa.update(table).where(table.c.id == sa.bindparam("of")).values(last_used_at=sa.bindparam("now"))


def add_tokens(connection: sa.Connection, rows: Sequence[Entry]) -> Sequence[None]:
    """Write: new tokens."""
    connection.execute(ADD, [{**msgspec.structs.asdict(row.token), "digest": row.digest} for row in rows])
    return [None] * len(rows)


def delete_tokens(connection: sa.Connection, rows: Sequence[str]) -> Sequence[None]:
    """Write: these tokens are no good any more."""
    connection.execute(DELETE, [{"of": id_} for id_ in rows])
    return [None] * len(rows)


def note_uses(connection: sa.Connection, rows: Sequence[Use]) -> Sequence[None]:
    """Write: when tokens were used last."""
    connection.execute(NOTE_USE, [{"of": row.id, "now": row.at} for row in rows])
    return [None] * len(rows)


def read_all(connection: sa.Connection) -> list[Entry]:
    """Every token."""
    return [_entry(row) for row in connection.execute(SELECT).mappings()]


def _entry(row: sa.RowMapping) -> Entry:
    fields = dict(row)
    digest = fields.pop("digest")
    return Entry(Token(**fields), digest)


class Tokens:
    """All API tokens of one csmsd, in memory; changed only after the COMMIT."""

    def __init__(self, host: Host, users: Users) -> None:
        self._host, self._users = host, users
        self._entries: dict[str, Entry] = {}

    async def load(self) -> None:
        """Read them all; before the first request."""
        self._entries = {entry.token.id: entry for entry in await self._host.store.read(read_all)}

    def all(self) -> Sequence[Token]:
        """Every token, the oldest first."""
        return sorted((entry.token for entry in self._entries.values()), key=lambda token: (token.created_at, token.id))

    async def mint(
        self, name: str, scope: Scope, *, actor: str, expires_at: datetime | None = None, user: str | None = None
    ) -> tuple[Token, str]:
        """A new token, and its text: this is the only moment at which anybody can see that. UnknownUser."""
        env = self._host.env
        owner = None if user is None else self._users.get(user).name
        key = new_key(PREFIX, env.token_bytes)
        token = Token(key.id, name, scope, env.now(), actor, expires_at, user=owner)
        entry = Entry(token, key.digest)
        await self._host.store.submit(add_tokens, entry)
        self._entries[key.id] = entry
        self._host.audit.record(actor, "token.create", key.id, None, token)
        return token, key.text

    async def revoke(self, id_: str, *, actor: str) -> None:
        """No good from now on; UnknownToken."""
        entry = self._entries.get(id_)
        if entry is None:
            raise UnknownToken(f"there is no token {id_}")
        await self._host.store.submit(delete_tokens, id_)
        self._entries.pop(id_, None)
        self._host.audit.record(actor, "token.revoke", id_, entry.token, None)

    def forget_all_of(self, user: str) -> None:
        """The user is gone: so are his tokens; the database follows."""
        for id_, entry in list(self._entries.items()):
            if entry.token.user == user:
                del self._entries[id_]
                self._host.store.submit(delete_tokens, id_)

    def verify(self, text: str) -> Token | None:
        """The token if it is genuine, has not expired and its user may come in."""
        shown = read_key(PREFIX, text)
        if shown is None:
            return None
        entry = self._entries.get(shown.id)
        if not shown.fits(None if entry is None else entry.digest) or entry is None:
            return None
        if not self.is_valid(shown.id):
            return None
        self._note_use(entry, self._host.env.now())
        return entry.token

    def scope_of(self, token: Token) -> Scope:
        """What it is good for now: never more than its user may."""
        owner = None if token.user is None else self._users.active(token.user)
        return token.scope if owner is None else lesser(token.scope, SCOPE_OF[owner.role])

    def is_valid(self, id_: str) -> bool:
        """Whether a token has been neither revoked nor overtaken by its expiry."""
        entry = self._entries.get(id_)
        if entry is None:
            return False
        if entry.token.user is not None and self._users.active(entry.token.user) is None:
            return False
        return entry.token.expires_at is None or self._host.env.now() < entry.token.expires_at

    def _note_use(self, entry: Entry, now: datetime) -> None:
        last = entry.token.last_used_at
        if last is None or now - last >= USE_INTERVAL:
            used = msgspec.structs.replace(entry.token, last_used_at=now)
            self._entries[used.id] = Entry(used, entry.digest)
            self._host.store.submit_later(note_uses, Use(used.id, now))
