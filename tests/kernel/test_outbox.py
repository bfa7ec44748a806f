"""Couriers: facts arrive at least once, in order per station, and a poison fact holds up its own station only."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import pytest
import sqlalchemy as sa
import trio
import trio.testing
from sqlalchemy import exc

from csmsd._kernel.outbox import Courier, Delivery, Pace
from csmsd.env import Env
from csmsd.errors import StoreUnavailable
from csmsd.store import fact_row
from tests.kernel.outbox_world import (
    EAGER,
    OTHER,
    STOPPED,
    Inbox,
    Outbox,
    Stopped,
    run,
    stubborn,
    wait_for_stragglers,
    wait_until_cursor_is_at_the_end,
)


@pytest.mark.req("B-06")
async def test_facts_arrive_in_the_order_they_happened_to_a_station(outbox: Outbox) -> None:
    inbox = Inbox()
    async with trio.open_nursery() as nursery:
        await run(outbox.courier(inbox), nursery, outbox)
        for station in ("A", "B"):
            await outbox.record(station, *range(50))
        await inbox.wait_for(100)
        nursery.cancel_scope.cancel()
    for station in ("A", "B"):
        assert [number for who, number in inbox.taken if who == station] == list(range(50))
    assert len(set(inbox.ids)) == 100


async def test_a_new_plugin_starts_at_the_present_end(outbox: Outbox) -> None:
    await outbox.record("A", 1, 2)
    inbox = Inbox()
    async with trio.open_nursery() as nursery:
        await run(outbox.courier(inbox), nursery, outbox)
        await outbox.record("A", 3)
        await inbox.wait_for(1)
        nursery.cancel_scope.cancel()
    assert inbox.taken == [("A", 3)]


async def test_a_plugin_that_was_off_catches_up(outbox: Outbox) -> None:
    async with trio.open_nursery() as nursery:
        scope = await run(outbox.courier(Inbox()), nursery, outbox)
        scope.cancel()
    await outbox.record("A", *range(5))
    inbox = Inbox()
    async with trio.open_nursery() as nursery:
        await run(outbox.courier(inbox), nursery, outbox)
        await inbox.wait_for(5)
        nursery.cancel_scope.cancel()
    assert inbox.taken == [("A", number) for number in range(5)]


async def test_a_poison_fact_holds_up_its_own_station_only_and_is_set_aside(outbox: Outbox) -> None:
    inbox = Inbox(poison=[13])
    courier = outbox.courier(inbox)
    async with trio.open_nursery() as nursery:
        await run(courier, nursery, outbox)
        await outbox.record("A", 13, 14)
        await outbox.record("B", 1, 2, 3)
        await inbox.wait_for(4)
        nursery.cancel_scope.cancel()
    assert [number for who, number in inbox.taken if who == "B"] == [1, 2, 3]
    assert inbox.taken[-1] == ("A", 14)  # after the poison, never before
    assert inbox.refused == [13] * EAGER.attempts
    (failure,) = await outbox.failures()
    assert (failure.fact.station_id, failure.attempts) == ("A", 3)
    assert "poison" in failure.reason


async def test_a_fact_that_cannot_be_read_any_more_is_set_aside_at_once(outbox: Outbox) -> None:
    inbox = Inbox()
    courier = outbox.courier(inbox, pace=Pace(first_pause=60))

    def write(connection: sa.Connection, rows: Sequence[bytes]) -> Sequence[None]:
        outbox.store.record_facts(
            connection, [msgspec.structs.replace(fact_row(STOPPED, "A", Stopped(1)), payload=b"{}")]
        )
        return [None] * len(rows)

    async with trio.open_nursery() as nursery:
        await run(courier, nursery, outbox)
        await outbox.store.submit(write, b"")
        await outbox.record("A", 2)
        await inbox.wait_for(1)
        nursery.cancel_scope.cancel()
    assert len(await outbox.failures()) == 1


async def test_the_cursor_is_durable_and_passes_facts_of_no_concern(outbox: Outbox) -> None:
    inbox = Inbox()
    async with trio.open_nursery() as nursery:
        await run(outbox.courier(inbox), nursery, outbox)
        await outbox.record("A", 1)
        await inbox.wait_for(1)
        await outbox.record("A", 2, 3, fact=OTHER)
        await wait_until_cursor_is_at_the_end(outbox)
        nursery.cancel_scope.cancel()


async def test_each_fact_has_all_its_attempts(outbox: Outbox) -> None:
    refusals: list[int] = []
    inbox = Inbox()

    async def take(station_id: str, fact: Stopped, fact_id: int) -> None:
        if refusals.count(fact.number) < EAGER.attempts - 1:
            refusals.append(fact.number)
            raise ValueError("not now")
        await inbox.take(station_id, fact, fact_id)

    courier = Courier(outbox.store, Env(), "billing", [Delivery(STOPPED, take)], EAGER)
    async with trio.open_nursery() as nursery:
        await run(courier, nursery, outbox)
        await outbox.record("A", 1, 2, 3)
        await inbox.wait_for(3)
        nursery.cancel_scope.cancel()
    assert await outbox.failures() == []


async def test_a_courier_that_is_run_again_serves_whom_it_was_serving_when_it_crashed(outbox: Outbox) -> None:
    inbox = Inbox(poison=[1])
    courier = outbox.courier(inbox, pace=Pace(first_pause=0.01, longest_pause=0.02, attempts=1000))
    async with trio.open_nursery() as nursery:
        scope = await run(courier, nursery, outbox)
        await outbox.record("A", 1, 2)
        await trio.sleep(0.1)
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked(0.02)
        inbox.poison.clear()
        scope = await run(courier, nursery, outbox)
        await inbox.wait_for(2)
        scope.cancel()
    assert inbox.taken == [("A", 1), ("A", 2)]


async def test_a_pool_without_a_free_connection_is_an_outage(outbox: Outbox) -> None:
    def query(connection: sa.Connection) -> None:
        raise exc.TimeoutError("QueuePool limit reached")

    with pytest.raises(StoreUnavailable, match="QueuePool"):
        await outbox.store.read(query)


@pytest.mark.req("B-06")
async def test_stations_that_are_refused_hold_up_nobody_else_however_many(outbox: Outbox) -> None:
    inbox = Inbox(poison=[13])
    courier = outbox.courier(inbox, pace=stubborn(window=4))
    refused = [f"BAD-{number}" for number in range(6)]
    async with trio.open_nursery() as nursery:
        await run(courier, nursery, outbox)
        for station in refused:
            await outbox.record(station, 13, *range(20, 30))
        await outbox.record("GOOD", *range(10))
        await inbox.wait_for(10)
        assert inbox.taken == [("GOOD", number) for number in range(10)]
        await wait_until_cursor_is_at_the_end(outbox)
        await wait_for_stragglers(outbox, *refused)
        assert courier.backlog == 66
        inbox.poison.clear()
        await inbox.wait_for(76)
        await wait_for_stragglers(outbox)
        nursery.cancel_scope.cancel()
    for station in refused:
        assert [number for who, number in inbox.taken if who == station] == [13, *range(20, 30)]
    assert courier.backlog == 0


async def test_a_slow_station_takes_no_more_than_its_share_of_the_window(outbox: Outbox) -> None:
    opened, inbox = trio.Event(), Inbox()

    async def take(station_id: str, fact: Stopped, fact_id: int) -> None:
        if station_id == "SLOW":
            await opened.wait()
        await inbox.take(station_id, fact, fact_id)

    courier = Courier(outbox.store, Env(), "billing", [Delivery(STOPPED, take)], stubborn(window=4, share=2))
    async with trio.open_nursery() as nursery:
        await run(courier, nursery, outbox)
        await outbox.record("SLOW", *range(10))
        await outbox.record("GOOD", 1)
        await inbox.wait_for(1)
        assert inbox.taken == [("GOOD", 1)]
        opened.set()
        await inbox.wait_for(11)
        nursery.cancel_scope.cancel()
    assert inbox.taken[1:] == [("SLOW", number) for number in range(10)]


@pytest.mark.req("B-06")
async def test_a_straggler_is_remembered_when_csmsd_dies(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    async with trio.open_nursery() as nursery:
        inbox = Inbox(poison=[13])
        await run(outbox.courier(inbox, pace=stubborn()), nursery, outbox)
        await outbox.record("BAD", 13, 14, 15, 16)
        await outbox.record("GOOD", *range(10))
        await inbox.wait_for(10)
        await wait_until_cursor_is_at_the_end(outbox)
        monkeypatch.setattr(outbox.store, "submit_later", lambda *_: None)  # no time for last words
        nursery.cancel_scope.cancel()
    async with trio.open_nursery() as nursery:
        inbox = Inbox(poison=[13])
        courier = outbox.courier(inbox, pace=stubborn())
        nursery.start_soon(courier.run)
        with trio.fail_after(20):
            while not inbox.refused:  # noqa: ASYNC110
                await trio.sleep(0.01)
        assert courier.backlog == 4
        await outbox.record("BAD", 17)
        await outbox.record("GOOD", 10)
        await inbox.wait_for(1)
        inbox.poison.clear()
        await inbox.wait_for(6)
        nursery.cancel_scope.cancel()
    assert inbox.taken == [("GOOD", 10), *(("BAD", number) for number in range(13, 18))]


@pytest.mark.req("B-06")
@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_refused_and_whenever_it_dies_each_fact_arrives_in_its_order(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance, inbox, next_number = random.Random(seed), Inbox(), 0
    recorded: dict[str, list[int]] = {station: [] for station in "ABCDE"}
    later = outbox.store.submit_later
    async with trio.open_nursery() as nursery:
        (await run(outbox.courier(inbox), nursery, outbox)).cancel()
    for _ in range(8):
        monkeypatch.setattr(outbox.store, "submit_later", later if chance.random() < 0.5 else lambda *_: None)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outbox.courier(inbox, pace=stubborn(4, 3)).run)
            for _ in range(6):
                station, count = chance.choice("ABCDE"), chance.randrange(1, 8)
                numbers = range(next_number, next_number + count)
                next_number += count
                recorded[station] += numbers
                inbox.poison = {number for number in range(next_number) if chance.random() < 0.1}
                await outbox.record(station, *numbers)
                await trio.sleep(chance.random() * 0.05)
            nursery.cancel_scope.cancel()
    inbox.poison.clear()
    async with trio.open_nursery() as nursery:
        courier = outbox.courier(inbox, pace=stubborn(4, 3))
        nursery.start_soon(courier.run)
        with trio.fail_after(20):
            while courier.backlog or len(set(inbox.taken)) < next_number:  # noqa: ASYNC110
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    for station, expected in recorded.items():
        first_times = dict.fromkeys(number for who, number in inbox.taken if who == station)
        assert list(first_times) == expected
