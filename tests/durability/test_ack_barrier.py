"""The barrier between COMMIT and confirmation: while a commit has not returned, no byte of its .conf leaves (B-11)."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio

from csmsd import Config, Host, open_csms
from csmsd._kernel.storage.batch import BatchRunner, Item, Report
from csmsd.config import Access, Listen
from csmsd.hookspecs import hookimpl
from csmsd.plugin import Plugin
from csmsd_core import IdTagInfo, StartTransactionResponse
from tests.durability.wire import Wire, connect

NOON = "2026-01-01T12:00:00Z"
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 1, "timestamp": NOON}
STOP = {"transactionId": 1, "meterStop": 2, "timestamp": NOON}
METER = {"connectorId": 1, "meterValue": [{"timestamp": NOON, "sampledValue": [{"value": "1"}]}]}
BOOT = {"chargePointVendor": "ACME", "chargePointModel": "Box"}
DURABLE = [("StartTransaction", START), ("StopTransaction", STOP), ("MeterValues", METER), ("BootNotification", BOOT)]
HELD = 0.2  # seconds in which nothing must come


class Hasty(Plugin[Any]):
    """Removes the barrier for StartTransaction: submits the write, and does not wait for it."""

    name = "hasty"
    requires = ("core",)

    @hookimpl
    def start_transaction(self, station: Any, request: Any, arrival: Any) -> StartTransactionResponse:
        core: Any = self.host.plugins.get("core")
        core.start_transaction(station, request, arrival)
        return StartTransactionResponse(1, IdTagInfo("Accepted"))


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """While it is closed, no COMMIT returns from the committer's thread."""
    gate = threading.Event()
    gate.set()
    run = BatchRunner.run

    def held(runner: BatchRunner, batch: Sequence[Item]) -> Report:
        report = run(runner, batch)
        gate.wait(20)
        return report

    monkeypatch.setattr(BatchRunner, "run", held)
    yield gate
    gate.set()


class Barrier:
    """A running csmsd whose commits a test can hold."""

    def __init__(self, host: Host, gate: threading.Event, database: Path) -> None:
        self._gate, self._database = gate, database
        self._port = int(host.ocpp_urls[0].rpartition(":")[2].partition("/")[0])

    async def confirms_while_held(self, action: str, request: dict[str, Any]) -> bool:
        """Send a message while commits are held: does an answer come all the same? It must come when they go on."""
        wire = await connect(self._port, "CP-1")
        await self._ask(wire, "0", "Heartbeat", {})
        self._gate.clear()
        await wire.send(json.dumps([2, "1", action, request]).encode())
        answer: list[Any] = []
        with trio.move_on_after(HELD):
            answer.append(json.loads(await wire.receive()))
        is_early = bool(answer)
        self._gate.set()
        if not answer:
            answer.append(json.loads(await wire.receive()))
        await wire.aclose()
        assert answer[0][:2] == [3, "1"]
        return is_early

    async def charge(self, station_id: str, connectors: int) -> None:
        """Start on each connector: at the moment a confirmation arrives, a reader sees the transaction."""
        wire = await connect(self._port, station_id)
        for connector in range(1, connectors + 1):
            answer = await self._ask(wire, f"{connector}", "StartTransaction", {**START, "connectorId": connector})
            with closing(sqlite3.connect(self._database)) as database:
                found = database.execute(
                    "SELECT station_id, connector_id FROM core_transaction WHERE id = ?", [answer[2]["transactionId"]]
                ).fetchall()
            assert found == [(station_id, connector)]
        await wire.aclose()

    async def _ask(self, wire: Wire, call_id: str, action: str, request: dict[str, Any]) -> Any:
        await wire.send(json.dumps([2, call_id, action, request]).encode())
        return json.loads(await wire.receive())


@pytest.fixture(params=["reactor", "trio-websocket"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def plugins() -> tuple[Any, ...]:
    return ("core",)


@pytest.fixture
async def barrier(
    transport: str, plugins: tuple[Any, ...], gate: threading.Event, tmp_path: Path
) -> AsyncIterator[Barrier]:
    config = Config(
        plugins=plugins,
        data_dir=tmp_path,
        transport=transport,  # type: ignore[arg-type]  # one of the two
        listen=Listen(ocpp="127.0.0.1:0", http=""),
        access=Access(authentication="none", unknown_stations="register"),
    )
    async with open_csms(config) as host:
        yield Barrier(host, gate, tmp_path / "csmsd.db")


@pytest.mark.req("TX-04", "RPC-31")
@pytest.mark.parametrize(("action", "request_"), DURABLE, ids=[action for action, _ in DURABLE])
async def test_nothing_is_confirmed_while_its_commit_has_not_returned(
    barrier: Barrier, action: str, request_: dict[str, Any]
) -> None:
    assert not await barrier.confirms_while_held(action, request_)


@pytest.mark.req("TX-04")
@pytest.mark.parametrize("plugins", [("core", Hasty)])
async def test_without_the_barrier_the_test_above_is_red(barrier: Barrier) -> None:
    assert await barrier.confirms_while_held("StartTransaction", START)


@pytest.mark.req("TX-04")
async def test_whoever_is_confirmed_is_in_the_database_for_everybody_to_see(barrier: Barrier) -> None:
    async with trio.open_nursery() as nursery:
        for index in range(10):
            nursery.start_soon(barrier.charge, f"CP-{index}", 10)


@pytest.mark.req("TX-04")
async def test_what_needs_no_storage_is_answered_meanwhile(barrier: Barrier) -> None:
    assert await barrier.confirms_while_held("Heartbeat", {})
