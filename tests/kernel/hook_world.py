"""A hook of each colour, the verbs that ask them, and the ways in which a plugin answers or misbehaves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any, cast

import trio

from csmsd import hookspecs as kernel_hooks
from csmsd._kernel.hooks import HookSet
from csmsd._kernel.pool import Pool
from csmsd._kernel.steps import Terms
from csmsd._kernel.timers import Wheel
from csmsd._kernel.verbs import HookRunner
from csmsd.hookspecs import hookimpl, hookspec
from csmsd.pending import Pending

TERMS = Terms(timeout=5)
Verb = Callable[[HookRunner], Awaitable[Any]]


@hookspec(colour="either")
def question(number: int, word: str) -> str | None:
    """A decision."""
    raise AssertionError


@hookspec()
async def event_happened(number: int) -> None:
    """An event."""


@hookspec(colour="plain")
def report_things() -> list[str]:
    """A collection."""
    raise AssertionError


def module_of(*functions: Callable[..., Any]) -> ModuleType:
    module = ModuleType(functions[0].__module__)  # a module publishes only the hooks that were written in it
    module.__dict__.update({function.__name__: function for function in functions})
    return module


SPECS = module_of(question, event_happened, report_things)


def new_hooks(*plugins: object, quarantine_after: int = 3) -> HookSet:
    hooks = HookSet(quarantine_after)
    hooks.add_specs(kernel_hooks, "csmsd")
    hooks.add_specs(SPECS, "test")
    for number, plugin in enumerate(plugins):
        hooks.enable(plugin, f"p{number}", TERMS)
    return hooks


@asynccontextmanager
async def running(hooks: HookSet) -> AsyncIterator[HookRunner]:
    async with trio.open_nursery() as nursery:
        wheel = Wheel()
        nursery.start_soon(wheel.run)
        yield HookRunner(hooks, Pool(nursery, wheel), wheel)
        nursery.cancel_scope.cancel()


def asking(method: Callable[..., Any], **options: Any) -> object:
    """A plugin that implements `question` in this way."""
    return type("Asked", (), {"question": hookimpl(**options)(method)})()


# -- the verbs, each asked in the same way -----------------------------------------------------------------------------


async def first(runner: HookRunner) -> Any:
    return await runner.first(cast("Any", question), 1, "a")


async def decide(runner: HookRunner) -> Any:
    return await runner.decide("no", cast("Any", question), 1, "a")


async def gather(runner: HookRunner) -> Any:
    return await runner.gather(cast("Any", question), 1, "a")


async def notify(runner: HookRunner) -> Any:
    return await runner.notify(cast("Any", question), 1, "a")


async def ask(runner: HookRunner) -> Any:
    return await runner.ask(question, 1, "a")


async def ask_by_name(runner: HookRunner) -> Any:
    return await runner.ask(question, word="a", number=1)


async def ask_decision(runner: HookRunner) -> Any:
    return await runner.ask_decision("no", question, 1, "a")


# -- ways to answer, to decline and to fail ----------------------------------------------------------------------------


def raises(self: object) -> str:
    raise ValueError("broken")


async def raises_later(self: object) -> str:
    await trio.sleep(1)
    raise SystemExit("broken")


async def too_slow(self: object) -> str:
    await trio.sleep(6)
    return "too late"


async def own_timeout(self: object) -> str:
    with trio.fail_after(1):
        await trio.sleep_forever()
    return "never"


async def bug_in_a_nursery(self: object) -> str:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        raise ValueError("in a nursery")


async def answers_later(self: object) -> str:
    await trio.sleep(1)
    return "yes"


async def declines_later(self: object) -> None:
    await trio.sleep(1)


def promises(value: Any, error: BaseException | None = None) -> Callable[[object], Pending[Any]]:
    def method(self: object) -> Pending[Any]:
        pending: Pending[Any] = Pending()
        trio.lowlevel.spawn_system_task(_settle, pending, value, error)
        return pending

    return method


async def _settle(pending: Pending[Any], value: Any, error: BaseException | None) -> None:
    await trio.sleep(1)
    pending.settle(value, error)


def never_keeps(self: object) -> Pending[Any]:
    return Pending()


async def promises_later(self: object) -> Pending[str]:
    await trio.sleep(1)
    return Pending.of("yes")


def forgets_to_await(self: object) -> Any:
    return answers_later(self)
