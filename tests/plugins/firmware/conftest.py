"""A csmsd with Firmware Management and its management API, in virtual time, and stations that have no socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import trio

from csmsd.env import Env
from csmsd.ocpp.frames import CallError
from csmsd.testing import TestCsms, TestStation, open_test_csms
from csmsd_core import BootNotification, BootNotificationResponse
from csmsd_firmware import (
    DiagnosticsStatusNotification,
    DiagnosticsStatusNotificationResponse,
    FirmwarePlugin,
    FirmwareStatusNotification,
    FirmwareStatusNotificationResponse,
    GetDiagnosticsResponse,
    UpdateFirmwareResponse,
)
from csmsd_web import WebPlugin
from tests.kernel.virtual import VirtualNow
from tests.plugins.web.management import Api

PUBLIC_URL = "https://files.example.com"


class Depot(Api):
    """The management API, and what the plugin knows."""

    @property
    def firmware(self) -> FirmwarePlugin:
        plugin = self.host.plugins.get("firmware")
        assert isinstance(plugin, FirmwarePlugin)
        return plugin

    async def station(self, station_id: str = "CP-1", version: str | None = "1.0") -> TestStation:
        """Connected, booted, and willing."""
        station = await self.csms.connect(station_id)
        station.answers_pings = True  # else csmsd takes it for dead after an hour
        station.behaviour["UpdateFirmware"] = UpdateFirmwareResponse()
        station.behaviour["GetDiagnostics"] = GetDiagnosticsResponse("log.zip")
        await boot(station, version)
        return station

    async def jobs(self, station_id: str = "CP-1") -> list[dict[str, Any]]:
        found = (await self.get(f"/stations/{station_id}/firmware")).json()
        return list(found["jobs"])

    async def job(self, station_id: str = "CP-1") -> dict[str, Any]:
        """The latest update; facts have arrived."""
        await trio.sleep(2)
        return (await self.jobs(station_id))[0]

    async def diagnostics(self, station_id: str = "CP-1") -> dict[str, Any]:
        found = (await self.get(f"/stations/{station_id}/diagnostics")).json()
        job: dict[str, Any] = found["jobs"][0]
        return job


async def boot(station: TestStation, version: str | None = "1.0") -> BootNotificationResponse:
    return await station.send(
        "BootNotification", BootNotification("vendor", "model", firmware_version=version), BootNotificationResponse
    )


async def report(station: TestStation, *statuses: Any) -> None:
    for status in statuses:
        await station.send(
            "FirmwareStatusNotification", FirmwareStatusNotification(status), FirmwareStatusNotificationResponse
        )


async def report_upload(station: TestStation, *statuses: Any) -> None:
    for status in statuses:
        await station.send(
            "DiagnosticsStatusNotification",
            DiagnosticsStatusNotification(status),
            DiagnosticsStatusNotificationResponse,
        )


def refusal(code: str, description: str) -> CallError:
    """A CALLERROR as a station sends it."""
    return CallError("", code, description, msgspec.Raw(b"{}"))


def depot_settings(**more: Any) -> dict[str, Any]:
    return {"public_url": PUBLIC_URL, **more}


@pytest.fixture
def settings() -> dict[str, Any]:
    """The plugin's configuration, beyond the usual."""
    return {}


@pytest.fixture
async def csms(settings: dict[str, Any], autojump_clock: trio.testing.MockClock) -> AsyncIterator[TestCsms]:
    plugins = ("core", WebPlugin, FirmwarePlugin)
    configured = {"firmware": depot_settings(**settings)}
    async with open_test_csms(plugins=plugins, env=Env(now=VirtualNow()), plugin=configured) as opened:
        yield opened


@pytest.fixture
async def depot(csms: TestCsms) -> Depot:
    opened = Depot(csms)
    opened.token = await opened.mint()
    return opened
