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
from random import Random
from typing import Any, Protocol

import msgspec
import trio

from csmsd._kernel import outbox_statements as statements
from csmsd._kernel.backlog import Backlog, StationBacklog
from csmsd._kernel.outbox_statements import Page, Position
from csmsd._kernel.set_aside import Failure, set_aside
from csmsd._kernel.storage.database import Database
from csmsd.env import Env
from csmsd.errors import Bug, StoreError
from csmsd.facts import NotNow, RecordedFact, Take
from csmsd.store import Fact, Query, T

log = logging.getLogger("csmsd.outbox")

Deliver = Callable[[str, Any, int], Awaitable[None]]  # (station_id, fact, fact_id); raising means: not taken


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where a plugin wants facts of one name."""

    fact: Fact[Any]
    deliver: Deliver


class Wants(Protocol):
    """Which facts a courier brings, and to whom."""

    names: Sequence[str] | None  # None: all

    def __contains__(self, name: str, /) -> bool: ...

    async def take(self, fact: RecordedFact, /) -> None:
        """Raises whatever its taker raises."""


class ByName(Wants):
    """A plugin's hooks."""

    def __init__(self, deliveries: Iterable[Delivery]) -> None:
        self._deliveries = {delivery.fact.name: delivery for delivery in deliveries}
        self.names = list(self._deliveries)

    def __contains__(self, name: str) -> bool:
        return name in self._deliveries

    async def take(self, fact: RecordedFact) -> None:
        """Decode and deliver one."""
        delivery = self._deliveries[fact.name]
        await delivery.deliver(fact.station_id, delivery.fact.decode(fact.payload), fact.id)


class ByReader(Wants):
    """A reader's function, for facts as they are stored."""

    def __init__(self, names: Iterable[str] | None, take: Take) -> None:
        self.names = None if names is None else sorted(set(names))
        self._wanted, self._take = frozenset(self.names or ()), take

    def __contains__(self, name: str) -> bool:
        return self.names is None or name in self._wanted

    async def take(self, fact: RecordedFact) -> None:
        """Hand it on."""
        await self._take(fact)


@dataclass(frozen=True, slots=True)
class Pace:
    """How a courier works; seconds and numbers."""

    window: int = 2000  # facts in memory: read, and neither delivered nor set aside; half of it is read at once
    share: int = 50  # of one station; more of them wait in the table
    stations_at_once: int = 32
    attempts: int = 12  # then a fact is set aside: with these pauses after about half an hour
    first_pause: float = 1.0
    longest_pause: float = 600.0
    jitter: float = 0.0  # the part of a pause that chance may take away
    cursor_interval: float = 1.0

    def pause_after(self, refusals: int, error: BaseException, chance: Random) -> float:
        """How long to wait before the next attempt; never shorter than asked for."""
        pause: float = min(self.first_pause * 2.0 ** min(refusals - 1, 60), self.longest_pause)
        asked = error.seconds if isinstance(error, NotNow) else 0.0
        return max(pause * (1 - self.jitter * chance.random()), asked)


class Courier:
    """Brings one plugin its facts. `run` is its task."""

    def __init__(
        self,
        store: Database,
        env: Env,
        plugin: str,
        wants: Wants | Iterable[Delivery],
        pace: Pace | None = None,
        has_set_aside: Callable[[str], None] = lambda plugin: None,
    ) -> None:
        self._store, self._env, self._plugin = store, env, plugin  # or "<plugin>/<reader>"
        self._has_set_aside = has_set_aside
        self._wants = ByName(wants) if isinstance(wants, Iterable) else wants
        self._pace = pace or Pace()
        self._names = self._wants.names
        self._backlog = Backlog(self._pace.window, self._pace.share, 0, ())
        self._beyond = 0
        self._is_caught_up = False  # everything that is committed is in the backlog, or was
        self._ready: deque[StationBacklog] = deque()  # whose first fact is to be delivered
        self._workers, self._idle = 0, trio.lowlevel.ParkingLot()
        self._heard: list[RecordedFact] | None = None  # committed while a page is being read
        self._behind, self._room, self._progress = trio.Event(), trio.Event(), trio.Event()
        self.is_running = False
        self._stop_counting: Callable[[], None] | None = None

    @property
    def backlog(self) -> int:
        """Facts the plugin has not taken yet, as far as they have been seen."""
        return len(self._backlog) + self._beyond

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Deliver until cancelled. A plugin that is new starts at the present end of the outbox."""
        if self._names is not None and not self._names:
            task_status.started()
            return
        self.end()
        self.is_running = True
        self._is_caught_up, self._workers, self._heard = False, 0, None
        try:
            self._backlog = await self._find_start()
            self._ready = deque(self._backlog.stations)
            task_status.started()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._save_progress)
                for _ in self._ready:
                    self._call_worker(nursery)
                stop_listening = self._store.when_facts_are_recorded(partial(self._hear, nursery))
                try:
                    await self._read_on(nursery)
                finally:
                    stop_listening()
                    self._count_on()
        finally:
            self.is_running = False
            self._save_soon()
            self._count_on()
            self._beyond, self._backlog = self.backlog, Backlog(self._pace.window, self._pace.share, 0, ())

    def end(self) -> None:
        """It will not be run again, or is run now: there is no need to count what it misses."""
        if self._stop_counting is not None:
            self._stop_counting()
            self._stop_counting = None

    def wants(self, name: str) -> bool:
        """Does it bring facts of this name?"""
        return name in self._wants

    async def deliver(self, fact: RecordedFact) -> None:
        """Deliver one fact, out of order, for instance one that was set aside; raises what its taker raises."""
        await self._wants.take(fact)

    def _count_on(self) -> None:
        """While nobody takes facts, the operator sees how many wait; they themselves are in the table."""
        if self._stop_counting is None:
            self._stop_counting = self._store.when_facts_are_recorded(self._count)

    def _count(self, facts: Sequence[RecordedFact]) -> None:
        self._beyond += sum(fact.name in self._wants for fact in facts)

    def _hear(self, nursery: trio.Nursery, facts: Sequence[RecordedFact]) -> None:
        """Facts have been committed. What comes while a page is read is kept until the page is there."""
        if self._is_caught_up:
            self._take(nursery, facts)
            return
        wanted = [fact for fact in facts if fact.name in self._wants]
        self._beyond += len(wanted)
        if self._heard is not None:
            self._heard += wanted

    def _take(self, nursery: trio.Nursery, facts: Sequence[RecordedFact]) -> None:
        """Put what has just been committed into the backlog; without room for all of it, reading goes on."""
        room = self._backlog.room
        for fact in facts:
            if fact.id <= self._backlog.read_to or fact.name not in self._wants:
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

    def _put(self, nursery: trio.Nursery, fact: RecordedFact) -> None:
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

    async def _try(self, fact: RecordedFact) -> Exception | SystemExit | None:
        try:
            await self.deliver(fact)
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
            await trio.sleep(self._pace.pause_after(station.refusals, error, self._env.random))
        self._room.set()
        self._go_on_with(station)
        self._call_worker(nursery)

    async def _set_aside(self, failure: Failure) -> None:
        about = {"station": failure.fact.station_id, "plugin": self._plugin, "action": failure.fact.name}
        log.error(
            "fact %d of %s is set aside: %s", failure.fact.id, failure.fact.station_id, failure.reason, extra=about
        )
        while True:
            try:
                await self._store.submit(set_aside, failure)
            except StoreError:
                await trio.sleep(self._pace.first_pause)
            else:
                self._has_set_aside(self._plugin)
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
