"""The station's end of an OCPP-J line: one CALL at a time, a queue that outlives connections, answers to commands."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import msgspec

from csmsd.ocpp.encoding import encode_payload
from csmsd.ocpp.errors import MalformedFrame
from csmsd.ocpp.frames import Call, CallError, CallResult, decode_frame, encode_error, encode_result
from csmsd_simulator.clock import Clock, Timer
from csmsd_simulator.disguise import disguised, frame_of
from csmsd_simulator.quirks import Quirks

CALL_TIMEOUT = 30.0  # seconds
BOOT = "BootNotification"


class Wire(Protocol):
    """A connection."""

    def send(self, message: bytes) -> None:
        """Send soon; nothing happens if the connection is gone."""
        ...

    def cut(self) -> None:
        """Break it, without a word."""
        ...


@dataclass(frozen=True)
class Refusal:
    """A CALLERROR."""

    code: str
    description: str = ""


Done: TypeAlias = Callable[[bytes | None], None]  # the answer's payload; None: there is none
Answer: TypeAlias = msgspec.Struct | Refusal | None  # None: never


@dataclass(eq=False)
class Outgoing:
    """A CALL that waits, or is on the line."""

    number: int
    action: str
    build: Callable[[], msgspec.Struct]  # called when it is sent for the first time
    done: Done
    is_durable: bool  # transaction-related: kept until answered or given up (1.6 §3.7)
    sent_at: float = 0.0
    payload: bytes = b""
    call_id: str = ""
    attempts: int = 0
    not_before: float = 0.0


def _nothing(_: bytes | None) -> None:
    pass


@dataclass(frozen=True)
class RetryRule:
    """TransactionMessageAttempts and TransactionMessageRetryInterval, as they are now."""

    attempts: Callable[[], int]
    interval: Callable[[], float]  # seconds, times the attempts so far


@dataclass
class Traffic:
    """What went over the line, for those who count."""

    answered: Callable[[str, float], None] = field(default=lambda action, seconds: None)
    failed: Callable[[str, str], None] = field(default=lambda action, why: None)


class Line:
    """Pushed by its owner: `connect`, `receive`, `disconnect`; sends what is waiting as soon as it may."""

    def __init__(
        self, name: str, clock: Clock, quirks: Quirks, on_command: Callable[[Call], Answer], retry: RetryRule
    ) -> None:
        self.is_registered = False
        self.asked_for: set[str] = set()  # actions that may be sent all the same (BOOT-21)
        self.traffic = Traffic()
        self._name, self._clock, self._quirks, self._on_command, self._retry = name, clock, quirks, on_command, retry
        self._wire: Wire | None = None
        self._numbers = itertools.count(1)
        self._ids = itertools.count(1)
        self._ordinary: deque[Outgoing] = deque()
        self._durable: deque[Outgoing] = deque()
        self._on_line: Outgoing | None = None
        self._timeout: Timer | None = None

    @property
    def is_connected(self) -> bool:
        """Is there a connection?"""
        return self._wire is not None

    @property
    def is_online(self) -> bool:
        """Would a message be sent now?"""
        return self._wire is not None and self.is_registered

    @property
    def backlog(self) -> int:
        """Transaction-related messages that have not been answered."""
        return len(self._durable)

    def call(self, action: str, build: Callable[[], msgspec.Struct], done: Done = _nothing) -> None:
        """Send a CALL; without a connection, or while it must not be sent, there is no answer."""
        may_be_sent = self.is_registered or action == BOOT or action in self.asked_for
        if self._wire is None or not may_be_sent:
            self._clock.after(0, lambda: done(None))
            return
        if action == BOOT:
            self.asked_for.clear()
        self._ordinary.append(Outgoing(next(self._numbers), action, build, done, is_durable=False))
        self._pump()

    def deliver(self, action: str, build: Callable[[], msgspec.Struct], done: Done = _nothing) -> None:
        """Send a CALL about a transaction, whenever that is possible, after all earlier ones (1.6 §3.7.1)."""
        self._durable.append(Outgoing(next(self._numbers), action, build, done, is_durable=True))
        self._pump()

    def connect(self, wire: Wire) -> None:
        """There is a connection."""
        self._wire = wire
        if self._quirks.same_ids:
            self._ids = itertools.count(1)
        self._pump()

    def disconnect(self) -> None:
        """There is none any more: what is durable stays, everything else has failed."""
        self._wire = None
        item = self._take_off_line()
        lost = list(self._ordinary)
        self._ordinary.clear()
        if item is not None and not item.is_durable:
            lost.insert(0, item)
        for each in lost:
            each.done(None)

    def cut(self) -> None:
        """Break the connection."""
        if self._wire is not None:
            self._wire.cut()

    def register(self) -> None:
        """Accepted by the central system."""
        self.is_registered = True
        self._pump()

    def receive(self, message: bytes) -> None:
        """One message from the central system."""
        try:
            frame = decode_frame(message)
        except MalformedFrame:
            return  # nothing that could be answered
        if isinstance(frame, Call):
            self._answer(frame)
        else:
            self._settle(frame)

    # -- inside --------------------------------------------------------------------------------------

    def _answer(self, call: Call) -> None:
        answer = self._on_command(call)
        if answer is None or self._quirks.no_answers:
            return
        message = (
            encode_error(call.id, answer.code, answer.description)
            if isinstance(answer, Refusal)
            else encode_result(call.id, encode_payload(answer))
        )
        if self._quirks.late_answers:
            self._clock.after(self._quirks.late_answers, lambda: self._send(message))
        else:
            self._send(message)

    def _send(self, message: bytes) -> None:
        if self._wire is not None:
            self._wire.send(message)

    def _pump(self) -> None:
        if self._wire is None or self._on_line is not None:
            return
        item = self._next()
        if item is None:
            return
        if not item.payload:
            item.payload = disguised(self._quirks, item.action, encode_payload(item.build()))
        if not item.call_id:
            item.call_id = f"{self._name}-{next(self._ids)}"[-36:]
        item.attempts += 1
        item.sent_at = self._clock.monotonic()
        self._on_line = item
        self._timeout = self._clock.after(CALL_TIMEOUT, lambda: self._fail(item, "no answer"))
        message = frame_of(self._quirks, item.call_id, item.action, item.payload)
        self._wire.send(message)
        if item.action == "StartTransaction" and item.attempts == 1:
            self._repeat(item, message)

    def _repeat(self, item: Outgoing, message: bytes) -> None:
        if self._quirks.repeat_start:
            self._send(message)
        if self._quirks.new_id_on_retry:
            another = f"{self._name}-{next(self._ids)}"[-36:]
            self._send(frame_of(self._quirks, another, item.action, item.payload))

    def _next(self) -> Outgoing | None:
        durable = self._durable[0] if self._durable and self.is_registered else None
        if durable is not None and durable.not_before > self._clock.monotonic():
            durable = None  # its retry comes by a timer; others may pass
        if self._ordinary and (durable is None or self._ordinary[0].number < durable.number):
            return self._ordinary.popleft()
        return durable

    def _settle(self, frame: CallResult | CallError) -> None:
        item = self._on_line
        if item is None or str(frame.id) not in (item.call_id, item.call_id.rpartition("-")[2]):
            return  # late, or the second answer to a repeated CALL
        if isinstance(frame, CallError):
            self._fail(item, f"{frame.code} {frame.description}".strip())
            return
        self._take_off_line()
        if item.is_durable:
            self._durable.remove(item)
        self.traffic.answered(item.action, self._clock.monotonic() - item.sent_at)
        item.done(bytes(frame.payload))
        self._pump()

    def _fail(self, item: Outgoing, why: str) -> None:
        self._take_off_line()
        self.traffic.failed(item.action, why)
        if item.is_durable and item.attempts < self._retry.attempts():
            wait = item.attempts * self._retry.interval()
            item.not_before = self._clock.monotonic() + wait
            self._clock.after(wait, self._pump)
        else:
            if item.is_durable:
                self._durable.remove(item)
            item.done(None)
        self._pump()

    def _take_off_line(self) -> Outgoing | None:
        item, self._on_line = self._on_line, None
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None
        return item
