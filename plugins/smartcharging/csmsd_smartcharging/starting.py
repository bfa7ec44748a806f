"""A profile for a transaction that has just begun, if a plugin has one for it (SC-16, TX-11, RPC-26)."""

from __future__ import annotations

import logging
from datetime import timedelta

import msgspec
import trio

from csmsd.errors import Bug, CsmsdError
from csmsd.host import Host
from csmsd_core import Transaction, core_of
from csmsd_core.messages import ChargingProfile
from csmsd_smartcharging.commands import SET_CHARGING_PROFILE
from csmsd_smartcharging.config import SmartChargingConfig
from csmsd_smartcharging.hookspecs import charging_profile_for
from csmsd_smartcharging.messages import SetChargingProfile, SetChargingProfileResponse

log = logging.getLogger("csmsd.plugin.smartcharging")


class StartProfiles:
    """Asks the hook in tasks of their own: facts do not wait for stations."""

    def __init__(self, host: Host, config: SmartChargingConfig) -> None:
        self._host = host
        self._tolerance = timedelta(seconds=config.start_tolerance)
        self._nursery: trio.Nursery | None = None

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        """Run until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def consider(self, transaction: Transaction) -> None:
        """A transaction was stored: ask for a profile if it began just now, not in an offline queue (TX-11)."""
        age = self._host.env.now() - transaction.started_at
        if self._nursery is not None and age <= self._tolerance:
            self._nursery.start_soon(self._profile, transaction)

    async def _profile(self, transaction: Transaction) -> None:
        try:
            await self._ask_and_send(transaction)
        except Bug as error:
            log.warning("transaction %s gets no profile of its own: %s", transaction.id, error)

    async def _ask_and_send(self, transaction: Transaction) -> None:
        station = self._host.stations.find(transaction.station_id)
        if station is None:
            return
        profile = await self._host.hooks.first(charging_profile_for, station, transaction)
        if profile is None:
            return
        current = await core_of(self._host).transactions.current(station.id, transaction.connector_id)
        if current is None or current.id != transaction.id:
            return
        request = SetChargingProfile(transaction.connector_id, _of(profile, transaction))
        try:
            response: SetChargingProfileResponse = await station.submit(SET_CHARGING_PROFILE, request)
        except CsmsdError as error:
            log.warning("%s: the profile of transaction %s: %s", station.id, transaction.id, error)
            return
        if response.status != "Accepted":
            log.warning("%s: the profile of transaction %s is %s", station.id, transaction.id, response.status)


def _of(profile: ChargingProfile, transaction: Transaction) -> ChargingProfile:
    if profile.transaction_id is not None:
        return profile
    return msgspec.structs.replace(profile, transaction_id=transaction.id)
