"""People's passwords: argon2id in a few threads of their own, so that neither the loop nor the stations wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, Unpack

import argon2
import trio
from argon2.exceptions import InvalidHashError, VerificationError

from csmsd_web.refusals import InvalidUser, LoginThrottled

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

SHORTEST, LONGEST = 12, 1000  # characters
FEWEST_DIFFERENT = 5
MOST_WAITING = 64
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP's minimum: 25 ms of one core


def check_password(name: str, password: str) -> None:
    """InvalidUser if it is too easy to guess."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidUser(f"a password has {SHORTEST} to {LONGEST} characters, this one has {len(password)}")
    if len(set(password)) < FEWEST_DIFFERENT or (len(name) > 3 and name.lower() in password.lower()):
        raise InvalidUser("this password is easy to guess: it has the user's name in it, or hardly any variety")


class Passwords:
    """Makes and checks digests, a few at a time; who would have to wait behind too many is refused."""

    def __init__(self, threads: int = 2) -> None:
        self._limiter = trio.CapacityLimiter(threads)
        self._decoy = ""

    async def digest(self, password: str) -> str:
        """The argon2id digest, with its salt and parameters."""
        return await self._run(_HASHER.hash, password)

    async def is_right(self, digest: str | None, password: str) -> bool:
        """Does the password match? It takes as long without a digest as with one."""
        if not self._decoy:
            self._decoy = await self.digest("nobody's password")
        matches = await self._run(_matches, digest or self._decoy, password[: LONGEST + 1])
        return matches and bool(digest)

    async def _run(self, function: Callable[[Unpack[Arguments]], T], *args: *Arguments) -> T:
        if self._limiter.statistics().tasks_waiting >= MOST_WAITING:
            raise LoginThrottled(5)
        return await trio.to_thread.run_sync(function, *args, limiter=self._limiter)


def _matches(digest: str, password: str) -> bool:
    try:
        return _HASHER.verify(digest, password)
    except (VerificationError, InvalidHashError):
        return False
