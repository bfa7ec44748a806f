"""One CALL on its way through its plan: inline as far as it goes, then from job to job, or until the commit."""

from __future__ import annotations

import logging
from datetime import datetime
from time import perf_counter_ns
from types import CoroutineType
from typing import TYPE_CHECKING, Any

import trio

from csmsd._kernel.absorption import EMPTY
from csmsd._kernel.judgement import is_promise
from csmsd._kernel.steps import Step
from csmsd._kernel.walk import DECIDING, Trace
from csmsd.errors import Bug, OutcomeUnknown, StoreError, StoreUnavailable, WriteFailed, fault_in
from csmsd.journal import Decision, Exchange, Outcome
from csmsd.ocpp.errors import InternalError, NotSupported, OcppError
from csmsd.ocpp.frames import Call, encode_error, encode_result
from csmsd.pending import Pending

if TYPE_CHECKING:
    from csmsd._kernel.dispatch import Caller, Dispatcher, Route
    from csmsd._kernel.timers import Timer
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
        "_has_failed",
        "_is_over",
        "_kernel",
        "_leads",
        "_mark",
        "_next",
        "_received_at",
        "_request",
        "_route",
        "_since",
        "_timer",
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
        self._deadline = 0.0  # of the whole answer; set when it is waited for
        self._timer: Timer | None = None  # from the wait for a promise until the next implementation is asked
        self._is_over = False  # it was waited for in vain
        self._has_failed = False  # whoever should have answered it
        self._leads = False  # others may wait for our answer (RPC-12)
        self._since = self._mark = perf_counter_ns()
        self._trace: Trace = []

    # -- the ways in: asked, repeated, absorbed, refused before anybody was asked ------------------------

    def ask_for(self, request: Any, arrival: Arrival) -> bytes | None:
        """Ask the plan for an answer: the reply, or None if it comes later."""
        self._request, self._arrival = request, arrival
        self._mark = perf_counter_ns()
        try:
            return self._ask()
        except OcppError as error:
            return self.refuse(error)

    def lead(self) -> None:
        """The same message may come again before this one is answered: it waits for our answer."""
        self._leads = True
        self._kernel.repeats.begin(self._caller.station.id, self._call)

    def follow(self, twin: Pending[bytes | None]) -> None:
        """The same message is being answered already, on an older connection; if that fails, it is asked anew."""

        def answered(payload: bytes | None, _error: BaseException | None) -> None:
            if not self._caller.is_waiting_for(self._call):
                self._record(None, "disconnected")
            elif payload is not None:
                self._answer(self.repeat(payload))
            else:
                self._answer(self._kernel.start(self._caller, self._call, self._received_at))

        twin.when_settled(answered)

    def guarded_by(self, step: Step) -> None:
        """A guard has refused it."""
        took = (perf_counter_ns() - self._mark) // 1000
        self._trace.append((step.plugin, "refused", took, DECIDING + step.hook))

    def repeat(self, payload: bytes) -> bytes:
        """Give a stored answer again (RPC-12)."""
        took = (perf_counter_ns() - self._since) // 1000
        self._trace.append(("kernel", "answered", took, "the stored answer to the same message"))
        self._record(payload.decode(), "")
        return encode_result(self._call.id, payload)

    def absorb(self) -> bytes:
        """Nobody here takes such messages, and the operator wants them answered all the same."""
        took = (perf_counter_ns() - self._since) // 1000
        self._trace.append(("kernel", "absorbed", took, f"no enabled plugin takes {self._call.action}"))
        self._record(EMPTY.decode(), "")
        return encode_result(self._call.id, EMPTY)

    def refuse(self, error: OcppError) -> bytes | None:
        """A CALLERROR; what the station may drop is stored raw before, for the operator (BOOT-31, VAL-14)."""
        call = self._call
        reply = encode_error(call.id, error.code, error.description, error.details)
        exchange = self._exchange(error.description, error.code)
        self._end(None)
        if self._route is None or not self._route.action.keeps_refused:
            self._kernel.recorder.handled(self._caller.station, exchange)
            return reply

        def stored(_value: Any, failure: BaseException | None) -> None:
            if isinstance(failure, WriteFailed):  # its own fault: sent again it would fail again
                about = {"station": exchange.station_id, "action": call.action}
                log.error("%s: %s cannot be kept: %r", exchange.station_id, call.action, exchange.request, extra=about)
            elif failure is not None:
                self._caller.abandon(call, TRY_AGAIN_LATER, "storage unavailable")
                return
            self._caller.answer(call, reply)

        self._kernel.recorder.before_refusal(self._caller.station, exchange).when_settled(stored)
        return None

    # -- asking ------------------------------------------------------------------------------------

    def _ask(self) -> bytes | None:
        """Ask the rest of the plan until somebody answers or a task has to go on."""
        route = self._route
        assert route is not None
        while self._next < len(route.plan):
            step = route.plan[self._next]
            self._next += 1
            if step.is_async:
                self._start_job(step)
                return None
            runner = self._kernel.runner
            outer, runner.trace = runner.trace, self._trace
            try:
                answer: Any = step.call(self._caller.station, self._request, self._arrival)
                if is_promise(answer):
                    if not answer.is_settled:
                        self._wait_for(step, answer)
                        return None
                    answer = answer.result()
            except OcppError:
                self._refused(step)
                raise
            except StoreError as error:
                self._give_up(error)
                return None
            except BaseException as error:
                self._failed(step, fault_in(error))
                continue
            finally:
                runner.trace = outer
            if type(answer) is route.action.response:
                return self._reply(step, answer)
            self._check_silence(step, answer)
        if self._has_failed:
            raise InternalError("internal error")
        raise NotSupported(f"nothing here answers {self._call.action}")

    def _start_job(self, step: Step) -> None:
        timeout = min(step.timeout, self._time_left())
        args = (self._caller.station, self._request, self._arrival)
        self._caller.attach(self._kernel.pool.start(step.call, args, timeout, self._job_done, step.plugin))

    def _job_done(self, answer: Any, error: BaseException | None) -> None:
        if is_promise(answer):
            assert self._route is not None
            self._wait_for(self._route.plan[self._next - 1], answer)
        else:
            self._settled(answer, error)

    def _wait_for(self, step: Step, promise: Pending[Any]) -> None:
        """A promise has what is left of the time; one that is kept later counts for nothing."""
        self._note(step, "pending")
        self._timer = self._kernel.wheel.after(self._time_left(), self._too_late)
        promise.when_settled(self._settled)

    def _settled(self, answer: Any, error: BaseException | None) -> None:
        """A task has ended or a promise is kept: take the answer, or ask the next implementation."""
        if self._timer is not None:
            self._timer.cancel()
        if self._is_over:
            return
        assert self._route is not None
        if not self._caller.is_waiting_for(self._call):
            is_answer = self._leads and error is None and type(answer) is self._route.action.response
            self._end(self._route.action.encode(answer) if is_answer else None)  # the station may ask once more
            self._record(None, "disconnected")  # nobody is asked any more, and nobody is blamed
            return
        step = self._route.plan[self._next - 1]
        if isinstance(error, StoreError):
            self._give_up(error)
        elif isinstance(error, OcppError):
            self._refused(step)
            self._answer(self.refuse(error))
        elif error is None and type(answer) is self._route.action.response:
            self._answer(self._reply(step, answer))
        else:
            if error is None:
                self._check_silence(step, answer)
            else:
                self._failed(step, error)
            self._ask_on()

    def _ask_on(self) -> None:
        self._timer, self._mark = None, perf_counter_ns()
        try:
            if self._time_left() <= 0:
                raise InternalError(f"no answer to {self._call.action} in time")
            reply = self._ask()
        except OcppError as refusal:
            reply = self.refuse(refusal)
        self._answer(reply)

    def _too_late(self) -> None:
        """Nobody knows if what was promised is stored: a CALLERROR would be wrong for billing data (RPC-31)."""
        if not self._caller.is_waiting_for(self._call):
            self._end(None)
            return
        assert self._route is not None
        self._is_over = True
        self._failed(self._route.plan[self._next - 1], trio.TooSlowError())
        reason = f"no answer to {self._call.action} in time"
        if self._route.action.is_transactional:
            self._end(None)
            self._record(None, "unstored")
            self._caller.abandon(self._call, INTERNAL_ERROR, reason)
        else:
            self._answer(self.refuse(InternalError(reason)))

    def _time_left(self) -> float:
        """Of the whole answer, from the first wait on."""
        now = trio.current_time()
        self._deadline = self._deadline or now + self._kernel.answer_timeout
        return self._deadline - now

    # -- what is thought of who was asked ------------------------------------------------------------

    def _refused(self, step: Step) -> None:
        self._kernel.hooks.worked(step)
        self._note(step, "refused")

    def _failed(self, step: Step, error: BaseException) -> None:
        self._kernel.hooks.failed(step, error)
        self._has_failed = True
        is_slow = isinstance(error, trio.TooSlowError)
        self._note(step, "too slow" if is_slow else "failed", "" if is_slow else type(error).__name__)

    def _check_silence(self, step: Step, answer: object) -> None:
        """None means `not mine`; anything else of a wrong type is a bug of the plugin."""
        if answer is None:
            self._kernel.hooks.worked(step)
            self._note(step, "passed over")
            return
        complaint = f"answered {type(answer).__name__}"
        if isinstance(answer, CoroutineType):
            answer.close()
        self._kernel.hooks.failed(step, complaint)
        self._has_failed = True
        self._note(step, "failed", complaint)

    # -- the ways out ------------------------------------------------------------------------------

    def _answer(self, reply: bytes | None) -> None:
        if reply is not None:
            self._caller.answer(self._call, reply)

    def _reply(self, step: Step, answer: Any) -> bytes | None:
        call, route = self._call, self._route
        assert route is not None
        try:
            payload = route.action.encode(answer, whole_seconds=self._caller.record.whole_seconds)
        except Bug as error:  # the plugin's answer breaks the schema (VAL-01)
            self._kernel.hooks.failed(step, f"answered something the schema forbids: {error}")
            self._note(step, "failed", "broke the schema")
            return self.refuse(InternalError("internal error"))
        self._kernel.hooks.worked(step)
        self._end(payload)
        self._note(step, "answered")
        self._record(payload.decode(), "")
        return encode_result(call.id, payload)

    def _give_up(self, error: StoreError) -> None:
        """Silence, so that the station's own queue keeps the message; but one message's own fault is told (TX-04)."""
        call, station_id = self._call, self._caller.station.id
        about = {"station": station_id, "action": call.action}
        if isinstance(error, WriteFailed):
            log.error("%s: %s could not be stored: %s", station_id, call.action, error, extra=about)
            self._answer(self.refuse(InternalError("the message could not be stored")))
            return
        log.error("%s: %s is not stored: %s", station_id, call.action, error, extra=about)
        self._end(None)
        self._record(None, "unstored")
        is_outage = isinstance(error, (StoreUnavailable, OutcomeUnknown))
        self._caller.abandon(call, TRY_AGAIN_LATER if is_outage else INTERNAL_ERROR, "storage unavailable")

    # -- the record --------------------------------------------------------------------------------

    def _note(self, step: Step, outcome: Outcome, note: str = "") -> None:
        """Each step of the trace has its own time; that of an async implementation is counted where it runs."""
        now = perf_counter_ns()
        took = now - self._mark
        if not step.is_async and self._timer is None:
            step.health.nanoseconds += took
        self._mark = now
        self._trace.append((step.plugin, outcome, took // 1000, note))

    def _end(self, answer: bytes | None) -> None:
        """Whoever sent the same message meanwhile gets the same answer."""
        if self._leads:
            self._leads = False
            self._kernel.repeats.end(self._caller.station.id, self._call, answer)

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
