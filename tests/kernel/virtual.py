"""The wall clock of tests in virtual time: it goes with trio's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import trio

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class VirtualNow:
    """`Env.now` that moves as trio's clock does; call it inside trio only."""

    def __init__(self) -> None:
        self._offset: float | None = None

    def __call__(self) -> datetime:
        now = trio.current_time()
        if self._offset is None:
            self._offset = now
        return EPOCH + timedelta(seconds=now - self._offset)
