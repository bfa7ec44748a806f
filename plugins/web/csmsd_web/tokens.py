"""API tokens: `csms_<id>_<256 random bits>`, stored as SHA-256, checked in constant time (SEC-80)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec
import sqlalchemy as sa

from csmsd.errors import CsmsdError
from csmsd.host import Host
from csmsd_web.tables import token as table

Scope = Literal["read", "operate", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "operate", "admin")  # each includes those before it

TEXT = re.compile(r"csms_([0-9a-f]{16})_([0-9a-f]{64})", re.ASCII)
USE_INTERVAL = timedelta(minutes=1)  # between two notes that a token was used
NOTHING = hashlib.sha256(b"").hexdigest()  # compared with when there is no such token, so that it takes as long


class UnknownToken(CsmsdError):
    """No API token of that id exists."""


class Token(msgspec.Struct, frozen=True):
    """An API token as it may be shown."""

    id: str
    name: str
    scope: Scope
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    last_used_at: datetime | None = None

    def allows(self, scope: str) -> bool:
        """Whether it is good for what needs `scope`."""
        return scope in SCOPES[: SCOPES.index(self.scope) + 1]


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

    def __init__(self, host: Host) -> None:
        self._host = host
        self._entries: dict[str, Entry] = {}

    async def load(self) -> None:
        """Read them all; before the first request."""
        self._entries = {entry.token.id: entry for entry in await self._host.store.read(read_all)}

    def all(self) -> Sequence[Token]:
        """Every token, the oldest first."""
        return sorted((entry.token for entry in self._entries.values()), key=lambda token: (token.created_at, token.id))

    async def mint(
        self, name: str, scope: Scope, *, actor: str, expires_at: datetime | None = None
    ) -> tuple[Token, str]:
        """A new token, and its text: this is the only moment at which anybody can see that."""
        env = self._host.env
        id_, secret = env.token_bytes(8).hex(), env.token_bytes(32).hex()
        token = Token(id_, name, scope, env.now(), actor, expires_at)
        entry = Entry(token, _digest(secret))
        await self._host.store.submit(add_tokens, entry)
        self._entries[id_] = entry
        self._host.audit.record(actor, "token.create", id_, None, token)
        return token, f"csms_{id_}_{secret}"

    async def revoke(self, id_: str, *, actor: str) -> None:
        """No good from now on; UnknownToken."""
        entry = self._entries.get(id_)
        if entry is None:
            raise UnknownToken(f"there is no token {id_}")
        await self._host.store.submit(delete_tokens, id_)
        self._entries.pop(id_, None)
        self._host.audit.record(actor, "token.revoke", id_, entry.token, None)

    def verify(self, text: str) -> Token | None:
        """The token if it is genuine and has not expired."""
        match = TEXT.fullmatch(text)
        if match is None:
            return None
        id_, secret = match.groups()
        entry = self._entries.get(id_)
        is_genuine = hmac.compare_digest(_digest(secret), NOTHING if entry is None else entry.digest)
        if entry is None or not is_genuine:
            return None
        if not self.is_valid(id_):
            return None
        self._note_use(entry, self._host.env.now())
        return entry.token

    def is_valid(self, id_: str) -> bool:
        """Whether a token has been neither revoked nor overtaken by its expiry."""
        entry = self._entries.get(id_)
        if entry is None:
            return False
        return entry.token.expires_at is None or self._host.env.now() < entry.token.expires_at

    def _note_use(self, entry: Entry, now: datetime) -> None:
        last = entry.token.last_used_at
        if last is None or now - last >= USE_INTERVAL:
            used = msgspec.structs.replace(entry.token, last_used_at=now)
            self._entries[used.id] = Entry(used, entry.digest)
            self._host.store.submit_later(note_uses, Use(used.id, now))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
