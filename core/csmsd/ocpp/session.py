"""Who waits for which answer on one connection. No I/O, no clock, no chance."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from csmsd.ocpp.frames import Call, CallError, CallResult, Frame

Answer: TypeAlias = CallResult | CallError


class LateAnswer(NamedTuple):
    """An answer to no CALL on the line: to one that was given up, to one answered before, or to none (RPC-24).

    It is never answered; whoever remembers the CALL may still apply it.
    """

    frame: Answer


class Session:
    """Correlates CALLs and answers; one CALL of ours is on the line, the others wait in order (RPC-20)."""

    __slots__ = ("_awaited", "_queue")

    def __init__(self) -> None:
        self._awaited: str | None = None  # id of our CALL that is on the line
        self._queue: list[tuple[str, bytes]] = []

    @property
    def is_awaiting(self) -> bool:
        """One of our CALLs waits for the station's answer."""
        return self._awaited is not None

    def receive(self, frame: Frame) -> Call | Answer | LateAnswer:
        """A CALL to handle, the answer that is awaited, or one that is not; `finish` follows an awaited answer."""
        if isinstance(frame, Call) or frame.id == self._awaited:
            return frame
        return LateAnswer(frame)

    def submit(self, call_id: str, message: bytes) -> bytes | None:
        """Put our CALL on the line: returns it if it may be sent now, None if it is queued."""
        if self._awaited is None:
            self._awaited = call_id
            return message
        self._queue.append((call_id, message))
        return None

    def finish(self, call_id: str) -> tuple[str, bytes] | None:
        """Our CALL is answered or given up, sent or queued: returns id and message of the next to send, if any."""
        if call_id != self._awaited:
            self._queue = [item for item in self._queue if item[0] != call_id]
            return None
        if not self._queue:
            self._awaited = None
            return None
        following = self._queue.pop(0)
        self._awaited = following[0]
        return following
