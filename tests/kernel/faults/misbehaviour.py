"""What a plugin can do wrong, whatever it is asked."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import trio

from csmsd.hookspecs import COLOUR_ATTRIBUTE, hookimpl
from csmsd.pending import Pending
from csmsd.plugin import NoConfig, Plugin

BLOCK = 0.1  # seconds of the real clock
BAD = "CP-BAD"  # the plugin misbehaves for this station, and where it is not told of any


class Below(BaseException):
    """Not an Exception."""


class CtrlC(KeyboardInterrupt):
    """Looks like the operator's."""


class Unspeakable(Exception):
    """Fails once more when it is printed."""

    def __str__(self) -> str:
        raise Below


class Culprit(Plugin[NoConfig]):
    """Does in each hook that it implements what `fault` says."""

    name = "culprit"
    fault: Callable[[Culprit], Any]
    acted = 0

    def __init__(self, config: NoConfig, host: Any) -> None:
        super().__init__(config, host)
        self.released = trio.Event()  # until then those who ignore cancellation go on

    def is_meant(self, arguments: dict[str, Any]) -> bool:
        known = [about(value) for value in arguments.values()]
        ids = [each for each in known if each]
        return not ids or BAD in ids


def about(value: Any) -> str:
    """The station that an argument tells of, if it does."""
    if isinstance(value, str):
        return value if value.startswith("CP-") else ""
    if type(value).__name__ in {"Station", "StationRecord"}:
        return str(value.id)
    return str(getattr(value, "station_id", ""))


# -- what may happen in a plain function, or before an `async def` has waited -----------------------


def raises(_: Culprit) -> Any:
    raise ValueError("broken")


def raises_below_exception(_: Culprit) -> Any:
    raise Below("broken")


def raises_a_group(_: Culprit) -> Any:
    raise BaseExceptionGroup("broken", [ValueError("one"), BaseExceptionGroup("two", [Below(), SystemExit()])])


def recurses(culprit: Culprit) -> Any:
    return recurses(culprit)


def exits(_: Culprit) -> Any:
    raise SystemExit(3)


def interrupts(_: Culprit) -> Any:
    raise CtrlC


def cancels_as_asyncio_does(_: Culprit) -> Any:
    raise asyncio.CancelledError


def raises_what_cannot_be_printed(_: Culprit) -> Any:
    raise Unspeakable


def answers_nonsense(_: Culprit) -> Any:
    return object()


def answers_a_list_of_nonsense(_: Culprit) -> Any:
    return [object()]


def answers_a_coroutine(_: Culprit) -> Any:
    return trio.sleep_forever()  # noqa: ASYNC105 - that is the fault


def promises_for_ever(_: Culprit) -> Any:
    return Pending()


def fails_its_promise(_: Culprit) -> Any:
    promise: Pending[Any] = Pending()
    promise.settle(error=Below("broken"))
    return promise


def blocks(culprit: Culprit) -> Any:
    if culprit.acted == 1:  # once is enough to be noticed
        time.sleep(BLOCK)


# -- what needs an `async def` ----------------------------------------------------------------------


async def never_returns(_: Culprit) -> Any:
    await trio.sleep_forever()


async def ignores_cancellation(culprit: Culprit) -> Any:
    with trio.CancelScope(shield=True):
        await culprit.released.wait()


async def swallows_cancellation(culprit: Culprit) -> Any:
    while not culprit.released.is_set():
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await culprit.released.wait()


async def raises_when_cancelled(_: Culprit) -> Any:
    try:
        await trio.sleep_forever()
    except trio.Cancelled as error:
        raise Below("instead of the cancellation") from error


async def has_a_crash_in_its_nursery(_: Culprit) -> Any:
    async def crash() -> None:
        await trio.sleep(1)
        raise Below("in a child")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        nursery.start_soon(crash)


async def leaves_children_that_ignore_cancellation(culprit: Culprit) -> Any:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ignores_cancellation, culprit)
        raise ValueError("and leaves a child")


Fault = Callable[[Culprit], Any]
INSTANT: tuple[Fault, ...] = (
    raises,
    raises_below_exception,
    raises_a_group,
    recurses,
    exits,
    interrupts,
    cancels_as_asyncio_does,
    raises_what_cannot_be_printed,
    answers_nonsense,
    answers_a_list_of_nonsense,
    answers_a_coroutine,
    blocks,
)
PROMISES: tuple[Fault, ...] = (promises_for_ever, fails_its_promise)
WAITING: tuple[Callable[[Culprit], Awaitable[Any]], ...] = (
    never_returns,
    ignores_cancellation,
    swallows_cancellation,
    raises_when_cancelled,
    has_a_crash_in_its_nursery,
    leaves_children_that_ignore_cancellation,
)
HARMLESS = {answers_nonsense, answers_a_list_of_nonsense}  # where nobody reads an answer


def hooks_in(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """The hooks that a module publishes."""
    return {
        name: function
        for name, function in vars(module).items()
        if hasattr(function, COLOUR_ATTRIBUTE) and function.__module__ == module.__name__
    }


def faults_of(spec: Callable[..., Any]) -> list[tuple[Fault, bool]]:
    """What an implementation of this hook can do wrong; True: as `async def`."""
    colour = getattr(spec, COLOUR_ATTRIBUTE)
    plain = [(fault, False) for fault in INSTANT] if colour != "async" else []
    promises = [(fault, False) for fault in PROMISES] if colour == "either" else []
    waiting: list[tuple[Fault, bool]] = [(fault, True) for fault in (*INSTANT, *WAITING)] if colour != "plain" else []
    return [*plain, *promises, *waiting]


def culprit_in(spec: Callable[..., Any], *, is_async: bool) -> type[Culprit]:
    """A plugin that implements this hook, with all its arguments."""
    parameters = ", ".join(inspect.signature(spec).parameters)

    def act(self: Culprit, arguments: dict[str, Any]) -> Any:
        arguments.pop("self")
        if not self.is_meant(arguments):
            return None
        self.acted += 1
        return type(self).fault(self)

    prefix, wait = ("async ", "await later") if is_async else ("", "return")
    source = f"{prefix}def {spec.__name__}(self, {parameters}):\n    "
    source += "return await later(act(self, locals()))" if is_async else f"{wait} act(self, locals())"
    names: dict[str, Any] = {"act": act, "later": later}
    exec(source, names)
    body = {spec.__name__: hookimpl(optionalhook=True)(names[spec.__name__]), "__doc__": "Misbehaves."}
    return type("TheCulprit", (Culprit,), body)


async def later(answer: Any) -> Any:
    """An awaitable is awaited here, but the coroutine that somebody forgot to await is the answer."""
    if inspect.iscoroutine(answer) and answer.cr_code is not trio.sleep_forever.__code__:
        return await answer
    return answer
