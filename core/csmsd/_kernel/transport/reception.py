"""The way from a fresh socket to an admitted station: TLS, head and knock, under one deadline."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import trio

from csmsd._kernel.transport.link import Admission, Door, WireLimits
from csmsd._kernel.transport.stream import SocketStream
from csmsd._kernel.transport.tls import explain
from csmsd._kernel.transport.upgrade import BadUpgrade, parse_upgrade, refusal, take_head
from csmsd.errors import Bug
from csmsd.hookspecs import ConnectRequest

log = logging.getLogger("csmsd.trio_ws")
TRY_AGAIN = 10  # seconds; in the Retry-After of an upgrade that nobody could judge in time


@dataclass(frozen=True, slots=True)
class Guest:
    """An upgrade that was judged."""

    request: ConnectRequest
    key: bytes  # Sec-WebSocket-Key
    admission: Admission
    early: bytes  # what the peer sent behind its request, without waiting for the answer


class _PeerLeft(Exception):
    """The peer closed before it had an answer."""


class Reception:
    """Receives one visitor."""

    def __init__(self, stream: SocketStream, door: Door, limits: WireLimits, peer: str, listener: str) -> None:
        self._stream, self._door, self._limits = stream, door, limits
        self._peer, self._listener = peer, listener
        self._stage = "tls" if stream.is_tls else "tcp"
        self._target = ""
        self._arrived = bytearray()

    async def receive(self) -> Guest | None:
        """The guest whose upgrade is to be answered with 101; None for everybody else, who has been told why."""
        answer = b""
        try:
            with trio.fail_after(self._limits.handshake):
                guest = await self._meet()
        except BadUpgrade as bad:
            self._target = bad.target
            cause = bad.cause
            answer = refusal(bad.status, cause)
        except trio.TooSlowError:
            cause = "It took too long."
            if self._target:
                answer = refusal(503, retry_after=TRY_AGAIN)  # it was us (WS-42)
            elif self._stage != "tls":
                answer = refusal(408)
        except trio.BrokenResourceError as broken:
            cause = explain(broken.__cause__) if self._stage == "tls" else "The connection was reset."
        except _PeerLeft:
            cause = "The peer left before it had an answer."
        else:
            if guest.admission.status != 101:
                await self._refuse(guest.admission)
                return None
            return guest
        self._door.turned_away(self._peer, self._stage, cause, self._target)
        if answer:
            await self._stream.say_and_leave(answer, self._limits.close)
        return None

    async def _meet(self) -> Guest:
        await self._stream.do_handshake()
        if self._stage == "tls":
            self._stage = "upgrade"
        request, key = parse_upgrade(
            await self._head(),
            self._peer,
            self._listener,
            is_tls=self._stream.is_tls,
            client_certificate=self._stream.client_certificate,
            max_lines=self._limits.head_lines,
        )
        self._target = request.target
        admission = await self._knock(request)
        return Guest(request, key, admission, bytes(self._arrived))

    async def _head(self) -> bytes:
        while (head := take_head(self._arrived, self._limits.head_bytes)) is None:
            data = await self._stream.receive_some(self._limits.head_bytes - len(self._arrived))
            if not data:
                raise _PeerLeft
            self._stage = "upgrade"
            self._arrived += data
        return head

    async def _knock(self, request: ConnectRequest) -> Admission:
        """Ask the door while watching the peer, who may leave meanwhile but not send more than a head's bytes."""
        answers: list[Admission] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, nursery.cancel_scope)
            try:
                answers.append(await self._door.knock(request))
            except Bug:
                log.exception("%s: no verdict", self._peer)
                answers.append(Admission(503, retry_after=TRY_AGAIN))
            nursery.cancel_scope.cancel()
        if not answers:
            raise _PeerLeft
        return answers[0]

    async def _watch(self, knocking: trio.CancelScope) -> None:
        try:
            while (room := self._limits.head_bytes - len(self._arrived)) > 0:
                data = await self._stream.receive_some(room)
                if not data:
                    break
                self._arrived += data
            else:
                return  # enough: TCP pushes back until the verdict
        except trio.BrokenResourceError:
            pass
        knocking.cancel()

    async def _refuse(self, admission: Admission) -> None:
        answer = refusal(admission.status, retry_after=admission.retry_after, realm=admission.realm)
        await self._stream.say_and_leave(answer, self._limits.close)
