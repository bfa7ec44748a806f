"""The desk for facts: readers with a place of their own, and facts that were set aside: seen, retried, discarded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from csmsd import NoConfig, Plugin, hookimpl
from csmsd._kernel.factdesk import FactDesk
from csmsd.env import Env
from csmsd.errors import PluginError
from csmsd.facts import NotNow, NotTaken, Patience, RecordedFact, UnknownFact
from csmsd.hookspecs import Metric
from csmsd.station import StationRecord, StationRegistered
from csmsd.testing import open_test_csms
from tests.kernel.outbox_world import OTHER, STOPPED, Inbox, Outbox

HASTY = Patience(attempts=2, first_pause=0.01, longest_pause=0.02, jitter=0.5)


class Pile:
    """Takes facts as they are stored; refuses the ids in `poison`."""

    def __init__(self) -> None:
        self.facts: list[RecordedFact] = []
        self.poison: set[str] = set()
        self.error: Exception = ValueError("poison")

    async def take(self, fact: RecordedFact) -> None:
        await trio.lowlevel.checkpoint()
        if fact.station_id in self.poison:
            raise self.error
        self.facts.append(fact)

    @property
    def numbers(self) -> list[int]:
        return [STOPPED.decode(fact.payload).number for fact in self.facts]

    async def has(self, count: int) -> None:
        await until(lambda: len(self.facts) >= count)


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(20):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.01)


@pytest.fixture
async def desk(outbox: Outbox) -> FactDesk:
    made = FactDesk(outbox.store, Env(), lambda: {STOPPED.name: ("billing", STOPPED)})
    await made.load()
    return made


async def start(nursery: trio.Nursery, outbox: Outbox, taker: str, run: Callable[[], Awaitable[Any]]) -> None:
    nursery.start_soon(run)
    await outbox.has_started(taker)
    await trio.testing.wait_all_tasks_blocked(0.02)


async def test_each_reader_has_a_place_of_its_own(outbox: Outbox, desk: FactDesk) -> None:
    one, other, late = Pile(), Pile(), Pile()
    async with trio.open_nursery() as nursery:
        await start(nursery, outbox, "events/one", desk.reader("events", "one", one.take, [STOPPED.name]).run)
        await outbox.record("A", 1)
        await outbox.record("A", 2, fact=OTHER)
        await start(nursery, outbox, "events/other", desk.reader("events", "other", other.take).run)
        await outbox.record("A", 3)
        await outbox.record("A", 4, fact=OTHER)
        await one.has(2)
        await other.has(2)
        nursery.cancel_scope.cancel()
    assert (one.numbers, other.numbers) == ([1, 3], [3, 4])  # a new one starts at the end; without names it takes all
    await outbox.record("A", 5)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.reader("events", "one", late.take, [STOPPED.name]).run)
        await late.has(1)
        nursery.cancel_scope.cancel()
    assert late.numbers == [5]


async def test_a_reader_that_reads_everything_takes_up_what_its_stragglers_left(outbox: Outbox, desk: FactDesk) -> None:
    first, second = Pile(), Pile()
    first.poison = {"A"}
    async with trio.open_nursery() as nursery:
        reader = desk.reader("events", "all", first.take, patience=Patience(first_pause=3600))
        await start(nursery, outbox, "events/all", reader.run)
        await outbox.record("A", 1, 2)
        await outbox.record("A", 3, fact=OTHER)
        await outbox.record("B", 4)
        await first.has(1)
        nursery.cancel_scope.cancel()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.reader("events", "all", second.take).run)
        await second.has(3)
        nursery.cancel_scope.cancel()
    assert (first.numbers, second.numbers) == ([4], [1, 2, 3])


async def test_a_reader_that_runs_cannot_be_run_twice_nor_forgotten(outbox: Outbox, desk: FactDesk) -> None:
    reader = desk.reader("events", "one", Pile().take)
    async with trio.open_nursery() as nursery:
        await start(nursery, outbox, "events/one", reader.run)
        with pytest.raises(PluginError, match="events/one reads facts already"):
            await desk.reader("events", "one", Pile().take).run()
        with pytest.raises(PluginError, match="end that first"):
            await desk.forget("events", "one")
        nursery.cancel_scope.cancel()
    await desk.forget("events", "one")
    assert await outbox.cursor("events/one") is None


async def test_what_waits_is_counted_while_nobody_takes_it(outbox: Outbox, desk: FactDesk) -> None:
    pile = Pile()
    reader = desk.reader("events", "one", pile.take, [STOPPED.name])
    async with trio.open_nursery() as nursery:
        await start(nursery, outbox, "events/one", reader.run)
        nursery.cancel_scope.cancel()
    await outbox.record("A", 1, 2, 3)
    await outbox.record("A", 4, fact=OTHER)
    assert reader.backlog == 3
    assert desk.figures("events") == (3, 0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.run)
        await pile.has(3)
        await until(lambda: reader.backlog == 0)
        nursery.cancel_scope.cancel()


async def test_what_happens_while_a_reader_ends_is_counted_too(outbox: Outbox, desk: FactDesk) -> None:
    is_taking = trio.Event()

    async def take(_: RecordedFact) -> None:
        is_taking.set()
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await outbox.record("B", 2)

    reader = desk.reader("events", "one", take, [STOPPED.name])
    async with trio.open_nursery() as nursery:
        await start(nursery, outbox, "events/one", reader.run)
        await outbox.record("A", 1)
        await is_taking.wait()
        nursery.cancel_scope.cancel()
    assert reader.backlog == 2


async def test_not_now_is_honoured(outbox: Outbox, desk: FactDesk) -> None:
    pile, asked = Pile(), list[float]()

    async def take(fact: RecordedFact) -> None:
        asked.append(trio.current_time())
        if len(asked) == 1:
            raise NotNow("busy", 0.5)
        await pile.take(fact)

    async with trio.open_nursery() as nursery:
        await start(nursery, outbox, "events/one", desk.reader("events", "one", take, patience=HASTY).run)
        await outbox.record("A", 1)
        await pile.has(1)
        nursery.cancel_scope.cancel()
    assert asked[1] - asked[0] >= 0.5


async def test_facts_set_aside_are_seen_retried_and_discarded(outbox: Outbox, desk: FactDesk) -> None:
    inbox, pile = Inbox(poison=[13]), Pile()
    pile.poison = {"A"}
    async with trio.open_nursery() as nursery:
        courier = outbox.courier(inbox)
        await start(nursery, outbox, "billing", courier.run)
        desk._couriers["billing"] = courier  # as if the desk had made it
        courier._has_set_aside = desk._count
        await start(nursery, outbox, "billing/one", desk.reader("billing", "one", pile.take, [STOPPED.name], HASTY).run)
        await outbox.record("A", 13, 14)
        await until(lambda: desk.figures("billing")[1] == 3)
        own, reader_13, reader_14 = await desk.set_aside("billing")
        assert [(each.reader, each.fact_id) for each in (own, reader_13, reader_14)] == [
            ("", own.fact_id),
            ("one", own.fact_id),
            ("one", own.fact_id + 1),
        ]
        assert (own.station_id, own.name, own.attempts, bytes(own.fact)) == ("A", STOPPED.name, 3, b'{"number":13}')
        assert "poison" in own.reason
        assert own.recorded_at <= own.set_aside_at
        assert await desk.set_aside("billing", reader="") == [own]
        assert await desk.set_aside("billing", reader="one", limit=1) == [reader_13]
        assert await desk.set_aside("billing", after=(own.fact_id, "one")) == [reader_14]
        assert await desk.set_aside("bill") == await desk.set_aside("bill_ng") == []

        with pytest.raises(NotTaken, match="poison"):
            await desk.retry("billing", own.fact_id)
        (again,) = await desk.set_aside("billing", reader="")
        assert (again.attempts, again.set_aside_at > own.set_aside_at) == (4, True)
        inbox.poison.clear()
        await desk.retry("billing", own.fact_id)
        assert inbox.taken[-1] == ("A", 13)
        assert await desk.discard("billing", reader_13.fact_id, reader="one") == reader_13
        assert await desk.set_aside("billing") == [reader_14]
        assert desk.figures("billing") == (0, 1)
        with pytest.raises(UnknownFact, match="is set aside for billing/one"):
            await desk.retry("billing", reader_13.fact_id, reader="one")
        nursery.cancel_scope.cancel()
    with pytest.raises(PluginError, match="takes no facts now"):
        await desk.retry("billing", reader_14.fact_id, reader="one")
    again_after_a_start = FactDesk(outbox.store, Env(), dict)
    await again_after_a_start.load()
    assert again_after_a_start.figures("billing") == (0, 1)
    await again_after_a_start.forget("billing", "one")
    assert again_after_a_start.figures("billing") == (0, 0)
    assert await desk.set_aside("billing") == []


# -- a whole csmsd ---------------------------------------------------------------------------------------------------


class Registrar(Plugin[NoConfig]):
    """Notes the stations that are registered."""

    name = "registrar"
    seen: list[tuple[str, StationRegistered, int]]
    is_broken = False

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        self.seen = []
        task_status.started()

    @hookimpl
    async def station_registered(self, station_id: str, fact: StationRegistered, fact_id: int) -> None:
        self.seen.append((station_id, fact, fact_id))

    @hookimpl
    def report_metrics(self) -> list[Metric]:
        if self.is_broken:
            raise ValueError
        return []


def registrar(host: Any) -> Registrar:
    found = host.plugins.get("registrar")
    assert isinstance(found, Registrar)
    return found


def status(host: Any) -> Any:
    return next(each for each in host.plugins.status() if each.name == "registrar")


async def test_a_registration_is_a_fact_and_a_change_is_none(autojump_clock: MockClock) -> None:
    async with open_test_csms(plugins=[Registrar]) as csms:
        book = csms.host.stations
        await book.register(StationRecord("CP-1", registration="Pending", note="north", security_profile=2))
        await book.register(StationRecord("CP-1"))
        await book.change("CP-1", note="south")
        await book.remove("CP-1")
        await book.register(StationRecord("CP-1"))
        await trio.sleep(1)
        first, second = registrar(csms.host).seen
    assert (first[0], second[0]) == ("CP-1", "CP-1")
    assert first[2] < second[2]
    assert (first[1].registration, first[1].note, first[1].security_profile) == ("Pending", "north", 2)
    assert csms.host.facts.known["station_registered"][0] == "kernel"


async def test_a_registration_that_is_not_stored_is_no_fact(autojump_clock: MockClock) -> None:
    async with open_test_csms(plugins=[Registrar]) as csms:
        with pytest.raises(Exception, match="CP-1"):
            await csms.host.stations.register(StationRecord("CP-1", security_profile=7))
        await trio.sleep(1)
        assert registrar(csms.host).seen == []


@pytest.mark.req("B-09")
@pytest.mark.parametrize("how", ["disabled", "quarantined"])
async def test_a_plugin_that_was_out_catches_up_and_its_backlog_is_seen(how: str, autojump_clock: MockClock) -> None:
    async with open_test_csms(plugins=["core", Registrar]) as csms:
        host = csms.host
        await host.stations.register(StationRecord("CP-1"))
        await trio.sleep(5)
        if how == "disabled":
            await host.plugins.disable("registrar")
        else:
            registrar(host).is_broken = True
            for _ in range(host.config.limits.quarantine_after):
                host.metrics()
        assert status(host).state == how
        await trio.sleep(1)  # until its tasks have ended
        for number in range(2, 5):
            await host.stations.register(StationRecord(f"CP-{number}"))
        await trio.sleep(5)
        assert status(host).backlog == 3
        assert Metric("plugin_backlog", "Facts the plugin has not taken yet", 3, (("plugin", "registrar"),)) in (
            host.metrics()
        )
        await host.plugins.enable("registrar")
        await trio.sleep(5)
        seen = sorted(who for who, _, _ in registrar(host).seen)  # the order is promised of each station's facts only
        assert seen == ["CP-2", "CP-3", "CP-4"]
        assert status(host).backlog == 0
