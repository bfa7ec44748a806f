"""Couriers: facts arrive at least once, in order per station, and a poison fact holds up its own station only."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
import trio
import trio.testing
from sqlalchemy import exc

from csmsd._kernel.outbox import Courier, Delivery, Pace
from csmsd._kernel.storage import tables
from csmsd._kernel.storage.database import Database, open_store
from csmsd.env import Env
from csmsd.errors import StoreUnavailable
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
class House:
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

    async def cursor(self, name: str = "billing") -> int | None:
        query = sa.select(tables.outbox_cursor.c.fact_id).where(tables.outbox_cursor.c.plugin == name)
        return await self.store.read(lambda connection: connection.execute(query).scalar_one_or_none())

    async def has_started(self, name: str = "billing") -> None:
        with trio.fail_after(20):
            while await self.cursor(name) is None:  # noqa: ASYNC110
                await trio.sleep(0.01)


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with open_store(database_url, Env()) as store:
        yield House(store)


async def run(courier: Courier, nursery: trio.Nursery, house: House) -> trio.CancelScope:
    scope = trio.CancelScope()

    async def task() -> None:
        with scope:
            await courier.run()

    nursery.start_soon(task)
    await house.has_started()
    await trio.testing.wait_all_tasks_blocked(0.02)
    return scope


@pytest.mark.req("B-06")
async def test_facts_arrive_in_the_order_they_happened_to_a_station(house: House) -> None:
    inbox = Inbox()
    async with trio.open_nursery() as nursery:
        await run(house.courier(inbox), nursery, house)
        for station in ("A", "B"):
            await house.record(station, *range(50))
        await inbox.wait_for(100)
        nursery.cancel_scope.cancel()
    for station in ("A", "B"):
        assert [number for who, number in inbox.taken if who == station] == list(range(50))
    assert len(set(inbox.ids)) == 100


async def test_a_new_plugin_starts_at_the_present_end(house: House) -> None:
    await house.record("A", 1, 2)
    inbox = Inbox()
    async with trio.open_nursery() as nursery:
        await run(house.courier(inbox), nursery, house)
        await house.record("A", 3)
        await inbox.wait_for(1)
        nursery.cancel_scope.cancel()
    assert inbox.taken == [("A", 3)]


async def test_a_plugin_that_was_off_catches_up(house: House) -> None:
    async with trio.open_nursery() as nursery:
        scope = await run(house.courier(Inbox()), nursery, house)
        scope.cancel()
    await house.record("A", *range(5))
    inbox = Inbox()
    async with trio.open_nursery() as nursery:
        await run(house.courier(inbox), nursery, house)
        await inbox.wait_for(5)
        nursery.cancel_scope.cancel()
    assert inbox.taken == [("A", number) for number in range(5)]


async def test_a_poison_fact_holds_up_its_own_station_only_and_is_set_aside(house: House) -> None:
    inbox = Inbox(poison=[13])
    courier = house.courier(inbox)
    async with trio.open_nursery() as nursery:
        await run(courier, nursery, house)
        await house.record("A", 13, 14)
        await house.record("B", 1, 2, 3)
        await inbox.wait_for(4)
        nursery.cancel_scope.cancel()
    assert [number for who, number in inbox.taken if who == "B"] == [1, 2, 3]
    assert inbox.taken[-1] == ("A", 14)  # after the poison, never before
    assert inbox.refused == [13] * EAGER.attempts
    (failure,) = await courier.failures()
    assert (failure.fact.station_id, failure.attempts) == ("A", 3)
    assert "poison" in failure.reason


async def test_a_fact_that_was_set_aside_can_be_delivered_later(house: House) -> None:
    inbox = Inbox(poison=[13])
    courier = house.courier(inbox)
    async with trio.open_nursery() as nursery:
        await run(courier, nursery, house)
        await house.record("A", 13, 14)
        await inbox.wait_for(1)
        nursery.cancel_scope.cancel()
    (failure,) = await courier.failures()
    with pytest.raises(ValueError, match="poison"):
        await courier.retry(failure.fact.id)
    inbox.poison.clear()
    assert await courier.retry(failure.fact.id)
    assert inbox.taken[-1] == ("A", 13)
    assert await courier.failures() == []
    assert not await courier.retry(failure.fact.id)


async def test_a_fact_that_cannot_be_read_any_more_is_set_aside_at_once(house: House) -> None:
    inbox = Inbox()
    courier = house.courier(inbox, pace=Pace(first_pause=60))

    def write(connection: sa.Connection, rows: Sequence[bytes]) -> Sequence[None]:
        house.store.record_facts(
            connection, [msgspec.structs.replace(fact_row(STOPPED, "A", Stopped(1)), payload=b"{}")]
        )
        return [None] * len(rows)

    async with trio.open_nursery() as nursery:
        await run(courier, nursery, house)
        await house.store.submit(write, b"")
        await house.record("A", 2)
        await inbox.wait_for(1)
        nursery.cancel_scope.cancel()
    assert len(await courier.failures()) == 1


async def test_the_cursor_is_durable_and_passes_facts_of_no_concern(house: House) -> None:
    inbox = Inbox()
    async with trio.open_nursery() as nursery:
        await run(house.courier(inbox), nursery, house)
        await house.record("A", 1)
        await inbox.wait_for(1)
        await house.record("A", 2, 3, fact=OTHER)
        await wait_until_cursor_is_at_the_end(house)
        nursery.cancel_scope.cancel()


async def test_the_window_bounds_memory_and_the_rest_is_counted(house: House) -> None:
    opened, inbox = trio.Event(), Inbox()

    async def take(station_id: str, fact: Stopped, fact_id: int) -> None:
        await opened.wait()
        await inbox.take(station_id, fact, fact_id)

    courier = Courier(house.store, Env(), "billing", [Delivery(STOPPED, take)], Pace(window=4, cursor_interval=0.01))
    async with trio.open_nursery() as nursery:
        await run(courier, nursery, house)
        await house.record("A", *range(10))
        with trio.fail_after(20):
            while courier.backlog < 10:  # noqa: ASYNC110
                await trio.sleep(0.01)
        opened.set()
        await inbox.wait_for(10)
        nursery.cancel_scope.cancel()
    assert inbox.taken == [("A", number) for number in range(10)]
    assert courier.backlog == 0


async def test_an_idle_courier_asks_the_database_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Any] = []
    original = house.store.read

    async def read(query: Any) -> Any:
        reads.append(query)
        return await original(query)

    inbox = Inbox()
    async with trio.open_nursery() as nursery:
        courier = house.courier(inbox)
        await run(courier, nursery, house)
        monkeypatch.setattr(house.store, "read", read)
        await trio.sleep(0.3)
        assert reads == []
        await house.record("A", 1)
        await inbox.wait_for(1)
        nursery.cancel_scope.cancel()


async def test_a_courier_that_is_run_again_serves_whom_it_was_serving_when_it_crashed(house: House) -> None:
    inbox = Inbox(poison=[1])
    courier = house.courier(inbox, pace=Pace(first_pause=0.01, longest_pause=0.02, attempts=1000))
    async with trio.open_nursery() as nursery:
        scope = await run(courier, nursery, house)
        await house.record("A", 1, 2)
        await trio.sleep(0.1)
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked(0.02)
        inbox.poison.clear()
        scope = await run(courier, nursery, house)
        await inbox.wait_for(2)
        scope.cancel()
    assert inbox.taken == [("A", 1), ("A", 2)]


async def test_a_page_that_cannot_be_read_is_asked_for_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = Inbox()
    async with trio.open_nursery() as nursery:
        scope = await run(house.courier(inbox), nursery, house)
        read, failures = house.store.read, [RuntimeError("canceling statement due to a timeout")]

        async def fail_once(query: Any) -> Any:
            if failures:
                raise failures.pop()
            return await read(query)

        monkeypatch.setattr(house.store, "read", fail_once)
        await house.record("A", 1)
        await inbox.wait_for(1)
        scope.cancel()


def stubborn(window: int = 4, share: int = 2) -> Pace:
    """Never sets anything aside within a test."""
    return Pace(window, share, attempts=10**6, first_pause=0.01, longest_pause=0.02, cursor_interval=0.01)


async def wait_for_stragglers(house: House, *expected: str) -> None:
    query = sa.select(tables.outbox_straggler.c.station_id).order_by(tables.outbox_straggler.c.station_id)
    with trio.fail_after(20):
        while await house.store.read(lambda c: tuple(c.execute(query).scalars())) != expected:  # noqa: ASYNC110
            await trio.sleep(0.01)


async def wait_until_cursor_is_at_the_end(house: House) -> None:
    query = sa.select(sa.func.max(tables.outbox.c.id))
    end = await house.store.read(lambda connection: connection.execute(query).scalar_one())
    with trio.fail_after(20):
        while await house.cursor() != end:  # noqa: ASYNC110
            await trio.sleep(0.01)


async def test_a_pool_without_a_free_connection_is_an_outage(house: House) -> None:
    def query(connection: sa.Connection) -> None:
        raise exc.TimeoutError("QueuePool limit reached")

    with pytest.raises(StoreUnavailable, match="QueuePool"):
        await house.store.read(query)


@pytest.mark.req("B-06")
async def test_stations_that_are_refused_hold_up_nobody_else_however_many(house: House) -> None:
    inbox = Inbox(poison=[13])
    courier = house.courier(inbox, pace=stubborn(window=4))
    refused = [f"BAD-{number}" for number in range(6)]
    async with trio.open_nursery() as nursery:
        await run(courier, nursery, house)
        for station in refused:
            await house.record(station, 13, *range(20, 30))
        await house.record("GOOD", *range(10))
        await inbox.wait_for(10)
        assert inbox.taken == [("GOOD", number) for number in range(10)]
        await wait_until_cursor_is_at_the_end(house)
        await wait_for_stragglers(house, *refused)
        assert courier.backlog == 66
        inbox.poison.clear()
        await inbox.wait_for(76)
        await wait_for_stragglers(house)
        nursery.cancel_scope.cancel()
    for station in refused:
        assert [number for who, number in inbox.taken if who == station] == [13, *range(20, 30)]
    assert courier.backlog == 0


async def test_a_slow_station_takes_no_more_than_its_share_of_the_window(house: House) -> None:
    opened, inbox = trio.Event(), Inbox()

    async def take(station_id: str, fact: Stopped, fact_id: int) -> None:
        if station_id == "SLOW":
            await opened.wait()
        await inbox.take(station_id, fact, fact_id)

    courier = Courier(house.store, Env(), "billing", [Delivery(STOPPED, take)], stubborn(window=4, share=2))
    async with trio.open_nursery() as nursery:
        await run(courier, nursery, house)
        await house.record("SLOW", *range(10))
        await house.record("GOOD", 1)
        await inbox.wait_for(1)
        assert inbox.taken == [("GOOD", 1)]
        opened.set()
        await inbox.wait_for(11)
        nursery.cancel_scope.cancel()
    assert inbox.taken[1:] == [("SLOW", number) for number in range(10)]


@pytest.mark.req("B-06")
async def test_a_straggler_is_remembered_when_csmsd_dies(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async with trio.open_nursery() as nursery:
        inbox = Inbox(poison=[13])
        await run(house.courier(inbox, pace=stubborn()), nursery, house)
        await house.record("BAD", 13, 14, 15, 16)
        await house.record("GOOD", *range(10))
        await inbox.wait_for(10)
        await wait_until_cursor_is_at_the_end(house)
        monkeypatch.setattr(house.store, "submit_later", lambda *_: None)  # no time for last words
        nursery.cancel_scope.cancel()
    async with trio.open_nursery() as nursery:
        inbox = Inbox(poison=[13])
        courier = house.courier(inbox, pace=stubborn())
        nursery.start_soon(courier.run)
        with trio.fail_after(20):
            while not inbox.refused:  # noqa: ASYNC110
                await trio.sleep(0.01)
        assert courier.backlog == 4
        await house.record("BAD", 17)
        await house.record("GOOD", 10)
        await inbox.wait_for(1)
        inbox.poison.clear()
        await inbox.wait_for(6)
        nursery.cancel_scope.cancel()
    assert inbox.taken == [("GOOD", 10), *(("BAD", number) for number in range(13, 18))]


@pytest.mark.req("B-06")
@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_refused_and_whenever_it_dies_each_fact_arrives_in_its_order(
    house: House, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance, inbox, next_number = random.Random(seed), Inbox(), 0
    recorded: dict[str, list[int]] = {station: [] for station in "ABCDE"}
    later = house.store.submit_later
    async with trio.open_nursery() as nursery:
        (await run(house.courier(inbox), nursery, house)).cancel()
    for _ in range(8):
        monkeypatch.setattr(house.store, "submit_later", later if chance.random() < 0.5 else lambda *_: None)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.courier(inbox, pace=stubborn(4, 3)).run)
            for _ in range(6):
                station, count = chance.choice("ABCDE"), chance.randrange(1, 8)
                numbers = range(next_number, next_number + count)
                next_number += count
                recorded[station] += numbers
                inbox.poison = {number for number in range(next_number) if chance.random() < 0.1}
                await house.record(station, *numbers)
                await trio.sleep(chance.random() * 0.05)
            nursery.cancel_scope.cancel()
    inbox.poison.clear()
    async with trio.open_nursery() as nursery:
        courier = house.courier(inbox, pace=stubborn(4, 3))
        nursery.start_soon(courier.run)
        with trio.fail_after(20):
            while courier.backlog or len(set(inbox.taken)) < next_number:  # noqa: ASYNC110
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    for station, expected in recorded.items():
        first_times = dict.fromkeys(number for who, number in inbox.taken if who == station)
        assert list(first_times) == expected
