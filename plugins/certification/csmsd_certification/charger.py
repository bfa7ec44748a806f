"""A charger on a real WebSocket that does what the case prescribes, and believes nothing."""

from __future__ import annotations

import base64
import ssl
from collections import deque
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias
from urllib.parse import quote

import msgspec
import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    connect_websocket_url,
)

from csmsd.ocpp.errors import MalformedFrame
from csmsd.ocpp.frames import Call, CallError, Frame, decode_frame, encode_call, encode_result
from csmsd_certification.case import CaseFailed
from csmsd_certification.catalogue import Catalogue, Violation
from csmsd_certification.wire import Measured, WireLog

Fields: TypeAlias = dict[str, Any]  # a payload as in the OCA's document: by JSON names
OCPP = "ocpp1.6"
_parse: Any = msgspec.json.Decoder(dict[str, Any]).decode
_encode: Any = msgspec.json.Encoder().encode


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


@dataclass(frozen=True, slots=True)
class Command:
    """A CALL of the central system, checked; `request` is its typed form."""

    call: Call
    request: msgspec.Struct
    fields: Fields


class Charger:
    """One station: one thing at a time, each within `timeout` seconds; all of it raises CaseFailed."""

    def __init__(self, identity: str, catalogue: Catalogue, log: WireLog, timeout: float) -> None:
        self.identity, self.log = identity, log
        self._catalogue, self._timeout = catalogue, timeout
        self._socket: WebSocketConnection | None = None
        self._commands: deque[Command] = deque()
        self._numbers = count(1)

    # -- the connection --------------------------------------------------------------------------------

    async def connect(self, nursery: trio.Nursery, door: Door, subprotocols: tuple[str, ...] = (OCPP,)) -> None:
        """Connect, anew if need be; the upgrade must be granted, with our subprotocol."""
        status = await self.knock(nursery, door, subprotocols)
        if status != 101:
            raise CaseFailed("connect", "the upgrade (HTTP 101)", _refusal(status))
        protocol = self._connection.subprotocol
        if protocol != OCPP:
            raise CaseFailed("connect", f"Sec-WebSocket-Protocol: {OCPP}", str(protocol))

    async def knock(self, nursery: trio.Nursery, door: Door, subprotocols: tuple[str, ...] = (OCPP,)) -> int:
        """Try to connect: the HTTP status, 0 if there was none (TLS failed, closed without an answer)."""
        await self.leave()
        url = f"{door.url}/{quote(self.identity, safe='')}"
        try:
            with trio.fail_after(self._timeout):
                self._socket = await connect_websocket_url(
                    nursery,
                    url,
                    door.tls,
                    subprotocols=list(subprotocols),
                    extra_headers=door.headers(self.identity),
                )
        except ConnectionRejected as refused:
            status = int(refused.status_code)
        except (OSError, HandshakeError, ConnectionClosed, trio.TooSlowError, trio.BrokenResourceError) as error:
            self.log.note("event", f"{url}: {error or type(error).__name__}")
            return 0
        else:
            status = 101
        self.log.note("event", f"{url}: {_refusal(status) if status != 101 else 'connected'}")
        return status

    async def leave(self) -> None:
        """Close the connection, if there is one."""
        socket, self._socket = self._socket, None
        if socket is not None:
            with trio.move_on_after(self._timeout):
                await socket.aclose()
            self.log.note("event", "disconnected")

    @property
    def _connection(self) -> WebSocketConnection:
        if self._socket is None:
            raise CaseFailed("connection", "an open one", "none")
        return self._socket

    # -- messages --------------------------------------------------------------------------------------

    async def call(self, action: str, /, **fields: Any) -> Fields:
        """Send a CALL; the payload of its CALLRESULT, checked against the schema."""
        call_id = f"{self.identity}-{next(self._numbers)}"
        self.log.messages.add(action)
        began = trio.current_time()
        await self._send(encode_call(call_id, action, _encode(fields)))
        while True:
            frame = await self._receive(f"{action}.conf")
            if isinstance(frame, Call):
                self._keep(frame)
                continue
            if frame.id != call_id:
                raise CaseFailed(f"{action}.conf", f"message id {call_id}", str(frame.id))
            self.log.measured.append(Measured(action, trio.current_time() - began))
            if isinstance(frame, CallError):
                raise CaseFailed(f"{action}.conf", "CALLRESULT", f"CALLERROR {frame.code}: {frame.description}")
            try:
                self._catalogue.check_answer(action, bytes(frame.payload))
            except Violation as violation:
                raise CaseFailed(f"{action}.conf", "a payload that obeys the schema", str(violation)) from None
            fields_of_answer: Fields = _parse(frame.payload)
            return fields_of_answer

    async def command(self, action: str) -> Command:
        """The next CALL of the central system, which must be this one."""
        while not self._commands:
            frame = await self._receive(f"{action}.req")
            if not isinstance(frame, Call):
                raise CaseFailed(f"{action}.req", "a CALL", f"an answer to {frame.id}, which waits for none")
            self._keep(frame)
        command = self._commands.popleft()
        if command.call.action != action:
            raise CaseFailed(f"{action}.req", action, command.call.action)
        return command

    async def answer(self, command: Command, fields: Fields) -> None:
        """Answer a CALL of the central system."""
        await self._send(encode_result(command.call.id, _encode(fields)))

    def _keep(self, call: Call) -> None:
        self.log.messages.add(call.action)
        try:
            request = self._catalogue.check_command(call.action, bytes(call.payload))
        except Violation as violation:
            raise CaseFailed(f"{call.action}.req", "a payload that obeys the schema", str(violation)) from None
        self._commands.append(Command(call, request, _parse(call.payload)))

    async def _send(self, message: bytes) -> None:
        self.log.note("sent", message.decode())
        try:
            with trio.fail_after(self._timeout):
                await self._connection.send_message(message.decode())
        except (ConnectionClosed, trio.TooSlowError) as error:
            raise CaseFailed("send", "an open connection", _sentence(error, self._timeout)) from None

    async def _receive(self, step: str) -> Frame:
        try:
            with trio.fail_after(self._timeout):
                message = await self._connection.get_message()
        except (ConnectionClosed, trio.TooSlowError) as error:
            raise CaseFailed(step, "a message", _sentence(error, self._timeout)) from None
        text = message if isinstance(message, str) else repr(message)
        self.log.note("received", text)
        if not isinstance(message, str):
            raise CaseFailed(step, "a text message", "a binary one")
        try:
            return decode_frame(message.encode())
        except MalformedFrame as error:
            raise CaseFailed(step, "an OCPP-J frame", str(error)) from None


def _refusal(status: int) -> str:
    return f"refused with HTTP status {status}" if status else "no answer to the upgrade"


def _sentence(error: Exception, timeout: float) -> str:
    if isinstance(error, ConnectionClosed):
        reason = error.reason
        return "the connection was closed" + (f" ({reason.code} {reason.reason or ''})" if reason else "")
    return f"nothing within {timeout:g} s"
