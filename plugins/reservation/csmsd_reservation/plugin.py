"""Reservation as a plugin: what it declares, and what answers which hook."""

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
from csmsd_core import ConnectorStatusChanged, CorePlugin, Transaction, core_of
from csmsd_reservation import booking, cli, hookspecs, rules, tables
from csmsd_reservation.booking import Booked, Wish
from csmsd_reservation.commands import COMMANDS
from csmsd_reservation.config import ReservationConfig
from csmsd_reservation.facts import RESERVATION_CHANGED
from csmsd_reservation.messages import (
    CancelReservation,
    CancelReservationResponse,
    ReserveNow,
    ReserveNowResponse,
)
from csmsd_reservation.reservations import Reservations


class ReservationPlugin(Plugin[ReservationConfig]):
    """OCPP 1.6 Reservation: keep connectors for id tags, and know what becomes of it."""

    name = "reservation"
    requires = ("core",)
    config_type = ReservationConfig
    specs = (hookspecs,)
    commands = COMMANDS
    facts = (RESERVATION_CHANGED,)
    migrations = Migrations("csmsd_reservation", tables.metadata)
    cli = (cli.reservation,)

    def __init__(self, config: ReservationConfig, host: Host) -> None:
        super().__init__(config, host)
        self.reservations = Reservations(host, config.tolerance)

    @property
    def core(self) -> CorePlugin:
        """The Core profile, which is enabled as long as this plugin is."""
        return core_of(self.host)

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Fill the memory before stations are let in, then let reservations expire."""
        await self.reservations.load()
        task_status.started()
        await self.reservations.expire()

    async def reserve(self, station: Station, wish: Wish) -> Booked:
        """See `booking.reserve`."""
        return await booking.reserve(self.host, self.core, self.reservations, station, wish)

    async def cancel(self, reservation_id: int) -> Booked:
        """See `booking.cancel`."""
        return await booking.cancel(self.core, self.reservations, self.host, reservation_id)

    # Commands on their way

    @hookimpl
    def command_warnings(self, station: Station, request: msgspec.Struct) -> Iterable[str]:
        """OP-02."""
        match request:
            case ReserveNow():
                same_id = self.reservations.live_with_id(request.reservation_id)
                return list(rules.about_reserving(self.core, station, request, same_id, self.host.env.now()))
            case CancelReservation():
                same_id = self.reservations.live_with_id(request.reservation_id)
                return list(rules.about_cancelling(self.core, station, request, same_id))
            case _:
                return ()

    @hookimpl
    async def prepare_command(self, station: Station, request: msgspec.Struct) -> None:
        """Durable before the station can act on it."""
        if isinstance(request, ReserveNow):
            await self.reservations.prepare(station, request)

    @hookimpl
    def command_handled(self, station: Station, request: msgspec.Struct, response: msgspec.Struct) -> None:
        """RES-04, RES-07, also for late answers (RPC-24)."""
        match request, response:
            case ReserveNow(), ReserveNowResponse():
                self.reservations.answered(request, response)
            case CancelReservation(), CancelReservationResponse():
                self.reservations.cancel_answered(station.id, request, response)
            case _:
                pass

    @hookimpl
    def command_failed(self, station: Station, command: AnyCommand, request: msgspec.Struct, error: CsmsdError) -> None:
        """No proper answer."""
        if isinstance(request, ReserveNow):
            self.reservations.failed(request, error)

    # Facts

    @hookimpl
    async def transaction_started(self, fact: Transaction) -> None:
        """RES-06, TX-09."""
        await self.reservations.started(fact)

    @hookimpl
    async def connector_status_changed(self, station_id: str, fact: ConnectorStatusChanged) -> None:
        """RES-06."""
        await self.reservations.status_changed(station_id, fact, self.core)

    @hookimpl(optionalhook=True)
    def web_routes(self) -> Sequence[Any]:
        """This profile's part of the management API; the web plugin asks, so only then its libraries are needed."""
        from csmsd_reservation.routes import reservation_routes

        return reservation_routes(self)
