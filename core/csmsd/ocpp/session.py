"""Who waits for which answer on one connection. No I/O, no clock, no chance."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from csmsd.ocpp.frames import Call, CallError, CallId, CallResult, Frame

REMEMBERED = 64  # CALLs we gave up whose late answer is still worth applying (RPC-24)

Answer: TypeAlias = CallResult | CallError


class FrameIgnored(NamedTuple):
    """A frame that answers nothing and starts nothing.

    `late`: the answer to a CALL of ours that was given up; its result is still applied to mirrors (RPC-24).
    `unmatched`: an answer to no CALL of ours. `duplicate`: a CALL with the id of the one in hand (RPC-14).
    """

    reason: Literal["late", "unmatched", "duplicate"]
    frame: Frame


class Session:
    """Correlates CALLs and answers; one CALL of ours is on the line, the others wait in order (RPC-20)."""

    __slots__ = ("_awaited", "_given_up", "_is_answered", "_queue", "handling")

    def __init__(self) -> None:
        self.handling: CallId | None = None  # id of the station's CALL that is being handled
        self._awaited: str | None = None  # id of our CALL that is on the line
        self._is_answered = False  # ... and whether its answer has arrived
        self._queue: list[tuple[str, bytes]] = []
        self._given_up: tuple[str, ...] = ()  # oldest first

    @property
    def is_awaiting(self) -> bool:
        """One of our CALLs waits for the station's answer."""
        return self._awaited is not None

    def receive(self, frame: Frame) -> Call | Answer | FrameIgnored:
        """A CALL to handle, the answer that is awaited, or what to ignore."""
        if isinstance(frame, Call):
            return FrameIgnored("duplicate", frame) if frame.id == self.handling else frame
        if frame.id == self._awaited and not self._is_answered:
            self._is_answered = True
            return frame
        if frame.id in self._given_up:
            self._given_up = tuple(call_id for call_id in self._given_up if call_id != frame.id)
            return FrameIgnored("late", frame)
        return FrameIgnored("unmatched", frame)

    def submit(self, call_id: str, message: bytes) -> bytes | None:
        """Put our CALL on the line: returns it if it may be sent now, None if it is queued."""
        if self._awaited is None:
            self._awaited = call_id
            return message
        self._queue.append((call_id, message))
        return None

    def finish(self, call_id: str) -> bytes | None:
        """Our CALL is answered or given up, sent or still queued: returns the next message to send, if any."""
        if call_id != self._awaited:
            self._queue = [item for item in self._queue if item[0] != call_id]
            return None
        if not self._is_answered:
            self._given_up = (*self._given_up, call_id)[-REMEMBERED:]
        self._is_answered = False
        if not self._queue:
            self._awaited = None
            return None
        self._awaited, message = self._queue.pop(0)
        return message
