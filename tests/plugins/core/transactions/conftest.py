"""The transaction engine on a real database, without sockets: every test runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, cast

import msgspec
import pytest
import sqlalchemy as sa
import trio

from csmsd._kernel.storage.database import Database, open_store
from csmsd._kernel.storage.engines import parse_url, writing_engine
from csmsd._kernel.storage.migrate import KERNEL, upgrade
from csmsd._kernel.storage.tables import metadata as tables_of_kernel
from csmsd._kernel.storage.tables import outbox
from csmsd.env import Env
from csmsd.events import Events
from csmsd.host import Host
from csmsd.ocpp.decoding import Deviation
from csmsd.pending import Pending
from csmsd.plugin import Migrations
from csmsd.station import Arrival, Station
from csmsd_core import transaction_tables
from csmsd_core.authorization import TagVerdict
from csmsd_core.folding import folded
from csmsd_core.messages import (
    IdTagInfo,
    MeterValue,
    MeterValues,
    MeterValuesResponse,
    SampledValue,
    StartTransaction,
    StartTransactionResponse,
    StopTransaction,
    StopTransactionResponse,
)
from csmsd_core.records import Transaction
from csmsd_core.tables import metadata as tables_of_core
from csmsd_core.tables import remote_start, status
from csmsd_core.transaction_rules import TransactionRules
from csmsd_core.transactions import Transactions

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LINEAGES = {**KERNEL, "core": Migrations("csmsd_core", tables_of_core)}


class Postgres(Protocol):
    """What the fixture `postgres` of the root conftest offers."""

    def create(self, template: str = "template1") -> str: ...
    def url(self, database: str) -> str: ...


@dataclass
class _Noted:
    """An audit that remembers."""

    entries: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])

    def record(self, actor: str, action: str, subject: str, before: object = None, after: object = None) -> None:
        self.entries.append((actor, action, subject))


@dataclass
class _Sender:
    id: str


class Bench:
    """Stations that send, and an operator who looks."""

    def __init__(self, store: Database, rules: TransactionRules) -> None:
        self.store, self.rules, self.now = store, rules, NOON
        self.env = Env(now=lambda: self.now)
        self.events, self.audit = Events(), _Noted()
        self.transactions = Transactions(cast(Host, self), rules)

    def restart(self) -> None:
        """A new process on the same database."""
        self.transactions = Transactions(cast(Host, self), self.rules)

    def send_start(
        self,
        station: str = "CP-1",
        *,
        connector: int = 1,
        tag: str = "TAG",
        meter: int = 1000,
        at: datetime | None = None,
        received: datetime | None = None,
        reservation: int | None = None,
        verdict: str = "Accepted",
        parent: str | None = None,
        limit: int | None = None,
        verified: bool = True,
        deviations: Sequence[Deviation] = (),
    ) -> Pending[StartTransactionResponse]:
        request = StartTransaction(connector, tag, meter, self.now if at is None else at, reservation)
        info = IdTagInfo(cast(Any, verdict), parent_id_tag=parent)
        arrival = self.arrival(received, deviations)
        return self.transactions.start(_station(station), request, arrival, TagVerdict(info, limit, verified))

    async def start(self, station: str = "CP-1", **about: Any) -> int:
        """The id that the station gets."""
        return (await self.send_start(station, **about)).transaction_id

    def send_stop(
        self,
        reference: int,
        station: str = "CP-1",
        *,
        meter: int = 5000,
        at: datetime | None = None,
        received: datetime | None = None,
        tag: str | None = None,
        reason: Any = None,
        data: Sequence[MeterValue] = (),
        verdict: str = "Accepted",
        parent: str | None = None,
        deviations: Sequence[Deviation] = (),
    ) -> Pending[StopTransactionResponse]:
        request = StopTransaction(reference, meter, self.now if at is None else at, tag, reason, tuple(data))
        judged = None if tag is None else TagVerdict(IdTagInfo(cast(Any, verdict), parent_id_tag=parent))
        return self.transactions.stop(_station(station), request, self.arrival(received, deviations), judged)

    async def stop(self, reference: int, station: str = "CP-1", **about: Any) -> StopTransactionResponse:
        return await self.send_stop(reference, station, **about)

    def send_meter(
        self,
        *values: MeterValue,
        station: str = "CP-1",
        connector: int = 1,
        reference: int | None = None,
        received: datetime | None = None,
        deviations: Sequence[Deviation] = (),
        payload: bytes = b"{}",
    ) -> Pending[MeterValuesResponse]:
        request = MeterValues(connector, values, reference)
        arrival = self.arrival(received, deviations, payload)
        return self.transactions.meter_values(_station(station), request, arrival)

    async def meter(self, *values: MeterValue, **about: Any) -> None:
        await self.send_meter(*values, **about)

    def arrival(
        self, received: datetime | None = None, deviations: Sequence[Deviation] = (), payload: bytes = b"{}"
    ) -> Arrival:
        return Arrival("m-1", self.now if received is None else received, payload, tuple(deviations))

    async def all(self, *, station: str | None = None) -> list[Transaction]:
        """Every transaction, oldest id first."""

        def read(connection: sa.Connection) -> list[int]:
            return list(connection.execute(sa.select(transaction_tables.transaction.c.id)).scalars())

        found = [await self.transactions.find(each) for each in sorted(await self.store.read(read))]
        return [each for each in found if station is None or each.station_id == station]

    async def facts(self, name: str) -> list[dict[str, Any]]:
        def read(connection: sa.Connection) -> list[bytes]:
            query = sa.select(outbox.c.payload).where(outbox.c.name == name).order_by(outbox.c.id)
            return list(connection.execute(query).scalars())

        return [msgspec.json.decode(payload) for payload in await self.store.read(read)]

    async def count(self, table: sa.Table) -> int:
        query = sa.select(sa.func.count()).select_from(table)
        return await self.store.read(lambda connection: connection.execute(query).scalar_one())

    async def put_status(self, state: str, *, since: datetime, station: str = "CP-1", connector: int = 1) -> None:
        """What a StatusNotification has left."""
        row = {
            "station_id": station, "connector_id": connector, "status": state, "error_code": "NoError", "info": "",
            "vendor_id": "", "vendor_error_code": "", "reported_at": since, "received_at": since, "since": since,
            "warnings": "[]",
        }  # fmt: skip
        await self.store.submit(_insert_status, row)

    async def put_remote_start(
        self, id_: str, *, tag: str, connector: int | None, at: datetime, station: str = "CP-1", outcome: str = "sent"
    ) -> None:
        """What a RemoteStartTransaction has left."""
        row = {
            "id": id_, "station_id": station, "id_tag": tag, "id_tag_key": folded(tag), "connector_id": connector,
            "requested_at": at, "valid_until": at + timedelta(minutes=5), "outcome": outcome,
        }  # fmt: skip
        await self.store.submit(_insert_remote_start, row)


def _insert_status(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> list[None]:
    connection.execute(sa.insert(status), list(rows))
    return [None] * len(rows)


def _insert_remote_start(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> list[None]:
    connection.execute(sa.insert(remote_start), list(rows))
    return [None] * len(rows)


def _station(station_id: str) -> Station:
    return cast(Station, _Sender(station_id))


def reading(at: datetime, *samples: SampledValue | str) -> MeterValue:
    """A MeterValue element; a bare text is an energy register in Wh."""
    return MeterValue(at, tuple(SampledValue(each) if isinstance(each, str) else each for each in samples))


def _migrated(url: str) -> None:
    engine = writing_engine(parse_url(url), is_durable=False)
    upgrade(engine, LINEAGES)
    engine.dispose()


@pytest.fixture(scope="session")
def core_sqlite_template(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("core") / "csmsd.db"
    shutil.copyfile(sqlite_template, path)
    _migrated(f"sqlite:///{path}")
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=DELETE")  # everything in one file, to be copied
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def core_postgres_url(postgres: Postgres) -> str:
    """One database for all tests, emptied for each: that is ten times faster than a new one."""
    url = postgres.url(postgres.create())
    _migrated(url)
    return url


def _emptied(url: str) -> str:
    engine = writing_engine(parse_url(url), is_durable=False)
    tables = [*tables_of_kernel.tables, *tables_of_core.tables]
    with engine.begin() as connection:
        connection.exec_driver_sql(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY")
    engine.dispose()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def core_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database with the tables of the kernel and of the Core profile."""
    if request.param == "sqlite":
        path = tmp_path / "core.db"
        shutil.copyfile(request.getfixturevalue("core_sqlite_template"), path)
        return f"sqlite:///{path}"
    return _emptied(request.getfixturevalue("core_postgres_url"))


@pytest.fixture
def rules() -> TransactionRules:
    return TransactionRules()


@pytest.fixture
async def bench(core_url: str, rules: TransactionRules) -> AsyncIterator[Bench]:
    async with open_store(core_url, Env(), inline=True) as store:
        yield Bench(store, rules)


@pytest.fixture
def element() -> Any:
    """Makes a MeterValue element, see `reading`."""
    return reading


@pytest.fixture(scope="session")
def play_on(core_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs `play(bench)` on a fresh database, for tests that need many of them."""
    path = tmp_path_factory.mktemp("played") / "core.db"

    def run(play: Callable[[Bench], Awaitable[None]]) -> None:
        async def on_fresh() -> None:
            for leftover in path.parent.glob("core.db*"):
                leftover.unlink()
            shutil.copyfile(core_sqlite_template, path)
            async with open_store(f"sqlite:///{path}", Env(), inline=True) as store:
                await play(Bench(store, TransactionRules()))

        trio.run(on_fresh)

    return run
