"""A plugin under observation: which hooks are called with what, how long they take, how they bear being cancelled."""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from functools import wraps
from inspect import iscoroutinefunction
from time import perf_counter
from typing import Any

import outcome
import trio

from csmsd._kernel.loader import AnyPlugin
from csmsd.testing.contract.subject import implementations
from csmsd.testing.contract.world import PATIENCE, end_everything, lose_patience

LONGEST_STEP = 0.1  # seconds without a checkpoint
CALLS_KEPT = 3  # of each hook
TRAPS_TRIED = 6  # the first checkpoints of a call
REST = 5.0  # virtual seconds, after which a call that has not ended waits for something that will not come
STUBBORN = 20  # so often a call is told that it is cancelled before it is given up


@dataclass
class Record:
    """What has been seen of one plugin."""

    calls: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict[str, list[tuple[Any, ...]]])  # by attribute
    slow: dict[str, float] = field(default_factory=dict[str, float])  # seconds of the longest step, by hook

    def note(self, attribute: str, arguments: tuple[Any, ...]) -> None:
        """A hook is called."""
        kept = self.calls.setdefault(attribute, [])
        if len(kept) < CALLS_KEPT:
            kept.append(arguments)

    def took(self, hook: str, seconds: float) -> None:
        """Something ran for so long without a checkpoint."""
        if seconds > LONGEST_STEP:
            self.slow[hook] = max(seconds, self.slow.get(hook, 0.0))


def observed(plugin: type[AnyPlugin], record: Record) -> type[AnyPlugin]:
    """The same plugin, which tells `record` what is asked of it."""
    names = [attribute for _, attribute in implementations(plugin)]
    wrapped = {name: _observe(name, getattr(plugin, name), record) for name in names}
    return types.new_class(
        plugin.__name__,
        (plugin,),
        exec_body=lambda namespace: namespace.update(
            wrapped, __module__=plugin.__module__, __doc__=plugin.__doc__, serve=_timed("serve", plugin.serve, record)
        ),
    )


def _observe(name: str, method: Callable[..., Any], record: Record) -> Callable[..., Any]:
    if iscoroutinefunction(method):
        timed = _timed(name, method, record)

        @wraps(method)
        async def observe(self: Any, *args: Any, **kwargs: Any) -> Any:
            record.note(name, (*args, *kwargs.values()))
            return await timed(self, *args, **kwargs)

        return observe

    @wraps(method)
    def observe_plain(*args: Any, **kwargs: Any) -> Any:
        began = perf_counter()
        try:
            return method(*args, **kwargs)
        finally:
            record.took(name, perf_counter() - began)

    return observe_plain


def _timed(name: str, method: Callable[..., Any], record: Record) -> Callable[..., Any]:
    @wraps(method)
    async def timed(*args: Any, **kwargs: Any) -> Any:
        return await _stopwatch(name, method(*args, **kwargs), record)

    return timed


@types.coroutine
def _stopwatch(name: str, running: Coroutine[Any, Any, Any], record: Record) -> Generator[Any, Any, Any]:
    """Run a coroutine, and time each of its steps."""
    sent: Any = None
    while True:
        began = perf_counter()
        try:
            trap = running.send(sent)
        except StopIteration as stop:
            return stop.value
        finally:
            record.took(name, perf_counter() - began)
        sent = yield trap


@dataclass
class Trial:
    """One call that is cancelled at one of its checkpoints."""

    cancel_at: int  # 1: the first
    scope: trio.CancelScope
    report: Callable[[str], None]  # called with what is wrong
    traps: int = 0
    deliveries: int = 0  # of Cancelled, to the call itself
    is_over: bool = False  # nothing more is to be learnt

    def fail(self, verdict: str) -> None:
        """Something is wrong."""
        self.is_over = True
        self.report(verdict)

    def lose(self, verdict: str) -> None:
        """Something is so wrong that the check cannot go on."""
        self.fail(verdict)
        end_everything()


async def cancelled_at(trap: int, call: Callable[[], Coroutine[Any, Any, Any]], report: Callable[[str], None]) -> Trial:
    """Cancel a call at its n-th checkpoint, or where it has come to rest before, and see whether it ends."""
    trial = Trial(trap, trio.CancelScope(deadline=trio.current_time() + REST), report)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_give_up, trial)
        with trial.scope:
            try:
                await _drive(call(), trial)
            except Exception as error:
                if trial.deliveries:
                    trial.fail(f"turns being cancelled into {type(error).__name__}: {error}")
            else:
                if trial.deliveries:
                    trial.fail("goes on as if nothing were when it is cancelled")
        nursery.cancel_scope.cancel()
    return trial


async def _give_up(trial: Trial) -> None:
    await lose_patience(REST + PATIENCE)
    trial.lose("never ends when it is cancelled")


@types.coroutine
def _drive(running: Coroutine[Any, Any, Any], trial: Trial) -> Generator[Any, Any, Any]:
    """Run a coroutine up to the checkpoint at which its scope is cancelled, and watch what it makes of that."""
    sent: Any = None
    while True:
        try:
            trap = running.send(sent)
        except StopIteration as stop:
            return stop.value
        trial.traps += 1
        if trial.traps == trial.cancel_at:
            trial.scope.cancel()
        if trial.deliveries == STUBBORN:
            trial.lose("goes on for ever when it is cancelled")
        sent = yield trap
        is_told = isinstance(sent, outcome.Error) and isinstance(sent.error, trio.Cancelled)
        if is_told and trial.scope.cancel_called:  # else a deadline of its own has passed
            trial.deliveries += 1
