"""Observers in the background: whoever is slow delays nobody else, and takes no more than a few tasks of the pool."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

from csmsd._kernel.judgement import PASS_OVER, Judge
from csmsd._kernel.pool import Pool
from csmsd._kernel.steps import Step
from csmsd.station import Station

AT_ONCE = 8  # calls of one plugin, each of another station
QUEUE = 10_000  # further calls of one plugin; beyond them it misses some
log = logging.getLogger("csmsd.hooks")


Letter = tuple[Step, tuple[Any, ...]]


class _Mailbox:
    """What one plugin has not been told yet."""

    __slots__ = ("behind", "is_missing_some", "running", "size", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.size = 0  # letters that have not been started
        self.waiting: deque[Letter] = deque()  # at most one of each station
        self.behind: dict[str, deque[Letter]] = {}  # what a station has behind the one that runs or waits
        self.is_missing_some = False


class Deliveries:
    """Calls that nobody waits for: of one station one after the other, of many stations several at once."""

    def __init__(self, pool: Pool, judge: Judge) -> None:
        self._pool, self._judge = pool, judge
        self._mailboxes: dict[str, _Mailbox] = {}

    def send(self, step: Step, arguments: tuple[Any, ...]) -> None:
        """Call an async implementation, soon."""
        mailbox = self._mailboxes.get(step.plugin)
        if mailbox is None:
            mailbox = self._mailboxes[step.plugin] = _Mailbox()
        if mailbox.size >= QUEUE:
            if not mailbox.is_missing_some:
                mailbox.is_missing_some = True
                log.error("plugin %s is too slow in %s: it is not told everything any more", step.plugin, step.hook)
            return
        mailbox.size += 1
        station_id = _station_of(arguments)
        if station_id is not None:
            if (behind := mailbox.behind.get(station_id)) is not None:
                behind.append((step, arguments))
                return
            mailbox.behind[station_id] = deque()
        mailbox.waiting.append((step, arguments))
        self._go_on(mailbox)

    def forget(self, plugin: str) -> None:
        """Tell it nothing more; calls that have begun end by themselves."""
        mailbox = self._mailboxes.pop(plugin, None)
        if mailbox is not None:
            mailbox.waiting.clear()
            mailbox.behind.clear()

    def _go_on(self, mailbox: _Mailbox) -> None:
        while mailbox.waiting and mailbox.running < AT_ONCE:
            self._start(mailbox, *mailbox.waiting.popleft())
        if not mailbox.size:
            mailbox.is_missing_some = False

    def _start(self, mailbox: _Mailbox, step: Step, arguments: tuple[Any, ...]) -> None:
        def done(answer: Any, error: BaseException | None) -> None:
            mailbox.running -= 1
            self._judge(step, answer, error, PASS_OVER)
            if station_id is not None and (behind := mailbox.behind.get(station_id)) is not None:
                if behind:
                    mailbox.waiting.append(behind.popleft())
                else:
                    del mailbox.behind[station_id]
            self._go_on(mailbox)

        station_id = _station_of(arguments)
        mailbox.running += 1
        mailbox.size -= 1
        self._pool.start(step.call, arguments, step.timeout, done, step.plugin)


def _station_of(arguments: tuple[Any, ...]) -> str | None:
    """The station that a call is about: its first argument, if that is one."""
    return arguments[0].id if arguments and isinstance(arguments[0], Station) else None
