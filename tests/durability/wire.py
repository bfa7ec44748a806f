"""The least of a WebSocket client that a station needs; shares no code with csmsd, so that it can bear witness."""

from __future__ import annotations

import base64
import os
import struct
from contextlib import AsyncExitStack

import trio

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
LOST = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


class ConnectionLost(Exception):
    """The other side is gone, or does not let us in."""


class Wire:
    """One connection. Text messages only, none of them fragmented."""

    def __init__(self, stream: trio.SocketStream, rest: bytes) -> None:
        self._stream, self._buffer = stream, bytearray(rest)

    async def send(self, message: bytes) -> None:
        """Send one text message; ConnectionLost."""
        await self._send_frame(TEXT, message)

    async def receive(self) -> bytes:
        """The next text message; ConnectionLost."""
        while True:
            opcode, payload = await self._receive_frame()
            if opcode == TEXT:
                return payload
            if opcode == PING:
                await self._send_frame(PONG, payload)
            elif opcode == CLOSE:
                await self.aclose()
                raise ConnectionLost("closed")

    async def aclose(self) -> None:
        """Drop the connection."""
        await trio.aclose_forcefully(self._stream)

    async def _send_frame(self, opcode: int, payload: bytes) -> None:
        mask = os.urandom(4)
        size = len(payload)
        head = bytes([0x80 | opcode, 0x80 | size]) if size < 126 else struct.pack("!BBH", 0x80 | opcode, 0xFE, size)
        stretched = (mask * (size // 4 + 1))[:size]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(stretched, "big")).to_bytes(size, "big")
        try:
            await self._stream.send_all(head + mask + masked)
        except LOST as error:
            raise ConnectionLost(str(error)) from None

    async def _receive_frame(self) -> tuple[int, bytes]:
        head = await self._take(2)
        size = head[1]
        if size == 126:
            (size,) = struct.unpack("!H", await self._take(2))
        return head[0] & 0x0F, await self._take(size)

    async def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            await self._read()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def _read(self) -> None:
        try:
            data = await self._stream.receive_some(65536)
        except LOST as error:
            raise ConnectionLost(str(error)) from None
        if not data:
            raise ConnectionLost("end of stream")
        self._buffer += data


async def connect(port: int, station_id: str) -> Wire:
    """Connect as a station without a password; ConnectionLost if that is not possible now."""
    async with AsyncExitStack() as things:
        try:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            things.push_async_callback(trio.aclose_forcefully, stream)
            head, rest = await _upgrade(stream, station_id)
        except LOST as error:
            raise ConnectionLost(str(error)) from None
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise ConnectionLost(head.decode(errors="replace").split("\r\n")[0])
        things.pop_all()
        return Wire(stream, rest)


async def _upgrade(stream: trio.SocketStream, station_id: str) -> tuple[bytes, bytes]:
    key = base64.b64encode(os.urandom(16)).decode()
    await stream.send_all(
        f"GET /ocpp/{station_id} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = await stream.receive_some(65536)
        if not data:
            raise ConnectionLost("no answer to the upgrade")
        answer += data
    head, _, rest = answer.partition(b"\r\n\r\n")
    return head, rest
