"""Local Auth List Management as a plugin: what it declares, and what answers which hook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import trio

from csmsd.command import AnyCommand
from csmsd.errors import CsmsdError
from csmsd.hookspecs import hookimpl
from csmsd.host import Host
from csmsd.plugin import Migrations, Plugin
from csmsd.station import Station
from csmsd_core import ConnectorStatusChanged, CorePlugin, StationBooted, core_of
from csmsd_localauth import cli, hookspecs, rules, tables
from csmsd_localauth.automatic import Following
from csmsd_localauth.commands import COMMANDS
from csmsd_localauth.config import LocalAuthConfig
from csmsd_localauth.lists import Lists
from csmsd_localauth.messages import (
    GetLocalListVersion,
    GetLocalListVersionResponse,
    SendLocalList,
    SendLocalListResponse,
)
from csmsd_localauth.sync import Synchroniser


class LocalAuthPlugin(Plugin[LocalAuthConfig]):
    """OCPP 1.6 Local Auth List Management: stations' lists in line with the id tags."""

    name = "localauth"
    requires = ("core",)
    config_type = LocalAuthConfig
    specs = (hookspecs,)
    commands = COMMANDS
    migrations = Migrations("csmsd_localauth", tables.metadata)
    cli = (cli.locallist,)

    def __init__(self, config: LocalAuthConfig, host: Host) -> None:
        super().__init__(config, host)
        self.lists = Lists(host)
        self.synchroniser = Synchroniser(host, lambda: self.core, config, self.lists)
        self._following = Following(host, config, self.lists, self.synchroniser)

    @property
    def core(self) -> CorePlugin:
        """The Core profile, which is enabled as long as this plugin is."""
        return core_of(self.host)

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Fill the memory before stations are let in, then let lists follow that should."""
        await self.lists.load()
        task_status.started()
        await self._following.run()

    # Commands on their way

    @hookimpl
    async def guard_command(self, request: msgspec.Struct) -> str | None:
        """LAL-03, LAL-05."""
        return rules.refusal(request) if isinstance(request, SendLocalList) else None

    @hookimpl
    def command_warnings(self, station: Station, request: msgspec.Struct) -> Iterable[str]:
        """OP-02, LAL-06, LAL-13."""
        state = self.lists.state_of(station.id)
        match request:
            case SendLocalList():
                return list(rules.about_sending(self.core, station, request, state))
            case GetLocalListVersion():
                return list(rules.about_support(self.core, station, state))
            case _:
                return ()

    @hookimpl
    async def prepare_command(self, station: Station, request: msgspec.Struct) -> None:
        """Durable before the station can act on it."""
        if isinstance(request, SendLocalList):
            await self.lists.prepare(station, request)

    @hookimpl
    def command_handled(self, station: Station, request: msgspec.Struct, response: msgspec.Struct) -> None:
        """LAL-08, LAL-12, also for late answers (RPC-24)."""
        match request, response:
            case SendLocalList(), SendLocalListResponse():
                self.lists.answered(station.id, request, response)
                if response.status in ("Failed", "VersionMismatch"):
                    self._following.note(station.id)
            case GetLocalListVersion(), GetLocalListVersionResponse():
                self.lists.reported(station.id, request, response)
            case _:
                pass

    @hookimpl
    def command_failed(self, station: Station, command: AnyCommand, request: msgspec.Struct, error: CsmsdError) -> None:
        """No proper answer."""
        match request:
            case SendLocalList():
                self.lists.failed(station.id, request, error)
            case GetLocalListVersion():
                self.lists.not_reported(station.id, request, error)
            case _:
                pass

    # Facts

    @hookimpl
    async def connector_status_changed(self, station_id: str, fact: ConnectorStatusChanged) -> None:
        """LAL-11, CORE-06."""
        if fact.connector_id == 0 and fact.error_code == "LocalListConflict":
            await self.lists.conflicted(station_id)
            self._following.note(station_id)

    @hookimpl
    async def station_booted(self, station_id: str, fact: StationBooted) -> None:
        """A station may have lost its list with a restart."""
        if fact.registration == "Accepted":
            self._following.note(station_id)

    @hookimpl(optionalhook=True)
    def web_routes(self) -> Sequence[Any]:
        """This profile's part of the management API; the web plugin asks, so only then its libraries are needed."""
        from csmsd_localauth.routes import local_list_routes

        return local_list_routes(self)
