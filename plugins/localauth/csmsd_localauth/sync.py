"""Sending lists: in pieces, each after the one before; a Full list when a Differential fails (LAL-07 … LAL-09)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
import trio

from csmsd.errors import CallFailed
from csmsd.host import Host
from csmsd.station import Station
from csmsd_core import CorePlugin, IdTagInfo
from csmsd_localauth import hookspecs
from csmsd_localauth.commands import GET_LOCAL_LIST_VERSION, SEND_LOCAL_LIST
from csmsd_localauth.config import LocalAuthConfig
from csmsd_localauth.ledger import folded
from csmsd_localauth.limits import Limits, limits_of
from csmsd_localauth.lists import Lists
from csmsd_localauth.messages import AuthorizationData, GetLocalListVersion, SendLocalList, UpdateType
from csmsd_localauth.mirror import NOT_SUPPORTED_CODES, ListState
from csmsd_localauth.planning import Piece, desired_entries, differences, differential, entry_of, full

Outcome = Literal["in sync", "updated", "failed", "not supported"]


class SyncResult(msgspec.Struct, frozen=True):
    """What a synchronisation, or a list by hand, has come to."""

    outcome: Outcome
    messages: tuple[str, ...]  # "Full 7: Accepted", in order
    state: ListState


class Synchroniser:
    """Brings stations' lists in line with the id tags; one station's one after the other."""

    def __init__(self, host: Host, core: Callable[[], CorePlugin], config: LocalAuthConfig, lists: Lists) -> None:
        self._host, self._core, self._config, self._lists = host, core, config, lists
        self._locks: dict[str, trio.Lock] = {}

    async def desired(self, station: Station) -> dict[str, AuthorizationData]:
        """What the list should contain, by folded id tag."""
        added = await self._host.hooks.gather(hookspecs.local_list_entries, station)
        return desired_entries(self._core().tags.all(), added, self._host.env.now())

    async def differs(self, station: Station) -> bool:
        """Whether a synchronisation would send something, as far as can be told without asking the station."""
        state = await self._lists.settled(station.id)
        present = await self._lists.entries_of(station.id)
        return not state.takes_changes or bool(differences(present, await self.desired(station)))

    async def sync(self, station: Station, *, force_full: bool = False, limits: Limits | None = None) -> SyncResult:
        """Make the list equal to the id tags; LimitsUnknown, ListTooLong, and the errors of `Station.call`.

        The version is read first; unless it is the mirror's, and the mirror certain, a Full list is sent (LAL-09).
        """
        async with self._locks.setdefault(station.id, trio.Lock()):
            if not await self._is_supported(station):
                return await self._result(station, "not supported", [])
            known = await limits_of(self._core(), self._config, station, limits or Limits())
            wanted = await self.desired(station)
            known.check(station.id, len(wanted))
            whole = full(list(wanted.values()), known.message_length)
            state = await self._lists.settled(station.id)
            if force_full or not state.takes_changes:
                return await self._transfer(station, whole, whole)
            present = await self._lists.entries_of(station.id)
            pieces = differential(differences(present, wanted), known.message_length)
            if not pieces:
                return await self._result(station, "in sync", [])
            return await self._transfer(station, pieces, whole)

    async def send(
        self,
        station: Station,
        update_type: UpdateType,
        id_tags: Sequence[str],
        removed: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> SyncResult:
        """Send these id tags only, with what is known of them; `removed` are deletions of a Differential.

        Errors: as `sync`. Nothing is repeated: what fails is reported.
        """
        async with self._locks.setdefault(station.id, trio.Lock()):
            known = await limits_of(self._core(), self._config, station, limits or Limits())
            chosen = {folded(id_tag): self._entry(id_tag) for id_tag in id_tags}
            gone = {folded(id_tag): AuthorizationData(id_tag) for id_tag in removed if folded(id_tag) not in chosen}
            if update_type == "Full":
                known.check(station.id, len(chosen))
                return await self._transfer(station, full(list(chosen.values()), known.message_length), None)
            present = (await self._lists.entries_of(station.id)).keys()
            known.check(station.id, len((present | chosen.keys()) - gone.keys()))
            pieces = differential([*gone.values(), *chosen.values()], known.message_length)
            return await self._transfer(station, pieces, None)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _entry(self, id_tag: str) -> AuthorizationData:
        tag = self._core().tags.find(id_tag)
        if tag is None:
            return AuthorizationData(id_tag, IdTagInfo("Invalid"))
        return entry_of(tag, self._host.env.now())

    async def _is_supported(self, station: Station) -> bool:
        try:
            answer = await station.call(GET_LOCAL_LIST_VERSION, GetLocalListVersion())
        except CallFailed as error:
            if error.code in NOT_SUPPORTED_CODES:
                return False
            raise
        return answer.list_version >= 0

    async def _transfer(self, station: Station, pieces: Sequence[Piece], whole: Sequence[Piece] | None) -> SyncResult:
        """Send pieces; if one that builds on others fails, start over with the whole list, once (LAL-07, LAL-08)."""
        sent: list[str] = []
        failed = await self._send_all(station, pieces, sent)
        if failed == "Differential" and whole and self._config.retry_with_full and self._has_list(station):
            failed = await self._send_all(station, whole, sent)
        if failed is None:
            return await self._result(station, "updated", sent)
        return await self._result(station, "failed" if self._has_list(station) else "not supported", sent)

    def _has_list(self, station: Station) -> bool:
        return self._lists.state_of(station.id).is_supported

    async def _send_all(self, station: Station, pieces: Sequence[Piece], sent: list[str]) -> UpdateType | None:
        """The kind of the piece that was not accepted; `sent` gets a line for each."""
        for piece in pieces:
            version = (await self._lists.settled(station.id)).highest + 1
            request = SendLocalList(version, piece.update_type, piece.entries)
            answer = await station.call(SEND_LOCAL_LIST, request)
            sent.append(f"{piece.update_type} {version}: {answer.status}")
            if answer.status != "Accepted":
                await self._lists.settled(station.id)
                return piece.update_type
        return None

    async def _result(self, station: Station, outcome: Outcome, sent: Sequence[str]) -> SyncResult:
        return SyncResult(outcome, tuple(sent), await self._lists.settled(station.id))
