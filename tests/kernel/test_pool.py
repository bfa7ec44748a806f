"""The pool: whatever a job does, it ends with exactly one `done`, and the pool survives."""

from __future__ import annotations

import gc
import weakref
from contextvars import ContextVar
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from csmsd._kernel.pool import IgnoresCancellation, Pool
from csmsd._kernel.timers import Wheel


class Ends:
    """Collects how jobs end."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.errors: list[BaseException] = []

    def done(self, value: Any, error: BaseException | None) -> None:
        if error is None:
            self.values.append(value)
        else:
            self.errors.append(error)


@pytest.fixture
def ends() -> Ends:
    return Ends()


@pytest.fixture
async def pool(nursery: trio.Nursery) -> Pool:
    return open_pool(nursery)


def open_pool(nursery: trio.Nursery, max_tasks: int = 256) -> Pool:
    wheel = Wheel()
    nursery.start_soon(wheel.run)
    return Pool(nursery, wheel, max_tasks)


async def echo(value: Any, pause: float = 0.0) -> Any:
    await trio.sleep(pause)
    return value


async def test_an_answer_reaches_done_once(autojump_clock: MockClock, pool: Pool, ends: Ends) -> None:
    pool.start(echo, (7,), 5, ends.done)
    assert ends.values == []  # never from within start
    await trio.sleep(20)
    assert ends.values == [7]
    assert ends.errors == []


async def test_a_parked_task_is_used_again(autojump_clock: MockClock, pool: Pool, ends: Ends) -> None:
    for number in range(10):
        pool.start(echo, (number,), 5, ends.done)
        await wait_all_tasks_blocked()
    await trio.sleep(1)
    assert pool.tasks <= 2
    assert pool.busy == 0
    assert ends.values == list(range(10))


@pytest.mark.parametrize("bug", [ValueError("x"), SystemExit("x"), RecursionError(), ExceptionGroup("x", [OSError()])])
async def test_a_bug_is_an_end_like_any_other(
    autojump_clock: MockClock, pool: Pool, ends: Ends, bug: BaseException
) -> None:
    async def fail() -> None:
        raise bug

    pool.start(fail, (), 5, ends.done)
    await trio.sleep(1)
    pool.start(echo, (1,), 5, ends.done)
    await trio.sleep(1)
    assert len(ends.errors) == 1
    assert ends.values == [1]


async def test_a_slow_job_ends_too_slow(autojump_clock: MockClock, pool: Pool, ends: Ends) -> None:
    pool.start(trio.sleep_forever, (), 5, ends.done)
    await trio.sleep(4.9)
    assert ends.errors == []
    await trio.sleep(0.3)
    assert isinstance(ends.errors[0], trio.TooSlowError)
    await trio.sleep(20)
    assert len(ends.errors) == 1


async def test_a_job_may_be_cancelled_before_it_runs(autojump_clock: MockClock, pool: Pool, ends: Ends) -> None:
    ran: list[int] = []

    async def run() -> None:
        ran.append(1)

    pool.start(run, (), 5, ends.done).cancel()
    assert ends.errors == []  # never from within cancel
    await trio.sleep(1)
    assert ran == []
    assert isinstance(ends.errors[0], trio.TooSlowError)


async def test_cancelling_a_job_that_is_done_has_no_effect(autojump_clock: MockClock, pool: Pool, ends: Ends) -> None:
    job = pool.start(echo, (1,), 5, ends.done)
    await trio.sleep(1)
    pool.start(echo, (2, 3), 5, ends.done)
    await trio.sleep(1)
    job.cancel()
    await trio.sleep(10)
    assert ends.values == [1, 2]
    assert ends.errors == []


async def test_a_cancelled_job_does_not_cancel_the_next_one_in_its_task(
    autojump_clock: MockClock, pool: Pool, ends: Ends
) -> None:
    for _ in range(5):
        job = pool.start(trio.sleep_forever, (), 50, ends.done)
        await wait_all_tasks_blocked()
        job.cancel()
        await trio.sleep(0.1)
        pool.start(echo, (1, 1), 5, ends.done)
        await trio.sleep(2)
    assert ends.values == [1] * 5
    assert len(ends.errors) == 5
    assert pool.tasks == 1


async def test_no_context_variable_reaches_the_next_job(autojump_clock: MockClock, pool: Pool, ends: Ends) -> None:
    variable = ContextVar("variable", default="clean")

    async def look(value: str) -> str:
        seen = variable.get()
        variable.set(value)
        return seen

    for number in range(3):
        pool.start(look, (str(number),), 5, ends.done)
        await trio.sleep(1)
    assert ends.values == ["clean"] * 3


async def test_waiting_jobs_start_clean_and_in_order_of_arrival(
    autojump_clock: MockClock, nursery: trio.Nursery, ends: Ends
) -> None:
    variable = ContextVar("variable", default="clean")
    pool, begun = open_pool(nursery, max_tasks=2), list[tuple[int, str]]()

    async def work(number: int) -> None:
        begun.append((number, variable.get()))
        variable.set("dirty")
        await trio.sleep(1 + number / 100)

    for number in range(8):
        pool.start(work, (number,), 60, ends.done)
    assert pool.waiting == 6
    await trio.sleep(30)
    assert sorted(begun[:2]) == [(0, "clean"), (1, "clean")]  # trio starts tasks of one batch in any order
    assert begun[2:] == [(number, "clean") for number in range(2, 8)]
    assert pool.tasks == 2


async def test_a_job_that_waits_too_long_for_a_task_is_reported_in_time(
    autojump_clock: MockClock, nursery: trio.Nursery, ends: Ends
) -> None:
    pool = open_pool(nursery, max_tasks=1)
    pool.start(trio.sleep_forever, (), 100, lambda *_: None)
    pool.start(echo, (1,), 5, ends.done)
    await trio.sleep(6)
    assert isinstance(ends.errors[0], trio.TooSlowError)
    await trio.sleep(100)
    pool.start(echo, (2,), 5, ends.done)
    await trio.sleep(1)
    assert ends.values == [2]
    assert len(ends.errors) == 1


async def test_bugs_mixed_with_our_cancellation_end_too_slow(autojump_clock: MockClock, pool: Pool, ends: Ends) -> None:
    async def stubborn() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("while it was cancelled")

    async def mixed() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stubborn)
            nursery.start_soon(trio.sleep_forever)

    pool.start(mixed, (), 1, ends.done)
    await trio.sleep(3)
    assert [type(error) for error in ends.errors] == [trio.TooSlowError]
    pool.start(echo, (1,), 5, ends.done)
    await trio.sleep(1)
    assert ends.values == [1]


async def test_a_failing_completion_is_logged(
    autojump_clock: MockClock, pool: Pool, ends: Ends, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("completion")

    pool.start(echo, (1,), 5, fail)
    await trio.sleep(1)
    pool.start(echo, (2,), 5, ends.done)
    await trio.sleep(1)
    assert "completion failed" in caplog.text
    assert ends.values == [2]


async def test_the_pool_ends_with_its_nursery(autojump_clock: MockClock, ends: Ends) -> None:
    async with trio.open_nursery() as nursery:
        pool = open_pool(nursery)
        pool.start(trio.sleep_forever, (), 50, ends.done)
        pool.start(echo, (1,), 50, ends.done)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert ends.values == [1]


async def test_a_job_that_is_started_while_the_pool_ends_harms_nobody(autojump_clock: MockClock, ends: Ends) -> None:
    async def start_late(pool: Pool) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
            pool.start(echo, (2,), 5, ends.done)

    async with trio.open_nursery() as nursery:
        pool = open_pool(nursery)
        nursery.start_soon(start_late, pool)
        pool.start(echo, (1,), 5, ends.done)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert ends.values == [1]


class _Station:
    """Something that a job's arguments hold."""


