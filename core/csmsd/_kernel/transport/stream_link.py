"""The Link over trio-websocket: the reader sends what its own messages caused; a task is started for the rest."""

from __future__ import annotations

import logging
from collections import deque

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from csmsd._kernel.transport.link import Receiver, WireLimits
from csmsd._kernel.transport.screen import Screen
from csmsd.errors import Bug

log = logging.getLogger("csmsd.trio_ws")
ABNORMAL = 1006


class StreamLink:
    """Satisfies `Link`."""

    def __init__(self, ws: WebSocketConnection, screen: Screen, nursery: trio.Nursery, limits: WireLimits) -> None:
        self._ws, self._screen, self._nursery, self._limits = ws, screen, nursery, limits
        screen.violated, screen.settle, screen.verdict = self.close, self._settle, self._verdict
        self._outbox: deque[bytes] = deque()
        self._unsent = 0  # bytes, of the message being sent too
        self._is_sending = False
        self._farewell: tuple[int, str] | None = None
        self._is_paused = False
        self._is_over = False  # nothing can be sent any more
        self._changes = trio.lowlevel.ParkingLot()  # where those wait who wait for a change of the above
        self._parted = trio.Event()
        self._reason = ""

    # -- Link: called from anywhere, never calls the receiver ---------------------------------------------

    def send(self, message: bytes) -> None:
        """Send one text message, after those before it."""
        if self._farewell is None and not self._is_over:
            self._outbox.append(message)
            self._unsent += len(message)
            self._start_sending()
            if self._unsent > self._limits.buffer_max:
                self._end("too much is unsent")

    def pause(self) -> None:
        """Call `receive` no more, for now."""
        self._is_paused = True

    def resume(self) -> None:
        """Undo `pause`."""
        self._is_paused = False
        self._changes.unpark_all()

    def close(self, code: int, reason: str) -> None:
        """Say so after what is unsent, and wait for the peer's answer within the deadline."""
        if self._farewell is None and not self._is_over:
            self._farewell = code, reason
            self._reason = f"closed with {code}: {reason}"
            self._start_sending()
            self._changes.unpark_all()

    # -- out ----------------------------------------------------------------------------------------------

    def _start_sending(self) -> None:
        if not self._is_sending:
            self._is_sending = True
            self._nursery.start_soon(self._send)

    async def _send(self) -> None:
        """Empty the outbox; there is one sender at a time, so messages keep their order."""
        try:
            while self._outbox:
                message = self._outbox.popleft()
                await self._ws.send_message(message.decode())
                self._unsent -= len(message)
        except ConnectionClosed:  # whoever reads is told as well
            self._is_over = True
            self._outbox.clear()
        self._is_sending = False
        self._changes.unpark_all()
        if self._farewell is not None and not self._parted.is_set():
            await self._part(*self._farewell)

    async def _part(self, code: int, reason: str) -> None:
        self._is_over = True
        self._screen.part()
        with trio.move_on_after(self._limits.close):
            await self._ws.aclose(code, reason)
            await self._screen.over.wait()
        self._parted.set()

    async def _settle(self) -> None:
        while self._is_sending:
            await self._changes.park()

    # -- in -----------------------------------------------------------------------------------------------

    async def serve(self, receiver: Receiver) -> None:
        """Push messages into the receiver until the end, then tell it."""
        if self._limits.ping:
            self._nursery.start_soon(self._keep_alive)
        try:
            await self._push(receiver)
        except ConnectionClosed:
            self._is_over = True
            with trio.move_on_after(self._limits.close):
                await (self._screen.over if self._farewell is None else self._parted).wait()
            self._reason = self._reason or self._epitaph()
        except Bug:
            self._reason = "internal error"
            log.exception("the connection failed")
        finally:  # before the nursery closes: nobody may send, and so start a task in it, any more
            self._is_over = True
            receiver.lost(self._reason or "server stopped")

    async def _push(self, receiver: Receiver) -> None:
        while True:
            while (self._is_paused or self._unsent > self._limits.buffer_high) and not self._is_ending():
                await self._changes.park()
            self._screen.next_message()
            message = await self._ws.get_message()
            while self._is_paused and not self._is_ending():
                await self._changes.park()
            if not self._is_ending():
                await self._deliver(receiver, message)

    async def _deliver(self, receiver: Receiver, message: str | bytes) -> None:
        """Hand over one message, and send what it caused without another task."""
        is_mine = not self._is_sending
        self._is_sending = True
        receiver.receive(message.encode() if isinstance(message, str) else message)
        if is_mine:
            await self._send()

    def _is_ending(self) -> bool:
        return self._is_over or self._farewell is not None

    # -- the end ------------------------------------------------------------------------------------------

    def _end(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._is_over = True
        self._nursery.cancel_scope.cancel()

    def _verdict(self) -> tuple[int, str]:
        closed = self._ws.closed
        return (ABNORMAL, "") if closed is None else (int(closed.code), closed.reason or "")

    def _epitaph(self) -> str:
        code, reason = self._verdict()
        if code == ABNORMAL:
            return "connection lost"
        if self._screen.last_word is not None:
            return f"closed with {code}: {reason}"
        return f"closed by the station with {code} {reason}".rstrip()

    @property
    def answers_pings(self) -> bool:
        """See Link."""
        return self._screen.has_ponged

    async def _keep_alive(self) -> None:
        """Many stations never answer a ping: those are judged by their other traffic, by others (WS-33)."""
        while True:
            await trio.sleep(max(self._limits.ping - self._limits.pong, 0.0))
            if self._is_ending():
                return
            try:
                await self._screen.ping()
            except trio.BrokenResourceError:
                return  # the reader is told as well
            await trio.sleep(self._limits.pong)
            if self._screen.has_ponged and self._screen.silence() >= self._limits.pong:
                self._end("no pong")
                return
