"""A non-blocking socket, plain or TLS, as a trio stream whose writes must make progress."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

T = TypeVar("T")
CHUNK = 65_536
DRAIN_BYTES = 65_536


class SocketStream(trio.abc.Stream):
    """OpenSSL writes to the socket itself, so its alerts leave even when a TLS handshake fails."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext | None, write_timeout: float) -> None:
        self._sock = sock
        if context is not None:
            self._sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self._write_timeout = write_timeout
        self._is_closed = False

    @property
    def is_tls(self) -> bool:
        """Whether this connection is encrypted."""
        return isinstance(self._sock, ssl.SSLSocket)

    @property
    def client_certificate(self) -> bytes | None:
        """The verified certificate of the peer, DER; None if it showed none (SEC-12)."""
        return self._sock.getpeercert(binary_form=True) if isinstance(self._sock, ssl.SSLSocket) else None

    async def do_handshake(self) -> None:
        """Finish the TLS handshake; raises BrokenResourceError, with the ssl.SSLError as its cause."""
        if isinstance(self._sock, ssl.SSLSocket):
            await self._attempt(self._sock.do_handshake, trio.lowlevel.wait_readable)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What has arrived, or b"" at the end; cancelling it loses nothing."""
        await trio.lowlevel.checkpoint()  # before the bytes leave the socket; a flood must not starve the others
        size = CHUNK if max_bytes is None else max_bytes
        return await self._attempt(lambda: self._sock.recv(size), trio.lowlevel.wait_readable)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send everything; raises BrokenResourceError if nothing at all could be sent for a write deadline."""
        rest = memoryview(data)
        while rest:
            with trio.move_on_after(self._write_timeout) as scope:
                rest = rest[await self._send_some(rest[:CHUNK]) :]
            if scope.cancelled_caught:
                raise trio.BrokenResourceError("the peer does not read")

    async def _send_some(self, data: memoryview) -> int:
        return await self._attempt(lambda: self._sock.send(data), trio.lowlevel.wait_writable)

    async def wait_send_all_might_not_block(self) -> None:
        """Return when a send is likely to succeed."""
        await trio.lowlevel.wait_writable(self._sock)

    async def say_and_leave(self, answer: bytes, patience: float) -> None:
        """Send the last words and read on until the peer has gone: unread bytes would turn them into a reset."""
        with trio.move_on_after(patience), contextlib.suppress(trio.BrokenResourceError):
            await self.send_all(answer)
            self._finish()
            await self.drain()
        self.close()

    def _say_goodbye(self) -> None:
        """close_notify, if this is TLS, it has not been said, and there is room for it."""
        if isinstance(self._sock, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                self._sock.unwrap()

    def _finish(self) -> None:
        """Nothing more will come from us. What still comes from a TLS peer is not decrypted any more."""
        self._say_goodbye()
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    async def drain(self) -> None:
        """Read and forget until the peer ends the connection, for at most DRAIN_BYTES."""
        left = DRAIN_BYTES
        while left > 0 and (data := await self.receive_some(left)):
            left -= len(data)

    def close(self) -> None:
        """Close at once; harmless when repeated."""
        if not self._is_closed:
            self._is_closed = True
            trio.lowlevel.notify_closing(self._sock)
            self._say_goodbye()
            self._sock.close()

    async def aclose(self) -> None:
        """Close, as trio wants it called."""
        self.close()
        await trio.lowlevel.checkpoint()

    async def _attempt(self, operation: Callable[[], T], wait: Callable[[socket.socket], Awaitable[object]]) -> T:
        while True:
            if self._is_closed:
                raise trio.ClosedResourceError
            try:
                return operation()
            except (BlockingIOError, ssl.SSLWantReadError):
                await wait(self._sock)
            except ssl.SSLWantWriteError:
                await trio.lowlevel.wait_writable(self._sock)
            except OSError as error:
                raise trio.BrokenResourceError(type(error).__name__) from error
