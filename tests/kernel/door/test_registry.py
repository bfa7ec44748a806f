"""Who is connected: takeover, removal, waiting and draining."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from trio.testing import MockClock

from csmsd._kernel.registry import Occupant, Registry
from csmsd.config import Access
from csmsd.env import Env
from csmsd.events import Events
from csmsd.station import StationRecord

OpenWorld = Callable[..., Awaitable[Any]]


@pytest.fixture
async def house(open_world: OpenWorld, autojump_clock: MockClock) -> Any:
    world = await open_world(Access(authentication="none"))
    for identity in ("CP-1", "CP-2"):
        await world.book.register(StationRecord(identity))
    return world


@pytest.mark.req("WS-30")
async def test_the_newer_connection_is_the_stations_connection(house: Any) -> None:
    older = await house.enter(peer="10.0.0.1:1")
    newer = await house.enter(peer="10.0.0.1:2")
    assert older.retired_with == "replaced by a newer connection"
    assert not older.station.is_online
    assert house.book.get("CP-1") is newer.station
    assert [station.peer for station in house.book.online()] == ["10.0.0.1:2"]


@pytest.mark.req("WS-30")
async def test_the_end_of_the_older_connection_does_not_unregister_the_newer_one(house: Any) -> None:
    older, newer = await house.enter(), await house.enter()
    older.lost("reset")
    assert house.book.get("CP-1") is newer.station
    older.lost("reset")
    assert house.book.get("CP-1") is newer.station
    newer.lost("gone")
    assert house.book.find("CP-1") is None
    assert len(house.registry) == 0


@pytest.mark.req("WS-34", "WS-31")
async def test_a_lost_connection_changes_nothing_but_who_is_online(house: Any) -> None:
    await house.book.announce("CP-1", "Pending")
    charger = await house.enter()
    before = house.book.record("CP-1")
    charger.lost("gone")
    assert house.book.record("CP-1") == before
    assert not charger.station.is_online


async def test_plugins_hear_of_every_connection_once(house: Any) -> None:
    older = await house.enter(peer="10.0.0.1:1")
    newer = await house.enter(peer="10.0.0.1:2")
    older.lost("replaced")
    older.lost("replaced")
    newer.lost("gone")
    await trio.testing.wait_all_tasks_blocked()
    assert sorted(house.observer.heard) == [
        ("connected", "10.0.0.1:1"),
        ("connected", "10.0.0.1:2"),
        ("gone", "10.0.0.1:2"),
        ("replaced", "10.0.0.1:1"),
    ]


async def test_watchers_see_a_takeover_as_one_station_that_stays(house: Any) -> None:
    with house.events.watch(frozenset({"station.connected", "station.disconnected"})) as feed:
        older, newer = await house.enter(), await house.enter()
        older.lost("replaced")
        newer.lost("gone")
        seen = [feed.receive_nowait() for _ in range(feed.statistics().current_buffer_used)]
    assert [event.kind for event in seen] == ["station.connected", "station.connected", "station.disconnected"]
    assert [msgspec.json.decode(event.data).get("replaced") for event in seen] == [False, True, None]


@pytest.mark.req("WS-27")
async def test_a_takeover_from_another_address_is_an_anomaly(house: Any, caplog: pytest.LogCaptureFixture) -> None:
    await house.enter(peer="10.0.0.1:1")
    await house.enter(peer="10.0.0.1:2")
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    await house.enter(peer="203.0.113.9:1")
    [record] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "203.0.113.9:1" in record.getMessage()


# -- waiting -----------------------------------------------------------------------------------------


async def test_whoever_waits_for_a_station_gets_it(house: Any, nursery: trio.Nursery) -> None:
    found: list[Any] = []

    async def wait(identity: str) -> None:
        found.append((await house.book.wait_for(identity)).id)

    for identity in ("CP-1", "CP-1", "CP-2"):
        nursery.start_soon(wait, identity)
    await trio.testing.wait_all_tasks_blocked()
    await house.enter()
    await trio.testing.wait_all_tasks_blocked()
    assert found == ["CP-1", "CP-1"]
    assert (await house.book.wait_for("CP-1")).id == "CP-1"
    nursery.cancel_scope.cancel()


async def test_who_stops_waiting_leaves_nothing_behind(house: Any) -> None:
    with trio.move_on_after(1) as scope:
        await house.book.wait_for("CP-1")
    assert scope.cancelled_caught
    assert not house.registry._awaited


# -- draining ----------------------------------------------------------------------------------------


@pytest.mark.req("WS-39")
async def test_draining_asks_everybody_to_finish_and_waits_until_they_are_gone(
    house: Any, nursery: trio.Nursery
) -> None:
    older = await house.enter()
    chargers = [await house.enter(), await house.enter("/ocpp/CP-2")]
    drained = trio.Event()

    async def drain() -> None:
        await house.registry.drain()
        drained.set()

    nursery.start_soon(drain)
    await trio.testing.wait_all_tasks_blocked()
    assert all(charger.is_draining for charger in chargers)
    assert (await house.knock()).status == 503
    for charger in chargers:
        charger.lost("closed")
    await trio.testing.wait_all_tasks_blocked()
    assert not drained.is_set(), "one that was replaced may still be at work"
    older.lost("closed")
    await drained.wait()


@pytest.mark.req("WS-39")
async def test_who_comes_in_while_draining_is_drained_too(house: Any, nursery: trio.Nursery) -> None:
    await house.enter("/ocpp/CP-2")
    admission = await house.knock()
    request = house.request
    nursery.start_soon(house.registry.drain)
    await trio.testing.wait_all_tasks_blocked()
    assert house.door.is_open(request.peer)
    charger = house.door.enter(request, admission, house.registry.find("CP-2").link)
    assert charger.is_draining
    nursery.cancel_scope.cancel()


# -- histories ---------------------------------------------------------------------------------------


class Silence:
    """Nobody implements a hook."""

    def tell(self, *_: object) -> None: ...


class Guest:
    """An occupant that keeps its own account of what it was told."""

    def __init__(self, identity: str, number: int) -> None:
        self.station: Any = type("Handle", (), {"id": identity, "peer": "10.0.0.1:1", "listener": "ocpp"})()
        self.station.security_profile, self.number = 1, number
        self.is_open, self.is_pinged = True, False

    def retire(self, reason: str) -> None:
        assert self.is_open, "told twice"
        self.is_open = False

    def drain(self) -> None: ...

    def close(self, code: int, reason: str) -> None: ...


class Histories(RuleBasedStateMachine):
    """Arrivals and departures in any order, the late ones of replaced connections among them."""

    identities = st.sampled_from(["CP-1", "cp-1", "CP-2"])

    def __init__(self) -> None:
        super().__init__()
        silence: Any = Silence()
        self.registry = Registry(silence, Events(), Env())
        self.present: list[Guest] = []  # everybody whose socket is not gone
        self.newest: dict[str, Guest] = {}
        self.count = 0

    @rule(identity=identities)
    def arrive(self, identity: str) -> None:
        self.count += 1
        guest = Guest(identity, self.count)
        self.registry.enter(guest)
        self.present.append(guest)
        self.newest[identity] = guest

    @rule(data=st.data(), times=st.integers(1, 2))
    def leave(self, data: st.DataObject, times: int) -> None:
        if self.present:
            guest = data.draw(st.sampled_from(self.present))
            for _ in range(times):
                self.registry.leave(guest, "gone")
            self.present.remove(guest)
            if self.newest.get(guest.station.id) is guest:
                del self.newest[guest.station.id]

    @rule(identity=identities)
    def a_stranger_leaves(self, identity: str) -> None:
        self.registry.leave(Guest(identity, 0), "was never in")

    @invariant()
    def the_newest_that_is_present_owns_the_station(self) -> None:
        owners: dict[str, Occupant] = {owner.station.id: owner for owner in self.registry.online()}
        assert owners == self.newest
        assert len(self.registry) == len(self.newest)

    @invariant()
    def nobody_else_of_that_station_is_heard(self) -> None:
        for guest in self.present:
            assert guest.is_open == (self.newest.get(guest.station.id) is guest)

    @invariant()
    def nothing_stays_behind(self) -> None:
        assert list(self.registry._all.values()) == self.present


TestHistories = pytest.mark.req("WS-30")(Histories.TestCase)
Histories.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
