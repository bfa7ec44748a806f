"""One csmsd with Smart Charging and one station, as the tests see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import trio

from csmsd.env import Env
from csmsd.host import Host
from csmsd.testing import TestCsms, TestStation
from csmsd_core import (
    ChargingProfile,
    CorePlugin,
    GetConfiguration,
    GetConfigurationResponse,
    KeyValue,
    StartTransaction,
    StartTransactionResponse,
    StopTransaction,
    StopTransactionResponse,
)
from csmsd_smartcharging import (
    ClearChargingProfile,
    ClearChargingProfileResponse,
    SetChargingProfile,
    SetChargingProfileResponse,
    SmartChargingPlugin,
)

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def virtual_env() -> Env:
    """A wall clock that goes with trio's."""
    return Env(now=lambda: START + timedelta(seconds=trio.current_time()))


@dataclass
class Site:
    """One csmsd, its plugin and one station."""

    csms: TestCsms
    station: TestStation

    @property
    def host(self) -> Host:
        return self.csms.host

    @property
    def now(self) -> datetime:
        return self.host.env.now()

    @property
    def core(self) -> CorePlugin:
        core = self.host.plugins.get("core")
        assert isinstance(core, CorePlugin)
        return core

    @property
    def plugin(self) -> SmartChargingPlugin:
        plugin = self.host.plugins.get("smartcharging")
        assert isinstance(plugin, SmartChargingPlugin)
        return plugin

    @property
    def ids(self) -> list[int]:
        """What the mirror says the station holds."""
        return [each.id for each in self.plugin.mirror.of_station(self.station.id)]

    async def start(self, connector_id: int = 1, tag: str = "CARD") -> int:
        """A transaction begins; also its facts have arrived."""
        request = StartTransaction(connector_id, tag, 0, self.now)
        answer = await self.station.send("StartTransaction", request, StartTransactionResponse)
        await trio.sleep(1)
        return answer.transaction_id

    async def stop(self, transaction_id: int) -> None:
        request = StopTransaction(transaction_id, 1000, self.now)
        await self.station.send("StopTransaction", request, StopTransactionResponse)
        await trio.sleep(1)

    async def set(self, connector_id: int, profile: ChargingProfile, answer: Any = "Accepted") -> Any:
        """SetChargingProfile as the raw route sends it: what became of it."""
        if isinstance(answer, str):
            answer = msgspec.convert({"status": answer}, SetChargingProfileResponse)
        self.station.behaviour["SetChargingProfile"] = answer
        return await self.send("SetChargingProfile", SetChargingProfile(connector_id, profile))

    async def clear(self, answer: Any = "Accepted", **fields: Any) -> Any:
        self.station.behaviour["ClearChargingProfile"] = ClearChargingProfileResponse(answer)
        return await self.send("ClearChargingProfile", ClearChargingProfile(**fields))

    async def send(self, action: str, request: msgspec.Struct) -> Any:
        payload = self.host.commands.known[action].encode(request)
        record = await self.host.commands.submit(self.station.id, action, payload, actor="op")
        return await self.host.commands.outcome(record.id)

    def sent(self, action: str) -> Any:
        """The payload of the last command of that name, as JSON."""
        call = [each for each in self.station.calls if each.action == action][-1]
        return msgspec.json.decode(call.payload)

    def warnings(self, action: str, request: msgspec.Struct) -> list[str]:
        station = self.host.stations.get(self.station.id)
        return self.core.warnings_for(self.host.commands.known[action], request, station)

    async def configure(self, **values: str) -> None:
        """The station has told these configuration keys, and that it has no others."""
        entries = tuple(KeyValue(key, True, value) for key, value in values.items())
        self.core.configuration.read(self.station.id, GetConfiguration(), GetConfigurationResponse(entries))
        await trio.sleep(1)
