"""Hook plans: who implements a hook, in the order asked, and how each is doing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

import pluggy
import trio

from csmsd._kernel.answers import Check
from csmsd._kernel.registration import Spec


class Health:
    """How one plugin is doing, since csmsd started."""

    __slots__ = ("_idle", "blocked", "blocked_seconds", "calls", "failures", "last_failure", "nanoseconds", "running")

    def __init__(self) -> None:
        self.calls = 0  # answered, "not mine" included
        self.failures = 0
        self.last_failure = ""
        self.nanoseconds = 0  # in its hooks, waiting included, but not waiting for what a promise has promised
        self.blocked = 0  # steps in which it held up the loop, as far as the watchdog has seen them
        self.blocked_seconds = 0.0
        self.running = 0  # async calls in flight
        self._idle = trio.lowlevel.ParkingLot()

    def count(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """An `async def` that is seen in `running`, whoever calls it."""

        async def counted(*args: Any) -> Any:
            self.running += 1
            began = perf_counter_ns()
            try:
                return await call(*args)
            finally:
                self.nanoseconds += perf_counter_ns() - began
                self.running -= 1
                if not self.running:
                    self._idle.unpark_all()

        return counted

    async def wait_idle(self) -> None:
        """Wait until no call is in flight."""
        while self.running:
            await self._idle.park()


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a plugin takes part."""

    timeout: float  # seconds, for one async implementation
    is_critical: bool = False  # never quarantined


@dataclass(frozen=True, slots=True)
class Step:
    """One implementation of a hook, callable with the spec's arguments by position."""

    plugin: str
    call: Callable[..., Any]
    is_async: bool
    hook: str
    timeout: float
    is_critical: bool
    health: Health
    accepts: Check | None = None  # what an answer must be like


Plan = tuple[Step, ...]


def compile_plan(
    implementations: Sequence[tuple[pluggy.HookImpl, Spec]],
    spec: Spec,
    terms: Mapping[str, Terms],
    health: Mapping[str, Health],
) -> Plan:
    """The steps of a hook; an implementation comes with the spec it was written for, which may be a former shape."""
    plan: list[Step] = []
    for impl, written_for in implementations:
        plugin, is_async = impl.plugin_name, inspect.iscoroutinefunction(impl.function)
        call = _positional(impl, written_for.parameters)
        if is_async:
            call = health[plugin].count(call)
        if written_for is not spec:
            call = _adapted(call, written_for, spec, is_async=is_async)
        its, hook = terms[plugin], written_for.function.__name__
        plan.append(Step(plugin, call, is_async, hook, its.timeout, its.is_critical, health[plugin], spec.accepts))
    return tuple(plan)


def in_turn(
    callers: Sequence[tuple[pluggy.HookCaller, Spec]], order: Sequence[str]
) -> list[tuple[pluggy.HookImpl, Spec]]:
    """The implementations of a hook and its former shapes, as pluggy would order those of one hook.

    Nothing has to be ordered unless a former shape is implemented. Of a plugin with several, the first shape counts.
    """
    found: list[tuple[pluggy.HookImpl, Spec]] = []
    for caller, spec in callers:
        known = {impl.plugin_name for impl, _ in found}
        found += [(impl, spec) for impl in reversed(caller.get_hookimpls()) if impl.plugin_name not in known]
    if all(spec is callers[0][1] for _, spec in found):
        return found

    def turn(one: tuple[pluggy.HookImpl, Spec]) -> tuple[int, int]:
        impl, place = one[0], order.index(one[0].plugin_name)
        return (2, place) if impl.trylast else (0 if impl.tryfirst else 1, -place)

    return sorted(found, key=turn)


def _adapted(call: Callable[..., Any], former: Spec, now: Spec, *, is_async: bool) -> Callable[..., Any]:
    """An implementation of the former shape, called as one of the hook that has taken its place."""
    assert former.former is not None
    answer = former.former.answer

    def by_name(*args: Any) -> tuple[Any, ...]:
        offered = dict(zip(now.parameters, args, strict=True))
        return tuple(offered[name] for name in former.parameters)

    arguments = former.former.arguments or by_name

    def plain(*args: Any) -> Any:
        given = call(*arguments(*args))
        return given if answer is None or given is None else answer(given)

    async def waiting(*args: Any) -> Any:
        given = await call(*arguments(*args))
        return given if answer is None or given is None else answer(given)

    return waiting if is_async else plain


def _positional(impl: pluggy.HookImpl, parameters: tuple[str, ...]) -> Callable[..., Any]:
    """Plugins may leave out arguments they do not use; the usual case costs nothing, the others one call."""
    function, wanted = impl.function, tuple(parameters.index(name) for name in impl.argnames)
    if wanted == tuple(range(len(parameters))):
        return function
    if not wanted:
        return lambda *_: function()
    return lambda *args: function(*(args[i] for i in wanted))
