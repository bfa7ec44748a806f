"""A csmsd in a thread of its own, with stations in memory and its pages on a real port; and who may sign in."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import trio

import csmsd_core
from csmsd.config import Access, Config, Listen
from csmsd.testing import TestCsms, TestStation, open_test_csms
from csmsd_core import BootNotification, CorePlugin, StartTransaction, StatusNotification, Tag
from csmsd_web import WebPlugin

T = TypeVar("T")
PASSWORD = "correct horse battery staple"
USERS = {"anna": "administrator", "otto": "operator", "vera": "viewer"}
BUILT_IN: tuple[Any, ...] = Config().plugins


class Site:
    """What a browser visits. Everything of csmsd is done in its thread, by `run`."""

    csms: TestCsms
    url: str

    def __init__(self, folder: Path, plugins: tuple[Any, ...] = BUILT_IN) -> None:
        self.folder, self.plugins = folder, plugins
        self.stations: dict[str, TestStation] = {}
        self._ready = threading.Event()
        self._trouble: BaseException | None = None
        self._thread = threading.Thread(target=self._main)

    def start(self) -> Site:
        self._thread.start()
        self._ready.wait(60)
        if self._trouble is not None:
            raise self._trouble
        return self

    def stop(self) -> None:
        self._token.run_sync_soon(self._stop.set)
        self._thread.join(60)
        assert not self._thread.is_alive()

    def run(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Await a function in csmsd's thread."""
        return trio.from_thread.run(function, *args, trio_token=self._token)

    def _main(self) -> None:
        try:
            trio.run(self._serve)
        except BaseException as error:
            self._trouble = error
            self._ready.set()

    async def _serve(self) -> None:
        self._token, self._stop = trio.lowlevel.current_trio_token(), trio.Event()
        listen = Listen(ocpp="", http="127.0.0.1:0", public_url="wss://charge.example/ocpp")
        config = Config(listen=listen, access=Access(authentication="optional"), data_dir=self.folder)
        async with open_test_csms(plugins=self.plugins, config=config) as csms:
            self.csms = csms
            web = csms.host.plugins.get("web")
            assert isinstance(web, WebPlugin)
            self.web, self.url = web, web.http_url
            for name, role in USERS.items():
                await web.users.add(name, role, actor="test", password=PASSWORD)  # type: ignore[arg-type]  # a role
            self._ready.set()
            await self._stop.wait()

    async def session_of(self, name: str) -> tuple[str, str]:
        """The cookie of a new session."""
        login = await self.web.logins.log_in(name, PASSWORD, peer="127.0.0.1:1")
        cookie = self.web.sessions.cookie(login.text)
        return cookie.key, str(cookie.value)

    @property
    def core(self) -> CorePlugin:
        core = self.csms.host.plugins.get("core")
        assert isinstance(core, CorePlugin)
        return core

    async def furnish(self) -> None:
        """Three stations: one that charges, one that is faulted, one that is away; tags, a refused stranger."""
        for tag in ("ALICE", "BOB"):
            await self.core.tags.put(Tag(tag, note="of the test"), actor="test")
        charging = await self.connect("CP-1")
        await self.start_session(charging)
        await self.connect("CP-2")
        await self.send("CP-2", StatusNotification(1, "GroundFailure", "Faulted", info="left leg"))
        away = await self.connect("CP-3")
        await away.disconnect()
        status = await self.csms.knock(TestStation("STRANGER"))
        assert status in (401, 404)

    async def connect(self, station_id: str, **texts: Any) -> TestStation:
        station = await self.csms.connect(station_id)
        self.stations[station_id] = station
        boot = {"charge_point_vendor": "Voltera", "charge_point_model": "Duo 22", "firmware_version": "4.8.2", **texts}
        await self.send(station.id, BootNotification(**boot))
        for connector in (0, 1, 2):
            await self.send(station.id, StatusNotification(connector, "NoError", "Available"))
        return station

    async def send(self, station_id: str, request: Any) -> Any:
        """A message of a station, and its answer."""
        name = type(request).__name__
        return await self.stations[station_id].send(name, request, getattr(csmsd_core, f"{name}Response"))

    async def start_session(self, station: TestStation, connector: int = 1, tag: str = "ALICE") -> int:
        """A transaction that began an hour ago, with readings that make a curve."""
        now = datetime.now(UTC)
        await self.send(station.id, StatusNotification(connector, "NoError", "Charging"))
        begun = now - timedelta(hours=1)
        answer = await self.send(station.id, StartTransaction(connector, tag, 1_000, begun))
        for minute in range(0, 60, 2):
            at = (begun + timedelta(minutes=minute)).isoformat()
            values = (
                f'{{"value":"{1000 + minute * 180}","measurand":"Energy.Active.Import.Register","unit":"Wh"}},'
                f'{{"value":"{10800 + minute * 3}","measurand":"Power.Active.Import","unit":"W"}},'
                f'{{"value":"{38 + minute // 3}","measurand":"SoC","unit":"Percent"}}'
            )
            payload = (
                f'{{"connectorId":{connector},"transactionId":{answer.transaction_id},'
                f'"meterValue":[{{"timestamp":"{at}","sampledValue":[{values}]}}]}}'
            )
            await station.send_raw("MeterValues", payload.encode())
        return int(answer.transaction_id)
