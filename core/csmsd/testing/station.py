"""A station without a socket: what it sends goes straight into the connection, what it is sent can be looked at."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import trio

from csmsd.ocpp.encoding import encode_payload
from csmsd.ocpp.frames import Call, CallError, CallResult, decode_frame, encode_call, encode_error, encode_result

if TYPE_CHECKING:
    from csmsd._kernel.transport.link import Receiver

Response = TypeVar("Response", bound=msgspec.Struct)
Answer = msgspec.Struct | CallError | None  # None: stay silent
Behaviour = Callable[[Call], Answer]


class CallErrorReceived(Exception):
    """csmsd answered CALLERROR."""

    def __init__(self, frame: CallError) -> None:
        super().__init__(f"{frame.code}: {frame.description}")
        self.code, self.description, self.details = frame.code, frame.description, bytes(frame.details)


class TestStation:
    """The charger's side of one connection; also its Link, so bytes are exactly what a socket would carry."""

    __test__ = False  # pytest: no test class

    def __init__(self, station_id: str) -> None:
        self.id = station_id
        self.received: list[bytes] = []  # every message from csmsd, in order
        self.calls: list[Call] = []  # those that were commands
        self.closed: tuple[int, str] | None = None
        self.is_paused = False
        self.answers_pings = False  # as far as csmsd knows; no pings come this way
        self.behaviour: dict[str, Behaviour | Answer] = {}  # by action: how commands are answered; else NotImplemented
        self._receiver: Receiver | None = None
        self._answers: dict[str | int | float, CallResult | CallError] = {}
        self._changed = trio.lowlevel.ParkingLot()
        self._inbox: deque[bytes] = deque()
        self._ids = 0
        self._is_gone = False

    # -- what a charger does -----------------------------------------------------------------------

    async def send(
        self, action: str, request: msgspec.Struct | bytes, response: type[Response], *, call_id: str | None = None
    ) -> Response:
        """Send a CALL and wait for its typed answer; CallErrorReceived for a CALLERROR."""
        return msgspec.json.decode(await self.send_raw(action, request, call_id=call_id), type=response)

    async def send_raw(self, action: str, request: msgspec.Struct | bytes, *, call_id: str | None = None) -> bytes:
        """Send a CALL with any payload and wait for the answer's payload."""
        call_id = call_id or self.next_id()
        payload = request if isinstance(request, bytes) else encode_payload(request)
        await self.deliver(encode_call(call_id, action, payload))
        frame = await self.answer_to(call_id)
        if isinstance(frame, CallError):
            raise CallErrorReceived(frame)
        return bytes(frame.payload)

    def push(self, message: bytes) -> None:
        """`deliver` for plain code, also for such that csmsd has called: it arrives a moment later."""
        self._inbox.append(message)
        trio.lowlevel.current_trio_token().run_sync_soon(self._pump)

    async def deliver(self, message: bytes) -> None:
        """Put any message on the wire; one that csmsd does not read now waits like in a socket's buffer."""
        await trio.lowlevel.checkpoint()
        self._inbox.append(message)
        self._pump()

    async def answer_to(self, call_id: str | int) -> CallResult | CallError:
        """The answer to a CALL, as soon as it is there."""
        while call_id not in self._answers:
            if self.closed is not None:
                raise trio.ClosedResourceError(f"csmsd closed the connection of {self.id}: {self.closed}")
            await self._changed.park()
        return self._answers.pop(call_id)

    async def wait_for_call(self, action: str) -> Call:
        """The next command of that name, also one that came before."""
        while True:
            for call in self.calls:
                if call.action == action:
                    self.calls.remove(call)
                    return call
            await self._changed.park()

    async def answer(self, call: Call, answer: msgspec.Struct | CallError) -> None:
        """Answer a command by hand."""
        await self.deliver(_reply(call, answer))

    async def disconnect(self, reason: str = "connection reset") -> None:
        """The line breaks."""
        await trio.lowlevel.checkpoint()
        self.drop(reason)

    async def wait_closed(self) -> tuple[int, str]:
        """Wait until csmsd has closed the connection: code and reason."""
        while self.closed is None:
            await self._changed.park()
        return self.closed

    def next_id(self) -> str:
        """A message id of its own."""
        self._ids += 1
        return f"{self.id}-{self._ids}"

    # -- Link ----------------------------------------------------------------------------------------

    def send_message(self, message: bytes) -> None:
        """Csmsd sends."""
        self.received.append(message)
        frame = decode_frame(message)
        if isinstance(frame, Call):
            self.calls.append(frame)
            self._react(frame)
        else:
            self._answers[frame.id] = frame
        self._changed.unpark_all()

    def pause(self) -> None:
        """Csmsd does not read for now."""
        self.is_paused = True

    def resume(self) -> None:
        """Csmsd reads again."""
        self.is_paused = False
        trio.lowlevel.current_trio_token().run_sync_soon(self._pump)

    def close(self, code: int, reason: str) -> None:
        """Csmsd closes."""
        if self.closed is None:
            self.closed = code, reason
            self._changed.unpark_all()
            trio.lowlevel.current_trio_token().run_sync_soon(self.drop, reason)

    # -- inside ----------------------------------------------------------------------------------------

    def attach(self, receiver: Receiver) -> None:
        """The upgrade was answered with 101."""
        self._receiver = receiver

    def drop(self, reason: str) -> None:
        """Tell csmsd that the line is gone, once."""
        if not self._is_gone and self._receiver is not None:
            self._is_gone = True
            if self.closed is None:
                self.closed = 1006, reason
            self._changed.unpark_all()
            self._receiver.lost(reason)

    def _pump(self) -> None:
        while self._inbox and not self.is_paused and self.closed is None and self._receiver is not None:
            self._receiver.receive(self._inbox.popleft())

    def _react(self, call: Call) -> None:
        if call.action not in self.behaviour:
            return
        behaviour: Any = self.behaviour[call.action]
        answer: Any = behaviour(call) if callable(behaviour) else behaviour
        if answer is not None:
            self.push(_reply(call, answer))


def _reply(call: Call, answer: msgspec.Struct | CallError) -> bytes:
    if isinstance(answer, CallError):
        return encode_error(call.id, answer.code, answer.description)
    return encode_result(call.id, encode_payload(answer))


class StationLink:
    """`Link` as the kernel wants it, over a TestStation (whose own `send` is the charger's)."""

    def __init__(self, station: TestStation) -> None:
        self._station = station
        self.send = station.send_message
        self.pause, self.resume, self.close = station.pause, station.resume, station.close

    @property
    def answers_pings(self) -> bool:
        """See Link."""
        return self._station.answers_pings
