"""Smart Charging as a plugin: what it declares, and which service answers which hook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec
import trio

from csmsd.command import AnyCommand
from csmsd.hookspecs import Metric, hookimpl
from csmsd.host import Host
from csmsd.pending import Pending
from csmsd.plugin import Migrations, Plugin
from csmsd.station import Station
from csmsd_core import (
    RemoteStartTransaction,
    RemoteStartTransactionResponse,
    Transaction,
    TransactionChange,
    core_of,
)
from csmsd_smartcharging import hookspecs, messages, tables
from csmsd_smartcharging.cli import profile
from csmsd_smartcharging.commands import COMMANDS
from csmsd_smartcharging.config import SmartChargingConfig
from csmsd_smartcharging.mirror import ProfileMirror
from csmsd_smartcharging.mirror_rows import Held, Offer
from csmsd_smartcharging.ratings import Ratings
from csmsd_smartcharging.refusals import refusal
from csmsd_smartcharging.running import RunningTransactions
from csmsd_smartcharging.schedules import CompositeSchedules
from csmsd_smartcharging.service import ProfileService
from csmsd_smartcharging.sites import Sites
from csmsd_smartcharging.starting import StartProfiles
from csmsd_smartcharging.templates import Templates
from csmsd_smartcharging.warnings import ProfileWarnings

if TYPE_CHECKING:
    from litestar.types import ControllerRouterHandler


class SmartChargingPlugin(Plugin[SmartChargingConfig]):
    """OCPP 1.6 Smart Charging: profiles, composite schedules, limits that stations share."""

    name = "smartcharging"
    requires = ("core",)
    config_type = SmartChargingConfig
    specs = (hookspecs,)
    commands = COMMANDS
    cli = (profile,)
    migrations = Migrations("csmsd_smartcharging", tables.metadata)

    def __init__(self, config: SmartChargingConfig, host: Host) -> None:
        super().__init__(config, host)
        self.mirror = ProfileMirror(host)
        self.running = RunningTransactions()
        self.profiles = ProfileService(host)
        self.schedules = CompositeSchedules(host, config, self.mirror)
        self.templates = Templates(host)
        self.ratings = Ratings(host)
        self.sites = Sites(host, self.mirror, self.profiles.ids, config.site_retry)
        self._starts = StartProfiles(host, config)
        self._warnings = ProfileWarnings(host, self.mirror, self.running)

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Fill the memory before stations are let in."""
        for part in (self.mirror, self.templates, self.ratings, self.sites):
            await part.load()
        await self.running.load(core_of(self.host))
        async with trio.open_nursery() as nursery:
            await nursery.start(self._starts.serve)
            nursery.start_soon(self.sites.serve)
            task_status.started()

    # Commands on their way

    @hookimpl
    async def guard_command(self, request: msgspec.Struct) -> str | None:
        """SC-01 … SC-10."""
        return refusal(request)

    @hookimpl
    def command_warnings(self, station: Station, request: msgspec.Struct) -> Iterable[str]:
        """OP-02, SC-03 … SC-15."""
        return self._warnings.about(station, request, self.host.env.now())

    @hookimpl(tryfirst=True)  # the Core profile forgets a remote start when it is answered
    def command_handled(
        self, station: Station, command: AnyCommand, request: msgspec.Struct, response: msgspec.Struct
    ) -> None:
        """Keep the mirror up to date, after late answers too (RPC-24)."""
        match request, response:
            case messages.SetChargingProfile(), messages.SetChargingProfileResponse(status="Accepted"):
                self._accepted(station.id, request)
            case messages.ClearChargingProfile(), messages.ClearChargingProfileResponse():
                self._watch(self.mirror.cleared(station.id, request))
            case messages.GetCompositeSchedule(), messages.GetCompositeScheduleResponse():
                self._watch(self.schedules.answered(station.id, request, response))
            case RemoteStartTransaction(), RemoteStartTransactionResponse(status="Accepted"):
                self._offered(station.id, request)
            case _:
                pass

    def _accepted(self, station_id: str, request: messages.SetChargingProfile) -> None:
        profile = request.cs_charging_profiles
        transaction_id = profile.transaction_id
        if profile.charging_profile_purpose == "TxProfile" and transaction_id is None:
            current = self.running.current(station_id, request.connector_id)
            transaction_id = None if current is None else current.id
        if transaction_id is not None and self.running.has_ended(transaction_id):
            return  # a late answer: the profile went with its transaction (SC-25)
        held = Held(station_id, request.connector_id, transaction_id, self.host.env.now(), profile)
        self._watch(self.mirror.accepted(held))

    def _offered(self, station_id: str, request: RemoteStartTransaction) -> None:
        remote_start_id = core_of(self.host).remote_starts.id_of(request)
        if request.charging_profile is None or remote_start_id is None:
            return
        offer = Offer(remote_start_id, station_id, self.host.env.now(), request.charging_profile)
        self._watch(self.mirror.offered(offer))
        started = self.running.by_remote_start(station_id, remote_start_id)
        if started is not None:  # faster than its own answer
            self._watch(self.mirror.started(started))

    def _watch(self, written: Pending[None]) -> None:
        def report(_: object, error: BaseException | None) -> None:
            if error is not None:
                self.log.warning("a change of the profile mirror is not stored: %s", error)

        written.when_settled(report)

    # Stations and transactions

    @hookimpl
    async def station_connected(self, station: Station) -> None:
        """It is told its share of a site's limit."""
        self.sites.came_back(station.id)

    @hookimpl
    async def station_disconnected(self, station: Station) -> None:
        """The others of its site get what it leaves."""
        self.sites.touch(station.id)

    @hookimpl
    async def transaction_started(self, station_id: str, fact: Transaction) -> None:
        """SC-22; then the transaction may get a profile of its own (TX-11)."""
        self.running.started(fact)
        await self.mirror.started(fact)
        self._starts.consider(fact)

    @hookimpl
    async def transaction_stopped(self, fact: Transaction) -> None:
        """TX-29."""
        await self._ended(fact)

    @hookimpl
    async def transaction_updated(self, fact: TransactionChange) -> None:
        """A superseded transaction has ended, too; a reopened one has not."""
        if fact.change == "superseded":
            await self._ended(fact.transaction)
        elif fact.change == "reopened":
            self.running.reopened(fact.transaction)

    async def _ended(self, transaction: Transaction) -> None:
        self.running.ended(transaction)
        await self.mirror.ended(transaction, transaction.stopped_at or self.host.env.now())

    # For people

    @hookimpl(optionalhook=True)
    def web_routes(self) -> Sequence[ControllerRouterHandler]:
        """The part of the management API that is about charging profiles."""
        from csmsd_smartcharging.routes import smart_charging_routes

        return smart_charging_routes(self)

    @hookimpl
    def report_metrics(self) -> Iterable[Metric]:
        """Figures for /metrics."""
        yield Metric("smartcharging_profiles", "Charging profiles that stations hold.", float(len(self.mirror)))
