"""One WebSocket, from TCP and TLS to its end."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote, urlsplit

import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, HandshakeError, WebSocketConnection, wrap_client_stream

GRANTED = 101  # the HTTP status of an upgrade


@dataclass(frozen=True, slots=True)
class Door:
    """Where a charger connects and how it shows who it is; `url` has no identity."""

    url: str
    password: str | None = None
    tls: ssl.SSLContext | None = None

    def headers(self, identity: str) -> list[tuple[bytes, bytes]]:
        """HTTP Basic, if there is a password."""
        if self.password is None:
            return []
        return [(b"Authorization", b"Basic " + base64.b64encode(f"{identity}:{self.password}".encode()))]

    def resource(self, identity: str) -> str:
        """The path of one station."""
        return f"{urlsplit(self.url).path.rstrip('/')}/{quote(identity, safe='')}"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port; the URL may leave the port to its scheme."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)

    async def open_stream(self) -> trio.abc.Stream:
        """TCP, with TLS if there is a context."""
        host, port = self.address
        stream = await trio.open_tcp_stream(host, port)
        if self.tls is None:
            return stream
        secure = trio.SSLStream(stream, self.tls, server_hostname=host, https_compatible=True)
        try:
            await secure.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return secure


class Connection:
    """An attempt to connect, and what came of it: `status` is the HTTP status, 0 if there was none."""

    def __init__(self, door: Door, identity: str, subprotocols: tuple[str, ...], timeout: float) -> None:
        self._door, self._identity, self._subprotocols, self._timeout = door, identity, subprotocols, timeout
        self._leaving, self._left = trio.Event(), trio.Event()
        self.status, self.complaint = 0, ""
        self.socket: WebSocketConnection | None = None

    async def leave(self) -> None:
        """Close it."""
        self._leaving.set()
        await self._left.wait()

    async def hold(self, task_status: trio.TaskStatus[None]) -> None:
        """Connect, and stay until `leave`."""
        try:
            with trio.fail_after(self._timeout):
                stream = await self._door.open_stream()
            try:
                await self._serve(stream, task_status)
            finally:
                await trio.aclose_forcefully(stream)
        except* ConnectionRejected as group:
            refusal = cast(ConnectionRejected, _first(group))
            self.status, self.complaint = int(refusal.status_code), f"refused with HTTP status {refusal.status_code}"
        except* (OSError, HandshakeError, ConnectionClosed, trio.TooSlowError, trio.BrokenResourceError) as group:
            error = _first(group)
            self.complaint = f"no connection: {error.__cause__ or error or type(error).__name__}"
        self._left.set()
        if self.status != GRANTED:
            task_status.started()

    async def _serve(self, stream: trio.abc.Stream, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            with trio.fail_after(self._timeout):
                self.socket = await wrap_client_stream(
                    nursery,
                    cast(trio.SocketStream, stream),  # any stream will do
                    urlsplit(self._door.url).netloc,
                    self._door.resource(self._identity),
                    subprotocols=list(self._subprotocols),
                    extra_headers=self._door.headers(self._identity),
                )
            self.status = GRANTED
            task_status.started()
            await self._leaving.wait()
            with trio.move_on_after(self._timeout):
                await self.socket.aclose()
            nursery.cancel_scope.cancel()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(cast("BaseExceptionGroup[BaseException]", error)) if isinstance(error, BaseExceptionGroup) else error