@pytest.mark.parametrize("is_broken", [False, True])
async def test_a_finished_job_holds_nothing(autojump_clock: MockClock, pool: Pool, is_broken: bool) -> None:
    async def work(station: _Station) -> None:
        await trio.lowlevel.checkpoint()
        if is_broken:
            raise ValueError

    station = _Station()
    gone = weakref.ref(station)
    gc.collect()
    gc.disable()
    try:
        job = pool.start(work, (station,), 5, lambda *_: None)
        del station
        await trio.sleep(1)
        assert job.is_done
        assert gone() is None
    finally:
        gc.enable()


@given(
    st.lists(
        st.tuples(st.sampled_from(["answer", "raise", "slow", "nursery"]), st.sampled_from([None, 0.0, 0.5, 1.0])),
        max_size=30,
    ),
    st.integers(1, 4),
)
def test_every_job_ends_exactly_once(jobs: list[tuple[str, float | None]], max_tasks: int) -> None:
    """`None`: it is left alone; a number: it is cancelled after so many seconds."""

    async def work(kind: str) -> str:
        await trio.sleep(0.7)
        if kind == "raise":
            raise ValueError
        if kind == "slow":
            await trio.sleep_forever()
        if kind == "nursery":
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                raise SystemExit
        return kind

    async def main() -> None:
        counts = [0] * len(jobs)

        def count(number: int) -> None:
            counts[number] += 1

        async with trio.open_nursery() as nursery:
            pool = open_pool(nursery, max_tasks)
            for number, (kind, cancelled_after) in enumerate(jobs):
                job = pool.start(work, (kind,), 3, lambda _v, _e, number=number: count(number))  # type: ignore[misc]  # default argument of a lambda
                if cancelled_after == 0:
                    job.cancel()
                elif cancelled_after is not None:
                    pool._wheel.after(cancelled_after, job.cancel)
            await trio.sleep(60)
            assert pool.busy == 0
            assert pool.waiting == 0
            assert pool.tasks <= max_tasks
            nursery.cancel_scope.cancel()
        assert counts == [1] * len(jobs)

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def test_one_owner_gets_half_of_the_tasks(autojump_clock: MockClock, nursery: trio.Nursery, ends: Ends) -> None:
    pool, others = open_pool(nursery, max_tasks=4), Ends()
    for _ in range(10):
        pool.start(trio.sleep_forever, (), 5, ends.done, "hangs")
    for number in range(4):
        pool.start(echo, (number, 1), 5, others.done, f"owner {number}")
    await trio.sleep(2.1)
    assert sorted(others.values) == [0, 1, 2, 3]
    await trio.sleep(3)
    assert len(ends.errors) == 10  # each hears of its end in time, also those that never began
    pool.start(echo, (7,), 5, ends.done, "hangs")
    await trio.sleep(1)
    assert ends.values == [7]


