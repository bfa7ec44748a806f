"""The Link of the reactor: frames of one admitted station over one wire."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from csmsd._kernel.transport.websocket import CLOSE, PING, PONG, TEXT, VIOLATION, Codec, Event, close_frame, frame
from csmsd._kernel.transport.wire import CLOSING, DEAD, IN, OPEN, OUT, Wire
from csmsd.errors import Bug

if TYPE_CHECKING:
    import socket

    from csmsd._kernel.timers import Timer
    from csmsd._kernel.transport.link import Admission, Receiver
    from csmsd._kernel.transport.reactor import Reactor
    from csmsd.hookspecs import ConnectRequest

log = logging.getLogger("csmsd.reactor")

EVENTS_PER_TURN: Final = 8  # of one peer, before the others get their turn
SLOW: Final = 0.001  # seconds; a plain function that takes longer delays every station
NOTHING: deque[Event] = deque()  # an empty deque is 600 bytes: idle links share this one and never change it


class Nobody:
    """The receiver before the first and after the last: satisfies `Receiver`."""

    def receive(self, message: bytes) -> None:
        """Nobody listens."""

    def lost(self, reason: str) -> None:
        """Nobody minds."""


NOBODY = Nobody()


class WireLink(Wire):
    """Satisfies `Link`. Nothing in here is allocated for a station that is silent, but its ping timer."""

    __slots__ = ("_allowance", "_allowed_since", "_codec", "_has_ponged", "_inbox", "_is_braked", "_is_heard",
                 "_is_paused", "_receiver", "_unfinished", "station_id")  # fmt: skip

    def __init__(self, reactor: Reactor, sock: socket.socket, peer: str, station_id: str) -> None:
        super().__init__(reactor, reactor.epoll, sock, peer)
        self.station_id = station_id
        self._codec = Codec(reactor.limits.message_bytes, reactor.limits.fragments)
        self._receiver: Receiver = NOBODY
        self._inbox = NOTHING  # parsed but not delivered: paused, or not our turn
        self._is_paused = False
        self._is_braked = False
        self._is_heard = False  # since the last ping
        self._has_ponged = False
        self._allowance = reactor.limits.events_per_second  # frames until we look at the clock
        self._allowed_since = reactor.clock()
        self._unfinished: Timer | None = None  # while a message has begun and is not complete

    def begin(self, request: ConnectRequest, admission: Admission, greeting: bytes, early: bytes) -> None:
        """Answer the upgrade, enter the kernel, and take what the peer could not wait to send."""
        self._is_corked = True
        self._out += greeting
        try:
            self._receiver = self._reactor.door.enter(request, admission, self)
            if self._state == OPEN and self._reactor.limits.ping:
                self._set_deadline(self._reactor.limits.ping, self._ping)
            if early:
                self._parse(early)
        except Bug:
            log.exception("%s: could not enter", self.peer)
            if self._receiver is NOBODY:
                self._reactor.door.refused(self.peer)
            self.drop("internal error")
        finally:
            self._is_corked = False
        if self._state != DEAD:
            self._flush()
            self._arm()

    # -- Link: called from anywhere, never calls the receiver -------------------------------------------

    def send(self, message: bytes) -> None:
        """Send one text message, after those before it."""
        if self._state == OPEN:
            self._write(frame(TEXT, message))

    def pause(self) -> None:
        """Call `receive` no more, for now."""
        self._is_paused = True
        if not self._is_corked:
            self._arm()

    def resume(self) -> None:
        """Undo `pause`. The peer gets the time it was not listened to."""
        if self._is_paused:
            self._is_paused = False
            self._is_heard = True
            self._expect_rest()
            if not self._is_corked:
                self._arm()

    def close(self, code: int, reason: str) -> None:
        """Say so after what is unsent, and wait for the peer's answer within the deadline."""
        if self._state == OPEN:
            self._write(close_frame(code, reason))
        if self._state == OPEN:
            self._state = CLOSING
            self._inbox = NOTHING
            self._stop_expecting()
            has_heard_it_all = self._codec.is_over  # its farewell was among what we do not deliver any more
            self._set_deadline(0.0 if has_heard_it_all else self._reactor.limits.close, self._linger_late)
            if not self._is_corked:
                self._arm()

    def _linger_late(self) -> None:
        self._linger("closed")

    # -- what arrives -----------------------------------------------------------------------------------

    def _mask_wanted(self) -> int:
        if self._state == CLOSING:
            return IN
        if self._is_paused or self._is_braked:
            return 0
        if self._inbox:
            return OUT
        return IN if len(self._out) < self._reactor.limits.buffer_high else 0

    def _proceed(self) -> None:
        if self._inbox:
            self._flush()
            self._deliver()

    def _take(self, data: bytes) -> None:
        self._is_heard = True
        message = self._codec.single(data)
        if message is None:
            self._parse(data)
        elif self._state == OPEN:
            self._allowance -= 1
            self._receive(message)
        if self._allowance <= 0:
            self._brake()

    def _parse(self, data: bytes) -> None:
        codec = self._codec
        before = codec.frames
        events = codec.feed(data)
        self._allowance -= codec.frames - before
        self._expect_rest(has_progress=any(event.opcode == TEXT for event in events))
        if self._state == OPEN:
            self._inbox = deque(events) if events else NOTHING  # it was empty, or we would not have read
            self._deliver()
        elif codec.is_over:
            self._linger("closed")

    def _deliver(self) -> None:
        """A few events; the doorbell rings for the rest."""
        for _ in range(EVENTS_PER_TURN):
            if not self._inbox or self._is_paused or len(self._out) >= self._reactor.limits.buffer_high:
                break
            event = self._inbox.popleft()
            if event.opcode == TEXT:
                self._receive(event.payload)
            elif event.opcode == PING:
                self._write(frame(PONG, event.payload))
            elif event.opcode == PONG:
                self._has_ponged = True
            else:
                self._part(event)
        if not self._inbox:
            self._inbox = NOTHING

    def _receive(self, message: bytes) -> None:
        clock = self._reactor.clock
        started = clock()
        self._receiver.receive(message)
        seconds = clock() - started
        if seconds > SLOW:
            self._reactor.report_slow(self.station_id, seconds)

    def _part(self, event: Event) -> None:
        """The peer says goodbye, or something that must not be said."""
        if event.opcode == CLOSE:
            self._write(frame(CLOSE, event.payload[:2]))
            self._linger(f"closed by the station with {event.code} {event.reason}".rstrip())
        else:
            self._write(close_frame(event.code, event.reason))
            self._linger(f"closed with {event.code}: {event.reason}")

    # -- deadlines --------------------------------------------------------------------------------------

    @property
    def answers_pings(self) -> bool:
        """See Link."""
        return self._has_ponged

    def _ping(self) -> None:
        self._is_heard = False
        self._write(frame(PING, b""))
        if self._state == OPEN:
            self._set_deadline(self._reactor.limits.pong, self._judge_silence)

    def _judge_silence(self) -> None:
        """WS-33. Many stations never answer a ping: those are judged by their other traffic only, and not here."""
        limits = self._reactor.limits
        if self._has_ponged and not self._is_heard and not self._is_paused:
            self.drop("no pong")
        else:
            self._set_deadline(max(limits.ping - limits.pong, 0.0), self._ping)

    def _expect_rest(self, *, has_progress: bool = True) -> None:
        """A message that has begun must be complete in time, but only while we read."""
        if self._codec.is_between_frames or self._state != OPEN:
            self._stop_expecting()
        elif has_progress or self._unfinished is None:
            self._stop_expecting()
            self._unfinished = self._reactor.wheel.after(self._reactor.limits.message, self._stop_waiting)

    def _stop_expecting(self) -> None:
        if self._unfinished is not None:
            self._unfinished.cancel()
            self._unfinished = None

    def _stop_waiting(self) -> None:
        self._unfinished = None
        if self._is_paused:
            self._expect_rest()
        elif self._state == OPEN:
            self._part(Event(VIOLATION, b"", 1008, "message took too long"))

    def _brake(self) -> None:
        """Too many frames: read on when their second is over; TCP pushes back."""
        now = self._reactor.clock()
        window_end = self._allowed_since + 1.0
        self._allowed_since = max(now, window_end)
        self._allowance = self._reactor.limits.events_per_second
        if now < window_end:
            self._is_braked = True
            self._reactor.wheel.after(window_end - now, self._release_brake)

    def _release_brake(self) -> None:
        self._is_braked = False
        self._arm()

    def _ended(self, reason: str) -> None:
        self._inbox = NOTHING
        self._stop_expecting()
        receiver, self._receiver = self._receiver, NOBODY
        receiver.lost(reason)
