"""Couriers: facts reach every plugin that wants them, at least once, in the order they happened to a station.

A courier reads the outbox from its plugin's cursor until it has caught up; from then on it is handed each fact by the
COMMIT that made it durable, and reads again only after it has had no room for one. A fact that the plugin cannot take
holds up its own station only: it is tried again after doubling pauses, and set aside when it has failed too often, for
an operator to look at. `Backlog` knows what is in memory; whatever a courier crashes with, its next run begins with the
stored cursor.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import trio

from csmsd._kernel import outbox_statements as statements
from csmsd._kernel.backlog import Backlog, StationBacklog
from csmsd._kernel.outbox_statements import Failure, Page, Position
from csmsd._kernel.storage.database import Database
from csmsd._kernel.storage.facts import StoredFact
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

    window: int = 2000  # facts in memory: read, and neither delivered nor set aside; half of it is read at once
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
        self._is_caught_up = False  # everything that is committed is in the backlog, or was
        self._ready: deque[StationBacklog] = deque()  # whose first fact is to be delivered
        self._workers, self._idle = 0, trio.lowlevel.ParkingLot()
        self._heard: list[StoredFact] | None = None  # committed while a page is being read
        self._behind, self._room, self._progress = trio.Event(), trio.Event(), trio.Event()

    @property
    def backlog(self) -> int:
        """Facts the plugin has not taken yet, as far as they have been seen."""
        return len(self._backlog) + self._beyond

    async def run(self) -> None:
        """Deliver until cancelled. A plugin that is new starts at the present end of the outbox."""
        if not self._deliveries:
            return
        self._is_caught_up, self._workers, self._heard = False, 0, None
        self._backlog = await self._find_start()
        self._ready = deque(self._backlog.stations)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._save_progress)
                for _ in self._ready:
                    self._call_worker(nursery)
                stop_listening = self._store.when_facts_are_recorded(partial(self._hear, nursery))
                try:
                    await self._read_on(nursery)
                finally:
                    stop_listening()
        finally:
            self._save_soon()

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

    def _hear(self, nursery: trio.Nursery, facts: Sequence[StoredFact]) -> None:
        """Facts have been committed. What comes while a page is read is kept until the page is there."""
        if self._is_caught_up:
            self._take(nursery, facts)
            return
        wanted = [fact for fact in facts if fact.name in self._deliveries]
        self._beyond += len(wanted)
        if self._heard is not None:
            self._heard += wanted

    def _take(self, nursery: trio.Nursery, facts: Sequence[StoredFact]) -> None:
        """Put what has just been committed into the backlog; without room for all of it, reading goes on."""
        room = self._backlog.room
        for fact in facts:
            if fact.id <= self._backlog.read_to or fact.name not in self._deliveries:
                continue
            if room:
                room -= 1
                self._put(nursery, fact)
                self._backlog.read_to = fact.id
            else:
                self._is_caught_up = False
                self._beyond += 1
        if not self._is_caught_up:
            self._behind.set()
        elif facts:
            self._backlog.read_to = max(self._backlog.read_to, facts[-1].id)
        self._progress.set()  # the cursor may pass facts that do not concern this plugin

    def _put(self, nursery: trio.Nursery, fact: StoredFact) -> None:
        station = self._backlog.take(fact)
        if station is not None:
            self._ready.append(station)
            self._call_worker(nursery)

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
            self._behind, self._room = trio.Event(), trio.Event()
            room = self._backlog.room
            if room < self._pace.window // 2:  # reading one fact is as dear as reading a thousand
                await self._room.wait()
                continue
            self._heard = []
            page = await self._read_page(room)
            self._beyond = page.beyond
            self._backlog.read_to = page.read_to
            for fact in page.facts:
                self._put(nursery, fact)
            self._is_caught_up = not page.beyond
            self._take(nursery, self._heard if self._is_caught_up else ())
            self._heard = None
            await self._behind.wait()

    async def _read_page(self, limit: int) -> Page:
        after = self._backlog.read_to
        return await self._read(lambda connection: statements.page_of(connection, after, self._names, limit))

    def _call_worker(self, nursery: trio.Nursery) -> None:
        if self._idle:
            self._idle.unpark()
        elif self._workers < self._pace.stations_at_once:
            self._workers += 1
            nursery.start_soon(self._work, nursery)

    async def _work(self, nursery: trio.Nursery) -> None:
        """One fact of each station that is ready, in turn."""
        while True:
            while not self._ready:
                await self._idle.park()
            station = self._ready.popleft()
            if not station.waiting:
                await self._read_more(station)
            elif (error := await self._try(station.waiting[0])) is not None:
                nursery.start_soon(self._refused, nursery, station, error)
                continue
            else:
                station.finish_first()
                self._room.set()
            self._go_on_with(station)

    def _go_on_with(self, station: StationBacklog) -> None:
        if station.is_done:
            self._backlog.forget(station)
        else:
            self._ready.append(station)
        self._progress.set()

    async def _read_more(self, station: StationBacklog) -> None:
        after, to, limit = station.position, station.last_left, self._backlog.room_of_straggler
        facts = await self._read(
            lambda connection: statements.facts_of(connection, station.station_id, after, to, self._names, limit)
        )
        station.refill(facts, to)

    async def _try(self, fact: StoredFact) -> Exception | SystemExit | None:
        try:
            await self._deliver(fact)
        except Bug as error:
            return error
        return None

    async def _refused(self, nursery: trio.Nursery, station: StationBacklog, error: Exception | SystemExit) -> None:
        """The first fact of a station was not taken: a pause, or the end of it."""
        fact = station.waiting[0]
        station.refusals += 1
        reason = f"{type(error).__name__}: {error}"
        about = {"station": fact.station_id, "plugin": self._plugin, "action": fact.name}
        log.warning(
            "%s did not take fact %d (%s) of %s: %s",
            self._plugin,
            fact.id,
            fact.name,
            fact.station_id,
            reason,
            extra=about,
        )
        if station.refusals >= self._pace.attempts or isinstance(error, msgspec.MsgspecError):
            await self._set_aside(Failure(self._plugin, fact, station.refusals, reason, self._env.now()))
            station.finish_first()
        else:
            station.leave_all_but_first()
            self._progress.set()
            self._room.set()
            await trio.sleep(min(self._pace.first_pause * 2 ** (station.refusals - 1), self._pace.longest_pause))
        self._room.set()
        self._go_on_with(station)
        self._call_worker(nursery)

    async def _deliver(self, fact: StoredFact) -> None:
        delivery = self._deliveries[fact.name]
        await delivery.deliver(fact.station_id, delivery.fact.decode(fact.payload), fact.id)

    async def _set_aside(self, failure: Failure) -> None:
        about = {"station": failure.fact.station_id, "plugin": self._plugin, "action": failure.fact.name}
        log.error(
            "fact %d of %s is set aside: %s", failure.fact.id, failure.fact.station_id, failure.reason, extra=about
        )
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
