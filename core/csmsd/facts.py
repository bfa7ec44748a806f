"""Facts beyond hooks: reading all of them with a place of one's own, and what becomes of one that nobody could take.

A plugin that knows at start what it wants implements the facts' hooks. One that learns it from its operator, such as a
webhook's subscriber, opens a *reader* for each of them:

    reader = self.host.facts.reader(self.name, "webhook-3", self._send, ["transaction_stopped"])
    nursery.start_soon(reader.run)

Each reader has its own place in the outbox, durable like a plugin's, so that one that is slow or broken holds up nobody
else; without readers nothing is spent on a fact.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import trio

from csmsd import hookspecs
from csmsd.errors import CsmsdError, PluginError
from csmsd.station import StationRegistered
from csmsd.store import Fact

STATION_REGISTERED = Fact("station_registered", StationRegistered, hookspecs.station_registered)
KERNEL_FACTS: tuple[Fact[Any], ...] = (STATION_REGISTERED,)


class RecordedFact(msgspec.Struct, frozen=True):
    """A fact as it is stored."""

    id: int  # of this csmsd, never used twice; in the order of the COMMITs
    name: str
    station_id: str
    payload: bytes  # JSON of the fact's type
    at: datetime  # when it was recorded


# Returning takes the fact, for good. Raising leaves it: it is tried again after a pause, and in the end set aside.
Take = Callable[[RecordedFact], Awaitable[None]]


class NotNow(CsmsdError):
    """Raised by who takes facts: try again, but not before so many seconds have passed."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class NotTaken(PluginError):
    """A fact that was set aside was tried again, and was not taken again: with the reason."""


class UnknownFact(CsmsdError):
    """No such fact is set aside for that plugin."""


class Patience(msgspec.Struct, frozen=True):
    """How often a fact is tried before it is set aside, and the pauses between; each is twice the one before."""

    attempts: int = 20  # with these pauses: about eight hours
    first_pause: float = 1.0  # seconds
    longest_pause: float = 3600.0
    jitter: float = 0.2  # of each pause that chance may take away, so that not everybody comes at once


class SetAside(msgspec.Struct, frozen=True):
    """A fact that a plugin could not take, kept until somebody retries or discards it."""

    plugin: str
    reader: str  # "" for the plugin's own hooks
    fact_id: int
    name: str
    station_id: str
    recorded_at: datetime
    attempts: int
    reason: str  # of the last attempt
    set_aside_at: datetime
    fact: msgspec.Raw


class FactReader(ABC):
    """Brings facts to one function, at least once and in order per station."""

    @property
    @abstractmethod
    def backlog(self) -> int:
        """Facts that were not taken yet, as far as they have been seen."""

    @abstractmethod
    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled; PluginError if it runs already.

        Begins where it ended, the first time at the present end: what happens after `started` is not missed.
        """


class Facts(ABC):
    """The facts of one csmsd."""

    @property
    @abstractmethod
    def known(self) -> Mapping[str, tuple[str, Fact[Any]]]:
        """Every fact that is recorded now, by name, and whose it is: `kernel` or an enabled plugin."""

    @abstractmethod
    def reader(
        self, plugin: str, name: str, take: Take, facts: Iterable[str] | None = None, patience: Patience | None = None
    ) -> FactReader:
        """A reader of the facts of these names, or of all, also those of plugins to come; as stored, undecoded.

        `name` is its own for ever, and its place is found by it.
        """

    @abstractmethod
    async def forget(self, plugin: str, name: str) -> None:
        """Give up a reader's place, with all that is set aside for it; it must not be running."""

    @abstractmethod
    async def set_aside(
        self, plugin: str, *, reader: str | None = None, after: tuple[int, str] = (0, ""), limit: int = 100
    ) -> Sequence[SetAside]:
        """What a plugin and its readers, or one of them, could not take; by fact id and reader, behind `after`."""

    @abstractmethod
    async def retry(self, plugin: str, fact_id: int, *, reader: str = "") -> None:
        """Try once more, now; UnknownFact, NotTaken, PluginError if nobody is there to take it."""

    @abstractmethod
    async def discard(self, plugin: str, fact_id: int, *, reader: str = "") -> SetAside:
        """Give it up; UnknownFact."""
