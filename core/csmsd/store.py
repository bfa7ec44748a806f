"""The store as everybody sees it: durable writes in batches, reads in threads, facts in the outbox.

A *write* is a module-level function over all rows of a batch, so that each kind of change is one statement per batch:

    ADD = sa.insert(invoice)

    def add_invoices(connection: sa.Connection, rows: Sequence[Invoice]) -> Sequence[None]:
        connection.execute(ADD, [asdict(row) for row in rows])
        return [None] * len(rows)

    pending = store.submit(add_invoices, Invoice(...))      # settles after the COMMIT

Order: within a batch the rows of one write keep their order, and writes run in the order of their first row. A row may
therefore overtake a row of *another* write. Who depends on a write submits after it has settled.

Repeats: whoever is told StoreUnavailable or OutcomeUnknown, or loses the answer, sends the same thing again, perhaps
twice in one batch. A unique natural key, a no-op update and RETURNING give every repeat the first one's id:

    INSERT = {"sqlite": sqlite.insert(invoice), "postgresql": postgresql.insert(invoice)}
    ADD = {
        name: insert.on_conflict_do_update(index_elements=["transaction_id"], set_={"cents": invoice.c.cents})
        .returning(invoice.c.id, invoice.c.transaction_id)
        for name, insert in INSERT.items()
    }

    def add_invoices(connection: sa.Connection, rows: Sequence[Invoice]) -> Sequence[int]:
        firsts = {row.transaction_id: row for row in reversed(rows)}  # PostgreSQL takes a key once per statement
        found = connection.execute(ADD[connection.dialect.name], [asdict(row) for row in firsts.values()])
        ids = {transaction_id: id_ for id_, transaction_id in found}  # by key: their order is not promised
        return [ids[row.transaction_id] for row in rows]
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa

from csmsd.pending import Pending

Row = TypeVar("Row")
Result = TypeVar("Result")
T = TypeVar("T")
F = TypeVar("F", bound=msgspec.Struct)

# Called in the committer thread with all rows of its kind; returns one result per row, in order. It may run twice for
# the same row (poison isolation), never outside a transaction.
Write = Callable[[sa.Connection, Sequence[Row]], Sequence[Result]]
Query = Callable[[sa.Connection], T]


class Fact(Generic[F]):
    """Something that has happened and is stored: a name, its value's type and the hook that hears of it.

    `hook` is an async hookspec `(station_id: str, fact: F, fact_id: int) -> None` or any subset of these arguments.
    """

    __slots__ = ("decode", "hook", "name", "type")

    def __init__(self, name: str, type_: type[F], hook: Callable[..., Any]) -> None:
        self.name, self.type, self.hook = name, type_, hook
        self.decode: Callable[[bytes], F] = msgspec.json.Decoder(type_).decode


class FactRow(msgspec.Struct, frozen=True):
    """A fact on its way into the outbox: in the same database transaction as the change it reports."""

    name: str
    station_id: str
    payload: bytes


_NUL_STAND_IN = "\ufdd0"  # a noncharacter, which no text contains
_encode = msgspec.json.Encoder().encode


def fact_row(fact: Fact[F], station_id: str, value: F) -> FactRow:
    """The outbox row of one fact."""
    return FactRow(fact.name, station_id, _encode(value))


class Store(ABC):
    """One database. Its tables belong to the kernel and to the plugins, each with its own prefix and lineage."""

    dialect: str  # "sqlite" or "postgresql"

    @property
    @abstractmethod
    def is_available(self) -> bool:
        """Can csmsd store things now? If not, stations are kept outside (TX-04, WS-42)."""

    @abstractmethod
    def submit(self, write: Write[Row, Result], row: Row) -> Pending[Result]:
        """Queue a write for the next batch. Settles after the COMMIT, in the trio thread, in order of submission.

        Errors: WriteFailed (this row is at fault), StoreUnavailable, OutcomeUnknown.
        """

    @abstractmethod
    def submit_later(self, write: Write[Row, Any], row: Row) -> None:
        """Queue a write that nobody waits for: committed with the next batch, within a second at the latest."""

    @abstractmethod
    async def read(self, query: Query[T]) -> T:
        """Run a query in a reader thread, on a read-only connection."""

    @abstractmethod
    def record_facts(self, connection: sa.Connection, rows: Sequence[FactRow]) -> None:
        """Put facts into the outbox; called from inside a write."""

    @abstractmethod
    def take_ids(self, connection: sa.Connection, sequence: str, count: int) -> list[int]:
        """Take `count` unique integers of a sequence, in 1…2^31-1, never twice (TX-02); called from inside a write."""


class BulkInsert:
    """A plain INSERT for what is written with every message; call it with rows, tuples in the order of the columns.

    SQLAlchemy builds a dictionary and a compiled parameter set for each row, which costs more than the row costs the
    database. This one prepares text and conversions once for each database, and leaves the rows to the driver.
    """

    __slots__ = ("_columns", "_prepared", "_table")

    def __init__(self, table: sa.Table, *columns: str) -> None:
        self._table, self._columns = table, [table.c[name] for name in columns]
        self._prepared: dict[str, tuple[str, Callable[[tuple[Any, ...]], tuple[Any, ...]]]] = {}

    def __call__(self, connection: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows, if there are any."""
        if not rows:
            return
        dialect = connection.dialect
        prepared = self._prepared.get(dialect.name)
        if prepared is None:
            prepared = self._prepared[dialect.name] = self._text(dialect), self._conversion(dialect)
        text, convert = prepared
        connection.exec_driver_sql(text, [convert(row) for row in rows])

    def _text(self, dialect: sa.Dialect) -> str:
        quote = dialect.identifier_preparer
        names = ", ".join(quote.format_column(column) for column in self._columns)
        values = ", ".join([{"qmark": "?"}.get(dialect.paramstyle, "%s")] * len(self._columns))
        table = quote.format_table(self._table)
        return f"INSERT INTO {table} ({names}) VALUES ({values})"  # noqa: S608 -- quoted names of our own tables

    def _conversion(self, dialect: sa.Dialect) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
        """Values as the types of the columns give them to the database."""
        found = [column.type.dialect_impl(dialect).bind_processor(dialect) for column in self._columns]
        processors = [(index, each) for index, each in enumerate(found) if each is not None]

        def convert(row: tuple[Any, ...]) -> tuple[Any, ...]:
            values = list(row)
            for index, process in processors:
                values[index] = process(values[index])
            return tuple(values)

        return convert


class StationText(sa.types.TypeDecorator[str]):
    """Text from outside, stored as received (VAL-18): also with NUL, which PostgreSQL refuses."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """Python to database."""
        if value is None:
            return None
        if "\x00" in value:
            value = value.replace("\x00", _NUL_STAND_IN)
        return value if value.isascii() else value.encode("utf-8", "replace").decode()  # no lone surrogates

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """Database to Python."""
        return None if value is None else value.replace(_NUL_STAND_IN, "\x00")


class UtcTime(sa.types.TypeDecorator[datetime]):
    """A moment in UTC: TIMESTAMPTZ on PostgreSQL; on SQLite text of fixed width, so that it sorts and can be read."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """The column's type in this database."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(sa.Text())

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        """Python to database; a moment without a zone is a bug."""
        if value is None or dialect.name == "postgresql":
            return value
        if value.tzinfo is None:
            raise ValueError("a stored moment needs a zone")
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """Database to Python, always with UTC as its zone."""
        if value is None:
            return None
        return value.astimezone(UTC) if isinstance(value, datetime) else datetime.fromisoformat(value)
