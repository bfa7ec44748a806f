"""Firmware Management as a plugin: what it declares, and which service answers which hook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import trio

from csmsd.command import AnyCommand
from csmsd.errors import CsmsdError
from csmsd.hookspecs import hookimpl
from csmsd.host import Host
from csmsd.pending import Pending
from csmsd.plugin import Migrations, Plugin
from csmsd.station import Arrival, Station
from csmsd_core import StationBooted, core_of
from csmsd_firmware import cli, facts, hookspecs, rules, tables
from csmsd_firmware import messages as m
from csmsd_firmware.actions import ACTIONS
from csmsd_firmware.campaigns import Campaigns
from csmsd_firmware.cleaning import Cleaning
from csmsd_firmware.commands import COMMANDS
from csmsd_firmware.config import FirmwareConfig
from csmsd_firmware.files import Files
from csmsd_firmware.images import Images
from csmsd_firmware.jobs import Jobs
from csmsd_firmware.links import Links
from csmsd_firmware.plane import FilePlane
from csmsd_firmware.service import FirmwareService
from csmsd_firmware.vault import Vault


class FirmwarePlugin(Plugin[FirmwareConfig]):
    """OCPP 1.6 Firmware Management: updates, diagnostics, the files for both, and campaigns over many stations."""

    name = "firmware"
    requires = ("core",)
    config_type = FirmwareConfig
    specs = (hookspecs,)
    actions = ACTIONS
    commands = COMMANDS
    facts = facts.FACTS
    migrations = Migrations("csmsd_firmware", tables.metadata)
    cli = (cli.firmware, cli.diagnostics)

    def __init__(self, config: FirmwareConfig, host: Host) -> None:
        super().__init__(config, host)
        vault = Vault(host.config.data_dir / "files", host.env)
        self.jobs = Jobs(host)
        self.links = Links(host, config)
        self.images = Images(host, vault, config.image_bytes)
        self.files = Files(host, vault, config)
        self.plane = FilePlane(config, self.links, self.images, self.files)
        self.service = FirmwareService(host, self.jobs, self.images, self.links)
        self.campaigns = Campaigns(host, self.service, self.images, config.campaign_interval)
        self.cleaning = Cleaning(host, vault, self.files, config)

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Remember what was under way, then look after campaigns and old files."""
        await self.jobs.load()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.campaigns.serve)
            nursery.start_soon(self.cleaning.serve)
            task_status.started()

    async def version_of(self, station_id: str) -> str:
        """The firmware version that a station told last; "" if it has not."""
        nameplate = await core_of(self.host).boots.nameplate(station_id)
        return nameplate.data.firmware_version or ""

    # CALLs of stations

    @hookimpl(trylast=True)
    def firmware_status_notification(
        self, station: Station, request: m.FirmwareStatusNotification, arrival: Arrival
    ) -> Pending[m.FirmwareStatusNotificationResponse]:
        """FW-03."""
        stored = self.jobs.reported("firmware", station.id, request.status, arrival.received_at)
        return stored.then(lambda _: m.FirmwareStatusNotificationResponse())

    @hookimpl(trylast=True)
    def diagnostics_status_notification(
        self, station: Station, request: m.DiagnosticsStatusNotification, arrival: Arrival
    ) -> Pending[m.DiagnosticsStatusNotificationResponse]:
        """DIAG-03."""
        stored = self.jobs.reported("diagnostics", station.id, request.status, arrival.received_at)
        return stored.then(lambda _: m.DiagnosticsStatusNotificationResponse())

    # Commands on their way

    @hookimpl
    def command_warnings(self, station: Station, request: msgspec.Struct) -> Iterable[str]:
        """OP-02, FW-07, FW-08."""
        if isinstance(request, m.UpdateFirmware | m.GetDiagnostics):
            return list(rules.warnings(core_of(self.host), self.jobs, station, request))
        return ()

    @hookimpl(trylast=True)
    async def prepare_command(self, station: Station, request: msgspec.Struct) -> None:
        """Last, so that there is a job only of what is really sent."""
        if isinstance(request, m.UpdateFirmware | m.GetDiagnostics):
            await self.jobs.prepare(station, request)

    @hookimpl
    def command_handled(self, station: Station, request: msgspec.Struct, response: msgspec.Struct) -> None:
        """In time or late (RPC-24)."""
        if isinstance(request, m.UpdateFirmware | m.GetDiagnostics):
            self.jobs.answered(station, request, response)

    @hookimpl
    def command_failed(self, station: Station, command: AnyCommand, request: msgspec.Struct, error: CsmsdError) -> None:
        """FW-07 among others."""
        if isinstance(request, m.UpdateFirmware | m.GetDiagnostics):
            self.jobs.failed(station, command, request, error)

    @hookimpl
    async def station_disconnected(self, station: Station) -> None:
        """What was still queued is not sent any more (RPC-25)."""
        self.jobs.left(station)

    @hookimpl
    async def station_booted(self, station_id: str, fact: StationBooted) -> None:
        """FW-05."""
        await self.jobs.booted(station_id, fact)

    @hookimpl(optionalhook=True)
    def web_routes(self) -> Sequence[Any]:
        """This profile's part of the management API; the web plugin asks, so only then its libraries are needed."""
        from csmsd_firmware.routes import firmware_routes

        return firmware_routes(self)
