"""A peer that is not trusted yet: TLS handshake, upgrade request, and the wait for the door's answer."""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING, Final

import trio

from csmsd._kernel.transport.link import Admission
from csmsd._kernel.transport.tls import explain
from csmsd._kernel.transport.upgrade import BadUpgrade, parse_upgrade, refusal, switching_protocols, take_head
from csmsd._kernel.transport.websocket import close_frame
from csmsd._kernel.transport.wire import DEAD, IN, OPEN, OUT, Wire
from csmsd._kernel.transport.wire_link import WireLink

if TYPE_CHECKING:
    import socket

    from csmsd._kernel.pool import Job
    from csmsd._kernel.transport.reactor import Reactor
    from csmsd.hookspecs import ConnectRequest

log = logging.getLogger("csmsd.reactor")

ADMITTED: Final = 101
NO_VERDICT = Admission(503, retry_after=30)


class Guest(Wire):
    """Everything before the first frame, under one deadline. Ends refused, or as a WireLink with the same socket."""

    __slots__ = ("_ends_at", "_head", "_is_shaking_hands", "_job", "_key", "_listener", "_request", "_shake_wants",
                 "_stage")  # fmt: skip

    def __init__(self, reactor: Reactor, sock: socket.socket, peer: str, listener: str) -> None:
        super().__init__(reactor, reactor.lobby, sock, peer)
        self._listener = listener
        self._is_shaking_hands = self._tls is not None
        self._shake_wants = IN
        self._stage = "tls" if self._is_shaking_hands else "tcp"  # "" once the door keeps the record
        self._head = bytearray()
        self._key = b""
        self._request: ConnectRequest | None = None
        self._job: Job | None = None
        self._ends_at = trio.current_time() + reactor.limits.handshake
        self._set_deadline(reactor.limits.handshake, self._be_late)

    def serve(self, events: int) -> None:
        """Shake hands first."""
        if self._is_shaking_hands and self._tls is not None:
            self._shake_hands(self._tls)
        if not self._is_shaking_hands:
            super().serve(events)

    def _mask_wanted(self) -> int:
        if self._is_shaking_hands:
            return self._shake_wants
        return 0 if self._job is not None else IN  # nothing is read of a peer that is not trusted yet

    def _shake_hands(self, tls: ssl.SSLSocket) -> None:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            self._shake_wants = IN
        except ssl.SSLWantWriteError:
            self._shake_wants = OUT
        except OSError as error:
            self.drop(explain(error))
        else:
            self._is_shaking_hands = False
            self._stage = "tcp"
        self._arm()

    # -- the request ------------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        self._stage = "upgrade"
        self._head += data
        limits = self._reactor.limits
        try:
            head = take_head(self._head, limits.head_bytes)
            if head is None:
                return
            self._request, self._key = parse_upgrade(
                head,
                self.peer,
                self._listener,
                is_tls=self._tls is not None,
                client_certificate=None if self._tls is None else self._tls.getpeercert(binary_form=True),
                max_lines=limits.head_lines,
            )
        except BadUpgrade as bad:
            self._refuse(refusal(bad.status, bad.cause), bad.cause)
            return
        self._knock(self._request)

    def _be_late(self) -> None:
        if self._stage == "upgrade":
            self._refuse(refusal(408), "the request did not arrive in time")
        else:
            self.drop("the handshake took too long")

    # -- the answer -------------------------------------------------------------------------------------

    def _knock(self, request: ConnectRequest) -> None:
        """Ask in a task; from here on the job's time-out is the deadline."""
        if self._deadline is not None:
            self._deadline.cancel()
        left = max(0.0, self._ends_at - trio.current_time())
        self._job = self._reactor.pool.start(self._reactor.door.knock, (request,), left, self._judged)

    def _judged(self, admission: Admission | None, error: BaseException | None) -> None:
        """Called by the pool, in a task of its own."""
        self._job = None
        if self._state != OPEN or self._request is None:
            return
        if admission is None:
            log.error("%s: nobody judged it: %r", self.peer, error)
            cause = f"no verdict: {type(error).__name__}"
            self._refuse(self._refusal(NO_VERDICT), cause)
        elif admission.status != ADMITTED:
            self._stage = ""  # knock knows it all
            self._refuse(self._refusal(admission), "refused")
        elif not admission.with_subprotocol:
            self._stage = ""
            farewell = close_frame(1002, "subprotocol ocpp1.6 is required")
            self._refuse(switching_protocols(self._key, with_subprotocol=False) + farewell, "no subprotocol")
        else:
            self._enter(self._request, admission)

    def _refusal(self, admission: Admission) -> bytes:
        return refusal(admission.status, retry_after=admission.retry_after, realm=admission.realm)

    def _refuse(self, answer: bytes, cause: str) -> None:
        self._write(answer)
        self._linger(cause)

    def _enter(self, request: ConnectRequest, admission: Admission) -> None:
        """Hand the socket to a link, and the link to the kernel."""
        self._state = DEAD
        self._forget()
        link = WireLink(self._reactor, self._sock, self.peer, admission.station_id)
        link.begin(request, admission, switching_protocols(self._key), bytes(self._head))

    def _ended(self, reason: str) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.cancel()
        if self._stage:
            target = "" if self._request is None else self._request.target
            self._reactor.door.turned_away(self.peer, self._stage, reason, target)

    def _closed(self) -> None:
        self._reactor.door.refused(self.peer)
