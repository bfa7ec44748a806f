"""Deadlines for things that are not tasks: one task for all of them, O(1) to set and to cancel."""

from __future__ import annotations

import heapq
import logging
import math
from collections.abc import Callable

import trio

from csmsd.errors import fault_in

TICK = 0.05  # seconds; deadlines here are protections, not clocks
log = logging.getLogger("csmsd.timers")


def _nothing() -> None:
    """What a cancelled timer calls."""


class Timer:
    """A callback that is due once, unless it is cancelled before."""

    __slots__ = ("_slot", "callback")

    def __init__(self, callback: Callable[[], None], slot: set[Timer]) -> None:
        self.callback, self._slot = callback, slot
        slot.add(self)

    def cancel(self) -> None:
        """Drop the callback; no effect once it has been called."""
        self._slot.discard(self)
        self.callback = _nothing  # it usually belongs to the object that holds this timer: no cycle for the collector

    def take(self) -> Callable[[], None]:
        """The callback, which is the caller's to call now."""
        callback, self.callback = self.callback, _nothing
        return callback


class Wheel:
    """Calls functions after a while, in one task that sleeps while nothing is due.

    A callback comes at most one tick late, never early; what it raises is logged. Those of one tick come in no order.
    """

    def __init__(self) -> None:
        self._slots: dict[int, set[Timer]] = {}
        self._ticks: list[int] = []  # the keys of `_slots`, as a heap
        self._next = math.inf  # the tick the task sleeps for
        self._sooner = trio.Event()

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback()`, which must not wait, in `seconds` or up to one tick later."""
        tick = int((trio.current_time() + seconds) / TICK) + 1
        slot = self._slots.get(tick)
        if slot is None:
            slot = self._slots[tick] = set()
            heapq.heappush(self._ticks, tick)
            if tick < self._next:
                self._next = tick
                self._sooner.set()
        return Timer(callback, slot)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._call_what_is_due()
            self._next = self._ticks[0] if self._ticks else math.inf
            self._sooner = trio.Event()
            with trio.move_on_at(self._next * TICK):
                await self._sooner.wait()

    def _call_what_is_due(self) -> None:
        now = trio.current_time()
        while self._ticks and self._ticks[0] * TICK <= now:
            slot = self._slots.pop(heapq.heappop(self._ticks))
            while slot:  # one at a time: a callback may cancel its neighbours
                callback = slot.pop().take()
                try:
                    callback()
                except BaseException as error:
                    log.exception("timer callback failed", exc_info=fault_in(error))
