"""A charger on a real WebSocket that does what the case prescribes, and believes nothing."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias

import msgspec
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from csmsd.ocpp.errors import MalformedFrame
from csmsd.ocpp.frames import Call, CallError, Frame, decode_frame, encode_call, encode_result
from csmsd_certification.case import CaseFailed
from csmsd_certification.catalogue import Catalogue, Violation
from csmsd_certification.connection import Connection, Door
from csmsd_certification.wire import Measured, WireLog

Fields: TypeAlias = dict[str, Any]  # a payload as in the OCA's document: by JSON names
OCPP = "ocpp1.6"
_parse: Any = msgspec.json.Decoder(dict[str, Any]).decode
_encode: Any = msgspec.json.Encoder().encode


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
        self._connection: Connection | None = None
        self._commands: deque[Command] = deque()
        self._numbers = count(1)

    # -- the connection --------------------------------------------------------------------------------

    async def connect(self, nursery: trio.Nursery, door: Door, subprotocols: tuple[str, ...] = (OCPP,)) -> None:
        """Connect, anew if need be; the upgrade must be granted, with our subprotocol."""
        connection = await self.knock(nursery, door, subprotocols)
        if connection.socket is None:
            raise CaseFailed("connect", "the upgrade (HTTP 101)", connection.complaint)
        protocol = connection.socket.subprotocol
        if protocol != OCPP:
            raise CaseFailed("connect", f"Sec-WebSocket-Protocol: {OCPP}", str(protocol))

    async def knock(self, nursery: trio.Nursery, door: Door, subprotocols: tuple[str, ...] = (OCPP,)) -> Connection:
        """Try to connect; a refusal is a result."""
        await self.leave()
        connection = self._connection = Connection(door, self.identity, subprotocols, self._timeout)
        await nursery.start(connection.hold)
        self.log.note("event", f"{door.url}: {connection.complaint or 'connected'}")
        return connection

    async def leave(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.leave()
            self.log.note("event", "disconnected")

    @property
    def _socket(self) -> WebSocketConnection:
        if self._connection is None or self._connection.socket is None:
            raise CaseFailed("connection", "an open one", "none")
        return self._connection.socket

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
                await self._socket.send_message(message.decode())
        except (ConnectionClosed, trio.TooSlowError) as error:
            raise CaseFailed("send", "an open connection", _sentence(error, self._timeout)) from None

    async def _receive(self, step: str) -> Frame:
        try:
            with trio.fail_after(self._timeout):
                message = await self._socket.get_message()
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


def _sentence(error: Exception, timeout: float) -> str:
    if isinstance(error, ConnectionClosed):
        reason = error.reason
        return "the connection was closed" + (f" ({reason.code} {reason.reason or ''})" if reason else "")
    return f"nothing within {timeout:g} s"
