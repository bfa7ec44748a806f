"""Slow hashes run in a few threads behind a short queue: what does not fit is refused, not piled up (WS-42)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import trio

from csmsd.errors import Bug
from csmsd.pending import Pending

T = TypeVar("T")
log = logging.getLogger("csmsd.door")


class HashingBusyError(Exception):
    """Too many hashes are waited for, or this one waited for too long."""


class _Job(NamedTuple):
    function: Callable[[], Any]
    pending: Pending[Any]
    deadline: float


class Hashing:
    """Runs expensive functions one per thread. `inline`: at once and in the trio thread, for virtual time."""

    def __init__(self, *, threads: int = 2, queue: int = 128, patience: float = 5.0, inline: bool = False) -> None:
        self._threads, self._patience, self._is_inline = threads, patience, inline
        self._jobs, self._arriving = trio.open_memory_channel[_Job](queue)

    def submit(self, function: Callable[[], T]) -> Pending[T]:
        """The result of `function()`; settles with HashingBusyError when there is no room or no thread in time."""
        pending: Pending[T] = Pending()
        job = _Job(function, pending, trio.current_time() + self._patience)
        if self._is_inline:
            _settle(job, *_run(function))
        else:
            try:
                self._jobs.send_nowait(job)
            except trio.WouldBlock:
                pending.settle(error=HashingBusyError("too many passwords are being checked"))
        return pending

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled."""
        limiter = trio.CapacityLimiter(self._threads)
        async with trio.open_nursery() as nursery:
            for _ in range(self._threads):
                nursery.start_soon(self._work, limiter)
            task_status.started()

    async def _work(self, limiter: trio.CapacityLimiter) -> None:
        async for job in self._arriving:
            if trio.current_time() > job.deadline:  # who asked has been given up by now
                job.pending.settle(error=HashingBusyError("the password was not checked in time"))
            else:
                _settle(
                    job, *await trio.to_thread.run_sync(_run, job.function, limiter=limiter, abandon_on_cancel=True)
                )


def _run(function: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return function(), None
    except Bug as error:
        return None, error


def _settle(job: _Job, value: Any, error: BaseException | None) -> None:
    try:
        job.pending.settle(value, error)
    except Bug:
        log.exception("what waited for a password check failed")
