"""Couriers: facts reach every plugin that wants them, at least once, in the order they happened to a station.

A courier reads the outbox from its plugin's cursor. A fact that the plugin cannot take holds up its own station only:
it is tried again after doubling pauses, and set aside when it has failed too often, for an operator to look at.
`Backlog` knows what is in memory; whatever a courier crashes with, its next run begins with the stored cursor.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import trio

from csmsd._kernel import outbox_statements as statements
from csmsd._kernel.backlog import Backlog, StationBacklog
from csmsd._kernel.outbox_statements import Failure, Page, Position, StoredFact
from csmsd._kernel.storage.database import Database
from csmsd.env import Env
from csmsd.errors import Bug, StoreError
from csmsd.store import Fact, Query, T

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
    share: int = 50  # of one station; more of them wait in the table
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
        self._names = list(self._deliveries)
        self._backlog = Backlog(self._pace.window, self._pace.share, 0, ())
        self._beyond = 0
        self._slots = trio.CapacityLimiter(self._pace.stations_at_once)
        self._news, self._room, self._progress = trio.Event(), trio.Event(), trio.Event()

    @property
    def backlog(self) -> int:
        """Facts the plugin has not taken yet, as far as they have been seen."""
        return len(self._backlog) + self._beyond

    async def run(self) -> None:
        """Deliver until cancelled. A plugin that is new starts at the present end of the outbox."""
        if not self._deliveries:
            return
        stop_listening = self._store.when_facts_are_recorded(self._hear)
        try:
            self._backlog = await self._find_start()
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._save_progress)
                    for station in self._backlog.stations:
                        nursery.start_soon(self._serve_station, station)
                    await self._read_on(nursery)
            finally:
                self._save_soon()
        finally:
            stop_listening()

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

    def _hear(self) -> None:
        self._news.set()

    async def _find_start(self) -> Backlog:
        cursor = await self._find_cursor()
        stragglers = await self._read(
            lambda connection: statements.stragglers_of(connection, self._plugin, cursor, self._names)
        )
        return Backlog(self._pace.window, self._pace.share, cursor, stragglers)

    async def _find_cursor(self) -> int:
        while True:
            try:
                return await self._store.submit(statements.find_cursors, self._plugin)
            except StoreError:
                await trio.sleep(self._pace.first_pause)

    async def _read(self, query: Query[T]) -> T:
        """Read until it succeeds: a database that has a bad time is no reason to lose one's place."""
        while True:
            try:
                return await self._store.read(query)
            except Bug as error:  # whatever the database says to a query, it will be asked again
                if not isinstance(error, StoreError):  # of an outage the store tells itself
                    log.warning("facts for plugin %s cannot be read: %s", self._plugin, error)
                await trio.sleep(self._pace.first_pause)

    async def _read_on(self, nursery: trio.Nursery) -> None:
        while True:
            self._news, self._room = trio.Event(), trio.Event()
            room = self._backlog.room
            if not room:
                await self._room.wait()
                continue
            page = await self._read_page(room)
            self._beyond = page.beyond
            self._backlog.read_to = page.read_to
            for fact in page.facts:
                if (station := self._backlog.take(fact)) is not None:
                    nursery.start_soon(self._serve_station, station)
            self._progress.set()  # the cursor may pass facts that do not concern this plugin
            if not page.beyond:
                await self._news.wait()

    async def _read_page(self, limit: int) -> Page:
        after = self._backlog.read_to
        return await self._read(lambda connection: statements.page_of(connection, after, self._names, limit))

    async def _serve_station(self, station: StationBacklog) -> None:
        """One fact after the other, until there is none."""
        while not station.is_done:
            if not station.waiting:
                await self._read_more(station)
                continue
            await self._deliver_or_set_aside(station)
            station.finish_first()
            self._room.set()
            self._progress.set()
        self._backlog.forget(station)
        self._progress.set()

    async def _read_more(self, station: StationBacklog) -> None:
        after, to, limit = station.position, station.last_left, self._backlog.room_of_straggler
        facts = await self._read(
            lambda connection: statements.facts_of(connection, station.station_id, after, to, self._names, limit)
        )
        station.refill(facts, to)

    async def _deliver_or_set_aside(self, station: StationBacklog) -> None:
        fact, pause = station.waiting[0], self._pace.first_pause
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
                station.leave_all_but_first()
                self._room.set()
                self._progress.set()
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

    async def _save_progress(self) -> None:
        while True:
            await self._progress.wait()
            self._progress = trio.Event()
            progress = self._backlog.progress()
            if progress is not None:
                try:
                    await self._store.submit(statements.move_cursors, Position(self._plugin, progress))
                except StoreError:
                    self._progress.set()
                else:
                    self._backlog.note(progress)
            await trio.sleep(self._pace.cursor_interval)

    def _save_soon(self) -> None:
        progress = self._backlog.progress()
        if progress is not None:
            self._store.submit_later(statements.move_cursors, Position(self._plugin, progress))
