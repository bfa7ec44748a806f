"""What stands between a socket and trio-websocket: it lets through one vetted frame at a time.

trio-websocket counts characters, not bytes; it limits neither fragments nor frames; it answers a Close before the
message in front of it, and a violation not at all. All of that is settled here, with its public interface only: it
never sees a byte of the peer's request, and no frame whose header breaks the protocol or a limit.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import trio

from csmsd._kernel.transport.link import WireLimits
from csmsd._kernel.transport.stream import SocketStream
from csmsd._kernel.transport.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FINAL,
    OPCODES,
    PING,
    PONG,
    RESERVED,
    Violation,
    close_frame,
    frame,
)

MASKED = 0x80
SHORTEST_BRAKE = 0.05  # seconds; one pause for many frames


class Header(NamedTuple):
    """The header of a frame from the peer; sizes in bytes."""

    opcode: int
    is_final: bool
    payload: int
    whole: int  # the frame, header included


def read_header(data: bytes | bytearray) -> Header | None:
    """The header `data` begins with, None if it is cut off; raises Violation."""
    if len(data) < 2:
        return None
    opcode, payload, start = data[0] & 15, data[1] & 127, 6
    if data[0] & RESERVED or opcode not in OPCODES:
        raise Violation(1002, "reserved bits or opcode")
    if not data[1] & MASKED:
        raise Violation(1002, "frame is not masked")
    is_final = bool(data[0] & FINAL)
    if opcode >= CLOSE and (payload > 125 or not is_final):
        raise Violation(1002, "control frame is too long or fragmented")
    if payload >= 126:
        width, shortest = (2, 126) if payload == 126 else (8, 65_536)
        start += width
        if len(data) < 2 + width:
            return None
        payload = int.from_bytes(data[2 : 2 + width], "big")
        if payload < shortest or payload >> 63:
            raise Violation(1002, "length is not minimal")
    return Header(opcode, is_final, payload, start + payload)


class Screen(trio.abc.Stream):
    """The stream that trio-websocket is given. Whoever owns it sets the callbacks before `next_message`."""

    def __init__(self, stream: SocketStream, request: bytes, early: bytes, limits: WireLimits) -> None:
        self._stream, self._limits = stream, limits
        self._request = request  # of our own making; comes first
        self._buffer = bytearray(early)
        self._header: Header | None = None  # of the frame that `_buffer` begins with, once it is known and vetted
        self._fragments = 0  # of the message that has begun
        self._message_bytes = 0
        self._patience = limits.message  # seconds that we shall still wait for the rest of a message
        self._turn = trio.Event()  # may another frame pass?
        self._is_parting = False
        self._has_parted = False
        self._sending = trio.StrictFIFOLock()
        self._credit = float(limits.events_per_second)
        self._credited_at = trio.current_time()
        self._listening_since = math.inf
        self.has_ponged = False
        self.over = trio.Event()  # no more bytes either way
        self.last_word: tuple[int, str] | None = None  # the Close we sent because trio-websocket would not
        self.violated: Callable[[int, str], None] = lambda _code, _reason: None
        self.settle: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint  # waits until what is to be sent is sent
        self.verdict: Callable[[], tuple[int, str]] = lambda: (1011, "")  # why trio-websocket closes the stream

    def next_message(self) -> None:
        """The message that passed last has been dealt with."""
        self._turn.set()

    def part(self) -> None:
        """From now on only the peer's Close passes."""
        self._is_parting = True
        self._turn.set()

    def silence(self) -> float:
        """Seconds that we have been listening and heard nothing; 0 while we do not listen."""
        return max(0.0, trio.current_time() - self._listening_since)

    async def ping(self) -> None:
        """trio-websocket would remember each ping until its pong, so for ever with many stations."""
        await self.send_all(frame(PING, b""))

    # -- what trio-websocket reads ------------------------------------------------------------------------

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Our own request, then whole frames, then the end."""
        if self._request:
            request, self._request = self._request, b""
            return request
        await self._turn.wait()
        try:
            data = await self._next_frame()
        except Violation as violation:
            self.violated(violation.code, violation.reason)
            data = await self._skip_to_the_end()
        except trio.BrokenResourceError:
            self.over.set()
            raise
        if not data:
            self.over.set()
        return data

    async def _next_frame(self) -> bytes:
        while True:
            if self._header is None:
                self._header = self._vet(read_header(self._buffer))
            header = self._header
            if header is None or len(self._buffer) < header.whole:
                if not await self._read():
                    return b""
                continue
            data = bytes(self._buffer[: header.whole])
            del self._buffer[: header.whole]
            self._header = None
            await self._brake()
            if header.opcode == CLOSE:
                await self.settle()
                return data
            self._note(header)
            if not self._is_parting:
                return data

    def _vet(self, header: Header | None) -> Header | None:
        if header is None or header.opcode >= CLOSE:
            return header
        if header.opcode == BINARY:
            raise Violation(1003, "OCPP-J is text")
        if (header.opcode == CONTINUATION) != (self._fragments > 0):
            raise Violation(1002, "fragments are out of order")
        if self._message_bytes + header.payload > self._limits.message_bytes:
            raise Violation(1009, "message is too long")
        if self._fragments >= self._limits.fragments:
            raise Violation(1009, "too many fragments")
        return header

    def _note(self, header: Header) -> None:
        if header.opcode == PONG:
            self.has_ponged = True
        elif header.opcode < CLOSE:
            self._fragments += 1
            self._message_bytes += header.payload
            if header.is_final:
                self._fragments = self._message_bytes = 0
                if not self._is_parting:
                    self._turn = trio.Event()
        if not self._fragments:
            self._patience = self._limits.message

    async def _read(self) -> bool:
        """More bytes into the buffer; False at the end. Only the time spent in here counts against the peer."""
        self._listening_since = began = trio.current_time()
        is_unfinished = bool(self._buffer) or self._fragments > 0
        data = b""
        with trio.move_on_after(self._patience if is_unfinished else math.inf) as scope:
            data = await self._stream.receive_some()
            self._buffer += data
        self._listening_since = math.inf
        if scope.cancelled_caught:
            raise Violation(1008, "message took too long")
        if is_unfinished:
            self._patience -= trio.current_time() - began
            await self._brake()  # bytes that trickle cost as much as frames
        return bool(data)

    async def _brake(self) -> None:
        """Beyond so many frames a second we read more slowly; TCP pushes back."""
        now, rate = trio.current_time(), self._limits.events_per_second
        self._credit = min(rate, self._credit + (now - self._credited_at) * rate) - 1
        self._credited_at = now
        if self._credit < 0:
            await trio.sleep(max(SHORTEST_BRAKE, -self._credit / rate))

    async def _skip_to_the_end(self) -> bytes:
        """After a violation: unread bytes would turn our Close into a reset."""
        self._buffer.clear()
        left = self._limits.message_bytes
        try:
            while left > 0 and (data := await self._stream.receive_some()):
                left -= len(data)
        except trio.BrokenResourceError:
            pass
        return b""

    # -- what trio-websocket writes -----------------------------------------------------------------------

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send one whole frame, or the answer to the request."""
        async with self._sending:
            if data[0] == FINAL | CLOSE:
                self._has_parted = True
            try:
                await self._stream.send_all(data)
            except trio.BrokenResourceError:
                self.over.set()
                raise

    async def wait_send_all_might_not_block(self) -> None:
        """Wait as the socket does."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """trio-websocket has finished. If it found a violation it has not told the peer: say so."""
        if not (self._has_parted or self.over.is_set()):
            self._has_parted = True
            self.last_word = self.verdict()
            async with self._sending:
                await self._stream.say_and_leave(close_frame(*self.last_word), self._limits.close)
        self.over.set()
        self._stream.close()
        await trio.lowlevel.checkpoint()
