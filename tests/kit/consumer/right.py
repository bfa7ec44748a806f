"""A program of somebody who uses csmsd: every public name, in the way it is meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
import trio
from trio.testing import MockClock

import csmsd_core
from csmsd import (
    Action,
    Arrival,
    BackendUnavailable,
    CallFailed,
    CallRefused,
    CallTimeout,
    Command,
    Config,
    CsmsdError,
    Fact,
    Host,
    Migrations,
    NoConfig,
    Pending,
    Plugin,
    Station,
    StationRecord,
    StationUnavailable,
    Store,
    hookimpl,
    hookspec,
    open_csms,
)
from csmsd.testing import (
    CHECKS,
    CallErrorReceived,
    Finding,
    Fleet,
    TestCsms,
    TestJournal,
    TestStation,
    assert_plugin_ok,
    check_plugin,
    open_test_csms,
)
from csmsd_core import RESET, DataTransfer, DataTransferResponse, IdTagInfo, Reset, ResetResponse, Transaction

metadata = sa.MetaData()
invoice = sa.Table("consumer_invoice", metadata, sa.Column("transaction_id", sa.BigInteger, primary_key=True))


class Ping(msgspec.Struct, frozen=True):
    text: str


class Pong(msgspec.Struct, frozen=True):
    text: str


class Paid(msgspec.Struct, frozen=True):
    cents: int


class ConsumerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cents: Annotated[int, "Per kWh."] = 42


@hookspec(colour="either")
def consumer_ping(station: Station, request: Ping, arrival: Arrival) -> Pong | None:
    """Called for every Ping."""
    raise AssertionError


@hookspec()
async def consumer_paid(station_id: str, fact: Paid, fact_id: int) -> None:
    """Somebody has paid."""


@hookspec()
async def consumer_price(station: Station, kwh: int) -> int | None:
    """What it costs."""


PING = Action("Ping", Ping, Pong, consumer_ping)
PONG: Command[Ping, Pong] = Command("Ping", Ping, Pong, "Ask whether it is there.")
PAID = Fact("consumer_paid", Paid, consumer_paid)


def add_invoices(connection: sa.Connection, rows: Sequence[int]) -> Sequence[int]:
    connection.execute(sa.insert(invoice), [{"transaction_id": row} for row in rows])
    return rows


class ConsumerPlugin(Plugin[ConsumerConfig]):
    """What a vendor writes."""

    name = "consumer"
    requires = ("core",)
    config_type = ConsumerConfig
    migrations = Migrations("consumer", metadata)
    actions = (PING,)
    commands = (PONG,)
    facts = (PAID,)

    def __init__(self, config: ConsumerConfig, host: Host) -> None:
        super().__init__(config, host)
        self.cents: int = config.cents

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()

    @hookimpl
    def data_transfer(self, station: Station, request: DataTransfer) -> Pending[DataTransferResponse] | None:
        if request.vendor_id != "com.consumer":
            return None
        stored: Pending[int] = self.host.store.submit(add_invoices, 7)
        return stored.then(lambda number: DataTransferResponse("Accepted", str(number)))

    @hookimpl
    async def transaction_stopped(self, station_id: str, fact: Transaction, fact_id: int) -> None:
        number: int = await self.host.store.submit(add_invoices, fact.id)
        self.log.info("%s: invoice %d of fact %d", station_id, number, fact_id)

    @hookimpl
    async def authorize_id_tag(self, station: Station, id_tag: str) -> IdTagInfo | None:
        try:
            with trio.fail_after(2):
                return IdTagInfo("Accepted") if await self.price(station) else None
        except trio.TooSlowError as error:
            raise BackendUnavailable(f"{station.id}: nobody tells what {id_tag} pays") from error

    async def price(self, station: Station) -> int:
        found: int | None = await self.host.hooks.first(consumer_price, station, 3)
        certain: int = await self.host.hooks.decide(0, consumer_price, station, kwh=3)
        every: list[int] = await self.host.hooks.gather(consumer_price, station, 3)
        return (found or 0) + certain + sum(every)


class ModestPlugin(Plugin[NoConfig]):
    """One without settings."""

    name = "modest"


async def restart(host: Host, station_id: str) -> str:
    record: StationRecord = host.stations.record(station_id)
    try:
        answer: ResetResponse = await host.stations.get(record.id).call(RESET, Reset("Soft"), timeout=10)
    except (CallFailed, CallRefused, CallTimeout, StationUnavailable) as error:
        return f"{error}"
    except CsmsdError:
        raise
    return answer.status


async def embed() -> None:
    async with open_csms(Config(), plugins=["core", ConsumerPlugin]) as host:
        store: Store = host.store
        count: int = await store.read(lambda connection: len(connection.execute(sa.select(invoice)).all()))
        await restart(host, f"CP-{count}")


async def test_it(csms: TestCsms, station: TestStation, fleet: Fleet, journal: TestJournal, clock: MockClock) -> None:
    try:
        answer: DataTransferResponse = await station.send(
            "DataTransfer", DataTransfer("com.consumer"), DataTransferResponse
        )
    except CallErrorReceived as error:
        raise AssertionError(error.code) from error
    many: list[TestStation] = await fleet(3, security_profile=1)
    exchange = await journal.last(station.id)
    status: int = (await csms.ask("GET", "/stations")).status_code
    clock.jump(60)
    assert (answer.status, len(many), exchange.action, status) == ("Accepted", 3, "DataTransfer", 200)


async def test_by_hand() -> None:
    async with open_test_csms(plugins=["core", ConsumerPlugin], plugin={"consumer": {"cents": 1}}) as csms:
        host: Host = csms.host
        plugin = host.plugins.get("consumer")
        assert isinstance(plugin, ConsumerPlugin)


def test_the_contract() -> None:
    findings: tuple[Finding, ...] = check_plugin(ConsumerPlugin, config={"cents": 1})
    assert {finding.check for finding in findings} <= set(CHECKS)
    assert_plugin_ok(ModestPlugin)
    tags: Any = csmsd_core.CorePlugin
    assert tags
