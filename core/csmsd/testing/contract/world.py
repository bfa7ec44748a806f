"""Where a plugin is tried: a csmsd in virtual time, and a guard against what would never end."""

from __future__ import annotations

import gc
import logging
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import trio
from trio.testing import MockClock

from csmsd._kernel.loader import AnyPlugin
from csmsd.testing.contract.subject import Subject
from csmsd.testing.csms import TestCsms, open_test_csms, virtual_env

if TYPE_CHECKING:
    from csmsd._kernel.house import House

PATIENCE = 60.0  # virtual seconds, for starting and stopping
LONGEST_CHECK = 60.0  # real seconds, then something goes on although it was cancelled

Report = Callable[[str], None]  # called with a sentence
Main = Callable[[Subject, Report], Awaitable[None]]


def sentences_of(main: Main, subject: Subject, *, longest: float | None = None) -> list[str]:
    """What a check reports. What cannot be ended is given up, and is itself a finding."""
    found: list[str] = []

    async def run() -> None:
        with _guard(longest or LONGEST_CHECK):
            await main(subject, found.append)

    with _quiet_log():
        try:
            trio.run(run, clock=MockClock(autojump_threshold=0))
        except trio.TrioInternalError as error:
            if not _is_ours(error):
                raise
            found.append(f"{subject.name}: something of it never ends: does it catch trio.Cancelled and go on?")
        else:
            return found
    _forget_the_wreck()
    return found


class _NeverEndsError(Exception):
    """Ends trio from inside, with everything that runs in it."""


def _give_up() -> None:
    raise _NeverEndsError


def end_everything() -> None:
    """Something does not end when it is cancelled, and the check cannot go on."""
    trio.lowlevel.current_trio_token().run_sync_soon(_give_up)


def _is_ours(error: BaseException | None) -> bool:
    """trio wraps what ends it, in groups of its nurseries."""
    while error is not None and not isinstance(error, _NeverEndsError):
        error = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__
    return error is not None


@contextmanager
def _guard(longest: float) -> Generator[None, None, None]:
    """After so many real seconds trio itself is ended: a task that ignores cancellation can be ended no other way."""
    token, is_over = trio.lowlevel.current_trio_token(), threading.Event()

    def wait() -> None:
        if not is_over.wait(longest):
            token.run_sync_soon(_give_up)

    thread = threading.Thread(target=wait, name="csmsd check", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()


@contextmanager
def _quiet_log() -> Generator[None, None, None]:
    """Checks provoke errors; what matters of them is in the findings."""
    log = logging.getLogger("csmsd")
    before = log.disabled, log.level, log.propagate
    log.propagate = False
    silence = logging.NullHandler()
    log.addHandler(silence)
    try:
        yield
    finally:
        log.removeHandler(silence)
        log.disabled, log.level, log.propagate = before


def _forget_the_wreck() -> None:
    """Tasks that were never ended complain when they are collected: here, and to nobody."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        gc.collect()
    finally:
        sys.unraisablehook = hook


@asynccontextmanager
async def world_of(
    subject: Subject, plugin: type[AnyPlugin] | None = None, data_dir: Path | None = None
) -> AsyncGenerator[TestCsms, None]:
    """A csmsd with the plugin and its company; `plugin`: the one under observation, if it is to be observed."""
    plugins: list[str | type[AnyPlugin]] = [*subject.company, plugin or subject.plugin]
    table = {subject.name: dict(subject.config)} if subject.config else {}
    async with open_test_csms(plugins=plugins, env=virtual_env(), data_dir=data_dir, plugin=table) as csms:
        yield csms


def house_of(csms: TestCsms) -> House:
    """The machinery behind a test csmsd."""
    return cast("House", csms.host)


async def within(patience: float, action: Callable[..., Awaitable[Any]], *args: Any) -> bool:
    """Has it ended in time? What it raises goes to the caller."""
    with trio.move_on_after(patience) as scope:
        await action(*args)
    return not scope.cancelled_caught
