"""Sessions of people who have logged in: kept here, named by a cookie, ended by time, by log-out and by revocation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from csmsd.host import Host, actor_of
from csmsd_web.config import WebConfig
from csmsd_web.keys import new_key, read_key
from csmsd_web.refusals import UnknownSession
from csmsd_web.tables import session as table

PREFIX = "csmu"
COOKIE = "csmsd_session"
USE_INTERVAL = timedelta(minutes=1)  # between two notes that a session was used
MOST_PER_USER = 50


class Session(msgspec.Struct, frozen=True):
    """An open session as it may be shown."""

    id: str
    user: str
    created_at: datetime
    expires_at: datetime  # at the latest
    last_used_at: datetime
    peer: str
    user_agent: str


class Entry(msgspec.Struct, frozen=True):
    """A session as it is stored."""

    session: Session
    digest: str


class Use(msgspec.Struct, frozen=True):
    """A session was used."""

    id: str
    at: datetime


ADD = sa.insert(table)
DELETE = sa.delete(table).where(table.c.id == sa.bindparam("of"))
NOTE_USE = sa.update(table).where(table.c.id == sa.bindparam("of")).values(last_used_at=sa.bindparam("now"))


def add_sessions(connection: sa.Connection, rows: Sequence[Entry]) -> Sequence[None]:
    """Write: new sessions."""
    connection.execute(ADD, [{**msgspec.structs.asdict(row.session), "digest": row.digest} for row in rows])
    return [None] * len(rows)


def delete_sessions(connection: sa.Connection, rows: Sequence[str]) -> Sequence[None]:
    """Write: these sessions are over."""
    connection.execute(DELETE, [{"of": id_} for id_ in rows])
    return [None] * len(rows)


def note_uses(connection: sa.Connection, rows: Sequence[Use]) -> Sequence[None]:
    """Write: when sessions were used last."""
    connection.execute(NOTE_USE, [{"of": row.id, "now": row.at} for row in rows])
    return [None] * len(rows)


def read_all(connection: sa.Connection) -> list[Entry]:
    """Every session that was not ended."""
    return [_entry(row) for row in connection.execute(sa.select(table)).mappings()]


def _entry(row: sa.RowMapping) -> Entry:
    fields: dict[str, Any] = dict(row)
    digest = fields.pop("digest")
    return Entry(Session(**fields), digest)


class Sessions:
    """All sessions of one csmsd, in memory.

    The cookie is `csmsd_session` (with `public_url` = https://…: `__Host-csmsd_session`, Secure), HttpOnly,
    SameSite=Lax, Path=/; its value is known to the browser alone.
    """

    def __init__(self, host: Host, config: WebConfig) -> None:
        self._host, self._config = host, config
        self._entries: dict[str, Entry] = {}
        self._idle = timedelta(seconds=config.session_idle)
        self._is_secure = config.public_url.startswith("https:")
        self.cookie_name = f"__Host-{COOKIE}" if self._is_secure else COOKIE

    async def load(self) -> None:
        """Read them all, and forget those that are over; before the first request."""
        self._entries = {entry.session.id: entry for entry in await self._host.store.read(read_all)}
        for id_, entry in list(self._entries.items()):
            if not self._is_current(entry.session):
                await self._forget(id_)

    def all(self) -> Sequence[Session]:
        """Every open session, the one used last first."""
        current = [entry.session for entry in self._entries.values() if self._is_current(entry.session)]
        return sorted(current, key=lambda session: session.last_used_at, reverse=True)

    async def open(self, user: str, *, peer: str, user_agent: str = "", previous: str = "") -> tuple[Session, str]:
        """A new session and the value of its cookie. `previous`: the cookie that came along; that session ends."""
        if previous:
            await self.end(previous)
        key = new_key(PREFIX, self._host.env.token_bytes)
        now = self._host.env.now()
        latest = now + timedelta(seconds=self._config.session_lifetime)
        session = Session(key.id, user, now, latest, now, peer, user_agent[:200])
        entry = Entry(session, key.digest)
        await self._host.store.submit(add_sessions, entry)
        self._entries[key.id] = entry
        await self._forget_superfluous(user)
        return session, key.text

    def verify(self, text: str) -> Session | None:
        """The session that a cookie's value opens, if it has neither ended nor expired."""
        shown = read_key(PREFIX, text)
        if shown is None:
            return None
        entry = self._entries.get(shown.id)
        if not shown.fits(None if entry is None else entry.digest) or entry is None:
            return None
        if not self._is_current(entry.session):
            return None
        self._note_use(entry)
        return entry.session

    def is_valid(self, id_: str) -> bool:
        """Whether the session of that id is still open; for streams."""
        entry = self._entries.get(id_)
        return entry is not None and self._is_current(entry.session)

    async def end(self, text: str) -> None:
        """Log out: the session of this cookie is over; a wrong value ends nothing."""
        session = self.verify(text)
        if session is not None:
            await self._forget(session.id)
            self._host.audit.record(actor_of(session.user, "ui"), "session.close", session.user, session, None)

    async def revoke(self, id_: str, *, actor: str) -> None:
        """End somebody's session; UnknownSession."""
        entry = self._entries.get(id_)
        if entry is None or not self._is_current(entry.session):
            raise UnknownSession(f"there is no open session {id_}")
        await self._forget(id_)
        self._host.audit.record(actor, "session.revoke", entry.session.user, entry.session, None)

    def end_all_of(self, user: str) -> None:
        """Every session of the user is over at once; the database follows."""
        for id_, entry in list(self._entries.items()):
            if entry.session.user == user:
                del self._entries[id_]
                self._host.store.submit(delete_sessions, id_)

    def text_in(self, connection: ASGIConnection[Any, Any, Any, Any]) -> str:
        """The value of the session's cookie in a request; "" without one."""
        return connection.cookies.get(self.cookie_name, "")

    def cookie(self, text: str) -> Cookie:
        """What an answer sets: `Response(…, cookies=[sessions.cookie(text)])`."""
        return self._cookie(text, round(self._config.session_lifetime))

    def cookie_of_nobody(self) -> Cookie:
        """What an answer to a log-out sets."""
        return self._cookie("", 0)

    def _cookie(self, text: str, seconds: int) -> Cookie:
        return Cookie(
            self.cookie_name,
            value=text,
            path="/",
            max_age=seconds,
            httponly=True,
            samesite="lax",
            secure=self._is_secure,
        )

    def _is_current(self, session: Session) -> bool:
        now = self._host.env.now()
        return now < session.expires_at and now - session.last_used_at < self._idle

    def _note_use(self, entry: Entry) -> None:
        now = self._host.env.now()
        if now - entry.session.last_used_at >= USE_INTERVAL:
            used = msgspec.structs.replace(entry.session, last_used_at=now)
            self._entries[used.id] = Entry(used, entry.digest)
            self._host.store.submit_later(note_uses, Use(used.id, now))

    async def _forget(self, id_: str) -> None:
        self._entries.pop(id_, None)
        await self._host.store.submit(delete_sessions, id_)

    async def _forget_superfluous(self, user: str) -> None:
        """What is over goes, and of one user's the oldest beyond a number."""
        mine = sorted(
            (entry.session for entry in self._entries.values() if entry.session.user == user),
            key=lambda session: session.created_at,
        )
        over = [session for session in mine if not self._is_current(session)]
        for session in {each.id: each for each in [*over, *mine[:-MOST_PER_USER]]}.values():
            await self._forget(session.id)
