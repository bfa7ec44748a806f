"""Transport: a station on a real WebSocket, plain or TLS, that comes back whenever the connection is lost."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import quote, urlsplit

import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, HandshakeError, WebSocketConnection, wrap_client_stream

from csmsd_simulator.sockets import ClientStream, open_stream
from csmsd_simulator.station import SimulatedStation

SUBPROTOCOL = "ocpp1.6"
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds between attempts; the pause doubles
_CONNECT_TIMEOUT = 20.0
_OUTBOX = 1000  # messages that wait for the socket
_MESSAGE_BYTES = 1_048_576


@dataclass
class Endpoint:
    """Where a station connects, and how it shows who it is. `url` has no identity."""

    url: str
    password: str | None = None
    ssl_context: ssl.SSLContext | None = None

    def resource_of(self, station_id: str) -> str:
        """The path of one station."""
        return f"{urlsplit(self.url).path.rstrip('/')}/{quote(station_id, safe='')}"

    def headers_of(self, station_id: str) -> list[tuple[bytes, bytes]]:
        """HTTP Basic, if there is a password."""
        if self.password is None:
            return []
        credentials = base64.b64encode(f"{station_id}:{self.password}".encode())
        return [(b"Authorization", b"Basic " + credentials)]


def tls_context(ca: Path | None = None, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """A client's TLS context: trusts `ca`, or the system's roots; shows `certificate` if there is one."""
    context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


class SocketWire:
    """`Wire` over a WebSocket: messages go through a channel to the task that sends them."""

    def __init__(self, outbox: trio.MemorySendChannel[bytes], scope: trio.CancelScope) -> None:
        self._outbox, self._scope = outbox, scope

    def send(self, message: bytes) -> None:
        """See Wire; a peer that takes nothing loses the connection."""
        try:
            self._outbox.send_nowait(message)
        except trio.WouldBlock:
            self.cut()
        except trio.BrokenResourceError:
            pass  # the connection has just ended

    def cut(self) -> None:
        """See Wire."""
        self._scope.cancel()


async def keep_connected(
    station: SimulatedStation,
    endpoint: Endpoint,
    failed: Callable[[str, bool], None] = lambda _why, _was_connected: None,
) -> None:
    """Connect and serve, again and again, until cancelled; `failed` hears why, and whether there was a connection."""

    def change_password(password: str) -> None:
        endpoint.password = password
        station.clock.after(0, station.line.cut)  # the new one counts from the next connection on

    station.password_changed = change_password
    pause = _FIRST_PAUSE
    while True:
        began = trio.current_time()
        try:
            await _serve(station, endpoint)
            station.tell("disconnected")
            failed("the connection has ended", True)
        except* (OSError, HandshakeError, ConnectionClosed, trio.TooSlowError, trio.BrokenResourceError) as group:
            sentence = _sentence(_first(group))
            station.tell(f"no connection to {endpoint.url}: {sentence}")
            failed(sentence, False)
        if trio.current_time() - began > _LONGEST_PAUSE:
            pause = _FIRST_PAUSE
        await trio.sleep(pause * station.chance.uniform(0.75, 1.25))
        pause = min(2 * pause, _LONGEST_PAUSE)
        await _wait_for_power(station)


async def _wait_for_power(station: SimulatedStation) -> None:
    if not station.power.is_on:
        switched_on = trio.Event()
        station.powered_on = switched_on.set
        await switched_on.wait()


async def _serve(station: SimulatedStation, endpoint: Endpoint) -> None:
    """One connection, from TCP to its end; left without a word if the station breaks it."""
    with trio.fail_after(_CONNECT_TIMEOUT):
        stream = await open_stream(endpoint.url, endpoint.ssl_context)
    try:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                with trio.fail_after(_CONNECT_TIMEOUT):
                    socket = await _upgrade(nursery, stream, station, endpoint)
                sender, outbox = trio.open_memory_channel[bytes](_OUTBOX)
                try:
                    station.tell(f"connected to {endpoint.url}")
                    nursery.start_soon(_send_all, socket, outbox)
                    station.connected(SocketWire(sender, scope))
                    await _receive_all(socket, station)
                finally:
                    sender.close()
                    station.disconnected()
                nursery.cancel_scope.cancel()
    finally:
        await trio.aclose_forcefully(stream)


async def _upgrade(
    nursery: trio.Nursery, stream: trio.abc.Stream, station: SimulatedStation, endpoint: Endpoint
) -> WebSocketConnection:
    layer = ClientStream(stream, swallows_pongs=station.quirks.no_pong)
    return await wrap_client_stream(
        nursery,
        cast(trio.SocketStream, layer),  # any stream will do
        urlsplit(endpoint.url).netloc.rpartition("@")[2],
        endpoint.resource_of(station.id),
        subprotocols=None if station.quirks.no_subprotocol else [SUBPROTOCOL],
        extra_headers=endpoint.headers_of(station.id),
        max_message_size=_MESSAGE_BYTES,
    )


async def _send_all(socket: WebSocketConnection, outbox: trio.MemoryReceiveChannel[bytes]) -> None:
    try:
        async for message in outbox:
            await socket.send_message(message.decode())
    except ConnectionClosed:
        pass  # the receiver sees it, too


async def _receive_all(socket: WebSocketConnection, station: SimulatedStation) -> None:
    try:
        while True:
            message = await socket.get_message()
            station.received(message.encode() if isinstance(message, str) else message)
    except ConnectionClosed as closed:
        if closed.reason is not None and closed.reason.code != 1006:
            station.tell(f"closed by the central system: {closed.reason.code} {closed.reason.reason or ''}".rstrip())


def _first(error: BaseException) -> BaseException:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return _first(group.exceptions[0])
    return error


def _sentence(error: BaseException) -> str:
    if isinstance(error, ConnectionRejected):
        return f"refused with HTTP status {error.status_code}"
    if isinstance(error, trio.TooSlowError):
        return "no answer in time"
    return str(error) or type(error).__name__
