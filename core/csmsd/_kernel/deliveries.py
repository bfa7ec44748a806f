"""Observers in the background: whoever is slow delays nobody else, and takes no more than a few tasks of the pool."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

from csmsd._kernel.hooks import Step
from csmsd._kernel.judgement import PASS_OVER, Judge
from csmsd._kernel.pool import Pool

AT_ONCE = 8  # calls of one plugin
QUEUE = 10_000  # further calls of one plugin; beyond them it misses some
log = logging.getLogger("csmsd.hooks")


class _Mailbox:
    """What one plugin has not been told yet."""

    __slots__ = ("is_missing_some", "running", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.waiting: deque[tuple[Step, tuple[Any, ...]]] = deque()
        self.is_missing_some = False


class Deliveries:
    """Calls that nobody waits for, started in order of arrival for each plugin."""

    def __init__(self, pool: Pool, judge: Judge) -> None:
        self._pool, self._judge = pool, judge
        self._mailboxes: dict[str, _Mailbox] = {}

    def send(self, step: Step, arguments: tuple[Any, ...]) -> None:
        """Call an async implementation, soon."""
        mailbox = self._mailboxes.get(step.plugin)
        if mailbox is None:
            mailbox = self._mailboxes[step.plugin] = _Mailbox()
        if mailbox.running < AT_ONCE:
            self._start(mailbox, step, arguments)
        elif len(mailbox.waiting) < QUEUE:
            mailbox.waiting.append((step, arguments))
        elif not mailbox.is_missing_some:
            mailbox.is_missing_some = True
            log.error("plugin %s is too slow in %s: it is not told everything any more", step.plugin, step.hook)

    def forget(self, plugin: str) -> None:
        """Tell it nothing more; calls that have begun end by themselves."""
        mailbox = self._mailboxes.pop(plugin, None)
        if mailbox is not None:
            mailbox.waiting.clear()

    def _start(self, mailbox: _Mailbox, step: Step, arguments: tuple[Any, ...]) -> None:
        def done(answer: Any, error: BaseException | None) -> None:
            mailbox.running -= 1
            self._judge(step, answer, error, PASS_OVER)
            if mailbox.waiting:
                self._start(mailbox, *mailbox.waiting.popleft())
            else:
                mailbox.is_missing_some = False

        mailbox.running += 1
        self._pool.start(step.call, arguments, step.timeout, done)
