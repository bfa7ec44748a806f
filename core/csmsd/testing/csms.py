"""A whole csmsd for tests: real plugins, real SQLite, virtual time, no sockets."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from csmsd._kernel.house import House, Mode, open_house
from csmsd.config import Access, Config, Listen
from csmsd.env import Env
from csmsd.hookspecs import ConnectRequest
from csmsd.host import Host
from csmsd.journal import Exchange, ExchangeFilter
from csmsd.plugin import Plugin
from csmsd.station import StationRecord
from csmsd.testing.station import StationLink, TestStation

if TYPE_CHECKING:
    import httpx


class TestCsms:
    """A running csmsd and the way to connect stations to it. `host` is what plugins see."""

    __test__ = False  # pytest: no test class

    def __init__(self, house: House) -> None:
        self._house = house
        self._peers = 0

    @property
    def host(self) -> Host:
        """The csmsd."""
        return self._house

    async def connect(
        self,
        station_id: str,
        *,
        password: str | None = None,
        register: bool = True,
        subprotocols: Sequence[str] = ("ocpp1.6",),
        **record: Any,
    ) -> TestStation:
        """Register a station if need be (`record` holds fields of StationRecord), and connect it."""
        if register and station_id not in {known.id for known in self._house.stations.records()}:
            await self._house.stations.register(StationRecord(station_id, **record), password)
        station = TestStation(station_id)
        status = await self.knock(station, password, subprotocols)
        if status != 101:
            raise ConnectionRefusedError(f"csmsd answered {station_id} with {status}")
        return station

    async def knock(
        self, station: TestStation, password: str | None = None, subprotocols: Sequence[str] = ("ocpp1.6",)
    ) -> int:
        """Try to connect: the HTTP status. With 101 the station is connected."""
        self._peers += 1
        credentials = None
        if password is not None:
            credentials = b"Basic " + base64.b64encode(f"{station.id}:{password}".encode())
        peer = f"127.0.0.1:{10_000 + self._peers % 50_000}"
        request = ConnectRequest(f"/ocpp/{_quote(station.id)}", credentials, tuple(subprotocols), peer)
        admission = await self._house.door.knock(request)
        if admission.status == 101:
            station.attach(self._house.door.enter(request, admission, StationLink(station)))
        return admission.status

    async def ask(self, method: str, path: str, body: object = None, *, scope: str = "admin") -> httpx.Response:
        """Ask the management API, in process: a path below `/api/v1`, and what is sent as JSON.

        `scope` is that of the token: read, operate or admin. LookupError if this csmsd has no plugin web.
        """
        import httpx

        web: Any = self.host.plugins.get("web")
        if web is None:
            raise LookupError('the management API is the plugin web: add "web" to this csmsd\'s plugins')
        _, token = await web.tokens.mint(f"test {scope}", scope, actor="test")
        transport = httpx.ASGITransport(web.app, raise_app_exceptions=False)
        content = None if body is None else msgspec.json.encode(body)
        headers = {"authorization": f"Bearer {token}"} | ({} if body is None else {"content-type": "application/json"})
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as client:
            return await client.request(method, f"/api/v1{path}", content=content)


class Fleet:
    """Connects many stations: `await fleet(100)`."""

    def __init__(self, csms: TestCsms) -> None:
        self._csms = csms
        self._count = 0

    async def __call__(self, count: int, *, prefix: str = "FLEET-", **record: Any) -> list[TestStation]:
        """So many more stations, connected: FLEET-1, FLEET-2 … `record` holds fields of their StationRecords."""
        numbers = range(self._count + 1, self._count + count + 1)
        self._count += count
        return [await self._csms.connect(f"{prefix}{number}", **record) for number in numbers]


class TestJournal:
    """What csmsd has recorded, in the order in which it happened."""

    __test__ = False  # pytest: no test class

    def __init__(self, host: Host) -> None:
        self._host = host

    async def exchanges(
        self, station_id: str | None = None, action: str | None = None, *, only_errors: bool = False, limit: int = 1000
    ) -> list[Exchange]:
        """The last exchanges with stations, oldest first; each with the trace of who was asked."""
        wanted = ExchangeFilter(station_id=station_id, action=action, only_errors=only_errors, limit=limit)
        return list(reversed(await self._host.journal.exchanges(wanted)))

    async def last(self, station_id: str | None = None, action: str | None = None) -> Exchange:
        """The last of them; LookupError if there is none."""
        found = await self.exchanges(station_id, action, limit=1)
        if not found:
            raise LookupError(f"no exchange of {station_id or 'any station'} is recorded, action {action or 'any'}")
        return found[-1]


def _quote(station_id: str) -> str:
    from urllib.parse import quote

    return quote(station_id, safe="")


_EPOCH = datetime(2026, 1, 1, 12, tzinfo=UTC)


def virtual_env() -> Env:
    """A wall clock that goes with trio's: it began at noon of 2026-01-01."""
    return Env(now=lambda: _EPOCH + timedelta(seconds=trio.current_time()))


@asynccontextmanager
async def open_test_csms(
    *,
    plugins: Sequence[str | type[Plugin[Any]]] = ("core",),
    config: Config | None = None,
    env: Env | None = None,
    data_dir: Path | None = None,
    **settings: Any,
) -> AsyncGenerator[TestCsms, None]:
    """A csmsd without authentication and sockets, on a database of its own; `settings` are fields of Config.

    Give the test `autojump_clock`: then time passes only when everybody waits, and every commit is done in between.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = config or Config(
            listen=Listen(ocpp="", http=""), access=Access(authentication="optional"), data_dir=data_dir or Path(folder)
        )
        config = msgspec.structs.replace(config, plugins=tuple(plugins), **settings)
        async with open_house(config, env or Env(), Mode(is_inline=True, listens=False, watches=False)) as house:
            yield TestCsms(house)
