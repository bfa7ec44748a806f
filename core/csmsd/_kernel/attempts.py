"""Attempts to connect, for the connection doctor: equal ones are counted, and a flood cannot fill the disk."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
import trio

from csmsd._kernel.storage import tables
from csmsd.env import Env
from csmsd.journal import Attempt
from csmsd.pending import Pending
from csmsd.store import Store
from csmsd.throttling import address_of

_WINDOW = 60.0  # seconds
_ROWS_PER_WINDOW = 3000
_REFUSED_ROWS_OF_ONE_HOST = 60  # one host must not crowd out what others did
_COUNT_DELAY = 2.0
_LONGEST_TEXT = 500

_ADD = sa.insert(tables.attempt).returning(tables.attempt.c.id, sort_by_parameter_order=True)
_COUNT = (
    sa.update(tables.attempt)
    .where(tables.attempt.c.id == sa.bindparam("row_id"))
    .values(count=sa.bindparam("times"), at=sa.bindparam("last_at"))
)


@dataclass(slots=True)
class _Repeated:
    """Attempts that differ in time only."""

    row_id: Pending[int]
    since: float
    last_at: datetime
    count: int = 1
    counted: int = 1  # as the database knows


def add_attempts(connection: sa.Connection, attempts: Sequence[Attempt]) -> Sequence[int]:
    """Write: returns the ids."""
    return list(connection.execute(_ADD, [_row(attempt) for attempt in attempts]).scalars())


def count_repeats(connection: sa.Connection, counts: Sequence[tuple[int, int, datetime]]) -> Sequence[None]:
    """Write: (id, count, time of the last one)."""
    rows = [{"row_id": row_id, "times": count, "last_at": at} for row_id, count, at in counts]
    connection.execute(_COUNT, rows)
    return [None] * len(counts)


def _row(attempt: Attempt) -> dict[str, Any]:
    row = msgspec.structs.asdict(attempt)
    del row["id"]
    row["subprotocols"] = ",".join(attempt.subprotocols)
    return {name: value[:_LONGEST_TEXT] if isinstance(value, str) else value for name, value in row.items()}


class AttemptLog:
    """Records attempts. Equal ones of one host within a minute become one row with a count."""

    def __init__(self, store: Store, env: Env) -> None:
        self._store, self._env = store, env
        self._open: OrderedDict[tuple[str, ...], _Repeated] = OrderedDict()  # by the time of the first one
        self._repeats = trio.Event()
        self._window_since = env.monotonic()
        self._rows = 0
        self._refused_by_host: dict[str, int] = {}
        self.dropped = 0

    def record(self, attempt: Attempt) -> None:
        """Note an attempt; beyond the bounds of this minute it is dropped and counted."""
        now = self._env.monotonic()
        self._close_old(now)
        host = address_of(attempt.peer) or attempt.peer
        key = (host, attempt.listener, attempt.stage, attempt.cause, attempt.station_id)
        repeated = self._open.get(key)
        if repeated is not None:
            repeated.count += 1
            repeated.last_at = attempt.at
            self._repeats.set()
        elif self._has_room(host, attempt):
            self._open[key] = _Repeated(self._store.submit(add_attempts, attempt), now, attempt.at)
        else:
            self.dropped += 1

    async def run(self) -> None:
        """Bring the counts of repeated attempts to the database, a little later."""
        try:
            while True:
                await self._repeats.wait()
                await trio.sleep(_COUNT_DELAY)
                self._repeats = trio.Event()
                self._save_counts()
        finally:
            self._save_counts()

    def _has_room(self, host: str, attempt: Attempt) -> bool:
        if self._rows >= _ROWS_PER_WINDOW:
            return False
        if attempt.stage != "admitted":
            refused = self._refused_by_host.get(host, 0)
            if refused >= _REFUSED_ROWS_OF_ONE_HOST:
                return False
            self._refused_by_host[host] = refused + 1
        self._rows += 1
        return True

    def _close_old(self, now: float) -> None:
        if now - self._window_since >= _WINDOW:
            self._window_since, self._rows = now, 0
            self._refused_by_host.clear()
        while self._open and now - next(iter(self._open.values())).since >= _WINDOW:
            self._save_count(self._open.popitem(last=False)[1])

    def _save_counts(self) -> None:
        for repeated in self._open.values():
            self._save_count(repeated)

    def _save_count(self, repeated: _Repeated) -> None:
        if repeated.count > repeated.counted:
            repeated.counted = repeated.count
            count, last_at = repeated.count, repeated.last_at
            repeated.row_id.then(lambda row_id: self._store.submit_later(count_repeats, (row_id, count, last_at)))
