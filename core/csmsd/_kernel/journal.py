"""The journal in the database: exchanges and how stations deviate. It costs no station its answer's time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from csmsd._kernel.storage import tables
from csmsd.journal import Attempt, Decision, DeviationCount, Exchange, ExchangeFilter, Journal
from csmsd.ocpp.decoding import Deviation
from csmsd.pending import Pending
from csmsd.store import BulkInsert, Store

_encode = msgspec.json.Encoder().encode
_deviations = msgspec.json.Decoder(tuple[Deviation, ...])
_trace = msgspec.json.Decoder(tuple[Decision, ...])
_POSITIONS = re.compile(r"\[\d+\]")
_LONGEST_PATH = 200

_add = BulkInsert(
    tables.journal,
    "at", "station_id", "direction", "call_id", "action", "request", "response", "error", "microseconds",
    "deviations", "trace",
)  # fmt: skip
_COUNT = {
    name: insert.on_conflict_do_update(
        index_elements=["station_id", "rule", "path"],
        set_={
            "count": tables.deviation.c.count + insert.excluded.count,
            "last_at": insert.excluded.last_at,
            "example": insert.excluded.example,
        },
    )
    for name, insert in (
        ("sqlite", sqlite.insert(tables.deviation)),
        ("postgresql", postgresql.insert(tables.deviation)),
    )
}


def add_exchanges(connection: sa.Connection, exchanges: Sequence[Exchange]) -> Sequence[None]:
    """Write: exchanges, and the counters of their deviations."""
    _add(connection, [_row(exchange) for exchange in exchanges])
    return count_deviations(connection, exchanges)


def count_deviations(connection: sa.Connection, exchanges: Sequence[Exchange]) -> Sequence[None]:
    """Write: the counters only."""
    counts: dict[tuple[str, str, str], dict[str, Any]] = {}
    for exchange in exchanges:
        for deviation in exchange.deviations:
            path = _POSITIONS.sub("[]", deviation.path)[:_LONGEST_PATH]
            counter = counts.setdefault((exchange.station_id, deviation.rule, path), {"count": 0})
            counter["count"] += 1
            counter["last_at"], counter["example"] = exchange.at, deviation.raw
    if counts:
        # Sorted, so that a batch touches the rows of a table in one order whoever sent them first.
        rows = [{"station_id": s, "rule": r, "path": p, **counts[s, r, p]} for s, r, p in sorted(counts)]
        connection.execute(_COUNT[connection.dialect.name], rows)
    return [None] * len(exchanges)


def _row(exchange: Exchange) -> tuple[Any, ...]:
    return (
        exchange.at,
        exchange.station_id,
        exchange.direction,
        exchange.call_id,
        exchange.action,
        exchange.request,
        exchange.response,
        exchange.error,
        exchange.microseconds,
        _encode(exchange.deviations).decode() if exchange.deviations else "[]",
        _encode(exchange.trace).decode() if exchange.trace else "[]",
    )


class DatabaseJournal(Journal):
    """Records and reads. With `keeps_exchanges=False` deviations are counted and nothing else is kept."""

    def __init__(self, store: Store, *, keeps_exchanges: bool = True) -> None:
        self._store = store
        self._write = add_exchanges if keeps_exchanges else count_deviations

    def record(self, exchange: Exchange) -> None:
        """Note an exchange within a second (RPC-37); nobody waits for it, a long outage may drop it."""
        if exchange.deviations or self._write is add_exchanges:
            self._store.submit_later(self._write, exchange)

    def record_durably(self, exchange: Exchange) -> Pending[None]:
        """Note an exchange before the station is answered (BOOT-31, VAL-14)."""
        return self._store.submit(add_exchanges, exchange)

    async def exchanges(self, wanted: ExchangeFilter) -> Sequence[Exchange]:
        """See Journal."""
        return await self._store.read(lambda connection: _exchanges(connection, wanted))

    async def attempts(self, *, station_id: str | None = None, limit: int = 100) -> Sequence[Attempt]:
        """See Journal."""
        return await self._store.read(lambda connection: _attempts(connection, station_id, limit))

    async def deviations(self, *, station_id: str | None = None) -> Sequence[DeviationCount]:
        """See Journal: the thousand most frequent."""
        return await self._store.read(lambda connection: _deviation_counts(connection, station_id))


def _exchanges(connection: sa.Connection, wanted: ExchangeFilter) -> list[Exchange]:
    column = tables.journal.c
    query = sa.select(tables.journal).order_by(column.id.desc()).limit(wanted.limit)
    if wanted.station_id is not None:
        query = query.where(column.station_id == wanted.station_id)
    if wanted.action is not None:
        query = query.where(column.action == wanted.action)
    if wanted.only_errors:
        query = query.where(column.error != "")
    if wanted.only_deviating:
        query = query.where(column.deviations != "[]")
    if wanted.before_id is not None:
        query = query.where(column.id < wanted.before_id)
    if wanted.after_id is not None:
        query = query.where(column.id > wanted.after_id)
    return [
        Exchange(
            station_id=row.station_id,
            direction=row.direction,
            call_id=row.call_id,
            action=row.action,
            request=row.request,
            response=row.response,
            error=row.error,
            at=row.at,
            microseconds=row.microseconds,
            deviations=_deviations.decode(row.deviations),
            trace=_trace.decode(row.trace),
            id=row.id,
        )
        for row in connection.execute(query)
    ]


def _attempts(connection: sa.Connection, station_id: str | None, limit: int) -> list[Attempt]:
    query = sa.select(tables.attempt).order_by(tables.attempt.c.id.desc()).limit(limit)
    if station_id is not None:
        query = query.where(tables.attempt.c.station_id == station_id)
    return [_attempt(row) for row in connection.execute(query).mappings()]


def _attempt(row: sa.RowMapping) -> Attempt:
    fields: dict[str, Any] = dict(row)
    fields["subprotocols"] = tuple(filter(None, str(row["subprotocols"]).split(",")))
    return Attempt(**fields)


def _deviation_counts(connection: sa.Connection, station_id: str | None) -> list[DeviationCount]:
    column = tables.deviation.c
    query = sa.select(tables.deviation).order_by(column.count.desc(), column.rule, column.path).limit(1000)
    if station_id is not None:
        query = query.where(column.station_id == station_id)
    return [DeviationCount(**row) for row in connection.execute(query).mappings()]
