"""Time for simulated stations: one heap of timers for all stations of a process."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from datetime import datetime

import trio

from csmsd.env import utc_now


class Timer:
    """A callback in the future."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """It will not be called."""
        self.callback = None


class Clock:
    """Tells the time and calls back. Virtual time works by itself where trio's clock and `now` are virtual."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self.now = now
        self._heap: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._changed = trio.Event()

    def monotonic(self) -> float:
        """Seconds."""
        return trio.current_time()

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call a plain function after a while; with 0, after what happens now has ended."""
        timer = Timer(callback)
        heapq.heappush(self._heap, (self.monotonic() + seconds, next(self._numbers), timer))
        self._changed.set()
        return timer

    async def run(self) -> None:
        """Call what is due, until cancelled."""
        while True:
            self._changed = trio.Event()
            while self._heap and self._heap[0][0] <= self.monotonic():
                callback = heapq.heappop(self._heap)[2].callback
                if callback is not None:
                    callback()
            deadline = self._heap[0][0] if self._heap else float("inf")
            with trio.move_on_at(deadline):
                await self._changed.wait()
            await trio.lowlevel.checkpoint()
