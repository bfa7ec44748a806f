"""The verbs: how the implementations of a hook are asked, and what a failure means for the question."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter_ns
from typing import Any, ParamSpec, TypeVar

import trio

from csmsd._kernel.deliveries import Deliveries
from csmsd._kernel.hooks import HookSet
from csmsd._kernel.judgement import FAILED, PASS_OVER, Judge, is_lazy, is_promise
from csmsd._kernel.pool import Pool
from csmsd._kernel.steps import Step
from csmsd._kernel.timers import Wheel
from csmsd._kernel.walk import Trace, Walk
from csmsd.errors import fault_in
from csmsd.hookspecs import PluginFailure, plugin_failed
from csmsd.host import Hooks
from csmsd.pending import Pending

P = ParamSpec("P")
T = TypeVar("T")


class HookRunner(Hooks):
    """Asks the plugins of one csmsd."""

    def __init__(self, hooks: HookSet, pool: Pool, wheel: Wheel) -> None:
        self._hooks, self._pool, self._wheel = hooks, pool, wheel
        self._judge = Judge(hooks)
        self._deliveries = Deliveries(pool, self._judge)
        self.trace: Trace | None = None  # of the CALL that is being handled now: questions are noted in it
        hooks.reported = self._report

    async def first(self, spec: Callable[P, Awaitable[T | None]], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """See `Hooks.first`."""
        answer: T | None = await self._first(PASS_OVER, spec, args, kwargs)
        return answer

    async def decide(self, fallback: T, spec: Callable[P, Awaitable[T | None]], *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Hooks.decide`."""
        answer: T | None = await self._first(fallback, spec, args, kwargs)
        return fallback if answer is None else answer

    async def _first(self, fallback: Any, spec: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        arguments = self._arguments(spec, args, kwargs)
        for step in self._hooks.plan(spec):
            answer = self._judge(step, *await self.attempt(step, arguments), fallback)
            if answer is FAILED:
                if fallback is not PASS_OVER:
                    return fallback
            elif answer is not None:
                return answer
        return None

    async def gather(self, spec: Callable[P, Awaitable[T | None]], *args: P.args, **kwargs: P.kwargs) -> list[T]:
        """See `Hooks.gather`."""
        arguments = self._arguments(spec, args, kwargs)
        answers = [
            self._judge(step, *await self.attempt(step, arguments), PASS_OVER) for step in self._hooks.plan(spec)
        ]
        return [answer for answer in answers if answer is not None and answer is not FAILED]

    async def notify(self, spec: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs) -> None:
        """See `Hooks.notify`."""
        arguments = self._arguments(spec, args, kwargs)
        for step in self._hooks.plan(spec):
            self._judge(step, *await self.attempt(step, arguments), PASS_OVER)

    def tell(self, spec: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs) -> None:
        """See `Hooks.tell`."""
        plan = self._hooks.plan(spec)
        if plan:
            arguments = self._arguments(spec, args, kwargs)
            for step in plan:
                self._deliveries.send(step, arguments)

    def call_plain(self, spec: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> list[T]:
        """See `Hooks.call_plain`."""
        plan = self._hooks.plan(spec)
        if not plan:
            return []
        arguments = self._arguments(spec, args, kwargs)
        answers = [self.call_one(step, arguments) for step in plan]
        return [answer for answer in answers if answer is not None and answer is not FAILED]

    def call_one(self, step: Step, arguments: tuple[Any, ...]) -> Any:
        """`call_plain` for a single implementation: its answer, None or FAILED."""
        began = perf_counter_ns()
        try:
            answer: Any = step.call(*arguments)
            if is_lazy(answer):  # a generator works, and fails, when it is read: in here
                answer = list(answer)
        except BaseException as error:
            return self._judge(step, None, fault_in(error), PASS_OVER)
        finally:
            step.health.nanoseconds += perf_counter_ns() - began
        return self._judge(step, answer, None, PASS_OVER)

    def ask(self, spec: Callable[P, T | None], *args: P.args, **kwargs: P.kwargs) -> Pending[T | None]:
        """See `Hooks.ask`."""
        return self._walk(PASS_OVER, spec, self._arguments(spec, args, kwargs))

    def ask_decision(self, fallback: T, spec: Callable[P, T | None], *args: P.args, **kwargs: P.kwargs) -> Pending[T]:
        """See `Hooks.ask_decision`."""
        return self._walk(fallback, spec, self._arguments(spec, args, kwargs))

    def _walk(self, fallback: Any, spec: Callable[..., Any], arguments: tuple[Any, ...]) -> Pending[Any]:
        walk = Walk(self._hooks.plan(spec), arguments, fallback, self._judge, self._pool, self._wheel, self.trace)
        walk.go_on()
        return walk.result

    async def notify_one(self, step: Step, *arguments: Any) -> None:
        """`notify` for a single implementation."""
        self._judge(step, *await self.attempt(step, arguments), PASS_OVER)

    def forget(self, plugin: str) -> None:
        """Tell a plugin that has left nothing of what still waits for it."""
        self._deliveries.forget(plugin)

    async def attempt(self, step: Step, arguments: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
        """Ask one implementation: its answer, or the error that it raised, or a TooSlowError. Nothing is counted."""
        if step.is_async:
            answer, error = await self._in_a_task_of_its_own(step, arguments)
        else:
            answer, error = _ask_now(step, arguments)
        if not is_promise(answer):
            return answer, error
        with trio.move_on_after(step.timeout):
            try:
                return await answer, None
            except BaseException as raised:
                return None, fault_in(raised)
        return None, trio.TooSlowError()

    async def _in_a_task_of_its_own(self, step: Step, arguments: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
        """Whoever asks is free when the time is over, even if the implementation ignores that it is cancelled."""
        ended: Pending[tuple[Any, BaseException | None]] = Pending()

        def done(answer: Any, error: BaseException | None) -> None:
            ended.settle((answer, error))

        job = self._pool.start(step.call, arguments, step.timeout, done, is_awaited=True)
        try:
            return await ended
        except trio.Cancelled:
            job.cancel()
            raise

    def _arguments(self, spec: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        return self._hooks.arguments(spec, args, kwargs) if kwargs else args

    def _report(self, failure: PluginFailure) -> None:
        self.tell(plugin_failed, failure)


def _ask_now(step: Step, arguments: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
    began = perf_counter_ns()
    try:
        return step.call(*arguments), None
    except BaseException as raised:
        return None, fault_in(raised)
    finally:
        step.health.nanoseconds += perf_counter_ns() - began
