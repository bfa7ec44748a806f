"""The wheel: one task for all deadlines."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from csmsd._kernel.timers import TICK, Timer, Wheel


@pytest.fixture
async def wheel(nursery: trio.Nursery) -> Wheel:
    wheel = Wheel()
    nursery.start_soon(wheel.run)
    return wheel


async def test_a_timer_is_never_early_and_at_most_two_ticks_late(autojump_clock: MockClock, wheel: Wheel) -> None:
    fired: list[tuple[float, float]] = []
    for number in range(200):
        due = trio.current_time() + number * 0.0137
        wheel.after(number * 0.0137, lambda due=due: fired.append((due, trio.current_time())))  # type: ignore[misc]  # mypy cannot infer default arguments of a lambda
    await trio.sleep(10)
    assert len(fired) == 200
    assert all(due <= at <= due + 2 * TICK for due, at in fired)


async def test_a_cancelled_timer_is_silent(autojump_clock: MockClock, wheel: Wheel) -> None:
    fired: list[int] = []
    timers = [wheel.after(1, lambda: fired.append(1)) for _ in range(10)]
    for timer in timers:
        timer.cancel()
        timer.cancel()
    await trio.sleep(5)
    assert fired == []


async def test_a_sooner_timer_wakes_the_sleeping_wheel(autojump_clock: MockClock, wheel: Wheel) -> None:
    at: list[float] = []
    wheel.after(1000, lambda: at.append(math.inf))
    await trio.sleep(1)
    began = trio.current_time()
    wheel.after(1, lambda: at.append(trio.current_time() - began))
    await trio.sleep(2)
    assert at == [pytest.approx(1, abs=2 * TICK)]


async def test_a_failing_callback_stops_no_other(
    autojump_clock: MockClock, wheel: Wheel, caplog: pytest.LogCaptureFixture
) -> None:
    fired: list[int] = []

    def fail() -> None:
        raise SystemExit("broken")

    for number in range(10):
        wheel.after(1, fail)
        wheel.after(1, lambda number=number: fired.append(number))  # type: ignore[misc]  # as above
    await trio.sleep(2)
    assert sorted(fired) == list(range(10))
    assert caplog.text.count("timer callback failed") == 10


async def test_a_callback_may_set_and_cancel_timers(autojump_clock: MockClock, wheel: Wheel) -> None:
    fired: list[str] = []
    timers: list[Timer] = []

    def first() -> None:
        if not fired:
            fired.append("one")
            for timer in timers:
                timer.cancel()
            wheel.after(0, lambda: fired.append("later"))

    timers += [wheel.after(1, first) for _ in range(5)]
    await trio.sleep(2)
    assert fired == ["one", "later"]


async def test_a_wheel_with_nothing_due_sleeps(autojump_clock: MockClock, wheel: Wheel) -> None:
    class Steps(trio.abc.Instrument):
        count = 0

        def before_task_step(self, task: trio.lowlevel.Task) -> None:
            self.count += 1

    steps = Steps()
    wheel.after(100_000, lambda: None)
    await wait_all_tasks_blocked()
    trio.lowlevel.add_instrument(steps)
    await trio.sleep(80_000)
    trio.lowlevel.remove_instrument(steps)
    assert steps.count < 10


def test_no_timer_holds_what_its_callback_holds() -> None:
    """Neither a fired nor a cancelled one: requests must not wait for the collector."""

    class Owner:
        def __init__(self, wheel: Wheel, gone: Callable[[], None]) -> None:
            self.gone = gone
            self.timer = wheel.after(0.01, self.due)

        def due(self) -> None:
            pass

        def __del__(self) -> None:
            self.gone()

    async def main() -> None:
        wheel, gone = Wheel(), [0]

        def count() -> None:
            gone[0] += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wheel.run)
            Owner(wheel, count).timer.cancel()
            assert gone == [1]
            Owner(wheel, count)
            await trio.sleep(3 * TICK)
            assert gone == [2]
            nursery.cancel_scope.cancel()

    gc.disable()
    try:
        trio.run(main)
    finally:
        gc.enable()


@given(st.lists(st.tuples(st.floats(0, 50), st.booleans()), max_size=60))
def test_in_a_storm_exactly_the_timers_that_stand_fire_in_order(storm: list[tuple[float, bool]]) -> None:
    async def main() -> None:
        wheel, fired = Wheel(), list[float]()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wheel.run)
            for seconds, is_cancelled in storm:
                timer = wheel.after(seconds, lambda seconds=seconds: fired.append(seconds))  # type: ignore[misc]  # as above
                if is_cancelled:
                    timer.cancel()
            await trio.sleep(60)
            nursery.cancel_scope.cancel()
        assert sorted(fired) == sorted(seconds for seconds, is_cancelled in storm if not is_cancelled)
        assert all(later >= earlier - 2 * TICK for earlier, later in pairwise(fired))

    trio.run(main, clock=MockClock(autojump_threshold=0))
