"""Background work of plugins: each service in its own scope and nursery, restarted when it crashes."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from csmsd.errors import PluginError, fault_in, in_words, only_one_in

FIRST_PAUSE = 1.0  # seconds before the first restart; doubled by each further crash
PATIENCE = 5.0  # seconds for a service to end when it is told to
LONGEST_PAUSE = 60.0  # a service that has run for so long begins with the first pause again
log = logging.getLogger("csmsd.supervisor")

Serve = Callable[..., Awaitable[Any]]  # called with `task_status`
Crashed = Callable[[BaseException], None]


class _Service:
    """One service, from its start to its end."""

    __slots__ = ("crashed", "ended", "name", "scope", "serve")

    def __init__(self, name: str, serve: Serve, crashed: Crashed) -> None:
        self.name, self.serve, self.crashed = name, serve, crashed
        self.scope, self.ended = trio.CancelScope(), trio.Event()

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        try:
            with self.scope:
                await self._keep_running(task_status)
        finally:
            self.ended.set()

    async def _keep_running(self, task_status: trio.TaskStatus[None]) -> None:
        pause, is_started = FIRST_PAUSE, False

        def started() -> None:
            nonlocal is_started
            if not is_started:
                is_started = True
                task_status.started()

        while True:
            began = trio.current_time()
            error = await self._run_once(started)
            if error is None:
                return
            if not is_started:
                raise PluginError(f"{self.name} did not start: {in_words(error)}") from error
            if trio.current_time() - began >= LONGEST_PAUSE:
                pause = FIRST_PAUSE
            log.error("%s crashed: it starts again in %g s", self.name, pause, exc_info=error)
            self.crashed(error)
            await trio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _run_once(self, started: Callable[[], None]) -> BaseException | None:
        """Serve until the end; what it crashed with, or None."""
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.serve)
                started()
        except BaseException as error:  # bugs may come with a cancellation of our own
            return only_one_in(fault_in(error))
        return None


class Supervisor:
    """Runs the services of one csmsd in its nursery."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._services: dict[str, _Service] = {}

    async def start(self, name: str, serve: Serve, crashed: Crashed) -> None:
        """Start a service and wait until it says so; a crash before that is a PluginError with its name."""
        await self.stop(name)
        service = self._services[name] = _Service(name, serve, crashed)
        try:
            await self._nursery.start(service.run)
        except BaseException:
            self._services.pop(name, None)
            raise

    def cancel(self, name: str) -> None:
        """End a service, without waiting for the end."""
        if name in self._services:
            self._services[name].scope.cancel()

    async def stop(self, name: str) -> None:
        """End a service and wait until it has ended; no effect if there is none of that name.

        One that ignores that it is cancelled is named and left behind: nobody waits for it but csmsd's own end.
        """
        service = self._services.get(name)
        if service is not None:
            service.scope.cancel()
            with trio.move_on_after(PATIENCE):
                await service.ended.wait()
            if service.ended.is_set():
                self._services.pop(name, None)
            else:
                log.error("%s ignores that it is cancelled: it goes on, and holds up the end of csmsd", name)

    def lingering(self) -> list[str]:
        """Services that go on after they were told to end, or while all of them are."""
        is_over = self._nursery.cancel_scope.cancel_called
        return [
            name
            for name, service in self._services.items()
            if not service.ended.is_set() and (is_over or service.scope.cancel_called)
        ]

    def is_running(self, name: str) -> bool:
        """True from the call of `start` until the service has ended."""
        return name in self._services and not self._services[name].ended.is_set()
