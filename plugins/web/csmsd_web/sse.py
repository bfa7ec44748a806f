"""The live feed as server-sent events: bounded, with heartbeats, `resync` for who was too slow, a clean end."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import count
from typing import Any

import msgspec
import trio
from litestar.types import Receive, Scope, Send

from csmsd.events import Event
from csmsd.host import Host
from csmsd_web.problems import Problem

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # proxies must not wait for more
]
BACKLOG = 1000  # events that one watcher may be behind
RETRY = b"retry: 2000\n\n"  # milliseconds after which a client comes back
HEARTBEAT = b": alive\n\n"
RESYNC = b"event: resync\ndata: {}\n\n"
_encode = msgspec.json.Encoder().encode


class Streams:
    """All open streams of one csmsd."""

    def __init__(self, host: Host, limit: int, heartbeat: float) -> None:
        self.host, self.heartbeat = host, heartbeat
        self._limit, self._scopes = limit, set[trio.CancelScope]()

    def __len__(self) -> int:
        return len(self._scopes)

    def check_room(self) -> None:
        """Problem 503 if there are as many streams as there may be."""
        if len(self._scopes) >= self._limit:
            raise Problem(503, "too-many-streams", f"{self._limit} event streams are open, and more are not allowed")

    def end(self) -> None:
        """End every stream: csmsd stops."""
        for scope in self._scopes:
            scope.cancel()

    @contextmanager
    def lasting(self) -> Generator[None]:
        """The life of one stream, until `end`."""
        with trio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                yield
            finally:
                self._scopes.discard(scope)


class EventStream:
    """The answer to one watcher, as an ASGI application."""

    def __init__(
        self,
        streams: Streams,
        kinds: frozenset[str],
        station_id: str | None,
        *,
        is_allowed: Callable[[], bool],
        has_missed: bool,
    ) -> None:
        self._streams, self._kinds, self._station_id = streams, kinds, station_id
        self._is_allowed, self._has_missed = is_allowed, has_missed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the client leaves, its token is revoked or expires, or csmsd stops."""
        await _send(send, {"type": "http.response.start", "status": 200, "headers": HEADERS})
        with (
            self._streams.host.events.watch(self._kinds, self._station_id, BACKLOG) as events,
            self._streams.lasting(),
        ):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_when_gone, receive, nursery.cancel_scope)
                await self._pump(events, send)
                nursery.cancel_scope.cancel()
        await _send(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _pump(self, events: trio.MemoryReceiveChannel[Event], send: Send) -> None:
        await _send_text(send, RETRY + (RESYNC if self._has_missed else b""))
        for number in count(1):
            event = None
            with trio.move_on_after(self._streams.heartbeat):
                event = await events.receive()
            if not self._is_allowed():
                return
            await _send_text(send, HEARTBEAT if event is None else text_of(event, number))


def text_of(event: Event, number: int) -> bytes:
    """One event as it goes over the line; JSON has no line ends, and a kind has none either."""
    kind = "".join(event.kind.split())
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, kind.encode(), _encode(event))


async def _cancel_when_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            scope.cancel()
            return


async def _send_text(send: Send, text: bytes) -> None:
    await _send(send, {"type": "http.response.body", "body": text, "more_body": True})


async def _send(send: Send, message: Any) -> None:
    await send(message)
