"""The desk for facts: readers that plugins open, and what was set aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import trio

from csmsd._kernel import set_aside as shelf
from csmsd._kernel.outbox import ByName, ByReader, Courier, Delivery, Pace, Wants
from csmsd._kernel.set_aside import Failure, Key
from csmsd._kernel.storage.database import Database
from csmsd.env import Env
from csmsd.errors import Bug, PluginError
from csmsd.facts import KERNEL_FACTS, FactReader, Facts, NotTaken, Patience, SetAside, Take, UnknownFact
from csmsd.store import Fact

Known = Mapping[str, tuple[str, Fact[Any]]]


class FactDesk(Facts):
    """See `Facts`. `load` it before facts are delivered."""

    def __init__(self, store: Database, env: Env, known: Callable[[], Known]) -> None:
        self._store, self._env, self._known = store, env, known
        self._couriers: dict[str, Courier] = {}  # by taker: those that run, or did
        self._set_aside = Counter[str]()

    async def load(self) -> None:
        """Count what an earlier csmsd has set aside."""
        self._set_aside = Counter(await self._store.read(shelf.counts))

    # -- Facts -----------------------------------------------------------------------------------

    @property
    def known(self) -> Known:
        """See Facts."""
        return {fact.name: ("kernel", fact) for fact in KERNEL_FACTS} | dict(self._known())

    def reader(
        self, plugin: str, name: str, take: Take, facts: Iterable[str] | None = None, patience: Patience | None = None
    ) -> FactReader:
        """See Facts."""
        taker, wants = f"{plugin}/{name}", ByReader(facts, take)
        return _Reader(self, taker, lambda: self._open(taker, wants, _pace_of(patience or Patience())))

    async def forget(self, plugin: str, name: str) -> None:
        """See Facts."""
        taker = f"{plugin}/{name}"
        courier = self._couriers.get(taker)
        if courier is not None:
            if courier.is_running:
                raise PluginError(f"{taker} reads facts: end that first")
            courier.end()
            del self._couriers[taker]
        await self._store.submit(shelf.forget, taker)
        del self._set_aside[taker]

    async def set_aside(
        self, plugin: str, *, reader: str | None = None, after: tuple[int, str] = (0, ""), limit: int = 100
    ) -> Sequence[SetAside]:
        """See Facts."""
        taker, is_all, since = _taker(plugin, reader or ""), reader is None, (after[0], _taker(plugin, after[1]))
        failures = await self._store.read(
            lambda connection: shelf.page(connection, taker, since, limit, with_readers=is_all)
        )
        return [_shown(each) for each in failures]

    async def retry(self, plugin: str, fact_id: int, *, reader: str = "") -> None:
        """See Facts."""
        failure = await self._find(plugin, reader, fact_id)
        courier = self._couriers.get(failure.taker)
        if courier is None or not courier.is_running:
            raise PluginError(f"{failure.taker} takes no facts now: enable it, then retry")
        if not courier.wants(failure.fact.name):
            raise PluginError(f"{failure.taker} does not take {failure.fact.name} any more: discard it")
        try:
            await courier.deliver(failure.fact)
        except Bug as error:
            reason = f"{type(error).__name__}: {error}"
            again = Failure(failure.taker, failure.fact, failure.attempts + 1, reason, self._env.now())
            await self._store.submit(shelf.set_aside, again)
            raise NotTaken(f"{failure.taker} did not take fact {fact_id} again: {reason}") from error
        await self._discard(failure)

    async def discard(self, plugin: str, fact_id: int, *, reader: str = "") -> SetAside:
        """See Facts."""
        failure = await self._find(plugin, reader, fact_id)
        await self._discard(failure)
        return _shown(failure)

    # -- for the kernel --------------------------------------------------------------------------

    def courier(self, plugin: str, deliveries: Sequence[Delivery]) -> Courier:
        """The courier of a plugin's own hooks."""
        return self._open(plugin, ByName(deliveries), Pace())

    def figures(self, plugin: str) -> tuple[int, int]:
        """What the plugin's readers have not taken yet, and how much is set aside for it and them."""
        start = f"{plugin}/"
        backlog = sum(courier.backlog for taker, courier in self._couriers.items() if taker.startswith(start))
        aside = sum(count for taker, count in self._set_aside.items() if taker == plugin or taker.startswith(start))
        return backlog, aside

    # -- inside ----------------------------------------------------------------------------------

    def _open(self, taker: str, wants: Wants, pace: Pace) -> Courier:
        courier = Courier(self._store, self._env, taker, wants, pace, self._count)
        before = self._couriers.get(taker)
        if before is not None:
            before.end()
        self._couriers[taker] = courier
        return courier

    def is_running(self, taker: str) -> bool:
        """Are facts brought to it?"""
        return taker in self._couriers and self._couriers[taker].is_running

    def backlog(self, taker: str) -> int:
        """Of one."""
        return self._couriers[taker].backlog if taker in self._couriers else 0

    def _count(self, taker: str) -> None:
        self._set_aside[taker] += 1

    async def _find(self, plugin: str, reader: str, fact_id: int) -> Failure:
        key = Key(_taker(plugin, reader), fact_id)
        failure = await self._store.read(lambda connection: shelf.find(connection, key))
        if failure is None:
            raise UnknownFact(f"no fact {fact_id} is set aside for {key.taker}")
        return failure

    async def _discard(self, failure: Failure) -> None:
        await self._store.submit(shelf.discard, Key(failure.taker, failure.fact.id))
        self._set_aside[failure.taker] -= 1


class _Reader(FactReader):
    """A courier for each run."""

    def __init__(self, desk: FactDesk, taker: str, open_courier: Callable[[], Courier]) -> None:
        self._desk, self._taker, self._open_courier = desk, taker, open_courier

    @property
    def backlog(self) -> int:
        """See FactReader."""
        return self._desk.backlog(self._taker)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """See FactReader."""
        if self._desk.is_running(self._taker):
            raise PluginError(f"{self._taker} reads facts already: give each reader a name of its own")
        await self._open_courier().run(task_status)


def _taker(plugin: str, reader: str) -> str:
    return f"{plugin}/{reader}" if reader else plugin


def _pace_of(patience: Patience) -> Pace:
    return Pace(
        attempts=patience.attempts,
        first_pause=patience.first_pause,
        longest_pause=patience.longest_pause,
        jitter=patience.jitter,
    )


def _shown(failure: Failure) -> SetAside:
    plugin, _, reader = failure.taker.partition("/")
    fact = failure.fact
    return SetAside(
        plugin=plugin,
        reader=reader,
        fact_id=fact.id,
        name=fact.name,
        station_id=fact.station_id,
        recorded_at=fact.at,
        attempts=failure.attempts,
        reason=failure.reason,
        set_aside_at=failure.at,
        fact=msgspec.Raw(fact.payload),
    )
