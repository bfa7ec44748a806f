"""Couriers read the outbox when they are behind, and are handed what is committed when they are not."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from csmsd._kernel.outbox import Courier, Delivery, Pace
from csmsd.env import Env
from tests.kernel.outbox_world import (
    STOPPED,
    Inbox,
    Outbox,
    Stopped,
    run,
)


async def test_the_window_bounds_memory_and_the_rest_is_counted(outbox: Outbox) -> None:
    opened, inbox = trio.Event(), Inbox()

    async def take(station_id: str, fact: Stopped, fact_id: int) -> None:
        await opened.wait()
        await inbox.take(station_id, fact, fact_id)

    courier = Courier(outbox.store, Env(), "billing", [Delivery(STOPPED, take)], Pace(window=4, cursor_interval=0.01))
    async with trio.open_nursery() as nursery:
        await run(courier, nursery, outbox)
        await outbox.record("A", *range(10))
        with trio.fail_after(20):
            while courier.backlog < 10:  # noqa: ASYNC110
                await trio.sleep(0.01)
        opened.set()
        await inbox.wait_for(10)
        nursery.cancel_scope.cancel()
    assert inbox.taken == [("A", number) for number in range(10)]
    assert courier.backlog == 0


async def test_a_courier_that_has_caught_up_asks_the_database_nothing(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Any] = []
    original = outbox.store.read

    async def read(query: Any) -> Any:
        reads.append(query)
        return await original(query)

    inbox = Inbox()
    async with trio.open_nursery() as nursery:
        courier = outbox.courier(inbox)
        await run(courier, nursery, outbox)
        with trio.fail_after(20):
            while not courier._is_caught_up:  # noqa: ASYNC110
                await trio.sleep(0.01)
        monkeypatch.setattr(outbox.store, "read", read)
        await trio.sleep(0.3)
        assert reads == []
        for number in range(5):
            await outbox.record("A", number)
        await outbox.record("B", 5, 6, 7)
        await inbox.wait_for(8)
        assert reads == []  # whoever commits a fact hands it over
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("is_in_the_page", [True, False])
@pytest.mark.parametrize("count", [2, 10])  # that fit into the window, and that do not
async def test_what_is_committed_while_a_page_is_read_arrives_once_and_in_order(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, is_in_the_page: bool, count: int
) -> None:
    inbox, original, queries = Inbox(), outbox.store.read, 0
    async with trio.open_nursery() as nursery:
        (await run(outbox.courier(Inbox()), nursery, outbox)).cancel()
    await outbox.record("A", 77)

    async def read(query: Any) -> Any:
        nonlocal queries
        queries += 1
        is_first_page = queries == 2  # after that for stragglers
        if is_first_page and is_in_the_page:
            await outbox.record("A", *range(count))
        result = await original(query)
        if is_first_page and not is_in_the_page:
            await outbox.record("A", *range(count))
        return result

    monkeypatch.setattr(outbox.store, "read", read)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.courier(inbox, pace=Pace(window=4, cursor_interval=0.01)).run)
        await inbox.wait_for(count + 1)
        await outbox.record("B", 1)
        await inbox.wait_for(count + 2)
        nursery.cancel_scope.cancel()
    assert inbox.taken == [("A", 77), *(("A", number) for number in range(count)), ("B", 1)]


async def test_a_backlog_is_read_by_the_half_window_not_fact_by_fact(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, original, queries = Inbox(), outbox.store.read, list[Any]()
    async with trio.open_nursery() as nursery:
        (await run(outbox.courier(Inbox()), nursery, outbox)).cancel()
    for number in range(40):
        await outbox.record(f"CP-{number}", number)

    async def read(query: Any) -> Any:
        queries.append(query)
        return await original(query)

    async def take(station_id: str, fact: Stopped, fact_id: int) -> None:
        await trio.sleep(0.005)
        await inbox.take(station_id, fact, fact_id)

    monkeypatch.setattr(outbox.store, "read", read)
    pace = Pace(window=8, stations_at_once=1, cursor_interval=0.01)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Courier(outbox.store, Env(), "billing", [Delivery(STOPPED, take)], pace).run)
        await inbox.wait_for(40)
        nursery.cancel_scope.cancel()
    assert len(queries) <= 2 + 40 / 4  # two: stragglers, and the last page, which tells that there are no more


async def test_a_courier_without_room_leaves_what_is_committed_in_the_table(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, inbox, original, pages = trio.Event(), Inbox(), outbox.store.read, list[Any]()

    async def take(station_id: str, fact: Stopped, fact_id: int) -> None:
        await opened.wait()
        await inbox.take(station_id, fact, fact_id)

    async def read(query: Any) -> Any:
        pages.append(await original(query))
        return pages[-1]

    courier = Courier(outbox.store, Env(), "billing", [Delivery(STOPPED, take)], Pace(window=4, cursor_interval=0.01))
    async with trio.open_nursery() as nursery:
        await run(courier, nursery, outbox)
        monkeypatch.setattr(outbox.store, "read", read)
        for number in range(10):
            await outbox.record(f"CP-{number}", number)
        opened.set()
        await inbox.wait_for(10)
        nursery.cancel_scope.cancel()
    assert sum(len(page.facts) for page in pages) == 6


async def test_a_page_that_cannot_be_read_is_asked_for_again(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = Inbox()
    async with trio.open_nursery() as nursery:
        scope = await run(outbox.courier(inbox), nursery, outbox)
        read, failures = outbox.store.read, [RuntimeError("canceling statement due to a timeout")]

        async def fail_once(query: Any) -> Any:
            if failures:
                raise failures.pop()
            return await read(query)

        monkeypatch.setattr(outbox.store, "read", fail_once)
        await outbox.record("A", 1)
        await inbox.wait_for(1)
        scope.cancel()
