"""Async work that plain code starts: its result is a Pending, and it ends with the plugin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from csmsd.errors import Bug, PluginError
from csmsd.pending import Pending

T = TypeVar("T")
A = TypeVar("A")


class Background:
    """The tasks of one plugin instance."""

    def __init__(self) -> None:
        self._nursery: trio.Nursery | None = None

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Run what is started, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def start(self, function: Callable[[A], Awaitable[T]], argument: A) -> Pending[T]:
        """Call an async function soon; what it raises becomes the error."""
        pending: Pending[T] = Pending()

        async def run() -> None:
            try:
                pending.settle(await function(argument))
            except trio.Cancelled:
                pending.settle(error=PluginError("the Core profile was stopped"))
                raise
            except Bug as error:
                pending.settle(error=error)

        if self._nursery is None:
            pending.settle(error=PluginError("the Core profile is not running"))
        else:
            self._nursery.start_soon(run)
        return pending
