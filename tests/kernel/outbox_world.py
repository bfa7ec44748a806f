"""A store, couriers and plugins that take facts: what the tests of the outbox are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
import trio
import trio.testing

from csmsd._kernel.outbox import Courier, Delivery, Pace
from csmsd._kernel.set_aside import Failure, page
from csmsd._kernel.storage import tables
from csmsd._kernel.storage.database import Database
from csmsd.env import Env
from csmsd.store import Fact, fact_row


class Stopped(msgspec.Struct, frozen=True):
    number: int


async def transaction_stopped(station_id: str, fact: Stopped, fact_id: int) -> None: ...


STOPPED = Fact("transaction_stopped", Stopped, transaction_stopped)
OTHER = Fact("other", Stopped, transaction_stopped)
EAGER = Pace(attempts=3, first_pause=0.01, longest_pause=0.02, cursor_interval=0.01)


class Inbox:
    """A plugin that takes facts, refuses some, and can be closed for a while."""

    def __init__(self, poison: Sequence[int] = ()) -> None:
        self.taken: list[tuple[str, int]] = []
        self.ids: list[int] = []
        self.poison = set(poison)
        self.refused: list[int] = []
        self._arrival = trio.Event()

    async def take(self, station_id: str, fact: Stopped, fact_id: int) -> None:
        await trio.lowlevel.checkpoint()
        if fact.number in self.poison:
            self.refused.append(fact.number)
            raise ValueError("poison")
        self.taken.append((station_id, fact.number))
        self.ids.append(fact_id)
        self._arrival.set()
        self._arrival = trio.Event()

    async def wait_for(self, count: int) -> None:
        with trio.fail_after(20):
            while len(self.taken) < count:
                await self._arrival.wait()


@dataclass
class Outbox:
    store: Database

    async def record(self, station_id: str, *numbers: int, fact: Fact[Stopped] = STOPPED) -> None:
        def write(connection: sa.Connection, rows: Sequence[int]) -> Sequence[None]:
            facts = [fact_row(fact, station_id, Stopped(number)) for number in rows]
            self.store.record_facts(connection, facts)
            return [None] * len(rows)

        for pending in [self.store.submit(write, number) for number in numbers]:
            await pending

    def courier(self, inbox: Inbox, name: str = "billing", pace: Pace = EAGER) -> Courier:
        return Courier(self.store, Env(), name, [Delivery(STOPPED, inbox.take)], pace)

    async def failures(self, name: str = "billing") -> Sequence[Failure]:
        return await self.store.read(lambda connection: page(connection, name, (0, ""), 1000))

    async def cursor(self, name: str = "billing") -> int | None:
        query = sa.select(tables.outbox_cursor.c.fact_id).where(tables.outbox_cursor.c.plugin == name)
        return await self.store.read(lambda connection: connection.execute(query).scalar_one_or_none())

    async def has_started(self, name: str = "billing") -> None:
        with trio.fail_after(20):
            while await self.cursor(name) is None:  # noqa: ASYNC110
                await trio.sleep(0.01)


async def run(courier: Courier, nursery: trio.Nursery, outbox: Outbox) -> trio.CancelScope:
    scope = trio.CancelScope()

    async def task() -> None:
        with scope:
            await courier.run()

    nursery.start_soon(task)
    await outbox.has_started()
    await trio.testing.wait_all_tasks_blocked(0.02)
    return scope


def stubborn(window: int = 4, share: int = 2) -> Pace:
    """Never sets anything aside within a test."""
    return Pace(window, share, attempts=10**6, first_pause=0.01, longest_pause=0.02, cursor_interval=0.01)


async def wait_for_stragglers(outbox: Outbox, *expected: str) -> None:
    query = sa.select(tables.outbox_straggler.c.station_id).order_by(tables.outbox_straggler.c.station_id)
    with trio.fail_after(20):
        while await outbox.store.read(lambda c: tuple(c.execute(query).scalars())) != expected:  # noqa: ASYNC110
            await trio.sleep(0.01)


async def wait_until_cursor_is_at_the_end(outbox: Outbox) -> None:
    query = sa.select(sa.func.max(tables.outbox.c.id))
    end = await outbox.store.read(lambda connection: connection.execute(query).scalar_one())
    with trio.fail_after(20):
        while await outbox.cursor() != end:  # noqa: ASYNC110
            await trio.sleep(0.01)
