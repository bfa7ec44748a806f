"""Who holds up the loop? Nothing can interrupt a plugin that blocks, but it can be named.

Every step of every task is timed; a thread looks now and then where a long one is. It reads the real clock: a test's
virtual one stands still while code blocks.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from types import FrameType

import trio

from csmsd.plugin import Plugin

LIMIT = 0.1  # seconds that one step may take
log = logging.getLogger("csmsd.watchdog")

Packages = Callable[[], Mapping[str, str]]  # the name of the plugin of each top-level package
Blame = Callable[[str, float], None]  # the plugin that held up the loop, and for how many seconds


@dataclass(frozen=True, slots=True)
class Suspect:
    """Where a long step was when the thread looked."""

    plugin: str  # "" if it is in none
    line: str

    def __str__(self) -> str:
        return f"plugin {self.plugin}, in {self.line}" if self.plugin else self.line


class _Watchdog(trio.abc.Instrument):
    """Notes when a step begins and how long it took; the thread notes where it was meanwhile."""

    def __init__(self, limit: float, packages: Packages, blame: Blame) -> None:
        self._limit, self._packages, self._blame = limit, packages, blame
        self._loop = threading.get_ident()
        self._began = 0.0  # of the step that runs now; 0 between steps
        self._suspect: Suspect | None = None
        self._is_over = threading.Event()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Called by trio."""
        self._began = perf_counter()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Called by trio."""
        began, self._began = self._began, 0.0
        took = perf_counter() - began if began else 0.0  # the watch may begin in the middle of a step
        if took > self._limit:
            suspect = self._suspect
            log.warning("everybody waited %d ms for %s", took * 1000, suspect or f"the task {task.name}")
            if suspect is not None and suspect.plugin:
                self._blame(suspect.plugin, took)
        if self._suspect is not None:
            self._suspect = None

    def look(self) -> None:
        """The thread: a step longer than the limit is seen in its second half, and named while it lasts.

        Who blocks for ever is named in 2.5 limits at the latest, not when it ends.
        """
        named = 0.0
        while not self._is_over.wait(self._limit / 2):
            began = self._began
            took = perf_counter() - began if began else 0.0
            if took >= self._limit / 2:
                frame = sys._current_frames().get(self._loop)  # pyright: ignore[reportPrivateUsage]  # documented
                if frame is None or began != self._began:
                    continue
                self._suspect = suspect = describe(frame, self._packages())
                if took >= 2 * self._limit and named != began:
                    named = began
                    log.warning("everybody has been waiting for %d ms: %s", took * 1000, suspect)

    def stop(self) -> None:
        """End the thread."""
        self._is_over.set()


def _nobody(_plugin: str, _seconds: float) -> None:
    """Who is not interested in the figures."""


@contextmanager
def watch_the_loop(packages: Packages, limit: float = LIMIT, blame: Blame = _nobody) -> Generator[None, None, None]:
    """Log every step of the loop that takes longer than `limit` seconds, with the plugin that it was in."""
    watchdog = _Watchdog(limit, packages, blame)
    thread = threading.Thread(target=watchdog.look, name="csmsd watchdog", daemon=True)
    trio.lowlevel.add_instrument(watchdog)
    thread.start()
    try:
        yield
    finally:
        watchdog.stop()
        trio.lowlevel.remove_instrument(watchdog)
        thread.join()


def describe(frame: FrameType, packages: Mapping[str, str]) -> Suspect:
    """The plugin that a stack is in, and the innermost line of it; or just the line."""
    current: FrameType | None = frame
    while current is not None:
        plugin = _plugin_of(current, packages)
        if plugin:
            return Suspect(plugin, _line(current))
        current = current.f_back
    return Suspect("", _line(frame))


def _plugin_of(frame: FrameType, packages: Mapping[str, str]) -> str:
    package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    if package in packages:
        return packages[package]
    owner = frame.f_locals.get("self")
    return owner.name if isinstance(owner, Plugin) else ""


def _line(frame: FrameType) -> str:
    return f"{frame.f_code.co_qualname} ({frame.f_code.co_filename}:{frame.f_lineno})"
