"""Byte streams: TCP, TLS, and what a WebSocket needs of them."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

import trio

_PONG = 0x8A  # the first byte of a pong frame
_PORTS = {"ws": 80, "wss": 443}


async def open_stream(url: str, context: ssl.SSLContext | None) -> trio.abc.Stream:
    """TCP to the host of a ws or wss URL, with TLS for wss; OSError (also ssl.SSLError)."""
    parts = urlsplit(url)
    host = parts.hostname or "127.0.0.1"
    stream = await trio.open_tcp_stream(host, parts.port or _PORTS.get(parts.scheme, 80))
    if parts.scheme != "wss":
        return stream
    secure = trio.SSLStream(
        stream, context or ssl.create_default_context(), server_hostname=host, https_compatible=True
    )
    try:
        await secure.do_handshake()
    except BaseException as error:
        await trio.aclose_forcefully(stream)
        if isinstance(error, trio.BrokenResourceError) and error.__cause__ is not None:
            raise OSError(str(error.__cause__)) from error
        raise
    return secure


class ClientStream(trio.abc.Stream):
    """The stream below a WebSocket: ends with an error if it ends before it began, and may swallow pongs."""

    def __init__(self, stream: trio.abc.Stream, *, swallows_pongs: bool = False) -> None:
        self._stream, self._swallows_pongs = stream, swallows_pongs
        self._has_begun = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Frames come one at a time."""
        if self._swallows_pongs and data and data[0] == _PONG:
            await trio.lowlevel.checkpoint()
        else:
            await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """See trio."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """ConnectionResetError if not a byte has come: trio-websocket would wait for the upgrade for ever."""
        data = await self._stream.receive_some(max_bytes)
        if not data and not self._has_begun:
            raise ConnectionResetError("closed without an answer")
        self._has_begun = True
        return data

    async def aclose(self) -> None:
        """See trio."""
        await self._stream.aclose()
