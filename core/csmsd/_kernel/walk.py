"""One question of plain code on its way through a plan."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any

import trio

from csmsd._kernel.judgement import FAILED, PASS_OVER, Judge, is_promise
from csmsd._kernel.pool import Pool
from csmsd._kernel.steps import Plan, Step
from csmsd._kernel.timers import Wheel
from csmsd.errors import fault_in
from csmsd.journal import Outcome
from csmsd.pending import Pending

Trace = list[tuple[str, Outcome, int, str]]  # plugin, what came of it, microseconds, note
DECIDING = "deciding "  # notes of a trace begin so for questions that were asked on the way to an answer


class Walk:
    """Asks one implementation after the other: inline as far as it goes, then from job to job.

    `result` settles with the first answer; with the fallback if somebody fails before or nobody answers; never with an
    error.
    """

    __slots__ = (
        "_arguments",
        "_asked",
        "_fallback",
        "_judge",
        "_plan",
        "_pool",
        "_since",
        "_trace",
        "_wheel",
        "result",
    )

    def __init__(
        self,
        plan: Plan,
        arguments: tuple[Any, ...],
        fallback: Any,
        judge: Judge,
        pool: Pool,
        wheel: Wheel,
        trace: Trace | None,
    ) -> None:
        self._plan, self._arguments, self._fallback, self._judge = plan, arguments, fallback, judge
        self._pool, self._wheel, self._trace = pool, wheel, trace
        self._since = 0  # when the last one was asked
        self._asked = 0  # so many implementations; the last of them may still think
        self.result: Pending[Any] = Pending()

    def go_on(self) -> None:
        """Ask until somebody answers or has to be waited for."""
        while self._asked < len(self._plan):
            step = self._plan[self._asked]
            self._asked += 1
            self._since = began = perf_counter_ns()
            if step.is_async:
                return self._start_job(step)
            try:
                answer = step.call(*self._arguments)
            except BaseException as error:
                if self._is_over(step, None, fault_in(error)):
                    return None
                continue
            finally:
                step.health.nanoseconds += perf_counter_ns() - began
            if is_promise(answer):
                return self._wait_for(step, answer)
            if self._is_over(step, answer, None):
                return None
        return self.result.settle(None if self._fallback is PASS_OVER else self._fallback)

    def _is_over(self, step: Step, answer: Any, error: BaseException | None) -> bool:
        answer = self._judge(step, answer, error, self._fallback)
        if self._trace is not None:
            self._note(self._trace, step, answer, error)
        if answer is FAILED:
            if self._fallback is PASS_OVER:
                return False
            answer = self._fallback
        if answer is not None:
            self.result.settle(answer)
        return answer is not None

    def _note(self, trace: Trace, step: Step, judged: Any, error: BaseException | None) -> None:
        outcome: Outcome = "passed over" if judged is None else "answered"
        if judged is FAILED:
            outcome = "too slow" if isinstance(error, trio.TooSlowError) else "failed"
        trace.append((step.plugin, outcome, (perf_counter_ns() - self._since) // 1000, DECIDING + step.hook))

    def _start_job(self, step: Step) -> None:
        def done(answer: Any, error: BaseException | None) -> None:
            if is_promise(answer):
                self._wait_for(step, answer)
            elif not self._is_over(step, answer, error):
                self.go_on()

        self._pool.start(step.call, self._arguments, step.timeout, done, step.plugin)

    def _wait_for(self, step: Step, pending: Pending[Any]) -> None:
        """A promise has a time limit too; one that is kept after it counts for nothing."""
        turn = self._asked

        def settled(answer: Any, error: BaseException | None) -> None:
            timer.cancel()
            is_late = turn != self._asked or self.result.is_settled
            if not is_late and not self._is_over(step, answer, error):
                self.go_on()

        timer = self._wheel.after(step.timeout, lambda: settled(None, trio.TooSlowError()))
        pending.when_settled(settled)
