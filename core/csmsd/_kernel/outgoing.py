"""Our CALLs to one station: guarded, queued, sent one at a time, answered, given up, or answered late."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from csmsd._kernel.submissions import Submissions
from csmsd.errors import (
    CallFailed,
    CallRefused,
    CallTimeout,
    CsmsdError,
    InvalidResponse,
    NeverSent,
    StationUnavailable,
)
from csmsd.hookspecs import command_failed, command_handled, guard_command, prepare_command
from csmsd.journal import Exchange
from csmsd.ocpp.errors import OcppError
from csmsd.ocpp.frames import CallError, CallResult, encode_call
from csmsd.ocpp.session import Session
from csmsd.pending import Pending

if TYPE_CHECKING:
    from csmsd._kernel.connection import Context
    from csmsd._kernel.timers import Timer
    from csmsd.command import AnyCommand
    from csmsd.ocpp.decoding import Deviation
    from csmsd.station import Station

WITHHELD = "(withheld: it repeats the secret that was sent)"
WORD = re.compile(rb"[^\W_]{3,}")  # a shorter one would be found in any text
REMEMBERED = 16  # commands that were given up and whose late answer still changes mirrors (RPC-24)


def repeats_secret(command: AnyCommand, payload: bytes, text: str) -> bool:
    """Does a station quote what is masked in our request, a password or a part of a URL (WS-24)?"""
    shown = command.redact_request(payload)
    if shown == payload:
        return False
    secrets = set(WORD.findall(payload.lower())) - set(WORD.findall(shown.lower()))
    return any(word.decode() in text.lower() for word in secrets)


class OutgoingCall:
    """One CALL of ours."""

    __slots__ = ("command", "id", "payload", "pending", "request", "sent_at", "started", "timeout", "timer")

    def __init__(self, call_id: str, command: AnyCommand, request: Any, payload: bytes, timeout: float) -> None:
        self.id, self.command, self.request, self.payload, self.timeout = call_id, command, request, payload, timeout
        self.pending: Pending[Any] = Pending()
        self.timer: Timer | None = None
        self.sent_at: datetime | None = None
        self.started = 0.0


class OutgoingCalls:
    """All of them, for one connection."""

    __slots__ = ("_calls", "_context", "_given_up", "_session", "_station", "_transmit", "submissions")

    def __init__(self, station: Station, session: Session, transmit: Callable[[bytes], None], context: Context) -> None:
        self._station, self._session, self._transmit, self._context = station, session, transmit, context
        self._calls: dict[str, OutgoingCall] = {}  # on the line, then queued, in order
        self._given_up: dict[str, OutgoingCall] = {}
        self.submissions = Submissions(self.prepared, context.pool, context.limits.answer_timeout)

    async def call(self, command: AnyCommand, request: Any, timeout: float | None) -> Any:
        """Send a command and wait for the answer; who stops waiting before it is on the line takes it back."""
        call = await self._enqueued(command, request, timeout)
        try:
            return await call.pending
        finally:
            if call.sent_at is None and self._calls.pop(call.id, None) is not None:
                self._session.finish(call.id)
                self._never_sent(command, request, "nobody waits for it any more")

    async def prepared(self, command: AnyCommand, request: Any, timeout: float | None) -> Pending[Any]:
        """Send a command: the Pending of its answer."""
        return (await self._enqueued(command, request, timeout)).pending

    def answered(self, frame: CallResult | CallError) -> None:
        """The answer to the CALL on the line."""
        call = self._calls.pop(str(frame.id), None)
        if call is not None:
            if call.timer is not None:
                call.timer.cancel()
            self._settle(call, frame)
            self._next(call)

    def late(self, frame: CallResult | CallError) -> bool:
        """An answer to a CALL that was given up: mirrors are still updated, nobody else is told (RPC-24)."""
        call = self._given_up.pop(str(frame.id), None)
        if call is None:
            return False
        self._settle(call, frame)
        return True

    def abandon(self, error: CsmsdError) -> None:
        """The connection is gone: everybody who waits is told; nothing is sent again later (RPC-25)."""
        self.submissions.abandon(error)
        calls, self._calls = self._calls, {}
        for call in calls.values():
            if call.timer is not None:
                call.timer.cancel()
            if call.sent_at is None:
                self._never_sent(call.command, call.request, str(error))
                call.pending.settle(error=error)
            else:
                self._fail(call, error, "disconnected")

    # -- inside ----------------------------------------------------------------------------------

    async def _enqueued(self, command: AnyCommand, request: Any, timeout: float | None) -> OutgoingCall:
        """Ask the guards, prepare, and put it on the line or in the queue."""
        station, hooks = self._station, self._context.hooks
        self._check_line()
        payload = command.encode(request, whole_seconds=station.record.whole_seconds)
        refusal = await hooks.first(guard_command, station, command, request)
        if refusal is not None:
            raise CallRefused(f"{command.name} is not sent to {station.id}: {refusal}")
        try:
            await self._prepare(command, request)
            self._check_line()
        except CsmsdError as error:
            self._never_sent(command, request, str(error))
            raise
        patience = timeout or station.record.call_timeout or self._context.limits.call_timeout
        call = OutgoingCall(self._context.env.new_id(), command, request, payload, patience)
        self._calls[call.id] = call
        message = self._session.submit(call.id, encode_call(call.id, command.action, payload))
        if message is not None:
            self._put_on_line(call, message)
        return call

    def _never_sent(self, command: AnyCommand, request: Any, reason: str) -> None:
        """Whoever has prepared it can let go of that."""
        error = NeverSent(f"{command.name} was not sent to {self._station.id}: {reason}")
        self._context.hooks.call_plain(command_failed, self._station, command, request, error)

    def _check_line(self) -> None:
        if not self._station.is_online:
            raise StationUnavailable(f"{self._station.id} is not connected any more")

    async def _prepare(self, command: AnyCommand, request: Any) -> None:
        for step in self._context.plans.plan(prepare_command):
            answer, error = await self._context.hooks.attempt(step, (self._station, command, request))
            if isinstance(answer, CoroutineType):
                answer.close()
                error = TypeError("returned a coroutine: an await is missing, nothing has been prepared")
            if error is not None:
                reason = str(error) if isinstance(error, CallRefused) else self._context.plans.complain(step, error)
                raise CallRefused(f"{command.name} is not sent to {self._station.id}: {step.plugin}: {reason}")

    def _put_on_line(self, call: OutgoingCall, message: bytes) -> None:
        context = self._context
        call.sent_at, call.started = context.env.now(), context.env.monotonic()
        call.timer = context.wheel.after(call.timeout, lambda: self._timed_out(call))
        self._transmit(message)

    def _timed_out(self, call: OutgoingCall) -> None:
        if self._calls.pop(call.id, None) is None:
            return
        self._given_up[call.id] = call
        while len(self._given_up) > REMEMBERED:
            del self._given_up[next(iter(self._given_up))]
        reason = f"{self._station.id} did not answer {call.command.name} within {call.timeout:g} s"
        self._fail(call, CallTimeout(reason), "timeout")
        self._next(call)

    def _next(self, call: OutgoingCall) -> None:
        following = self._session.finish(call.id)
        if following is not None:
            call_id, message = following
            self._put_on_line(self._calls[call_id], message)

    def _settle(self, call: OutgoingCall, frame: CallResult | CallError) -> None:
        station_id, name = self._station.id, call.command.name
        if isinstance(frame, CallError):
            description, details = frame.description, bytes(frame.details)
            if repeats_secret(call.command, call.payload, description + details.decode(errors="replace")):
                description, details = WITHHELD, b"{}"
            self._fail(call, CallFailed(station_id, name, frame.code, description, details), frame.code, description)
            return
        payload, tolerance = bytes(frame.payload), self._station.record.tolerance or self._context.tolerance
        try:
            response, deviations = call.command.response_decoder.decode(payload, tolerance, self._context.env.now())
        except OcppError as error:
            shown = call.command.redact_response(payload)
            invalid = InvalidResponse(station_id, name, error.description, shown)
            self._fail(call, invalid, "invalid response", shown.decode(errors="replace"))
            return
        shown = call.command.redact_response(payload)
        if shown != payload:  # what deviates may be the secret
            deviations = tuple(replace(deviation, raw="") for deviation in deviations)
        self._record(call, "", shown.decode(), deviations)
        self._context.hooks.call_plain(command_handled, self._station, call.command, call.request, response)
        call.pending.settle(response)

    def _fail(self, call: OutgoingCall, error: CsmsdError, kind: str, response: str | None = None) -> None:
        self._record(call, kind, response, ())
        self._context.hooks.call_plain(command_failed, self._station, call.command, call.request, error)
        call.pending.settle(error=error)

    def _record(self, call: OutgoingCall, error: str, response: str | None, deviations: tuple[Deviation, ...]) -> None:
        assert call.sent_at is not None
        elapsed = int((self._context.env.monotonic() - call.started) * 1e6)
        request = call.command.redact_request(call.payload).decode()
        self._context.recorder.record(
            Exchange(
                self._station.id, "out", call.id, call.command.action, request, response, error, call.sent_at, elapsed,
                deviations,
            )
        )  # fmt: skip
