"""A circuit breaker: nobody waits for a backend that has just failed several times in a row."""

from __future__ import annotations

from collections.abc import Callable


class Breaker:
    """Closed, it lets every question pass. Open, one after each pause; the first success closes it."""

    def __init__(self, failures: int, pause: float, now: Callable[[], float]) -> None:
        self._limit, self._pause, self._now = failures, pause, now
        self._failures = 0
        self._next_trial = 0.0

    @property
    def is_open(self) -> bool:
        """Is the backend taken for down?"""
        return self._failures >= self._limit

    def lets_pass(self) -> bool:
        """May a question be asked now? While it is open, True makes this question the trial."""
        if not self.is_open:
            return True
        if self._now() < self._next_trial:
            return False
        self._next_trial = self._now() + self._pause
        return True

    def succeeded(self) -> bool:
        """The backend has answered; whether that closed it."""
        was_open, self._failures = self.is_open, 0
        return was_open

    def failed(self) -> bool:
        """The backend has not answered; whether that opened it."""
        self._failures += 1
        if self.is_open:
            self._next_trial = self._now() + self._pause
        return self._failures == self._limit
