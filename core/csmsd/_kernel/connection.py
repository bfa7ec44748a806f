"""One station's protocol session over a Link. No task, no bytes, no socket of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from csmsd._kernel.outgoing import OutgoingCalls
from csmsd._kernel.recorder import excerpt
from csmsd.config import Limits
from csmsd.env import Env
from csmsd.errors import StationUnavailable
from csmsd.hookspecs import frame_rejected
from csmsd.journal import Exchange
from csmsd.ocpp.errors import MalformedFrame
from csmsd.ocpp.frames import Call, decode_frame, encode_error
from csmsd.ocpp.session import LateAnswer, Session
from csmsd.pending import Pending
from csmsd.station import Station, StationRecord, Stations

if TYPE_CHECKING:
    from csmsd._kernel.dispatch import Dispatcher
    from csmsd._kernel.hooks import HookSet
    from csmsd._kernel.pool import Job, Pool
    from csmsd._kernel.recorder import Recorder
    from csmsd._kernel.timers import Wheel
    from csmsd._kernel.transport.link import Admission, Link
    from csmsd._kernel.verbs import HookRunner
    from csmsd.command import AnyCommand
    from csmsd.hookspecs import ConnectRequest
    from csmsd.ocpp.decoding import Tolerance

Waiting = tuple[Call, datetime]
NOBODY: deque[Waiting] = deque()  # an empty deque is 600 bytes: idle connections share this one and never change it


@dataclass(frozen=True, slots=True)
class Context:
    """What all connections of one csmsd share."""

    dispatcher: Dispatcher
    hooks: HookRunner
    plans: HookSet
    tolerance: Tolerance
    pool: Pool
    wheel: Wheel
    recorder: Recorder
    env: Env
    stations: Stations
    limits: Limits
    seen: Callable[[str, datetime], None]  # any message of a station is a sign of life (WS-35)
    left: Callable[[Connection, str], None]  # told once, when the link is gone


class Connection:
    """Frames in, frames out: one CALL of the station at a time and in order, one of ours on the line."""

    __slots__ = (
        "_context",
        "_current",
        "_is_draining",
        "_is_paused",
        "_is_retired",
        "_job",
        "_link",
        "_malformed",
        "_malformed_until",
        "_outgoing",
        "_session",
        "_waiting",
        "is_open",
        "station",
    )

    def __init__(self, request: ConnectRequest, admission: Admission, link: Link, context: Context) -> None:
        self.station = Station(
            admission.station_id,
            self,
            context.stations,
            connected_at=context.env.now(),
            peer=request.peer,
            listener=request.listener,
            security_profile=admission.security_profile,
        )
        self.is_open = True  # neither lost nor closed by us
        self._link, self._context = link, context
        self._session = Session()
        self._outgoing: OutgoingCalls | None = None  # most stations are never called
        self._current: Call | None = None  # the CALL in hand
        self._waiting: deque[Waiting] = NOBODY  # CALLs behind it, in order of arrival (RPC-22)
        self._job: Job | None = None  # the task that handles the CALL in hand, if any
        self._is_paused = self._is_draining = self._is_retired = False
        self._malformed, self._malformed_until = 0, 0.0

    @property
    def is_pinged(self) -> bool:
        """Does the backend find out by pings whether the station is still there (WS-33)?"""
        return self._link.answers_pings

    @property
    def record(self) -> StationRecord:
        """The station's record, as of now."""
        return self._context.stations.record(self.station.id)

    # -- called by the backend -------------------------------------------------------------------

    def receive(self, message: bytes) -> None:
        """Take one message; plain implementations have been called and answered when this returns."""
        if not self.is_open:
            return
        received_at = self._context.env.now()
        self._context.seen(self.station.id, received_at)
        try:
            event = self._session.receive(decode_frame(message))
        except MalformedFrame as error:
            self._refuse(message, error, received_at)
            return
        if isinstance(event, Call):
            self._take(event, received_at)
        elif isinstance(event, LateAnswer):
            if self._outgoing is None or not self._outgoing.late(event.frame):
                self._rejected(message, "an answer that nobody waits for", "late", received_at)
        elif self._outgoing is not None:
            self._outgoing.answered(event)
            self._regulate()

    def lost(self, reason: str) -> None:
        """The link is gone: nobody hangs, nothing half-done goes on."""
        if not self._is_retired:
            self._end()
        self._context.left(self, reason)

    # -- called by the dispatcher ----------------------------------------------------------------

    def attach(self, job: Job) -> None:
        """`job` handles the CALL in hand: cancelled when the station leaves."""
        self._job = job

    def is_waiting_for(self, call: Call) -> bool:
        """Is this the CALL in hand, and does an answer to it still matter?"""
        return self._current is call and (self.is_open or self._is_retired)

    def answer(self, call: Call, reply: bytes) -> None:
        """The reply to a CALL that was not answered inline; then the CALLs that waited behind it."""
        if self.is_waiting_for(call):
            self._finish(reply)
            self._go_on()

    def abandon(self, call: Call, code: int, reason: str) -> None:
        """No reply can be given honestly: close, so that the station keeps its message and sends it again (TX-04)."""
        if self.is_waiting_for(call):
            self.close(code, reason)

    # -- called by whoever has the Station --------------------------------------------------------

    async def call(self, command: AnyCommand, request: Any, timeout: float | None) -> Any:
        """Send a command, now or as soon as the line is free, and wait for the answer."""
        return await self._calls().call(command, request, timeout)

    def submit(self, command: AnyCommand, request: Any) -> Pending[Any]:
        """Send a command after the answer to the CALL in hand, if there is one (RPC-26)."""
        is_held = self.is_open and self._current is not None
        return self._calls().submissions.add(command, request, is_held=is_held)

    def close(self, code: int, reason: str) -> None:
        """End at once for the protocol, politely for the socket; `lost` still comes from the backend."""
        if self.is_open:
            self._end()
            self._link.close(code, reason)

    # -- called by the registry -------------------------------------------------------------------

    def retire(self, reason: str) -> None:
        """A newer connection takes over: deaf from now on, but CALLs that have arrived are still processed (WS-30)."""
        if self.is_open:
            self.is_open, self._is_retired = False, True
            if self._outgoing is not None:
                self._outgoing.abandon(StationUnavailable(f"{self.station.id} has connected anew"))
            self._link.close(1000, reason)

    def drain(self) -> None:
        """Close as soon as the CALLs that have arrived are answered (WS-39)."""
        self._is_draining = True
        if self._current is None:
            self.close(1001, "going away")

    # -- inside ----------------------------------------------------------------------------------

    def _take(self, call: Call, received_at: datetime) -> None:
        if self._current is None:
            self._handle(call, received_at)
            self._go_on()
        elif (twin := self._in_progress(call)) is not None:
            self._refuse_twin(call, twin, received_at)
        else:
            if self._waiting is NOBODY:
                self._waiting = deque()
            self._waiting.append((call, received_at))
            self._regulate()

    def _refuse_twin(self, call: Call, twin: Call, received_at: datetime) -> None:
        """The same message once more: the one answer will do for both. Another one: its id is taken (RPC-14)."""
        if (twin.action, bytes(twin.payload)) == (call.action, bytes(call.payload)):
            self._unheard(call, received_at, "duplicate")
            return
        reason = "a CALL with this message id is still being processed"
        self._link.send(encode_error(call.id, "GenericError", reason))
        self._unheard(call, received_at, "GenericError", reason)

    def _in_progress(self, call: Call) -> Call | None:
        if self._current is not None and self._current.id == call.id:
            return self._current
        return next((waiting for waiting, _ in self._waiting if waiting.id == call.id), None)

    def _handle(self, call: Call, received_at: datetime) -> None:
        self._current = call
        reply = self._context.dispatcher.start(self, call, received_at)
        if reply is not None:
            self._finish(reply)

    def _go_on(self) -> None:
        """The CALLs that waited; a loop, because each may be answered at once."""
        while self._waiting and self._current is None and (self.is_open or self._is_retired):
            self._handle(*self._waiting.popleft())
        if not self._waiting:
            self._waiting = NOBODY
        if self._current is None and self._is_draining:
            self.close(1001, "going away")
        self._regulate()

    def _finish(self, reply: bytes) -> None:
        self._current = self._job = None
        if self.is_open:
            self._link.send(reply)
        if self._outgoing is not None:
            self._outgoing.submissions.release()

    def _end(self) -> None:
        if self.is_open:
            self.is_open = False
            waiting, self._waiting = self._waiting, NOBODY
            for call, received_at in waiting:
                self._unheard(call, received_at, "disconnected")
            self._current = None
            if self._job is not None:
                self._job.cancel()
            if self._outgoing is not None:
                self._outgoing.abandon(StationUnavailable(f"{self.station.id} has left before it answered"))

    def _calls(self) -> OutgoingCalls:
        if self._outgoing is None:
            self._outgoing = OutgoingCalls(self.station, self._session, self._transmit, self._context)
        return self._outgoing

    def _transmit(self, message: bytes) -> None:
        """A CALL of ours goes on the line; its answer can only arrive while we read."""
        if self.is_open:
            self._link.send(message)
            self._regulate()

    def _regulate(self) -> None:
        """Pause while too many CALLs wait, but never while we await an answer: it would be stuck behind them."""
        if not self.is_open:
            return
        waiting, limits = len(self._waiting), self._context.limits
        if waiting >= limits.waiting_calls_hard:
            self.close(1008, "too many unanswered calls")
            return
        pause = waiting >= limits.waiting_calls and not self._session.is_awaiting
        if pause != self._is_paused:
            self._is_paused = pause
            (self._link.pause if pause else self._link.resume)()

    def _refuse(self, message: bytes, error: MalformedFrame, received_at: datetime) -> None:
        """Not a proper frame: answered where that is possible; the connection goes on (RPC-34, RPC-35)."""
        if error.call_id is not None:
            self._link.send(encode_error(error.call_id, "FormationViolation", str(error)))
        self._rejected(message, str(error), "malformed", received_at)
        now, limit = self._context.env.monotonic(), self._context.limits.malformed_per_minute
        if now >= self._malformed_until:
            self._malformed, self._malformed_until = 0, now + 60
        self._malformed += 1
        if limit and self._malformed > limit:
            self.close(1002, "too many malformed messages")

    def _rejected(self, raw: bytes, reason: str, kind: str, received_at: datetime) -> None:
        context = self._context
        context.recorder.record(Exchange(self.station.id, "in", "", "", excerpt(raw), None, kind, received_at, 0))
        context.hooks.tell(frame_rejected, self.station, raw, reason)

    def _unheard(self, call: Call, received_at: datetime, error: str, response: str | None = None) -> None:
        """A CALL that no plugin was asked about."""
        request = bytes(call.payload).decode()
        self._context.recorder.record(
            Exchange(self.station.id, "in", str(call.id), call.action, request, response, error, received_at, 0)
        )
