"""Sharing a limit: nobody gets more than there is, at no moment, whatever order answers arrive in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csmsd_smartcharging.allocation import Holding, Member, by_priority, in_proportion, next_moves, targets

STRATEGIES: Any = st.sampled_from(["proportional", "priority"])


def members(*numbers: tuple[int, int]) -> list[Member]:
    return [Member(f"CP-{index}", maximum, minimum) for index, (maximum, minimum) in enumerate(numbers)]


def test_in_proportion_each_gets_its_part_and_leaves_what_it_cannot_use() -> None:
    assert in_proportion(300, members((320, 0), (320, 0), (320, 0))) == {"CP-0": 100, "CP-1": 100, "CP-2": 100}
    assert in_proportion(300, members((40, 0), (320, 0), (320, 0))) == {"CP-0": 40, "CP-1": 130, "CP-2": 130}
    weighted = [Member("A", 320, weight=3), Member("B", 320, weight=1)]
    assert in_proportion(100, weighted) == {"A": 75, "B": 25}


def test_in_proportion_who_gets_too_little_makes_room_for_others() -> None:
    stations = [Member("A", 320, 60, priority=1), Member("B", 320, 60), Member("C", 320, 60)]
    assert in_proportion(150, stations) == {"A": 75, "B": 75, "C": 0}
    assert in_proportion(50, stations) == {"A": 0, "B": 0, "C": 0}


def test_by_priority_the_first_gets_all_it_can_use() -> None:
    stations = [Member("A", 320), Member("B", 160, priority=9), Member("C", 320, 60, priority=-1)]
    assert by_priority(500, stations) == {"A": 320, "B": 160, "C": 0}
    assert by_priority(100, stations) == {"A": 0, "B": 100, "C": 0}


def test_reductions_go_first_and_raises_wait_for_them() -> None:
    stations = members((200, 0), (200, 0))
    holdings = {"CP-0": Holding(200), "CP-1": Holding(0)}
    wanted = targets(200, stations, "proportional", holdings)
    assert next_moves(200, wanted, holdings) == [("CP-0", 100)]
    asked = {"CP-0": Holding(200, 100, is_waiting=True), "CP-1": Holding(0)}
    assert next_moves(200, wanted, asked) == [], "until it answers it may still draw 200"
    assert next_moves(200, wanted, {"CP-0": Holding(100), "CP-1": Holding(0)}) == [("CP-1", 100)]


def test_who_cannot_be_told_keeps_what_it_may_draw() -> None:
    stations = members((200, 0), (200, 0))
    holdings = {"CP-0": Holding(150, is_reachable=False), "CP-1": Holding(0)}
    wanted = targets(200, stations, "priority", holdings)
    assert wanted == {"CP-0": 150, "CP-1": 50}
    assert next_moves(200, wanted, holdings) == [("CP-1", 50)]


def test_an_unanswered_raise_is_asked_for_again_and_counts_meanwhile() -> None:
    holdings = {"CP-0": Holding(100, 200)}
    wanted = targets(100, members((300, 0)), "priority", holdings)
    assert next_moves(100, wanted, holdings) == [("CP-0", 100)], "nobody knows whether it took 200"


@given(
    st.integers(0, 2000),
    st.lists(st.tuples(st.integers(0, 640), st.integers(0, 100), st.integers(1, 5), st.integers(0, 3)), max_size=6),
    STRATEGIES,
)
def test_targets_never_exceed_the_limit_nor_what_a_station_can_use(
    limit: int, drawn: list[tuple[int, int, int, int]], strategy: Any
) -> None:
    stations = [Member(f"CP-{index}", *each) for index, each in enumerate(drawn)]
    wanted = targets(limit, stations, strategy, {each.station_id: Holding(each.maximum) for each in stations})
    assert sum(wanted.values()) <= limit
    for each in stations:
        assert 0 <= wanted[each.station_id] <= each.maximum
        assert wanted[each.station_id] == 0 or wanted[each.station_id] >= each.minimum


# -- stations that answer in any order ---------------------------------------------------------------------------------


@dataclass
class Station:
    """What it really may draw, and the commands that are on their way to it or whose answers are on their way back."""

    draws: int
    waiting: list[int] = field(default_factory=list)  # commands that have not arrived
    answers: list[tuple[int, bool]] = field(default_factory=list)


class World:
    """The site as it is, and the site as csmsd sees it."""

    def __init__(self, limit: int, stations: list[Member], strategy: Any, begin: Any = None) -> None:
        self.limit, self.members, self.strategy = limit, stations, strategy
        confirmed = [each.maximum for each in stations] if begin is None else begin
        pairs = list(zip(stations, confirmed, strict=False))
        self.reality = {each.station_id: Station(amount) for each, amount in pairs}
        self.seen = {each.station_id: Holding(amount) for each, amount in pairs}
        self.before: dict[str, int | None] = {}
        self.has_settled = False

    def change(self, station_id: str, **fields: Any) -> None:
        import msgspec

        self.seen[station_id] = msgspec.structs.replace(self.seen[station_id], **fields)

    def balance(self) -> None:
        wanted = targets(self.limit, self.members, self.strategy, self.seen)
        for station_id, limit in next_moves(self.limit, wanted, self.seen):
            holding = self.seen[station_id]
            self.before[station_id] = holding.outstanding
            self.change(station_id, outstanding=max(limit, holding.outstanding or 0), is_waiting=True)
            self.reality[station_id].waiting.append(limit)

    def step(self, kind: str, station_id: str) -> None:
        station = self.reality[station_id]
        if kind in ("take", "refuse") and station.waiting:
            limit = station.waiting.pop(0)
            if kind == "take":
                station.draws = limit
            station.answers.append((limit, kind == "take"))
        elif kind == "answer" and station.answers:
            limit, is_accepted = station.answers.pop()
            if self.seen[station_id].is_waiting and not station.waiting and not station.answers:
                if is_accepted:
                    self.change(station_id, confirmed=limit, outstanding=None, is_waiting=False)
                else:
                    self.change(station_id, outstanding=self.before[station_id], is_waiting=False, is_reachable=False)
        elif kind == "give up" and self.seen[station_id].is_waiting:
            station.waiting.clear()  # lost on the way, or taken and the answer lost
            station.answers.clear()
            self.change(station_id, is_waiting=False, is_reachable=False)
        elif kind == "come back":
            self.change(station_id, is_reachable=True)

    def check(self) -> None:
        drawn = sum(each.draws for each in self.reality.values())
        feared = sum(each.bound for each in self.seen.values())
        assert drawn <= feared, "what is feared covers what is"
        self.has_settled = self.has_settled or feared <= self.limit
        if self.has_settled:
            assert drawn <= feared <= self.limit


STEPS = st.lists(
    st.tuples(st.sampled_from(["take", "refuse", "answer", "give up", "come back", "answer"]), st.integers(0, 3)),
    max_size=60,
)
STATIONS = st.lists(
    st.tuples(st.integers(10, 320), st.integers(0, 60), st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=4
)


BEGIN = st.none() | st.lists(st.integers(0, 100), min_size=4, max_size=4)  # what they have accepted before
Steps = list[tuple[str, int]]


def run(limit: int, drawn: list[tuple[int, int, int, int]], strategy: Any, steps: Steps, begin: Any) -> None:
    world = World(limit, [Member(f"CP-{index}", *each) for index, each in enumerate(drawn)], strategy, begin)
    world.balance()
    world.check()
    for kind, index in steps:
        world.step(kind, f"CP-{index % len(drawn)}")
        world.check()
        world.balance()
        world.check()


@pytest.mark.req("SCA-19")
@given(st.integers(0, 700), STATIONS, STRATEGIES, STEPS, BEGIN)
@settings(max_examples=300, deadline=None)
def test_once_kept_the_limit_is_kept_at_every_moment(
    limit: int, drawn: list[tuple[int, int, int, int]], strategy: Any, steps: Steps, begin: Any
) -> None:
    run(limit, drawn, strategy, steps, begin)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@given(st.integers(0, 700), STATIONS, STRATEGIES, STEPS, BEGIN)
@settings(max_examples=10_000, deadline=None)
def test_ten_thousand_sites_keep_their_limits(
    limit: int, drawn: list[tuple[int, int, int, int]], strategy: Any, steps: Steps, begin: Any
) -> None:
    run(limit, drawn, strategy, steps, begin)


@given(st.integers(0, 700), STATIONS, STRATEGIES)
@settings(deadline=None)
def test_with_stations_that_say_yes_everybody_gets_its_share(
    limit: int, drawn: list[tuple[int, int, int, int]], strategy: Any
) -> None:
    stations = [Member(f"CP-{index}", *each) for index, each in enumerate(drawn)]
    world = World(limit, stations, strategy)
    for _ in range(10):
        world.balance()
        for kind in ("take", "answer"):
            for each in stations:
                world.step(kind, each.station_id)
    expected = targets(limit, stations, strategy, world.seen)
    assert {name: each.draws for name, each in world.reality.items()} == expected
