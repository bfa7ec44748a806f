"""Group commit, the side of trio: who waits, whether storage is available, and how a batch's results are handed out."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import trio

from csmsd._kernel.storage.batch import BatchRunner, Item, Report
from csmsd.errors import Bug, StoreError, StoreUnavailable
from csmsd.facts import RecordedFact
from csmsd.pending import Pending
from csmsd.store import Result, Row, Write

log = logging.getLogger("csmsd.store")


@dataclass(frozen=True, slots=True)
class Tuning:
    """The committer's limits; seconds and numbers of writes."""

    max_batch: int = 512
    linger: float = 0.001  # before the next batch under load: a commit and its thread switches cost more
    busy_batch: int = 4  # what counts as load
    capacity: int = 20_000  # writes that are waited for
    later_capacity: int = 20_000  # writes that nobody waits for
    later_delay: float = 1.0
    deadline: float = 10.0  # after which a waiting write is given up though the thread still hangs
    probe_interval: float = 0.5  # during an outage
    busy_timeout: float = 5.0  # SQLite: for somebody else's lock


@dataclass(slots=True)
class Statistics:
    """Since start."""

    batches: int = 0
    writes: int = 0
    failed: int = 0
    splits: int = 0  # batches halved because of a bad row
    dropped: int = 0  # writes nobody waited for, that found no room or no storage
    outages: int = 0


class Committer(ABC):
    """The trio side: who waits, what is available. Subclasses say where batches are committed."""

    def __init__(self, runner: BatchRunner, tuning: Tuning) -> None:
        self._runner, self._tuning = runner, tuning
        self._token = trio.lowlevel.current_trio_token()
        self._waiting: deque[Item] = deque()
        self._later = 0  # accepted and not yet reported
        self._is_open = True
        self.is_available = True
        self.statistics = Statistics()
        self.availability_changed: list[Callable[[bool], None]] = []
        self.facts_recorded: list[Callable[[Sequence[RecordedFact]], None]] = []

    @property
    def depth(self) -> int:
        """Writes that are waited for now."""
        return len(self._waiting)

    def submit(self, write: Write[Row, Result], row: Row) -> Pending[Result]:
        """Queue a write; without storage or room it settles at once, with StoreUnavailable."""
        pending: Pending[Result] = Pending()
        if refusal := self._refusal():
            pending.settle(error=StoreUnavailable(refusal))
            return pending
        item = Item(write, row, pending)
        self._waiting.append(item)
        self._enqueue(item)
        return pending

    def submit_later(self, write: Write[Row, Any], row: Row) -> None:
        """Queue a write that nobody waits for; it is dropped and counted when there is no room."""
        if not self._is_open or self._later >= self._tuning.later_capacity:
            self.statistics.dropped += 1
            return
        self._later += 1
        self._enqueue(Item(write, row, None))

    def _refusal(self) -> str:
        if not self._is_open:
            return "csmsd is closing its store"
        if not self.is_available:
            return "storage is not available"
        if len(self._waiting) >= self._tuning.capacity:
            return f"{self._tuning.capacity} writes wait already"
        return ""

    @abstractmethod
    def _enqueue(self, item: Item) -> None: ...

    @abstractmethod
    async def watch(self) -> None:
        """Run for ever: notice what hangs and what has come back."""

    @abstractmethod
    async def aclose(self) -> None:
        """Everything submitted before is committed and settled first."""

    def _take_report(self, report: Report) -> None:
        """In the trio thread, once per batch."""
        statistics = self.statistics
        statistics.batches += 1
        statistics.writes += len(report.settled)
        statistics.splits += report.splits
        self._set_available(report.is_available)
        for item, value, error in report.settled:
            statistics.failed += error is not None
            if item.pending is not None:
                item.pending.settle(value, error)
            else:
                self._later -= 1
                self._note_lost(error)
        while self._waiting and is_done(self._waiting[0]):
            self._waiting.popleft()
        if report.facts:
            for hear in self.facts_recorded:
                hear(report.facts)

    def _note_lost(self, error: StoreError | None) -> None:
        if error is not None:
            self.statistics.dropped += 1
            log.warning("a record nobody waits for was not stored: %s", error)

    def _set_available(self, is_available: bool) -> None:
        if is_available == self.is_available:
            return
        self.is_available = is_available
        if is_available:
            log.warning("storage is back")
        else:
            self.statistics.outages += 1
            log.error("storage is not available: stations are kept outside until it is back")
        for changed in self.availability_changed:
            try:
                changed(is_available)
            except Bug:
                log.exception("a watcher of the store failed")


def is_done(item: Item) -> bool:
    """True when nobody waits for it any more."""
    return item.pending is None or item.pending.is_settled
