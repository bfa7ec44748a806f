"""One CALL on its way through its plan: inline as far as it goes, then from job to job, or until the commit."""

from __future__ import annotations

import logging
from datetime import datetime
from time import perf_counter_ns
from types import CoroutineType
from typing import TYPE_CHECKING, Any

import trio

from csmsd._kernel.hooks import Step
from csmsd._kernel.judgement import is_promise
from csmsd.errors import Bug, OutcomeUnknown, StoreError, StoreUnavailable, WriteFailed
from csmsd.journal import Decision, Exchange, Outcome
from csmsd.ocpp.errors import InternalError, NotSupported, OcppError
from csmsd.ocpp.frames import Call, encode_error, encode_result
from csmsd.pending import Pending

if TYPE_CHECKING:
    from csmsd._kernel.dispatch import Caller, Dispatcher, Route
    from csmsd.station import Arrival

log = logging.getLogger("csmsd.dispatch")

TRY_AGAIN_LATER = 1013
INTERNAL_ERROR = 1011


class CallInHand:
    """Ends in exactly one of: a result, a CALLERROR, or silence with a closed connection (TX-04)."""

    __slots__ = (
        "_arrival",
        "_call",
        "_caller",
        "_deadline",
        "_kernel",
        "_next",
        "_received_at",
        "_request",
        "_route",
        "_since",
        "_trace",
    )

    def __init__(
        self, kernel: Dispatcher, caller: Caller, call: Call, received_at: datetime, route: Route | None
    ) -> None:
        self._kernel, self._caller, self._call, self._received_at = kernel, caller, call, received_at
        self._route = route
        self._request: Any = None
        self._arrival: Arrival | None = None
        self._next = 0  # the next implementation to ask
        self._deadline = 0.0  # of the whole answer; set when the first task is started
        self._since = perf_counter_ns()
        self._trace: list[tuple[str, Outcome, int, str]] = []

    # -- the three ways in: asked, repeated, refused before anybody was asked --------------------------

    def ask_for(self, request: Any, arrival: Arrival) -> bytes | None:
        """Ask the plan for an answer: the reply, or None if it comes later."""
        self._request, self._arrival = request, arrival
        try:
            return self._ask()
        except OcppError as error:
            return self.refuse(error)

    def repeat(self, reply: bytes) -> bytes:
        """Give a stored answer again (RPC-12)."""
        self._note("kernel", "answered", "the stored answer to the same message")
        self._record(None, "")
        return reply

    def refuse(self, error: OcppError) -> bytes | None:
        """A CALLERROR; of a transaction message the raw frame is stored first, for the operator (BOOT-31, VAL-14)."""
        call = self._call
        reply = encode_error(call.id, error.code, error.description, error.details)
        exchange = self._exchange(error.description, error.code)
        if self._route is None or not self._route.action.is_transactional:
            self._kernel.recorder.handled(self._caller.station, exchange)
            return reply

        def stored(_value: Any, failure: BaseException | None) -> None:
            if failure is None:
                self._caller.answer(call, reply)
            else:
                self._caller.abandon(call, TRY_AGAIN_LATER, "storage unavailable")

        self._kernel.recorder.before_refusal(self._caller.station, exchange).when_settled(stored)
        return None

    # -- asking ------------------------------------------------------------------------------------

    def _ask(self) -> bytes | None:
        """Ask the rest of the plan until somebody answers or a task has to go on."""
        route, hooks = self._route, self._kernel.hooks
        assert route is not None
        while self._next < len(route.plan):
            step = route.plan[self._next]
            self._next += 1
            if step.is_async:
                self._start_job(step)
                return None
            try:
                answer: Any = step.call(self._caller.station, self._request, self._arrival)
            except OcppError:
                hooks.worked(step)
                self._note(step.plugin, "refused")
                raise
            except StoreError as error:
                self._give_up(error)
                return None
            except Bug as error:
                hooks.failed(step, error)
                self._note(step.plugin, "failed", type(error).__name__)
                continue
            if is_promise(answer):
                if not answer.is_settled:
                    self._note(step.plugin, "pending")
                    answer.when_settled(self._settled)
                    return None
                answer = self._value_of(step, answer)
                if answer is None:
                    return None
            if type(answer) is route.action.response:
                hooks.worked(step)
                return self._reply(step, answer)
            self._check_silence(step, answer)
        raise NotSupported(f"nothing here answers {self._call.action}")

    def _value_of(self, step: Step, answer: Pending[Any]) -> Any:
        """What a promise that is kept already holds; None if there is nothing more to say."""
        try:
            return answer.result()
        except StoreError as error:
            self._give_up(error)
            return None
        except OcppError:
            self._note(step.plugin, "refused")
            raise
        except Bug as error:
            self._kernel.hooks.failed(step, error)
            self._note(step.plugin, "failed", type(error).__name__)
            raise InternalError("internal error") from None

    def _start_job(self, step: Step) -> None:
        kernel, now = self._kernel, trio.current_time()
        self._deadline = self._deadline or now + kernel.answer_timeout
        timeout = min(step.timeout, self._deadline - now)
        args = (self._caller.station, self._request, self._arrival)
        self._caller.attach(kernel.pool.start(step.call, args, timeout, self._job_done))

    def _job_done(self, answer: Any, error: BaseException | None) -> None:
        """A task has ended: take its answer, or pass it over and ask the next implementation."""
        if not self._caller.is_waiting_for(self._call):
            return  # the station has left: nobody is asked any more, and nobody is blamed
        assert self._route is not None
        step, hooks = self._route.plan[self._next - 1], self._kernel.hooks
        if is_promise(answer):
            self._note(step.plugin, "pending")
            answer.when_settled(self._settled)
        elif type(answer) is self._route.action.response or isinstance(error, (OcppError, StoreError)):
            hooks.worked(step)
            self._settled(answer, error)
        else:
            if error is not None:
                hooks.failed(step, error)
                is_slow = isinstance(error, trio.TooSlowError)
                self._note(step.plugin, "too slow" if is_slow else "failed", "" if is_slow else type(error).__name__)
            else:
                self._check_silence(step, answer)
            self._ask_on()

    def _ask_on(self) -> None:
        if trio.current_time() >= self._deadline:
            self._settled(None, InternalError(f"no answer to {self._call.action} in time"))
            return
        try:
            reply = self._ask()
        except OcppError as refusal:
            self._settled(None, refusal)
        else:
            if reply is not None:
                self._caller.answer(self._call, reply)

    def _check_silence(self, step: Step, answer: object) -> None:
        """None means `not mine`; anything else of a wrong type is a bug of the plugin."""
        kind = type(answer).__name__
        if answer is None:
            self._kernel.hooks.worked(step)
            self._note(step.plugin, "passed over")
            return
        if isinstance(answer, CoroutineType):
            answer.close()
        complaint = f"answered {kind}"
        self._kernel.hooks.failed(step, complaint)
        self._note(step.plugin, "failed", complaint)

    # -- the ways out ------------------------------------------------------------------------------

    def _settled(self, value: Any, error: BaseException | None) -> None:
        """The reply is known after all: from a task or from the committer."""
        if not self._caller.is_waiting_for(self._call):
            self._record(None, "disconnected")
            return
        assert self._route is not None
        step = self._route.plan[self._next - 1]
        reply: bytes | None
        if isinstance(error, StoreError):
            self._give_up(error)
            return
        if error is None and type(value) is self._route.action.response:
            reply = self._reply(step, value)
        elif isinstance(error, OcppError):
            reply = self.refuse(error)
        else:
            self._kernel.hooks.failed(step, error or f"answered {type(value).__name__}")
            reply = self.refuse(InternalError("internal error"))
        if reply is not None:
            self._caller.answer(self._call, reply)

    def _reply(self, step: Step, answer: Any) -> bytes | None:
        call, station, route = self._call, self._caller.station, self._route
        assert route is not None
        try:
            payload = route.action.encode(answer, whole_seconds=self._caller.record.whole_seconds)
        except ValueError as error:  # the plugin's answer breaks the schema (VAL-01)
            self._kernel.hooks.failed(step, f"answered something the schema forbids: {error}")
            return self.refuse(InternalError("internal error"))
        reply = encode_result(call.id, payload)
        if route.action.repeats_answer:
            self._kernel.repeats.keep(station.id, call, reply)
        self._note(step.plugin, "answered")
        self._record(payload.decode(), "")
        return reply

    def _give_up(self, error: StoreError) -> None:
        """Silence, so that the station's own queue keeps the message; but one message's own fault is told (TX-04)."""
        call = self._call
        if isinstance(error, WriteFailed):
            log.error("%s: %s could not be stored: %s", self._caller.station.id, call.action, error)
            reply = self.refuse(InternalError("the message could not be stored"))
            if reply is not None:
                self._caller.answer(call, reply)
            return
        log.error("%s: %s is not stored: %s", self._caller.station.id, call.action, error)
        self._record(None, "unstored")
        is_outage = isinstance(error, (StoreUnavailable, OutcomeUnknown))
        self._caller.abandon(call, TRY_AGAIN_LATER if is_outage else INTERNAL_ERROR, "storage unavailable")

    # -- the record --------------------------------------------------------------------------------

    def _note(self, plugin: str, outcome: Outcome, note: str = "") -> None:
        self._trace.append((plugin, outcome, (perf_counter_ns() - self._since) // 1000, note))

    def _record(self, response: str | None, error: str) -> None:
        self._kernel.recorder.handled(self._caller.station, self._exchange(response, error))

    def _exchange(self, response: str | None, error: str) -> Exchange:
        call, arrival = self._call, self._arrival
        microseconds = (perf_counter_ns() - self._since) // 1000
        if self._route is not None:
            self._route.figures.count(microseconds, is_error=bool(error))
        return Exchange(
            self._caller.station.id,
            "in",
            str(call.id),
            call.action,
            bytes(call.payload).decode(),
            response,
            error,
            self._received_at,
            microseconds,
            arrival.deviations if arrival is not None else (),
            tuple(Decision(*step) for step in self._trace),
        )
