"""Where a plugin is tried: a csmsd in virtual time, and a guard against what would never end."""

from __future__ import annotations

import gc
import logging
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any, cast

import trio
from trio.testing import MockClock

from csmsd._kernel.loader import AnyPlugin
from csmsd.errors import CsmsdError
from csmsd.testing.contract.subject import Subject
from csmsd.testing.csms import TestCsms, open_test_csms, virtual_env

if TYPE_CHECKING:
    from csmsd._kernel.house import House

PATIENCE = 60.0  # virtual seconds, for starting and stopping
SETTLING = 10.0  # virtual seconds, for what goes on in the background
LONGEST_CHECK = 60.0  # real seconds, then something goes on although it was cancelled

REAL_PATIENCE = 5.0  # seconds

Report = Callable[[str], None]  # called with a sentence
Main = Callable[[Subject, Report], Awaitable[None]]


def sentences_of(main: Main, subject: Subject, *, longest: float = LONGEST_CHECK) -> list[str]:
    """What a check reports. What cannot be ended is given up after `longest` real seconds, and is itself a finding."""
    found: list[str] = []

    async def run() -> None:
        guard.begin()
        await main(subject, found.append)

    with _quiet_log(), closing(_Guard(longest)) as guard:
        try:
            trio.run(run, clock=MockClock(autojump_threshold=0))
        except trio.TrioInternalError as error:
            if not _is_ours(error):
                raise
            if not found:
                found.append(f"{subject.name}: something of it never ends: does it catch trio.Cancelled and go on?")
        else:
            return found
    _forget_the_wreck()
    return found


class _NeverEndsError(Exception):
    """Ends trio from inside, with everything that runs in it."""


def end_everything() -> None:
    """Something does not end when it is cancelled, so nothing else would: fail trio between two of its steps."""

    def give_up(*_: float) -> float:
        raise _NeverEndsError

    clock: Any = trio.lowlevel.current_clock()
    clock.deadline_to_sleep_time = clock.current_time = give_up  # asked when nobody, and when somebody, can run


def _is_ours(error: BaseException | None) -> bool:
    """Trio wraps what ends it."""
    while error is not None and not isinstance(error, _NeverEndsError):
        error = error.__cause__
    return error is not None


def reason_of(error: BaseException) -> str:
    """What went wrong, without the groups that nurseries put around it."""
    inner: BaseException = error
    while isinstance(inner, BaseExceptionGroup):
        several = cast("BaseExceptionGroup[BaseException]", inner)
        if len(several.exceptions) != 1:
            break
        inner = several.exceptions[0]
    if isinstance(inner, CsmsdError):
        return str(inner)
    other: Any = inner  # pyright: ignore[reportUnknownVariableType]  # narrowed to a group of unknowns
    return f"{type(other).__name__}: {other}"


class _Guard:
    """Ends trio after so many real seconds: a task that ignores being cancelled can be ended no other way."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Called in trio."""
        arguments = (trio.lowlevel.current_trio_token(),)
        self._thread = threading.Thread(target=self._wait, args=arguments, name="csmsd check", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """It has ended."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()

    def _wait(self, token: trio.lowlevel.TrioToken) -> None:
        if not self._is_over.wait(self._longest):
            token.run_sync_soon(end_everything)


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
    hook, sys.unraisablehook = sys.unraisablehook, _ignore
    try:
        for _ in range(3):  # what is freed may free more
            gc.collect()
    finally:
        sys.unraisablehook = hook


def _ignore(_: object) -> None:
    """Nobody wants to know."""


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
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_after, patience, nursery.cancel_scope)
        await action(*args)
        nursery.cancel_scope.cancel()
        return True
    return False


async def _cancel_after(patience: float, scope: trio.CancelScope) -> None:
    await lose_patience(patience)
    scope.cancel()


async def lose_patience(patience: float) -> None:
    """Returns when so much virtual time has passed, and real time too: a thread that works stops no virtual clock."""
    began = perf_counter()
    await trio.sleep(patience)
    while perf_counter() - began < REAL_PATIENCE:
        sleep(0.01)  # noqa: ASYNC251 -- virtual time would race on, and leave the thread no time
        await trio.sleep(1)
