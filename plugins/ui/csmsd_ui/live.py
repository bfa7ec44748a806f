"""The event stream of a page: a set of what is dirty, rendered at most four times a second.

A subscriber costs the same however much happens: what changes ten times between two messages is rendered once, from
what is true then. A browser that does not read for ten seconds is let go and comes back.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import trio
from litestar.types import Receive, Scope, Send
from markupsafe import Markup

from csmsd.events import Event
from csmsd.host import Host
from csmsd_ui import fmt
from csmsd_ui.extension import Fragment
from csmsd_web.sse import HEADERS, Streams

log = logging.getLogger("csmsd.plugin.ui")

PACE = 0.25  # seconds between two messages
PATIENCE = 10.0  # seconds for a browser to take one
HEARTBEAT = 15.0
SETTLING = 1.5  # seconds until what was submitted without hurry is in the database
CAPACITY = 2000  # events between two messages; beyond it everything is dirty
EVERYTHING = "*"
RETRY = b"retry: 1000\n\n"


@dataclass(frozen=True, slots=True)
class Part:
    """An element of the page and what it becomes."""

    target: str  # its id
    html: Fragment
    swap: str = "outerMorph"  # or "afterbegin": put in front of what is in it


class LiveView(ABC):
    """What one kind of page wants to know, and how it shows it."""

    kinds: frozenset[str] = frozenset()
    station_id: str | None = None

    @property
    def unsettled(self) -> frozenset[str]:
        """What to render once more a moment later: it showed something that the database did not have yet."""
        return frozenset()

    @abstractmethod
    def dirtied(self, event: Event) -> Iterable[str]:
        """The names of what an event makes dirty."""

    @abstractmethod
    async def render(self, dirty: frozenset[str]) -> Sequence[Part]:
        """The newest state of it; `*` among the names: everything, events were lost."""


class LiveStream:
    """The answer to one page, as an ASGI application."""

    def __init__(self, host: Host, streams: Streams, view: LiveView, is_allowed: Callable[[], bool]) -> None:
        self._host, self._streams, self._view, self._is_allowed = host, streams, view, is_allowed
        self._dirty: set[str] = set()
        self._wake = trio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the browser leaves, its session ends, or csmsd stops."""
        self._streams.check_room()
        view = self._view
        with (
            self._host.events.watch(view.kinds, view.station_id, CAPACITY) as events,
            self._streams.lasting(),
        ):
            # Only now: whoever sees the stream begin misses nothing from then on.
            await _put(send, {"type": "http.response.start", "status": 200, "headers": HEADERS})
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_when_gone, receive, nursery.cancel_scope)
                nursery.start_soon(self._collect, events)
                await self._pump(send)
                nursery.cancel_scope.cancel()
        await _put(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _collect(self, events: trio.MemoryReceiveChannel[Event]) -> None:
        async for event in events:
            self._dirty.update((EVERYTHING,) if event.kind == "resync" else self._view.dirtied(event))
            if self._dirty:
                self._wake.set()

    async def _pump(self, send: Send) -> None:
        await _write(send, RETRY + self._clock())
        while self._is_allowed():
            unsettled = self._view.unsettled
            with trio.move_on_after(SETTLING if unsettled else HEARTBEAT) as waiting:
                await self._wake.wait()
            if waiting.cancelled_caught:
                self._dirty |= unsettled
            self._wake = trio.Event()
            dirty, self._dirty = frozenset(self._dirty), set()
            text = self._clock() if not dirty else await self._message(dirty)
            if text and not await _write(send, text):
                return
            await trio.sleep(PACE)

    async def _message(self, dirty: frozenset[str]) -> bytes:
        try:
            parts = await self._view.render(dirty)
        except Exception:
            log.exception("a page's live part could not be rendered: %s", sorted(dirty)[:5])
            return b""
        if not parts:
            return b""
        html = "".join(
            Markup('<hx-partial hx-target="#{}" hx-swap="{}">{}</hx-partial>').format(part.target, part.swap, part.html)
            for part in parts
        )
        lines = html.replace("\r", "").split("\n")
        return "".join(f"data: {line}\n" for line in lines).encode("utf-8", "replace") + b"\n"

    def _clock(self) -> bytes:
        return b"event: clock\ndata: %s\n\n" % fmt.iso(self._host.env.now()).encode()


async def _write(send: Send, text: bytes) -> bool:
    with trio.move_on_after(PATIENCE) as scope:
        await _put(send, {"type": "http.response.body", "body": text, "more_body": True})
    return not scope.cancelled_caught


async def _put(send: Send, message: Any) -> None:
    await send(message)


async def _cancel_when_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            scope.cancel()
            return
