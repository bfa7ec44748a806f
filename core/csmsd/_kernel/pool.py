"""Parked tasks for the implementations that are `async def`."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Any

import outcome
import trio

from csmsd._kernel.timers import Timer, Wheel
from csmsd.errors import fault_in

GRACE = 0.5  # seconds for a job that was cancelled to end; then whoever waits hears that it is over
log = logging.getLogger("csmsd.pool")
Done = Callable[[Any, BaseException | None], None]


class IgnoresCancellation(trio.TooSlowError):
    """A job goes on although its time is over and it was cancelled: it shields itself, or swallows cancellations."""


async def _nothing() -> None:
    """What a job that is done would call."""


class Job:
    """One call of an async function; ends with exactly one `done(value, error)`, unless the pool itself ends first."""

    __slots__ = ("_done", "_pool", "args", "function", "is_abandoned", "is_cancelled", "owner", "scope", "timer")

    def __init__(
        self, pool: Pool, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...], done: Done, owner: str
    ) -> None:
        self.function, self.args, self.owner = function, args, owner
        self._pool = pool
        self._done: Done | None = done
        self.is_cancelled = False
        self.is_abandoned = False  # its task is lost to the pool until the function ends
        self.scope: trio.CancelScope | None = None  # while it runs
        self.timer: Timer

    @property
    def is_done(self) -> bool:
        """True once `done` has been called."""
        return self._done is None

    async def run(self) -> Any:
        """What its task does; TooSlowError if it was cancelled before."""
        if self.is_cancelled:
            raise trio.TooSlowError
        return await self.function(*self.args)

    def cancel(self) -> None:
        """End it with a TooSlowError, even before it runs; no effect once it is done. `done` is not called in here."""
        if self._done is not None:
            self.is_cancelled = True
            if self.scope is not None:
                self.scope.cancel()

    def expire(self) -> None:
        """Its time is over: whoever waits hears of it now, although all tasks may be busy with other jobs."""
        self.cancel()
        if self.scope is None:
            self.finish(None, trio.TooSlowError())
        else:
            self.timer = self._pool.after(GRACE, self._abandon)

    def _abandon(self) -> None:
        if self._done is not None:
            self.is_abandoned = True
            self._pool.replace_one()
            self.finish(None, IgnoresCancellation())

    def finish(self, value: Any, error: BaseException | None) -> None:
        """Report the end, once."""
        done, self._done = self._done, None
        if done is None:
            return
        self.timer.cancel()
        self.function, self.args = _nothing, ()  # a parked task remembers its last job: not that job's station as well
        try:
            done(value, error)
        except BaseException as raised:
            log.exception("completion failed", exc_info=fault_in(raised))


class Pool:
    """Runs async functions at once while a task is free, in order of arrival when all are busy.

    Whatever a job does, the pool survives. Every job starts in a fresh copy of the pool's context. Jobs of one owner
    get half of the tasks at most: a plugin whose backend hangs makes those wait who need that plugin, nobody else.
    """

    def __init__(self, nursery: trio.Nursery, wheel: Wheel, max_tasks: int = 256) -> None:
        self._nursery, self._wheel, self._max_tasks = nursery, wheel, max_tasks
        self._context = copy_context()
        self._idle: list[trio.lowlevel.Task] = []
        self._waiting: deque[Job] = deque()
        self._share = max(1, max_tasks // 2)
        self._admitted = Counter[str]()  # by owner: jobs that run or wait for a task
        self._held_back: defaultdict[str, deque[Job]] = defaultdict(deque[Job])  # by owner: what is beyond its share
        self.tasks = 0
        self.abandoned = 0  # further ones, that ignore their cancellation

    @property
    def busy(self) -> int:
        """How many tasks work now."""
        return self.tasks - len(self._idle)

    @property
    def waiting(self) -> int:
        """How many jobs wait for a task."""
        return len(self._waiting)

    def start(
        self,
        function: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        timeout: float,
        done: Done,
        owner: str = "",
        *,
        is_awaited: bool = False,
    ) -> Job:
        """Run `function(*args)`; its result goes to `done(value, error)` in the trio thread, never from in here.

        `owner` is the plugin whose function it is; "" is csmsd itself, which has no share. `is_awaited`: a task waits
        for it, which may be one of ours: it gets a task even if all are busy.
        """
        job = Job(self, function, args, done, owner)
        job.timer = self._wheel.after(timeout, job.expire)
        if owner and not is_awaited and self._admitted[owner] >= self._share:
            self._held_back[owner].append(job)
        else:
            self._admit(job, is_awaited=is_awaited)
        return job

    def _admit(self, job: Job, *, is_awaited: bool = False) -> None:
        self._admitted[job.owner] += 1
        if self._idle:
            task = self._idle.pop()
            task.context = self._context.copy()  # a context variable set by one job must not reach the next
            trio.lowlevel.reschedule(task, outcome.Value(job))
        elif self.tasks < self._max_tasks or is_awaited:
            self._spawn(job)
        else:
            self._waiting.append(job)

    def _release(self, job: Job) -> None:
        """An admitted job has ended: its owner's next one may follow."""
        self._admitted[job.owner] -= 1
        held_back = self._held_back.get(job.owner)
        while held_back:
            oldest = held_back.popleft()
            if not oldest.is_done:
                return self._admit(oldest)
        return None

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """See `Wheel.after`."""
        return self._wheel.after(seconds, callback)

    def replace_one(self) -> None:
        """A task is busy with an abandoned job, nobody knows for how long: those who wait get another."""
        self.tasks -= 1
        self.abandoned += 1
        while self._waiting and self.tasks < self._max_tasks:
            oldest = self._waiting.popleft()
            if oldest.is_done:
                self._release(oldest)
            else:
                self._spawn(oldest)

    def _spawn(self, job: Job) -> None:
        self.tasks += 1
        self._context.copy().run(self._nursery.start_soon, self._work, job)

    async def _work(self, job: Job) -> None:
        task = trio.lowlevel.current_task()
        while True:
            with trio.CancelScope() as scope:  # dear, so it serves until one of its jobs is cancelled
                while not scope.cancel_called:
                    await self._attempt(job, scope)
                    if not scope.cancel_called:
                        job = await self._next(task)
            if job.is_abandoned:  # another task has taken this one's place
                self.abandoned -= 1
                return
            job.finish(None, trio.TooSlowError())
            job = await self._next(task)

    async def _attempt(self, job: Job, scope: trio.CancelScope) -> None:
        value: Any = None
        error: BaseException | None = None
        job.scope = scope
        try:
            value = await job.run()
        except BaseException as raised:  # a job's own nursery may mix its bugs with our cancellation
            error = fault_in(raised)
        finally:
            job.scope = None
            self._release(job)
        try:
            job.finish(value, error)
        finally:
            value = error = None  # the error's traceback holds this frame: no cycle for the collector

    async def _next(self, task: trio.lowlevel.Task) -> Job:
        while self._waiting:
            oldest = self._waiting.popleft()
            if oldest.is_done:
                self._release(oldest)
            else:
                task.context = self._context.copy()
                await trio.lowlevel.cancel_shielded_checkpoint()  # the new context counts from the next step
                return oldest
        self._idle.append(task)
        job: Job = await trio.lowlevel.wait_task_rescheduled(lambda _: self._leave(task))
        return job

    def _leave(self, task: trio.lowlevel.Task) -> trio.lowlevel.Abort:
        self._idle.remove(task)
        self.tasks -= 1
        return trio.lowlevel.Abort.SUCCEEDED
