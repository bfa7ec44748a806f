"""Byte streams: TCP, TLS, and one that swallows pongs."""

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


class Deaf(trio.abc.Stream):
    """A stream on which no pong leaves."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Frames come one at a time: pongs are dropped."""
        if data and data[0] == _PONG:
            await trio.lowlevel.checkpoint()
        else:
            await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """See trio."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """See trio."""
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        """See trio."""
        await self._stream.aclose()
