"""The security profile as a plugin: what it declares, and which service answers which hook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import trio

from csmsd.command import AnyCommand
from csmsd.errors import CsmsdError, PluginError
from csmsd.hookspecs import hookimpl
from csmsd.host import Host
from csmsd.pending import Pending
from csmsd.plugin import Migrations, Plugin
from csmsd.station import Arrival, Station
from csmsd_core import CorePlugin
from csmsd_security import cli, facts, hookspecs, log_rules, messages, tables, triggers
from csmsd_security.actions import ACTIONS
from csmsd_security.commands import COMMANDS
from csmsd_security.config import SecurityConfig
from csmsd_security.events import SecurityEvents
from csmsd_security.jobs import Jobs
from csmsd_security.triggers import Triggers


class SecurityPlugin(Plugin[SecurityConfig]):
    """OCPP 1.6 security white paper: certificates, security events, logs, signed firmware, profiles 1 to 3."""

    name = "security"
    requires = ("core",)
    critical = True
    config_type = SecurityConfig
    specs = (hookspecs,)
    actions = ACTIONS
    commands = COMMANDS
    facts = facts.FACTS
    migrations = Migrations("csmsd_security", tables.metadata)
    cli = (cli.security,)

    def __init__(self, config: SecurityConfig, host: Host) -> None:
        super().__init__(config, host)
        self.events = SecurityEvents(host)
        self.jobs = Jobs(host)
        self.triggers = Triggers(host, config.patience, self._expect)

    @property
    def core(self) -> CorePlugin:
        """The Core profile, which is enabled as long as this plugin is."""
        core = self.host.plugins.get("core")
        if not isinstance(core, CorePlugin):
            raise PluginError("the security profile needs the Core profile")
        return core

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Fill the memory before stations are let in, then watch for what was triggered."""
        await self.jobs.load(self.core)
        async with trio.open_nursery() as nursery:
            self.triggers.serve_in(nursery)
            task_status.started()
            await trio.sleep_forever()

    def _expect(self, station_id: str, action: str) -> None:
        self.core.expected.expect(station_id, action)

    # CALLs of stations

    @hookimpl(trylast=True)
    def security_event_notification(
        self, station: Station, request: messages.SecurityEventNotification, arrival: Arrival
    ) -> Pending[messages.SecurityEventNotificationResponse]:
        """SEC-70."""
        return self.events.receive(station, request, arrival)

    @hookimpl(trylast=True)
    def log_status_notification(
        self, station: Station, request: messages.LogStatusNotification
    ) -> Pending[messages.LogStatusNotificationResponse]:
        """SEC-73."""
        noted = self.jobs.notified(station.id, "log", request.request_id, request.status)
        return noted.then(lambda _: messages.LogStatusNotificationResponse())

    @hookimpl(trylast=True)
    def signed_firmware_status_notification(
        self, station: Station, request: messages.SignedFirmwareStatusNotification
    ) -> Pending[messages.SignedFirmwareStatusNotificationResponse]:
        """SEC-78."""
        noted = self.jobs.notified(station.id, "firmware", request.request_id, request.status)
        return noted.then(lambda _: messages.SignedFirmwareStatusNotificationResponse())

    # Commands on their way

    @hookimpl
    async def guard_command(self, station: Station, request: msgspec.Struct) -> str | None:
        """TRG-05."""
        return triggers.refusal(station, request) if isinstance(request, messages.ExtendedTriggerMessage) else None

    @hookimpl
    def command_warnings(self, station: Station, request: msgspec.Struct) -> Iterable[str]:
        """OP-02."""
        match request:
            case messages.ExtendedTriggerMessage():
                return list(triggers.warnings(self.core, station, request))
            case messages.GetLog():
                return list(log_rules.about_log(request))
            case messages.SignedUpdateFirmware():
                return list(log_rules.about_schedule(request))
            case _:
                return ()

    @hookimpl
    async def prepare_command(self, station: Station, command: AnyCommand, request: msgspec.Struct) -> None:
        """Durable before the station can act on it."""
        match request:
            case messages.GetLog():
                await self.jobs.prepare(station.id, "log", request.request_id, _shown(command, request))
            case messages.SignedUpdateFirmware():
                await self.jobs.prepare(station.id, "firmware", request.request_id, _shown(command, request))
            case _:
                pass

    @hookimpl
    def command_handled(
        self, station: Station, command: AnyCommand, request: msgspec.Struct, response: msgspec.Struct
    ) -> None:
        """Keep the mirrors up to date, after late answers too (RPC-24)."""
        match request, response:
            case messages.ExtendedTriggerMessage(), messages.ExtendedTriggerMessageResponse():
                self.triggers.answered(station.id, request, response)
            case messages.GetLog(), messages.GetLogResponse():
                answer, filename = response.status, response.filename or ""
                self.jobs.answered(self.core, station.id, "log", request.request_id, answer, filename)
            case messages.SignedUpdateFirmware(), messages.SignedUpdateFirmwareResponse():
                self.jobs.answered(self.core, station.id, "firmware", request.request_id, response.status)
            case _:
                pass

    @hookimpl
    def command_failed(self, station: Station, command: AnyCommand, request: msgspec.Struct, error: CsmsdError) -> None:
        """Shown among the station's triggers."""
        if isinstance(request, messages.ExtendedTriggerMessage):
            self.triggers.failed(station.id, request, error)

    @hookimpl(optionalhook=True)
    def web_routes(self) -> Sequence[Any]:
        """This profile's part of the management API; the web plugin asks, so only then its libraries are needed."""
        from csmsd_security.routes import security_routes

        return security_routes(self)


def _shown(command: AnyCommand, request: msgspec.Struct) -> bytes:
    """The request as it may be stored and shown."""
    return command.redact_request(command.encode(request))
