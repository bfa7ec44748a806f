"""The Core profile as a plugin: what it declares, and which service answers which hook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import trio

from csmsd.command import AnyCommand
from csmsd.errors import CsmsdError, PluginError, StationUnavailable
from csmsd.hookspecs import Metric, command_warnings, hookimpl
from csmsd.host import Host
from csmsd.ocpp.errors import OcppError
from csmsd.pending import Pending
from csmsd.plugin import Migrations, Plugin
from csmsd.station import Arrival, Registration, Station
from csmsd_core import cli, command_rules, data_transfer, facts, hookspecs, messages, pricing, tables
from csmsd_core.actions import ACTIONS
from csmsd_core.authorization import Authorization
from csmsd_core.background import Background
from csmsd_core.boot import BootService
from csmsd_core.clock import Clocks
from csmsd_core.command_warnings import CommandWarnings
from csmsd_core.commands import COMMANDS, RESET
from csmsd_core.config import CoreConfig
from csmsd_core.configuration import ConfigurationMirror
from csmsd_core.credentials_rotation import CredentialsRotation
from csmsd_core.expected import ExpectedMessages
from csmsd_core.hookspecs import Price, Purpose
from csmsd_core.records import Transaction
from csmsd_core.remote_start import RemoteStarts
from csmsd_core.status import StatusService
from csmsd_core.tags import Tags
from csmsd_core.transactions import Transactions


class CorePlugin(Plugin[CoreConfig]):
    """OCPP 1.6 Core: boot, authorisation, status, transactions, meter values, configuration."""

    name = "core"
    critical = True
    config_type = CoreConfig
    specs = (hookspecs,)
    actions = ACTIONS
    commands = COMMANDS
    facts = facts.FACTS
    migrations = Migrations("csmsd_core", tables.metadata)
    cli = (cli.tag, cli.tx)

    def __init__(self, config: CoreConfig, host: Host) -> None:
        super().__init__(config, host)
        self._background = Background()
        self.expected = ExpectedMessages()
        self.clocks = Clocks(config)
        self.tags = Tags(host)
        self.configuration = ConfigurationMirror(host)
        self.remote_starts = RemoteStarts(host, config, self._connection_timeout)
        self.authorization = Authorization(host, config, self.tags, self.remote_starts)
        self.boots = BootService(host, config, self.expected, self._background)
        self.statuses = StatusService(host, self.clocks, self._number_of_connectors)
        self.transactions = Transactions(host, config.transactions, self.remote_starts.note)
        self._rotation = CredentialsRotation(host)
        self._warnings = CommandWarnings(self.configuration, self.statuses, self.authorization)

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Fill the memory before stations are let in."""
        for part in (self.tags, self.configuration, self.remote_starts, self.statuses):
            await part.load()
        await self._background.serve(task_status)

    def _number_of_connectors(self, station_id: str) -> int | None:
        return self.configuration.number(station_id, "NumberOfConnectors")

    def _connection_timeout(self, station_id: str) -> int | None:
        return self.configuration.number(station_id, "ConnectionTimeOut")

    def warnings_for(self, command: AnyCommand, request: msgspec.Struct, station: Station) -> list[str]:
        """What all plugins have to say about a command before it is sent (OP-02)."""
        answers = self.host.hooks.call_plain(command_warnings, station, command, request)
        return [warning for answer in answers for warning in answer]

    # CALLs of stations

    @hookimpl(trylast=True)
    def authorize(
        self, station: Station, request: messages.Authorize, arrival: Arrival
    ) -> Pending[messages.AuthorizeResponse]:
        """AUTH-01."""
        return self.authorization.authorize(station, request, arrival)

    @hookimpl(trylast=True)
    def boot_notification(
        self, station: Station, request: messages.BootNotification, arrival: Arrival
    ) -> Pending[messages.BootNotificationResponse]:
        """BOOT-01."""
        return self.boots.answer(station, request, arrival)

    @hookimpl(trylast=True)
    def data_transfer(self, request: messages.DataTransfer) -> messages.DataTransferResponse:
        """CORE-10."""
        return data_transfer.unanswered(self.host, request)

    @hookimpl(trylast=True)
    def heartbeat(self) -> messages.HeartbeatResponse:
        """CORE-01."""
        return messages.HeartbeatResponse(self.host.env.now())

    @hookimpl(trylast=True)
    def meter_values(
        self, station: Station, request: messages.MeterValues, arrival: Arrival
    ) -> Pending[messages.MeterValuesResponse]:
        """MV-01."""
        return self.transactions.meter_values(station, request, arrival)

    @hookimpl(trylast=True)
    def start_transaction(
        self, station: Station, request: messages.StartTransaction, arrival: Arrival
    ) -> Pending[messages.StartTransactionResponse]:
        """TX-01: judged anew, stored, then answered."""
        judged = self.authorization.judge(station, request.id_tag, "start")
        return judged.then(lambda verdict: self.transactions.start(station, request, arrival, verdict))

    @hookimpl(trylast=True)
    def status_notification(
        self, station: Station, request: messages.StatusNotification, arrival: Arrival
    ) -> Pending[messages.StatusNotificationResponse]:
        """CORE-02."""
        return self.statuses.notify(station, request, arrival)

    @hookimpl(trylast=True)
    def stop_transaction(
        self, station: Station, request: messages.StopTransaction, arrival: Arrival
    ) -> Pending[messages.StopTransactionResponse]:
        """TX-20."""
        if request.id_tag is None:
            return self.transactions.stop(station, request, arrival, None)
        judged = self.authorization.judge(station, request.id_tag, "stop")
        return judged.then(lambda verdict: self.transactions.stop(station, request, arrival, verdict))

    # Decisions

    @hookimpl(trylast=True)
    def accept_station(self, station: Station) -> Registration | Pending[Registration]:
        """BOOT-10."""
        return self.boots.decide(station)

    @hookimpl(trylast=True)
    def authorize_id_tag(self, station: Station, id_tag: str, purpose: Purpose) -> messages.IdTagInfo:
        """AUTH-01; the same whatever the purpose (AUTH-07)."""
        return self.authorization.own_verdict(station.id, id_tag)

    @hookimpl(trylast=True)
    async def price_transaction(self, transaction: Transaction) -> Price | None:
        """By `[plugin.core.tariff]`."""
        return pricing.price(self.config.tariff, transaction)

    async def price_of(self, transaction: Transaction) -> Price | None:
        """What a stopped transaction costs; None if nobody knows."""
        if not transaction.is_stopped:
            return None
        return await self.host.hooks.first(hookspecs.price_transaction, transaction)

    @hookimpl(trylast=True)
    def guard_call(self, station: Station, action: str) -> OcppError | None:
        """BOOT-20."""
        return self.expected.refusal(station, action)

    @hookimpl(trylast=True)
    async def guard_command(self, station: Station, command: AnyCommand, request: msgspec.Struct) -> str | None:
        """BOOT-22, BOOT-23, SEC-46; with `refuse_on_warning` also OP-02."""
        refused = command_rules.refusal(station, command, request)
        if refused is None and self.config.refuse_on_warning:
            return next(iter(self.warnings_for(command, request, station)), None)
        return refused

    # Commands on their way

    @hookimpl
    def command_warnings(self, station: Station, request: msgspec.Struct) -> Iterable[str]:
        """OP-02."""
        return self._warnings.about(station, request)

    @hookimpl
    async def prepare_command(self, station: Station, command: AnyCommand, request: msgspec.Struct) -> None:
        """SEC-33, AUTH-10: durable before the station can act on it."""
        match request:
            case messages.ChangeConfiguration():
                await self._rotation.prepare(station, request)
            case messages.RemoteStartTransaction():
                await self.remote_starts.prepare(station, request)
            case _:
                pass

    @hookimpl
    def command_handled(
        self, station: Station, command: AnyCommand, request: msgspec.Struct, response: msgspec.Struct
    ) -> None:
        """Keep the mirrors up to date, after late answers too (RPC-24)."""
        match request, response:
            case messages.ChangeConfiguration(), messages.ChangeConfigurationResponse():
                self._rotation.handled(station, request, response)
                self.configuration.changed(station.id, request, response)
            case messages.GetConfiguration(), messages.GetConfigurationResponse():
                self.configuration.read(station.id, request, response)
            case messages.RemoteStartTransaction(), messages.RemoteStartTransactionResponse():
                self.remote_starts.answered(request, response)
            case messages.RemoteStopTransaction(), messages.RemoteStopTransactionResponse(status="Accepted"):
                self._note_known(station.id, request.transaction_id)
            case _:
                pass

    def _note_known(self, station_id: str, transaction_id: int) -> None:
        def report(_: object, error: BaseException | None) -> None:
            if error is not None:
                self.log.warning("transaction %s could not be noted as known to its station: %s", transaction_id, error)

        self.transactions.acknowledged(station_id, transaction_id).when_settled(report)

    @hookimpl
    def command_failed(self, station: Station, command: AnyCommand, request: msgspec.Struct, error: CsmsdError) -> None:
        """No proper answer: see what it means for what was prepared."""
        if isinstance(request, messages.RemoteStartTransaction):
            self.remote_starts.failed(request, error)
        elif command is RESET and isinstance(error, StationUnavailable):
            self.log.info("%s left before it answered Reset: probably it is restarting (OP-14)", station.id)
            self.host.events.publish("reset.probably_done", station.id, self.host.env.now(), request)

    @hookimpl
    def report_metrics(self) -> Iterable[Metric]:
        """Figures for /metrics."""
        yield Metric("core_id_tags", "Id tags that are known.", float(len(self.tags)))
        yield Metric("core_clocks_off", "Stations whose clock is off (BOOT-30).", float(len(self.clocks.drifting())))

    @hookimpl(optionalhook=True)
    def web_routes(self) -> Sequence[Any]:
        """This profile's part of the management API; the web plugin asks, so only then its libraries are needed."""
        from csmsd_core.routes import core_routes

        return core_routes(self)


def core_of(host: Host) -> CorePlugin:
    """The Core profile of this csmsd, for plugins that require it; PluginError if it is not enabled.

    Ask each time: it may have been enabled anew in between.
    """
    core = host.plugins.get(CorePlugin.name)
    if not isinstance(core, CorePlugin):
        raise PluginError("this needs the plugin core, which is not enabled")
    return core
