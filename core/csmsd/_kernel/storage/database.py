"""`open_store`: one database, its committer and its readers."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
import trio
from sqlalchemy import exc

from csmsd._kernel.storage.batch import BatchRunner
from csmsd._kernel.storage.committer import Committer, Statistics, Tuning
from csmsd._kernel.storage.engines import FileLock, parse_url, reading_engine, writing_engine
from csmsd._kernel.storage.facts import add_facts
from csmsd._kernel.storage.faults import is_refused_write, judge
from csmsd._kernel.storage.inline import InlineCommitter
from csmsd._kernel.storage.sequences import Sequences
from csmsd._kernel.storage.tenancy import require_vacancy
from csmsd._kernel.storage.threaded import ThreadedCommitter
from csmsd.env import Env
from csmsd.errors import StoreUnavailable
from csmsd.facts import RecordedFact
from csmsd.pending import Pending
from csmsd.store import FactRow, Query, Result, Row, Store, T, Write

log = logging.getLogger("csmsd.store")
PATIENCE_WITH_READERS = 5.0  # seconds, when the store is closed


def _claim(connection: sa.Connection, rows: Sequence[None]) -> Sequence[None]:
    """A write of nothing: the committer claims the database with its first connection."""
    return rows


class Database(Store):
    """The store of one csmsd. `open_store` makes it."""

    def __init__(self, url: sa.URL, env: Env, *, readers: int, is_inline: bool, tuning: Tuning) -> None:
        self.dialect = url.get_backend_name()
        self._env = env
        self._is_inline = is_inline
        busy = 0.0 if is_inline else tuning.busy_timeout
        self.engine = writing_engine(url, is_durable=not is_inline, busy_timeout=busy)
        self._reading = reading_engine(url, connections=readers, busy_timeout=busy)
        self._limiter = trio.CapacityLimiter(readers)
        self._sequences = Sequences()
        self._runner = BatchRunner(self.engine, self._sequences)
        self.committer: Committer = (InlineCommitter if is_inline else ThreadedCommitter)(self._runner, tuning)

    @property
    def is_available(self) -> bool:
        """False during an outage of storage."""
        return self.committer.is_available

    @property
    def statistics(self) -> Statistics:
        """What the committer has done since start."""
        return self.committer.statistics

    @property
    def depth(self) -> int:
        """Writes that are waited for now."""
        return self.committer.depth

    def when_availability_changes(self, callback: Callable[[bool], None]) -> None:
        """Call a plain function in the trio thread when storage is lost and when it is back."""
        self.committer.availability_changed.append(callback)

    def when_facts_are_recorded(self, callback: Callable[[Sequence[RecordedFact]], None]) -> Callable[[], None]:
        """Hand a plain function the facts of each COMMIT, by id; returns a function that calls it off."""
        self.committer.facts_recorded.append(callback)
        return lambda: self.committer.facts_recorded.remove(callback)

    def submit(self, write: Write[Row, Result], row: Row) -> Pending[Result]:
        """See Store."""
        return self.committer.submit(write, row)

    def submit_later(self, write: Write[Row, Any], row: Row) -> None:
        """See Store."""
        self.committer.submit_later(write, row)

    async def read(self, query: Query[T]) -> T:
        """See Store. StoreUnavailable if the database cannot be asked; a query's own error comes as it is."""
        if self._is_inline:
            await trio.lowlevel.checkpoint()
            if isinstance(self.committer, InlineCommitter):
                self.committer.flush()
            return self._run_query(query)
        return await trio.to_thread.run_sync(self._run_query, query, limiter=self._limiter, abandon_on_cancel=True)

    def _run_query(self, query: Query[T]) -> T:
        try:
            with self._reading.begin() as connection:
                return query(connection)
        except exc.DBAPIError as error:
            verdict = judge(error, in_commit=False)
            if isinstance(verdict, StoreUnavailable) and not is_refused_write(error):
                raise verdict from error
            raise
        except exc.TimeoutError as error:  # no connection is free
            raise StoreUnavailable(str(judge(error, in_commit=False))) from error

    async def run_alone(self, function: Callable[[sa.Engine], T]) -> T:
        """Run something that brings its own transactions, such as a migration, beside the committer."""
        if self._is_inline:
            await trio.lowlevel.checkpoint()
            return function(self.engine)
        return await trio.to_thread.run_sync(function, self.engine)

    async def move_in(self) -> None:
        """Claim the database for this csmsd; ConfigError if another one has it."""
        if self.dialect != "postgresql":
            return
        try:
            await self.run_alone(require_vacancy)
            await self.submit(_claim, None)
        except BaseException:
            with trio.CancelScope(shield=True):
                await self.committer.aclose()
            raise

    def record_facts(self, connection: sa.Connection, rows: Sequence[FactRow]) -> None:
        """See Store."""
        if rows:
            self._runner.facts += add_facts(connection, self._sequences, rows, self._env.now())

    def take_ids(self, connection: sa.Connection, sequence: str, count: int) -> list[int]:
        """See Store."""
        return self._sequences.take(connection, sequence, count)

    async def readers_have_gone(self) -> None:
        """Wait for queries that nobody waits for any more: a thread that is left reading still has its connection."""
        with trio.move_on_after(PATIENCE_WITH_READERS, shield=True):
            while self._limiter.borrowed_tokens:  # noqa: ASYNC110 -- a limiter sets no event
                await trio.sleep(0.01)

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()
        self._reading.dispose()


@asynccontextmanager
async def open_store(
    url: str, env: Env, *, readers: int = 4, inline: bool = False, tuning: Tuning | None = None
) -> AsyncGenerator[Database, None]:
    """Open the database of `url` until the block ends; everything submitted by then is committed and settled first.

    `inline` commits and reads in the trio thread, for tests in virtual time; such a store is not safe from power loss.
    ConfigError: the URL cannot be used, or another csmsd uses the database. It makes no table: see `migrate`.
    """
    parsed = parse_url(url)
    lock = FileLock(parsed) if parsed.get_backend_name() == "sqlite" else None
    try:
        database = Database(parsed, env, readers=readers, is_inline=inline, tuning=tuning or Tuning())
        try:
            await database.move_in()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(database.committer.watch)
                try:
                    yield database
                finally:
                    with trio.CancelScope(shield=True):
                        await database.committer.aclose()
                        await database.readers_have_gone()
                    nursery.cancel_scope.cancel()
        finally:
            database.dispose()
    finally:
        if lock is not None:
            lock.release()
