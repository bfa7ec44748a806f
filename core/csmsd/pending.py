"""A value that will exist later, for code that waits and for code that must not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar, overload

import outcome
import trio

from csmsd.errors import fault_in

log = logging.getLogger("csmsd")

T = TypeVar("T")
S = TypeVar("S")
Callback = Callable[[Any, BaseException | None], None]


class Pending(Generic[T]):
    """The result of a write that is being committed, or of a CALL that is being answered.

    Plain functions continue with `then` or `when_settled`; tasks `await` it. Cancelling a task that awaits does not
    cancel the write: `then` runs in any case, `await` only watches.
    """

    __slots__ = ("_callbacks", "_error", "_settled", "_value")

    def __init__(self) -> None:
        self._callbacks: list[Callback] = []
        self._error: BaseException | None = None
        self._settled = False
        self._value: Any = None

    @classmethod
    def of(cls, value: T) -> Pending[T]:
        """A value that is there already, for a caller who expects one that may not be."""
        pending: Pending[T] = cls()
        pending._settled, pending._value = True, value
        return pending

    @property
    def is_settled(self) -> bool:
        """Is the value, or the error, there?"""
        return self._settled

    def result(self) -> T:
        """The value of a settled Pending, or its error raised; for plain code that has checked `is_settled`."""
        if self._error is not None:
            raise self._error
        value: T = self._value
        return value

    def settle(self, value: T | None = None, error: BaseException | None = None) -> None:
        """Called once, in the trio thread, by whoever made the promise; a second time is ignored."""
        if not self._settled:
            self._settled, self._value, self._error = True, value, error
            callbacks, self._callbacks = self._callbacks, []
            for callback in callbacks:
                try:
                    callback(value, error)
                except BaseException as raised:  # whoever settles us has others to serve
                    log.exception("a completion failed", exc_info=fault_in(raised))

    def when_settled(self, callback: Callback) -> None:
        """Call `callback(value, error)` in the trio thread; it must not raise and must not wait."""
        if self._settled:
            callback(self._value, self._error)
        else:
            self._callbacks.append(callback)

    @overload
    def then(self, function: Callable[[T], Pending[S]]) -> Pending[S]: ...
    @overload
    def then(self, function: Callable[[T], S]) -> Pending[S]: ...
    def then(self, function: Callable[[T], Any]) -> Pending[Any]:
        """The pending result of `function(value)`; what it raises is the error; a Pending it returns is waited for."""
        result: Pending[Any] = Pending()

        def forward(value: Any, error: BaseException | None) -> None:
            if error is None:
                try:
                    value = function(value)
                except BaseException as raised:
                    error = fault_in(raised)
                else:
                    if isinstance(value, Pending):
                        value.when_settled(result.settle)
                        return
            result.settle(value, error)

        self.when_settled(forward)
        return result

    async def _wait(self) -> T:
        if self._settled:
            await trio.lowlevel.checkpoint()
        else:
            task = trio.lowlevel.current_task()

            def wake(_value: Any, _error: BaseException | None) -> None:
                trio.lowlevel.reschedule(task, outcome.Value(None))

            def abort(_raise: Any) -> trio.lowlevel.Abort:
                self._callbacks.remove(wake)
                return trio.lowlevel.Abort.SUCCEEDED

            self._callbacks.append(wake)
            await trio.lowlevel.wait_task_rescheduled(abort)
        return self.result()

    def __await__(self) -> Generator[Any, Any, T]:
        return self._wait().__await__()
