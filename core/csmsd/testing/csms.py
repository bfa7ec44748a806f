"""A whole csmsd for tests: real plugins, real SQLite, virtual time, no sockets."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from csmsd._kernel.house import House, Mode, open_house
from csmsd.config import Access, Config, Listen
from csmsd.env import Env
from csmsd.hookspecs import ConnectRequest
from csmsd.host import Host
from csmsd.plugin import Plugin
from csmsd.station import StationRecord
from csmsd.testing.station import StationLink, TestStation


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


def _quote(station_id: str) -> str:
    from urllib.parse import quote

    return quote(station_id, safe="")


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