async def test_what_is_held_back_follows_in_order(autojump_clock: MockClock, nursery: trio.Nursery, ends: Ends) -> None:
    pool = open_pool(nursery, max_tasks=4)
    for number in range(9):
        pool.start(echo, (number, 1), 60, ends.done, "busy")
    await trio.sleep(1.1)
    assert sorted(ends.values) == [0, 1]
    await trio.sleep(4)
    assert sorted(ends.values) == list(range(9))
    assert pool.busy == pool.waiting == 0


async def test_csmsd_itself_has_no_share(autojump_clock: MockClock, nursery: trio.Nursery, ends: Ends) -> None:
    pool = open_pool(nursery, max_tasks=4)
    for number in range(4):
        pool.start(echo, (number, 1), 60, ends.done)
    await trio.sleep(1.1)
    assert sorted(ends.values) == [0, 1, 2, 3]


async def test_whoever_waits_for_a_job_that_ignores_its_cancellation_is_told(
    autojump_clock: MockClock, nursery: trio.Nursery, ends: Ends
) -> None:
    pool, released = open_pool(nursery, max_tasks=1), trio.Event()

    async def ignore() -> str:
        with trio.CancelScope(shield=True):
            await released.wait()
        return "far too late"

    pool.start(ignore, (), 5, ends.done)
    pool.start(echo, (1,), 8, ends.done)
    await trio.sleep(5.3)
    assert ends.errors == []
    await trio.sleep(0.5)
    assert [type(error) for error in ends.errors] == [IgnoresCancellation]
    assert ends.values == [1]  # another task has taken its place
    assert (pool.tasks, pool.abandoned) == (1, 1)
    released.set()
    await trio.sleep(1)
    assert ends.values == [1]
    assert (pool.tasks, pool.busy, pool.abandoned) == (1, 0, 0)


async def test_a_job_that_a_task_waits_for_gets_a_task_in_any_case(
    autojump_clock: MockClock, nursery: trio.Nursery, ends: Ends
) -> None:
    pool = open_pool(nursery, max_tasks=1)
    pool.start(trio.sleep_forever, (), 100, lambda *_: None)
    pool.start(echo, (1,), 5, ends.done, is_awaited=True)
    await trio.sleep(1)
    assert ends.values == [1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit])
async def test_what_is_not_the_jobs_fault_goes_its_way(
    autojump_clock: MockClock, ends: Ends, error: type[BaseException]
) -> None:
    async def interrupted() -> None:
        raise error

    async def work() -> None:
        async with trio.open_nursery() as nursery:
            open_pool(nursery).start(interrupted, (), 5, ends.done)
            await trio.sleep(1)

    with pytest.raises(BaseExceptionGroup) as caught:
        await work()
    assert caught.group_contains(error)
    assert ends.errors == []


async def test_a_job_that_ignores_its_cancellation_counts_in_its_owners_share(
    autojump_clock: MockClock, nursery: trio.Nursery, ends: Ends
) -> None:
    pool, released = open_pool(nursery, max_tasks=4), trio.Event()

    async def ignore() -> None:
        with trio.CancelScope(shield=True):
            await released.wait()

    for _ in range(6):
        pool.start(ignore, (), 5, ends.done, "stubborn")
    await trio.sleep(6)
    assert pool.abandoned == 2  # not one more, however many are asked for
    assert len(ends.errors) == 6
    released.set()
    await trio.sleep(1)
    pool.start(echo, (7,), 5, ends.done, "stubborn")
    await trio.sleep(1)
    assert ends.values == [7]
