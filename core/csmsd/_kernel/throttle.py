"""The throttle: how many strangers at once, how fast, and how often somebody may guess. Everything in bounded memory.

Nothing is counted by a claimed identity alone: that would let a stranger lock out the station he names (WS-25).
Failures count for the address they came from; a station that has logged in from there before has an account of its own.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable

from csmsd.config import Limits
from csmsd.throttling import Buckets, address_of

MOST_REGULARS = 100_000


class Throttle:
    """What one csmsd allows strangers."""

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self._limits, self._now = limits, now
        self._strangers: Counter[str] = Counter()  # sockets that are not let in yet, by address
        self._unauthenticated = 0
        connects = limits.connects_per_second
        self._connects: Buckets[None] = Buckets(rate=connects, burst=connects, backs_off=False)
        per_second = limits.failures_per_minute / 60
        self._failures: Buckets[Hashable] = Buckets(rate=per_second, burst=limits.failures_per_minute)
        self._logins: Buckets[Hashable] = Buckets(rate=limits.logins_per_minute / 60, burst=limits.logins_at_once)
        self._regulars: OrderedDict[tuple[str, str], None] = OrderedDict()  # who has logged in from where

    # -- sockets ---------------------------------------------------------------------------------

    @property
    def unauthenticated(self) -> int:
        """Sockets that have not been let in yet."""
        return self._unauthenticated

    def admit_socket(self, peer: str) -> str:
        """Count a socket in; or say why it must go."""
        address, now = address_of(peer), self._now()
        if self._unauthenticated >= self._limits.unauthenticated:
            return "too many connections have not been let in yet"
        if self._strangers[address] >= self._limits.unauthenticated_per_address:
            return "too many connections of this address have not been let in yet"
        if self._connects.wait(None, now):
            return "too many connections in one second"
        self._connects.take(None, now)
        self._unauthenticated += 1
        self._strangers[address] += 1
        return ""

    def release_socket(self, peer: str) -> None:
        """It was let in, or is gone."""
        address = address_of(peer)
        self._unauthenticated -= 1
        self._strangers[address] -= 1
        if self._strangers[address] <= 0:
            del self._strangers[address]

    # -- log-ins ---------------------------------------------------------------------------------

    def guessing_pause(self, station_id: str, peer: str) -> float:
        """Seconds to wait before another password is looked at (WS-25); 0: go ahead."""
        return self._failures.wait(self._account(station_id, peer), self._now())

    def failed(self, station_id: str, peer: str) -> None:
        """A log-in was refused."""
        self._failures.take(self._account(station_id, peer), self._now())

    def flapping_pause(self, station_id: str, peer: str) -> float:
        """Seconds to wait for a station that has come and gone too often from this address; 0: come in."""
        return self._logins.wait((station_id, address_of(peer)), self._now())

    def succeeded(self, station_id: str, peer: str) -> None:
        """A log-in was granted: from now on the station is a regular at this address."""
        regular = (station_id, address_of(peer))
        self._logins.take(regular, self._now())
        self._regulars[regular] = None
        self._regulars.move_to_end(regular)
        if len(self._regulars) > MOST_REGULARS:
            self._regulars.popitem(last=False)

    def _account(self, station_id: str, peer: str) -> Hashable:
        address = address_of(peer)
        return (station_id, address) if (station_id, address) in self._regulars else address
