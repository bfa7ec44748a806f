"""Backend: trio-websocket behind our own reception, screen and fence. Portable; the oracle for the reactor."""

from __future__ import annotations

import logging
import socket

import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, wrap_server_stream

from csmsd._kernel.transport.link import SUBPROTOCOL, Contexts, Door, WireLimits
from csmsd._kernel.transport.reception import Guest, Reception
from csmsd._kernel.transport.screen import Screen
from csmsd._kernel.transport.stream import SocketStream
from csmsd._kernel.transport.stream_link import StreamLink
from csmsd.errors import Bug

log = logging.getLogger("csmsd.trio_ws")

# What trio-websocket is told of an upgrade that we have judged ourselves: nothing but the key is the peer's.
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: csmsd\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: " + SUBPROTOCOL.encode() + b"\r\nSec-WebSocket-Key: %s\r\n\r\n"
)
DEFAULTS = WireLimits()


class TrioWebSocket:
    """Satisfies `Backend`. `contexts` maps the name of a listener to its TLS context, None for a plain one."""

    def __init__(self, door: Door, contexts: Contexts, limits: WireLimits = DEFAULTS) -> None:
        self._door, self._contexts, self._limits = door, contexts, limits
        self._nursery: trio.Nursery | None = None

    def adopt(self, sock: socket.socket, peer: str, listener: str) -> None:
        """Own a connected, non-blocking socket from here on; raises OSError if its peer is gone already."""
        if self._nursery is None:
            raise RuntimeError("the backend does not run yet")
        stream = SocketStream(sock, self._contexts[listener], self._limits.write)
        self._nursery.start_soon(self._serve, stream, peer, listener)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await trio.sleep_forever()

    async def _serve(self, stream: SocketStream, peer: str, listener: str) -> None:
        """One connection, fenced: whatever goes wrong in here ends here."""
        has_entered = False
        try:
            guest = await Reception(stream, self._door, self._limits, peer, listener).receive()
            if guest is not None:
                async with trio.open_nursery() as nursery:
                    link = await self._accept(nursery, stream, guest)
                    if link is not None:
                        receiver = self._door.enter(guest.request, guest.admission, link)
                        has_entered = True
                        await link.serve(receiver)
                    nursery.cancel_scope.cancel()  # trio-websocket's reader would wait for the peer
        except* (ConnectionClosed, trio.BrokenResourceError):
            log.debug("%s: left before it was in", peer)
        except* Bug:
            log.exception("%s: dropped", peer)
        finally:
            stream.close()
            if not has_entered:
                self._door.refused(peer)

    async def _accept(self, nursery: trio.Nursery, stream: SocketStream, guest: Guest) -> StreamLink | None:
        """Answer the upgrade with 101; None if that was all there was to say (WS-11)."""
        screen = Screen(stream, REQUEST % guest.key, guest.early, self._limits)
        request: WebSocketRequest = await wrap_server_stream(
            nursery, screen, max_message_size=self._limits.message_bytes, receive_buffer_size=None
        )
        if guest.admission.with_subprotocol:
            ws = await request.accept(subprotocol=SUBPROTOCOL)
            return StreamLink(ws, screen, nursery, self._limits)
        ws = await request.accept()
        screen.part()
        with trio.move_on_after(self._limits.close):
            await ws.aclose(1002, f"subprotocol {SUBPROTOCOL} is required")
        return None
