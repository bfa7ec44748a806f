"""What operators do: build, preview, set and clear profiles (SC-07, SC-12, SC-16, SC-27)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from csmsd.command import AnyCommand
from csmsd.hookspecs import command_warnings
from csmsd.host import CommandRecord, Host
from csmsd.store import Store
from csmsd_core import REMOTE_START_TRANSACTION, RemoteStartTransaction, core_of
from csmsd_core.messages import ChargingProfile, ChargingProfilePurpose
from csmsd_smartcharging.builder import Draft, InvalidProfile, build
from csmsd_smartcharging.commands import CLEAR_CHARGING_PROFILE, GET_COMPOSITE_SCHEDULE, SET_CHARGING_PROFILE
from csmsd_smartcharging.messages import ClearChargingProfile, GetCompositeSchedule, SetChargingProfile

SEQUENCE = "smartcharging_profile"


class Sent(msgspec.Struct, frozen=True):
    """A command that was sent, and what became of it (SC-17)."""

    record: CommandRecord
    warnings: tuple[str, ...] = ()
    profile: ChargingProfile | None = None


class ProfileIds:
    """Where new profile ids come from: unique in the whole csmsd, and so within each station (SC-12)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def _take(self, connection: sa.Connection, rows: Sequence[None]) -> Sequence[int]:
        return self._store.take_ids(connection, SEQUENCE, len(rows))

    async def new(self) -> int:
        """One more."""
        return await self._store.submit(self._take, None)


class ProfileService:
    """Charging profiles for operators."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.ids = ProfileIds(host.store)

    async def build(self, station_id: str, connector_id: int, draft: Draft) -> ChargingProfile:
        """The complete profile for a connector; a TxProfile gets the current transaction's id; InvalidProfile."""
        self._host.stations.record(station_id)
        current = None
        if draft.purpose == "TxProfile":
            current = await core_of(self._host).transactions.current(station_id, connector_id)
        profile_id = draft.charging_profile_id or await self.ids.new()
        return build(draft, self._host.env.now(), profile_id, None if current is None else current.id)

    async def build_for_remote_start(self, draft: Draft) -> ChargingProfile:
        """The complete profile for a remote start: a TxProfile without a transaction id (OP-12); InvalidProfile."""
        if draft.purpose != "TxProfile" or isinstance(draft.transaction_id, int):
            raise InvalidProfile("a remote start takes a TxProfile without a transaction id (OP-12)")
        profile_id = draft.charging_profile_id or await self.ids.new()
        return build(draft, self._host.env.now(), profile_id, None)

    async def set(
        self, station_id: str, connector_id: int, draft: Draft, *, actor: str, command_id: str | None = None
    ) -> Sent:
        """Build a profile and install it; InvalidProfile, and the errors of `Commands.submit`."""
        profile = await self.build(station_id, connector_id, draft)
        request = SetChargingProfile(connector_id, profile)
        sent = await self._send(station_id, SET_CHARGING_PROFILE, request, actor, command_id)
        return msgspec.structs.replace(sent, profile=profile)

    async def remote_start(
        self, station_id: str, id_tag: str, draft: Draft, *, actor: str, connector_id: int | None = None
    ) -> Sent:
        """Start a transaction with a profile of its own (SC-16); InvalidProfile, and those of `Commands.submit`."""
        profile = await self.build_for_remote_start(draft)
        request = RemoteStartTransaction(id_tag, connector_id, profile)
        sent = await self._send(station_id, REMOTE_START_TRANSACTION, request, actor, None)
        return msgspec.structs.replace(sent, profile=profile)

    async def clear_one(self, station_id: str, profile_id: int, *, actor: str) -> Sent:
        """Remove the profile of an id: the id alone is sent (SC-27)."""
        return await self._clear(station_id, ClearChargingProfile(profile_id), actor)

    async def clear(
        self,
        station_id: str,
        *,
        actor: str,
        connector_id: int | None = None,
        purpose: ChargingProfilePurpose | None = None,
        stack_level: int | None = None,
    ) -> Sent:
        """Remove what fits everything that is given; nothing given: all, with no field at all (SC-26, SC-27)."""
        return await self._clear(station_id, ClearChargingProfile(None, connector_id, purpose, stack_level), actor)

    async def ask_schedule(self, station_id: str, wanted: GetCompositeSchedule, *, actor: str) -> Sent:
        """Ask what the station's profiles add up to (SC-29)."""
        return await self._send(station_id, GET_COMPOSITE_SCHEDULE, wanted, actor, None)

    async def _clear(self, station_id: str, request: ClearChargingProfile, actor: str) -> Sent:
        return await self._send(station_id, CLEAR_CHARGING_PROFILE, request, actor, None)

    async def _send(
        self,
        station_id: str,
        command: AnyCommand,
        request: msgspec.Struct,
        actor: str,
        command_id: str | None,
    ) -> Sent:
        commands, station = self._host.commands, self._host.stations.get(station_id)
        said = self._host.hooks.call_plain(command_warnings, station, command, request)
        warnings = tuple(warning for each in said for warning in each)
        payload = command.encode(request)
        record = await commands.submit(station_id, command.name, payload, actor=actor, command_id=command_id)
        return Sent(await commands.outcome(record.id), warnings)
