"""The mirror of what each station holds: changed by every answer, late ones too, and by the end of transactions.

It lives in memory, which plain code needs, and is written behind; after a restart it is read again (SC-25).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from csmsd.host import Host
from csmsd.pending import Pending
from csmsd_core import Transaction
from csmsd_core.messages import ChargingProfile
from csmsd_smartcharging.composite import Installed
from csmsd_smartcharging.messages import ClearChargingProfile
from csmsd_smartcharging.mirror_rows import Change, Held, Offer, read_all, write_changes

OFFER_LASTS = timedelta(days=1)  # for longer no transaction is linked to its remote start


class ProfileMirror:
    """All profiles of all stations."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._held: dict[str, list[Held]] = {}
        self._offers: dict[str, Offer] = {}
        self.listeners: list[Callable[[str], None]] = []  # called with the station's id after a change

    async def load(self) -> None:
        """Read everything; before stations are let in."""
        held, offers = await self._host.store.read(read_all)
        self._held.clear()
        for each in held:
            self._held.setdefault(each.station_id, []).append(each)
        self._offers = {each.remote_start_id: each for each in offers}

    # -- questions -----------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return sum(map(len, self._held.values()))

    def of_station(self, station_id: str) -> Sequence[Held]:
        """What a station holds, in the order of acceptance."""
        return tuple(self._held.get(station_id, ()))

    def find(self, station_id: str, profile_id: int) -> Held | None:
        """The profile of that id."""
        return next((each for each in self._held.get(station_id, ()) if each.id == profile_id), None)

    def installed(self, station_id: str) -> tuple[Installed, ...]:
        """The same for the composite schedule."""
        return installed(self._held.get(station_id, ()))

    def after(self, candidate: Held) -> tuple[Installed, ...]:
        """What the station would hold after it has accepted a profile."""
        return installed([*self._remaining(candidate), candidate])

    def replaced_by(self, candidate: Held) -> tuple[Held, ...]:
        """What a profile would replace (SC-21)."""
        return tuple(each for each in self._held.get(candidate.station_id, ()) if replaces(candidate, each))

    # -- answers of stations -------------------------------------------------------------------------------------

    def accepted(self, candidate: Held) -> Pending[None]:
        """A station has accepted a profile: it replaces what SC-21 says."""
        removed = self.replaced_by(candidate)
        self._held[candidate.station_id] = [*self._remaining(candidate), candidate]
        return self._write(candidate.station_id, Change(removed, candidate))

    def cleared(self, station_id: str, request: ClearChargingProfile) -> Pending[None]:
        """A station has cleared profiles, or says that it has none like that: both ways they are gone (SC-28)."""
        return self._remove(station_id, lambda each: fits(each, request))

    def offered(self, offer: Offer) -> Pending[None]:
        """A station has accepted a remote start with a profile; its transaction is still to come."""
        oldest = offer.accepted_at - OFFER_LASTS
        stale = tuple(each for each in self._offers.values() if each.accepted_at < oldest)
        for each in stale:
            del self._offers[each.remote_start_id]
        self._offers[offer.remote_start_id] = offer
        return self._write(offer.station_id, Change(offered=offer, settled=stale))

    # -- transactions --------------------------------------------------------------------------------------------

    def started(self, transaction: Transaction) -> Pending[None]:
        """A transaction has begun: the profile that came with its remote start belongs to it (SC-22)."""
        offer = self._offers.pop(transaction.remote_start_id or "", None)
        if offer is None:
            return Pending[None].of(None)
        held = Held(offer.station_id, transaction.connector_id, transaction.id, offer.accepted_at, offer.profile)
        removed = self.replaced_by(held)
        self._held[held.station_id] = [*self._remaining(held), held]
        return self._write(held.station_id, Change(removed, held, settled=(offer,)))

    def ended(self, transaction: Transaction, at: datetime) -> Pending[None]:
        """A transaction has ended: its TxProfiles are gone (TX-29, SC-25), also those whose id nobody gave."""

        def belongs(each: Held) -> bool:
            if each.profile.charging_profile_purpose != "TxProfile":
                return False
            if each.transaction_id is not None:
                return each.transaction_id == transaction.id
            return each.connector_id == transaction.connector_id and each.accepted_at <= at

        return self._remove(transaction.station_id, belongs)

    # -- inside --------------------------------------------------------------------------------------------------

    def _remaining(self, candidate: Held) -> list[Held]:
        return [each for each in self._held.get(candidate.station_id, ()) if not replaces(candidate, each)]

    def _remove(self, station_id: str, goes: Callable[[Held], bool]) -> Pending[None]:
        present = self._held.get(station_id, [])
        removed = tuple(filter(goes, present))
        if not removed:
            return Pending[None].of(None)
        self._held[station_id] = [each for each in present if not goes(each)]
        return self._write(station_id, Change(removed))

    def _write(self, station_id: str, change: Change) -> Pending[None]:
        written = self._host.store.submit(write_changes, change)
        for listener in self.listeners:
            listener(station_id)
        return written


def installed(held: Iterable[Held]) -> tuple[Installed, ...]:
    """Profiles for the composite schedule."""
    return tuple(Installed(each.connector_id, each.profile, each.transaction_id) for each in held)


def replaces(new: Held, old: Held) -> bool:
    """By its id; or by purpose and level on the same connector, of TxProfiles for the same transaction (SC-21)."""
    return new.id == old.id or _slot(new) == _slot(old)


def _slot(held: Held) -> tuple[object, ...]:
    profile: ChargingProfile = held.profile
    return profile.charging_profile_purpose, profile.stack_level, held.connector_id, held.transaction_id


def fits(held: Held, request: ClearChargingProfile) -> bool:
    """Whether ClearChargingProfile means this one: the id alone, or everything else that is given (SC-26)."""
    if request.id is not None:
        return held.id == request.id
    return (
        request.connector_id in (None, held.connector_id)
        and request.charging_profile_purpose in (None, held.profile.charging_profile_purpose)
        and request.stack_level in (None, held.profile.stack_level)
    )
