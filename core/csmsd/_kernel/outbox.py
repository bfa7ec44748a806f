"""Couriers: facts reach every plugin that wants them, at least once, in the order they happened to a station.

A courier reads the outbox from its plugin's cursor. A fact that the plugin cannot take holds up its own station only:
it is tried again after doubling pauses, and set aside when it has failed too often, for an operator to look at.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import trio

from csmsd._kernel import outbox_statements as statements
from csmsd._kernel.outbox_statements import Failure, Page, Position, StoredFact
from csmsd._kernel.storage.database import Database
from csmsd.env import Env
from csmsd.errors import Bug, StoreError, StoreUnavailable
from csmsd.store import Fact

log = logging.getLogger("csmsd.outbox")

Deliver = Callable[[str, Any, int], Awaitable[None]]  # (station_id, fact, fact_id); raising means: not taken


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where a plugin wants facts of one name."""

    fact: Fact[Any]
    deliver: Deliver


@dataclass(frozen=True, slots=True)
class Pace:
    """How a courier works; seconds and numbers."""

    window: int = 1000  # facts in memory: read, and neither delivered nor set aside
    stations_at_once: int = 32
    attempts: int = 12  # then a fact is set aside: with these pauses after about half an hour
    first_pause: float = 1.0
    longest_pause: float = 600.0
    cursor_interval: float = 1.0


class Courier:
    """Brings one plugin its facts. `run` is its task."""

    def __init__(
        self, store: Database, env: Env, plugin: str, deliveries: Iterable[Delivery], pace: Pace | None = None
    ) -> None:
        self._store, self._env, self._plugin = store, env, plugin
        self._deliveries = {delivery.fact.name: delivery for delivery in deliveries}
        self._pace = pace or Pace()
        self._stations: dict[str, deque[StoredFact]] = {}
        self._unfinished: dict[int, None] = {}  # in the order read
        self._read_to = 0
        self._saved = 0
        self._beyond = 0
        self._slots = trio.CapacityLimiter(self._pace.stations_at_once)
        self._news, self._room, self._progress = trio.Event(), trio.Event(), trio.Event()

    @property
    def backlog(self) -> int:
        """Facts the plugin has not taken yet, as far as they have been seen."""
        return len(self._unfinished) + self._beyond

    async def run(self) -> None:
        """Deliver until cancelled. A plugin that is new starts at the present end of the outbox."""
        if not self._deliveries:
            return
        self._forget()
        stop_listening = self._store.when_facts_are_recorded(self._hear)
        try:
            self._saved = self._read_to = await self._find_start()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._save_cursor)
                await self._read_on(nursery)
        finally:
            stop_listening()
            self._note_cursor()

    async def failures(self) -> Sequence[Failure]:
        """What has been set aside, oldest first."""
        return await self._store.read(lambda connection: statements.failures_of(connection, self._plugin))

    async def retry(self, fact_id: int) -> bool:
        """Deliver a fact that was set aside; False: there is none. If it fails again, its error is raised."""
        for failure in await self.failures():
            if failure.fact.id == fact_id:
                await self._deliver(failure.fact)
                await self._store.submit(statements.forget_failures, (self._plugin, fact_id))
                return True
        return False

    def _forget(self) -> None:
        """Begin anew from the stored cursor: nobody serves any more what an earlier run had read when it crashed."""
        self._stations, self._unfinished, self._beyond = {}, {}, 0
        self._slots = trio.CapacityLimiter(self._pace.stations_at_once)

    def _hear(self) -> None:
        self._news.set()

    async def _find_start(self) -> int:
        while True:
            try:
                return await self._store.submit(statements.find_cursors, self._plugin)
            except StoreError:
                await trio.sleep(self._pace.first_pause)

    async def _read_on(self, nursery: trio.Nursery) -> None:
        while True:
            self._news, self._room = trio.Event(), trio.Event()
            room = self._pace.window - len(self._unfinished)
            if room <= 0:
                await self._room.wait()
                continue
            try:
                page = await self._read_page(room)
            except StoreUnavailable:
                await trio.sleep(self._pace.first_pause)
                continue
            except Bug as error:  # whatever the database says to a query, it will be asked again
                log.warning("facts for plugin %s cannot be read: %s", self._plugin, error)
                await trio.sleep(self._pace.first_pause)
                continue
            self._beyond = page.beyond
            self._read_to = page.read_to
            for fact in page.facts:
                self._take(fact, nursery)
            if not page.beyond:
                self._progress.set()  # the cursor may pass facts that do not concern this plugin
                await self._news.wait()

    async def _read_page(self, limit: int) -> Page:
        after, names = self._read_to, list(self._deliveries)
        return await self._store.read(lambda connection: statements.page_of(connection, after, names, limit))

    def _take(self, fact: StoredFact, nursery: trio.Nursery) -> None:
        self._unfinished[fact.id] = None
        waiting = self._stations.get(fact.station_id)
        if waiting is None:
            waiting = self._stations[fact.station_id] = deque()
            nursery.start_soon(self._serve_station, fact.station_id, waiting)
        waiting.append(fact)

    async def _serve_station(self, station_id: str, waiting: deque[StoredFact]) -> None:
        """One fact after the other, until there is none."""
        while waiting:
            await self._deliver_or_set_aside(waiting[0])
            del self._unfinished[waiting.popleft().id]
            self._room.set()
            self._progress.set()
        del self._stations[station_id]

    async def _deliver_or_set_aside(self, fact: StoredFact) -> None:
        pause = self._pace.first_pause
        for attempt in range(1, self._pace.attempts + 1):
            try:
                async with self._slots:
                    await self._deliver(fact)
            except Bug as error:
                reason = f"{type(error).__name__}: {error}"
                log.warning(
                    "%s did not take fact %d (%s) of %s: %s", self._plugin, fact.id, fact.name, fact.station_id, reason
                )
                if attempt == self._pace.attempts or isinstance(error, msgspec.MsgspecError):
                    await self._set_aside(Failure(self._plugin, fact, attempt, reason, self._env.now()))
                    return
                await trio.sleep(pause)
                pause = min(2 * pause, self._pace.longest_pause)
            else:
                return

    async def _deliver(self, fact: StoredFact) -> None:
        delivery = self._deliveries[fact.name]
        await delivery.deliver(fact.station_id, delivery.fact.decode(fact.payload), fact.id)

    async def _set_aside(self, failure: Failure) -> None:
        log.error("fact %d of %s is set aside: %s", failure.fact.id, failure.fact.station_id, failure.reason)
        while True:
            try:
                await self._store.submit(statements.set_aside, failure)
            except StoreError:
                await trio.sleep(self._pace.first_pause)
            else:
                return

    async def _save_cursor(self) -> None:
        while True:
            await self._progress.wait()
            self._progress = trio.Event()
            self._note_cursor()
            await trio.sleep(self._pace.cursor_interval)

    def _note_cursor(self) -> None:
        oldest = next(iter(self._unfinished), None)
        cursor = self._read_to if oldest is None else oldest - 1
        if cursor > self._saved:
            self._saved = cursor
            self._store.submit_later(statements.move_cursors, Position(self._plugin, cursor))
