"""What came of asking one implementation: an answer, "not mine" or a failure that is counted."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from types import CoroutineType
from typing import Any, Final, TypeGuard, cast

from csmsd._kernel.hooks import HookSet
from csmsd._kernel.steps import Step
from csmsd.errors import BackendUnavailable, StoreError, fault_in
from csmsd.pending import Pending

log = logging.getLogger("csmsd.hooks")

FAILED: Final = object()  # the judgement on an implementation that gave no usable answer
PASS_OVER: Final = object()  # the fallback of a question that has none: the next implementation is asked


def is_promise(answer: object) -> TypeGuard[Pending[Any]]:
    """True for an answer that comes later."""
    return isinstance(answer, Pending)


def is_lazy(answer: object) -> TypeGuard[Iterator[Any]]:
    """True for an answer that is made while it is read, as a generator does."""
    return isinstance(answer, Iterator)


def _in_words(answer: Any) -> str:
    """Its type, and of what is in it the first."""
    kind = type(answer).__name__
    items = cast("Sequence[object]", answer) if isinstance(answer, (list, tuple)) else ()
    return f"{kind} of {type(items[0]).__name__}" if items else kind


class Judge:
    """Counts what implementations do, and says what their answer is worth."""

    __slots__ = ("_hooks",)

    def __init__(self, hooks: HookSet) -> None:
        self._hooks = hooks

    def __call__(self, step: Step, answer: Any, error: BaseException | None, fallback: Any) -> Any:
        """The answer, None for "not mine", or FAILED. Where there is a fallback, answers are of its type."""
        if error is not None:
            self._blame(step, error)
            return FAILED
        if answer is not None:
            if isinstance(answer, CoroutineType):
                answer.close()
                self._hooks.failed(step, "returned a coroutine: an async def is missing somewhere")
                return FAILED
            if fallback is not PASS_OVER and not isinstance(answer, type(fallback)):
                self._hooks.failed(step, f"answered {type(answer).__name__}, not {type(fallback).__name__}")
                return FAILED
            if step.accepts is not None and not self._is_acceptable(step, answer):
                return FAILED
        self._hooks.worked(step)
        return answer

    def _is_acceptable(self, step: Step, answer: Any) -> bool:
        assert step.accepts is not None
        try:
            is_fine = step.accepts(answer)
        except BaseException as error:  # to look at it runs the plugin's code
            self._blame(step, fault_in(error))
            return False
        if not is_fine:
            self._hooks.failed(step, f"answered {_in_words(answer)}, which is not what the hook asks for")
        return is_fine

    def _blame(self, step: Step, error: BaseException) -> None:
        # Somebody else's fault: an outage of the database, or behind a plugin, must not put plugins aside.
        if isinstance(error, StoreError | BackendUnavailable):
            log.warning("plugin %s could not answer %s: %s", step.plugin, step.hook, error)
        else:
            self._hooks.failed(step, error)
