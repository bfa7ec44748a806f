"""Logging in: throttled by address and by account, with the same words and the same time for every failure."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Literal, NoReturn

import msgspec

from csmsd.host import Host, actor_of
from csmsd.throttling import Buckets, address_of
from csmsd_web.config import WebConfig
from csmsd_web.links import Links
from csmsd_web.refusals import LoginRefused, LoginThrottled
from csmsd_web.sessions import Session, Sessions
from csmsd_web.users import User, Users

log = logging.getLogger("csmsd.web")

ANONYMOUS = actor_of("nobody", "ui")
REFUSED = "the name or the password is wrong"
Outcome = Literal["granted", "refused", "throttled"]
OUTCOMES: tuple[Outcome, ...] = ("granted", "refused", "throttled")


class Login(msgspec.Struct, frozen=True):
    """Somebody has logged in: who, his session, and the value of its cookie."""

    user: User
    session: Session
    text: str


class Logins:
    """`log_in` is the one way to a session. Nothing is counted by a name alone where its user is at home (WS-25)."""

    def __init__(self, host: Host, users: Users, sessions: Sessions, config: WebConfig) -> None:
        self._host, self._users, self._sessions = host, users, sessions
        per_minute = config.logins_per_minute
        self._attempts: Buckets[Hashable] = Buckets(rate=per_minute / 60, burst=per_minute)
        self._audited: Buckets[None] = Buckets(rate=1.0, burst=60, backs_off=False)
        self._at_home: dict[tuple[str, str], None] = {}  # who has logged in from where
        self.outcomes: Counter[Outcome] = Counter()

    async def log_in(self, name: str, password: str, *, peer: str, user_agent: str = "", previous: str = "") -> Login:
        """A new session. `peer` is "host:port"; `previous` the value of the session cookie that came along, if any.

        Errors: LoginThrottled (`seconds`), LoginRefused; both are uniform, whether the user exists or not.
        """
        user = await self.check(name, password, peer=peer)
        return await self.admit(user, peer=peer, user_agent=user_agent, previous=previous)

    async def log_in_by_link(
        self,
        links: Links,
        text: str,
        password: str,
        name: str = "",
        *,
        peer: str,
        user_agent: str = "",
        previous: str = "",
    ) -> Login:
        """Use a one-time link up and log its user in. LoginThrottled, LinkRefused, InvalidUser, UserExists."""
        keys: list[Hashable] = [("address", address_of(peer))]
        self._take(keys)
        user = await links.redeem(text, password, name)
        self._give_back(keys)
        return await self.admit(user, peer=peer, user_agent=user_agent, previous=previous)

    async def check(self, name: str, password: str, *, peer: str) -> User:
        """The user whose password this is, without a session; LoginThrottled, LoginRefused."""
        keys = self._keys(name, peer)
        self._take(keys)
        if not await self._users.is_password(name, password):
            self._refuse(name, peer)
        self._give_back(keys)
        return self._users.get(name)

    async def admit(self, user: User, *, peer: str, user_agent: str = "", previous: str = "") -> Login:
        """A new session for somebody who has proven himself otherwise, for instance by a one-time link."""
        session, text = await self._sessions.open(user.name, peer=peer, user_agent=user_agent, previous=previous)
        now = self._users.active(user.name)
        if now is None or now.password_changed_at != user.password_changed_at:  # changed while the session was stored
            await self._sessions.end(text)
            raise LoginRefused(REFUSED)
        await self._users.note_login(user.name)
        self._settle_at_home(user.name, address_of(peer))
        self.outcomes["granted"] += 1
        self._host.audit.record(actor_of(user.name, "ui"), "session.open", user.name, None, {"from": peer})
        return Login(user, session, text)

    def _refuse(self, name: str, peer: str) -> NoReturn:
        self.outcomes["refused"] += 1
        # What is no name may be a password in the wrong field.
        user = self._users.find(name)
        whom = "an unknown name" if user is None else user.name
        log.warning("a log-in as %s from %s was refused", whom, peer, extra={"peer": peer, "subject": whom})
        now = self._host.env.monotonic()
        if not self._audited.wait(None, now):
            self._audited.take(None, now)
            self._host.audit.record(ANONYMOUS, "session.refuse", whom, None, {"from": peer})
        raise LoginRefused(REFUSED)

    def _take(self, keys: Sequence[Hashable]) -> None:
        """Count an attempt before it is looked at: many at once are many."""
        now = self._host.env.monotonic()
        wait = max(self._attempts.wait(key, now) for key in keys)
        if wait > 0:
            self.outcomes["throttled"] += 1
            raise LoginThrottled(wait)
        for key in keys:
            self._attempts.take(key, now)

    def _give_back(self, keys: Sequence[Hashable]) -> None:
        for key in keys:
            self._attempts.give_back(key, self._host.env.monotonic())

    def _keys(self, name: str, peer: str) -> list[Hashable]:
        """An address, and an account: where its user is at home strangers cannot use it up."""
        account, address = name.lower()[:100], address_of(peer)
        at_home = (account, address) in self._at_home
        return [("address", address), ("account", account, address if at_home else "")]

    def _settle_at_home(self, account: str, address: str) -> None:
        self._at_home.pop((account, address), None)
        self._at_home[account, address] = None
        if len(self._at_home) > 10_000:
            del self._at_home[next(iter(self._at_home))]
