"""Remote Trigger as a plugin: what it declares, and what answers which hook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import trio

from csmsd.command import AnyCommand
from csmsd.errors import CsmsdError
from csmsd.hookspecs import hookimpl
from csmsd.host import Host
from csmsd.plugin import Plugin
from csmsd.station import Station
from csmsd_core import CorePlugin, Triggers, core_of, trigger_rules
from csmsd_trigger import cli
from csmsd_trigger.commands import TRIGGER_MESSAGE
from csmsd_trigger.config import TriggerConfig
from csmsd_trigger.messages import TriggerMessage, TriggerMessageResponse


class TriggerPlugin(Plugin[TriggerConfig]):
    """OCPP 1.6 Remote Trigger: ask stations to send a message now, and see whether it comes."""

    name = "trigger"
    requires = ("core",)
    config_type = TriggerConfig
    commands = (TRIGGER_MESSAGE,)
    cli = (cli.trigger,)

    def __init__(self, config: TriggerConfig, host: Host) -> None:
        super().__init__(config, host)
        self.triggers = Triggers(host, TRIGGER_MESSAGE, config.patience, self._expect, kind="trigger")

    @property
    def core(self) -> CorePlugin:
        """The Core profile, which is enabled as long as this plugin is."""
        return core_of(self.host)

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Watch for what was triggered."""
        async with trio.open_nursery() as nursery:
            self.triggers.serve_in(nursery)
            task_status.started()
            await trio.sleep_forever()

    def _expect(self, station_id: str, action: str) -> None:
        self.core.expected.expect(station_id, action)

    @hookimpl
    async def guard_command(self, station: Station, request: msgspec.Struct) -> str | None:
        """TRG-05."""
        return trigger_rules.refusal(station, request) if isinstance(request, TriggerMessage) else None

    @hookimpl
    def command_warnings(self, station: Station, request: msgspec.Struct) -> Iterable[str]:
        """TRG-02, TRG-03."""
        if not isinstance(request, TriggerMessage):
            return ()
        warnings = list(trigger_rules.connector_warnings(self.core.configuration, station, request))
        if self.core.configuration.lacks_profile(station.id, "RemoteTrigger"):
            warnings.append(f"{station.id} does not name RemoteTrigger among its SupportedFeatureProfiles (OP-02)")
        return warnings

    @hookimpl
    def command_handled(self, station: Station, request: msgspec.Struct, response: msgspec.Struct) -> None:
        """TRG-04, also for late answers (RPC-24)."""
        if isinstance(request, TriggerMessage) and isinstance(response, TriggerMessageResponse):
            self.triggers.answered(station.id, request, response.status)

    @hookimpl
    def command_failed(self, station: Station, command: AnyCommand, request: msgspec.Struct, error: CsmsdError) -> None:
        """Shown among the station's triggers."""
        if isinstance(request, TriggerMessage):
            self.triggers.failed(station.id, request, error)

    @hookimpl(optionalhook=True)
    def web_routes(self) -> Sequence[Any]:
        """This profile's part of the management API; the web plugin asks, so only then its libraries are needed."""
        from csmsd_trigger.routes import trigger_routes

        return trigger_routes(self)
