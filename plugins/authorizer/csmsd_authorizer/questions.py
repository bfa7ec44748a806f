"""Questions on their way: so many at once, the others in a queue, each with a deadline of its own.

Whoever asks holds no task of csmsd meanwhile, only a Pending: however many stations wait for a slow backend, everybody
else is served as if it did not exist.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import trio

from csmsd.errors import BackendUnavailable
from csmsd.host import Host
from csmsd.pending import Pending
from csmsd_authorizer.breaker import Breaker
from csmsd_authorizer.config import AuthorizerConfig
from csmsd_authorizer.messages import Question
from csmsd_core import IdTagInfo

Ask = Callable[[Question], Awaitable[IdTagInfo | None]]
Verdict = Pending[IdTagInfo | None]


@dataclass(slots=True, eq=False)
class Waiting:
    """One question; settled by its answer or by its deadline, whichever comes first."""

    question: Question
    deadline: float
    verdict: Verdict = field(default_factory=Pending[IdTagInfo | None])


class Questions:
    """All of one csmsd."""

    def __init__(self, host: Host, config: AuthorizerConfig, tell: Callable[[str], None]) -> None:
        self._host, self._config, self._tell = host, config, tell
        self._now = host.env.monotonic
        self._queue: deque[Waiting] = deque()
        self._idle = trio.lowlevel.ParkingLot()
        self.breaker = Breaker(config.breaker_failures, config.breaker_pause, self._now)
        self.asked = self.failed = 0

    @property
    def waiting(self) -> int:
        """Those that nobody has begun to ask."""
        return sum(not each.verdict.is_settled for each in self._queue)

    def put(self, question: Question) -> Verdict:
        """Ask; the Pending settles within the time limit, with a verdict or BackendUnavailable."""
        if not self.breaker.lets_pass():
            return _failed("it has failed several times in a row and is left alone for a while")
        self._drop_settled()
        if len(self._queue) >= self._config.waiting:
            return _failed(f"{len(self._queue)} questions wait for it already")
        limit = self._config.time_limit
        waiting = Waiting(question, self._now() + limit)
        call_off = self._host.call_later(limit, partial(_give_up, waiting.verdict, f"no answer within {limit:g} s"))
        waiting.verdict.when_settled(lambda _info, _error: call_off())
        self._queue.append(waiting)
        self._idle.unpark()
        return waiting.verdict

    async def work(self, ask: Ask) -> None:
        """Ask one question after the other, until cancelled; several do so at the same time."""
        while True:
            while not self._queue:
                await self._idle.park()
            waiting = self._queue.popleft()
            if not waiting.verdict.is_settled:
                await self._ask(ask, waiting)

    async def _ask(self, ask: Ask, waiting: Waiting) -> None:
        self.asked += 1
        error = BackendUnavailable(f"no answer within {self._config.time_limit:g} s")
        with trio.move_on_after(max(0.0, waiting.deadline - self._now())):
            try:
                info = await ask(waiting.question)
            except BackendUnavailable as raised:
                error = raised
            else:
                if self.breaker.succeeded():
                    self._tell("the backend answers again")
                return waiting.verdict.settle(info)
        self.failed += 1
        if self.breaker.failed():
            self._tell(f"the backend is left alone for {self._config.breaker_pause:g} s at a time: {error}")
        waiting.verdict.settle(error=error)
        return None

    def _drop_settled(self) -> None:
        while self._queue and self._queue[0].verdict.is_settled:
            self._queue.popleft()


def _failed(why: str) -> Verdict:
    verdict: Verdict = Pending()
    _give_up(verdict, why)
    return verdict


def _give_up(verdict: Verdict, why: str) -> None:
    verdict.settle(error=BackendUnavailable(why))
