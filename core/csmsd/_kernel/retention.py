"""Old records go, a few hundred at a time, through the committer like every other change."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import sqlalchemy as sa
import trio

from csmsd._kernel.audit import Trim, trim_audit
from csmsd._kernel.storage import tables
from csmsd.config import StoreConfig
from csmsd.env import Env
from csmsd.errors import StoreError
from csmsd.store import Store, UtcTime, Write

log = logging.getLogger("csmsd.retention")

CHUNK = 500  # rows of one transaction: a station that waits behind it does not notice
_FIRST_SWEEP, _SWEEP_INTERVAL = 60.0, 3600.0
_ATTEMPTS_MAX_ROWS = 1_000_000
_DEVIATIONS_MAX_ROWS = 100_000  # their paths hold names that stations invent
_UNTAKEN_FACT_DAYS = 30.0  # how long facts wait for a plugin that is away
_FOR_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may stay in a table."""

    since: datetime
    max_rows: int = 0  # 0: no limit


_since = sa.bindparam("since", type_=UtcTime)
_max_rows = sa.bindparam("max_rows", type_=sa.BigInteger)


def _oldest_rows(table: sa.Table) -> sa.Delete:
    """Where ids follow time: the oldest rows, as far as they are too old or too many."""
    oldest = sa.select(table.c.id, table.c.at).order_by(table.c.id).limit(CHUNK).subquery()
    newest = sa.select(sa.func.max(table.c.id)).scalar_subquery()
    too_many = sa.and_(_max_rows > 0, oldest.c.id <= newest - _max_rows)
    return sa.delete(table).where(table.c.id.in_(sa.select(oldest.c.id).where(sa.or_(oldest.c.at < _since, too_many))))


def _stale_deviations() -> sa.Delete:
    row = tables.deviation.c
    key = sa.tuple_(row.station_id, row.rule, row.path)
    kept = sa.select(row.station_id, row.rule, row.path).order_by(row.last_at.desc()).limit(_max_rows)
    return sa.delete(tables.deviation).where(sa.or_(row.last_at < _since, key.not_in(kept)))


def _passed_facts() -> sa.Delete:
    """Facts that every plugin has behind it."""
    fact, straggler = tables.outbox.c, tables.outbox_straggler.c
    slowest = sa.select(sa.func.min(tables.outbox_cursor.c.fact_id)).scalar_subquery()
    is_waited_for = sa.exists().where(straggler.station_id == fact.station_id, straggler.fact_id < fact.id)
    passed = sa.select(fact.id).where(fact.id <= sa.func.coalesce(slowest, fact.id), ~is_waited_for)
    return sa.delete(tables.outbox).where(fact.id.in_(passed.order_by(fact.id).limit(CHUNK)))


def _finished_commands() -> sa.Delete:
    command = tables.command.c
    finished = sa.select(command.id).where(command.finished_at < _since).limit(CHUNK)
    return sa.delete(tables.command).where(command.id.in_(finished))


def _purge(statement: sa.Delete) -> Write[Bounds, int]:
    def purge(connection: sa.Connection, rows: Sequence[Bounds]) -> Sequence[int]:
        return [
            connection.execute(statement, {"since": bounds.since, "max_rows": bounds.max_rows}).rowcount
            for bounds in rows
        ]

    return purge


PURGE_EXCHANGES = _purge(_oldest_rows(tables.journal))
PURGE_ATTEMPTS = _purge(_oldest_rows(tables.attempt))
PURGE_DEVIATIONS = _purge(_stale_deviations())
PURGE_FACTS = _purge(_passed_facts())
PURGE_UNTAKEN_FACTS = _purge(_oldest_rows(tables.outbox))  # after the others: what is left, some plugin waits for
PURGE_COMMANDS = _purge(_finished_commands())


class Retention:
    """Keeps the kernel's tables within the configuration's bounds. `run` is its task."""

    def __init__(self, store: Store, env: Env, config: StoreConfig) -> None:
        self._store, self._env, self._audit_days = store, env, config.audit_retention_days
        self._rules: tuple[tuple[Write[Bounds, int], Callable[[], Bounds]], ...] = (
            (PURGE_EXCHANGES, lambda: Bounds(self._since(config.journal_retention_days), config.journal_max_rows)),
            (PURGE_ATTEMPTS, lambda: Bounds(self._since(config.attempt_retention_days), _ATTEMPTS_MAX_ROWS)),
            (PURGE_DEVIATIONS, lambda: Bounds(self._since(config.journal_retention_days), _DEVIATIONS_MAX_ROWS)),
            (PURGE_FACTS, lambda: Bounds(_FOR_EVER)),
            (PURGE_COMMANDS, lambda: Bounds(self._since(config.journal_retention_days))),
        )

    async def run(self) -> None:
        """Sweep every hour until cancelled."""
        await trio.sleep(_FIRST_SWEEP)
        while True:
            try:
                deleted = await self.sweep()
            except StoreError as error:
                log.warning("old records stay for now: %s", error)
            else:
                log.log(logging.INFO if deleted else logging.DEBUG, "%d old records deleted", deleted)
            await trio.sleep(_SWEEP_INTERVAL)

    async def sweep(self) -> int:
        """Delete what is out of bounds; returns the number of rows. StoreError: what is left goes next time."""
        total = 0
        for purge, bounds in self._rules:
            total += await self._delete(purge, bounds())
        total += await self._trim_audit()
        untaken = await self._delete(PURGE_UNTAKEN_FACTS, Bounds(self._since(_UNTAKEN_FACT_DAYS)))
        if untaken:
            log.warning(
                "%d facts deleted undelivered: a plugin has not taken them for %g days", untaken, _UNTAKEN_FACT_DAYS
            )
        return total + untaken

    async def _delete(self, purge: Write[Bounds, int], bounds: Bounds) -> int:
        total, deleted = 0, CHUNK
        while deleted >= CHUNK:
            deleted = await self._store.submit(purge, bounds)
            total += deleted
        return total

    async def _trim_audit(self) -> int:
        """A day's worth at once: each cut is an entry itself."""
        if not self._audit_days:
            return 0
        now = self._env.now()
        bounds = Trim(self._since(self._audit_days + 1), self._since(self._audit_days), now, CHUNK)
        total = cut = await self._store.submit(trim_audit, bounds)
        while cut >= CHUNK:
            cut = await self._store.submit(trim_audit, msgspec.structs.replace(bounds, due=bounds.since))
            total += cut
        return total

    def _since(self, days: float) -> datetime:
        return self._env.now() - timedelta(days=days) if days else _FOR_EVER
