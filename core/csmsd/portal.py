"""csmsd for programs that live in asyncio: a thread of its own, and a typed way in.

trio and asyncio cannot share a thread as equals, so csmsd gets one of its own; `Portal.call` runs a function there and
brings its result back. Everything that `Host` leads to belongs to that thread: use it in such functions, and return
plain values.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Concatenate, ParamSpec, TypeVar

import trio

from csmsd.app import open_csms
from csmsd.config import Config
from csmsd.env import Env
from csmsd.errors import CsmsdError
from csmsd.events import Event
from csmsd.host import Host
from csmsd.plugin import Plugin

P = ParamSpec("P")
T = TypeVar("T")


class CsmsdStopped(CsmsdError):
    """csmsd has ended, or is ending: nothing can be asked of it any more."""


@asynccontextmanager
async def open_portal(
    config: Config | None = None,
    *,
    plugins: Sequence[str | type[Plugin[Any]]] | None = None,
    env: Env | None = None,
) -> AsyncGenerator[Portal, None]:
    """`open_csms` for asyncio: csmsd runs in a thread until the block ends, however it ends.

    Errors before the block are those of `open_csms`. Cancelling the task that is in the block sends the stations away
    first, within `limits.drain_timeout`. If csmsd itself breaks, calls raise CsmsdStopped, and its end the reason.
    """
    loop = asyncio.get_running_loop()
    opened, ended = loop.create_future(), loop.create_future()
    portal = Portal(loop)

    def run() -> None:
        error: BaseException | None = None
        try:
            trio.run(portal.serve, opened, config, plugins, env)
        except BaseException as raised:
            error = raised
        portal.tell(_settle, opened, None, error or CsmsdStopped("csmsd was called off before it had started"))
        portal.tell(_settle, ended, None, error)

    thread = threading.Thread(target=run, name="csmsd")
    thread.start()
    try:
        await opened
        yield portal
    finally:
        portal.stop()
        try:
            await _outlast(ended)
        finally:
            thread.join()  # it has said that it is at its end


class Portal:
    """The way from an asyncio program into its csmsd, for the loop that has opened it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._life = trio.CancelScope()
        self._token: trio.lowlevel.TrioToken | None = None  # None until csmsd's thread has begun
        self._is_called_off = False
        self._host: Host | None = None
        self._nursery: trio.Nursery | None = None  # of the calls, while they can be answered

    async def call(
        self, function: Callable[Concatenate[Host, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `await function(host, ...)` in csmsd's thread: its result, or what it raises.

        If the asyncio task is cancelled, so is the function. CsmsdStopped if csmsd ends before there is a result.
        """
        result: asyncio.Future[T] = self._loop.create_future()
        scope = trio.CancelScope()

        async def run(host: Host) -> None:
            value: Any = None
            error: BaseException = CsmsdStopped("csmsd has ended before there was a result")
            try:
                with scope:
                    value = await function(host, *args, **kwargs)
                    self.tell(_settle, result, value, None)
            except Exception as raised:
                error = raised
            finally:
                self.tell(_settle, result, None, error)

        def start() -> None:
            if self._nursery is None or self._host is None:
                self.tell(_settle, result, None, CsmsdStopped("csmsd has ended"))
            else:
                self._nursery.start_soon(run, self._host)

        self._in_trio(start)
        try:
            return await result
        except asyncio.CancelledError:
            with suppress(CsmsdStopped):
                self._in_trio(scope.cancel)
            raise

    async def events(
        self, kinds: frozenset[str] = frozenset(), station_id: str | None = None, capacity: int = 1000
    ) -> AsyncGenerator[Event, None]:
        """The live feed, as `host.events.watch` gives it; `contextlib.aclosing` ends it in time."""

        async def begin(host: Host) -> tuple[Any, trio.MemoryReceiveChannel[Event]]:
            await trio.lowlevel.checkpoint()
            watching = host.events.watch(kinds, station_id, capacity)
            return watching, watching.__enter__()

        async def end(_: Host) -> None:
            await trio.lowlevel.checkpoint()
            watching.__exit__(None, None, None)

        watching, feed = await self.call(begin)
        try:
            while True:
                yield await self.call(lambda _: feed.receive())
        except CsmsdStopped:
            return
        finally:
            with suppress(CsmsdStopped):
                await self.call(end)

    # -- for open_portal ----------------------------------------------------------------------------------

    async def serve(self, opened: asyncio.Future[None], config: Config | None, plugins: Any, env: Env | None) -> None:
        """Csmsd's life, in its own thread; `opened` hears of the start."""
        self._token = trio.lowlevel.current_trio_token()
        if self._is_called_off:
            self._life.cancel()
        with self._life:
            async with open_csms(config, plugins=plugins, env=env) as host, trio.open_nursery() as nursery:
                self._host, self._nursery = host, nursery
                try:
                    self.tell(_settle, opened, None, None)
                    await trio.sleep_forever()
                finally:
                    self._nursery = None

    def stop(self) -> None:
        """Send the stations away and end."""
        self._is_called_off = True
        if self._token is not None:
            with suppress(CsmsdStopped):
                self._in_trio(self._life.cancel)

    def _in_trio(self, function: Callable[[], object]) -> None:
        if self._token is None:
            raise CsmsdStopped("csmsd has not started")
        try:
            self._token.run_sync_soon(function)
        except trio.RunFinishedError:
            raise CsmsdStopped("csmsd has ended") from None

    def tell(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function in the loop, from csmsd's thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(function, *args)


def _settle(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    """Once; what comes later, or after whoever waited has been cancelled, counts for nothing."""
    if not future.done():
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


async def _outlast(ended: asyncio.Future[None]) -> None:
    """Wait for csmsd's end even if that is called off: it takes no longer than it takes to send stations away."""
    called_off: asyncio.CancelledError | None = None
    while not ended.done():
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError as error:
            called_off = error
        except BaseException:  # what ended with: it is raised below
            break
    if called_off is not None:
        raise called_off
    ended.result()
