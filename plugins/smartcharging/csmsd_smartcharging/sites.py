"""Sites: stations that share a limit, told so by ChargePointMaxProfiles; see `allocation` for why the limit holds.

What a station is asked to take is durable before it is sent, and counts until the station has answered. A station that
leaves, refuses or keeps silent is taken to draw what it may, and the others get what is left; it is asked again when it
comes back, and from time to time. While its profile is not in force, a station is taken to draw its maximum.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial

import msgspec
import trio

from csmsd.errors import Bug, CallTimeout, CsmsdError, StationUnavailable
from csmsd.host import Host
from csmsd_core import core_of
from csmsd_core.messages import ChargingProfile, ChargingRateUnit, ChargingSchedule, ChargingSchedulePeriod
from csmsd_smartcharging.allocation import Holding, Move, next_moves, targets
from csmsd_smartcharging.commands import SET_CHARGING_PROFILE
from csmsd_smartcharging.messages import SetChargingProfile, SetChargingProfileResponse
from csmsd_smartcharging.mirror import ProfileMirror
from csmsd_smartcharging.service import ProfileIds
from csmsd_smartcharging.site_rows import Share, Site, StoredSite, put_shares, put_sites, read_sites, remove_sites

log = logging.getLogger("csmsd.plugin.smartcharging")

MOST = 10**9  # W


class UnknownSite(CsmsdError):
    """No site of that name."""


class InvalidSite(CsmsdError):
    """A site cannot be like that: says why."""


class MemberState(msgspec.Struct, frozen=True):
    """A station of a site, now; amounts in the site's unit."""

    station_id: str
    target: Decimal  # what it should get
    confirmed: Decimal | None  # what it has accepted; None: nothing that is in force
    may_draw: Decimal  # what it is taken to draw at most
    is_reachable: bool


class SiteState(msgspec.Struct, frozen=True):
    """A site, now."""

    name: str
    site: Site
    may_draw: Decimal
    is_kept: bool  # whether all that may be drawn is within the limit
    members: tuple[MemberState, ...]


class Sites:
    """All sites of one csmsd."""

    def __init__(
        self,
        host: Host,
        mirror: ProfileMirror,
        ids: ProfileIds,
        retry_after: float,
    ) -> None:
        self._host, self._mirror, self._ids = host, mirror, ids
        self._retry_after = retry_after
        self._sites: dict[str, StoredSite] = {}
        self._site_of: dict[str, str] = {}  # by station
        self._shares: dict[str, Share] = {}
        self._waiting: set[str] = set()  # stations about to answer
        self._refusing: set[str] = set()  # stations that are left alone for a while
        self._due: set[str] = set()
        self._wake = trio.Event()
        mirror.listeners.append(self.touch)

    # -- life ----------------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read everything; before stations are let in."""
        sites, shares = await self._host.store.read(read_sites)
        self._sites = {each.name: each for each in sites}
        self._shares = {each.station_id: each for each in shares}
        self._index()

    async def serve(self) -> None:
        """Tell stations their limits, whenever something has changed, until cancelled."""
        for name in self._sites:
            self._mark(name)
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            due, self._due = self._due, set()
            for name in sorted(due & self._sites.keys()):
                try:
                    await self._balance(self._sites[name])
                except Bug as error:
                    log.warning("site %s is not balanced: %s", name, error)
                    self._host.call_later(self._retry_after, partial(self._mark, name))

    def touch(self, station_id: str) -> None:
        """Something about a station has changed: it came, went, or holds other profiles."""
        name = self._site_of.get(station_id)
        if name is not None:
            self._mark(name)

    def came_back(self, station_id: str) -> None:
        """A station has connected: it is asked again, whatever it said before."""
        self._refusing.discard(station_id)
        self.touch(station_id)

    # -- operators -----------------------------------------------------------------------------------------------

    async def put(self, name: str, site: Site, *, actor: str) -> SiteState:
        """Create or replace a site; InvalidSite. The stations are told in the background."""
        self._check(name, site)
        before = self._sites.get(name)
        stored = StoredSite(name, site, self._host.env.now())
        await self._host.store.submit(put_sites, stored)
        self._sites[name] = stored
        self._index()
        self._host.audit.record(actor, "site.put", f"site {name}", before and before.site, site)
        self._mark(name)
        return self.state(name)

    async def remove(self, name: str, *, actor: str) -> None:
        """Forget a site; UnknownSite. The stations keep their last limits until they are cleared."""
        before = self._get(name)
        await self._host.store.submit(remove_sites, name)
        del self._sites[name]
        self._index()
        self._host.audit.record(actor, "site.remove", f"site {name}", before.site)

    def names(self) -> Sequence[str]:
        """All sites, by name."""
        return sorted(self._sites)

    def state(self, name: str) -> SiteState:
        """A site, now; UnknownSite."""
        stored = self._get(name)
        holdings = self._holdings(stored.site)
        wanted = _targets(stored.site, holdings)
        may_draw = _amount(sum(each.bound for each in holdings.values()))
        members = tuple(
            MemberState(
                station_id,
                _amount(wanted[station_id]),
                None if (confirmed := self._confirmed(station_id, stored.site.unit)) is None else _amount(confirmed),
                _amount(holding.bound),
                holding.is_reachable,
            )
            for station_id, holding in holdings.items()
        )
        return SiteState(name, stored.site, may_draw, may_draw <= stored.site.limit, members)

    # -- inside --------------------------------------------------------------------------------------------------

    async def _balance(self, stored: StoredSite) -> None:
        site = stored.site
        holdings = self._holdings(site)
        for move in next_moves(_tenths(site.limit), _targets(site, holdings), holdings):
            self._waiting.add(move.station_id)
            try:
                await self._tell(move, site.unit)
            except BaseException:
                self._waiting.discard(move.station_id)
                raise

    async def _tell(self, move: Move, unit: ChargingRateUnit) -> None:
        """Make durable what the station may draw from now on, then ask it."""
        known = self._shares.get(move.station_id) or Share(move.station_id, await self._ids.new(), unit)
        if known.unit != unit:  # until it accepts, it is taken to draw its maximum
            known = Share(known.station_id, known.charging_profile_id, unit)
        asked = msgspec.structs.replace(known, outstanding=max(move.limit, known.outstanding or 0))
        self._shares[move.station_id] = asked
        await self._host.store.submit(put_shares, asked)
        station = self._host.stations.find(move.station_id)
        if station is None:
            self._waiting.discard(move.station_id)
            return
        request = SetChargingProfile(0, self._profile(asked, move.limit, unit))

        def settled(response: SetChargingProfileResponse | None, error: BaseException | None) -> None:
            self._waiting.discard(move.station_id)
            if response is not None and response.status == "Accepted":
                self._learn(msgspec.structs.replace(asked, confirmed=move.limit, outstanding=None))
            elif isinstance(error, CallTimeout | StationUnavailable):
                self._leave_alone(move.station_id, f"did not answer: {error}")  # what it did is not known
            else:
                self._learn(known)
                self._leave_alone(move.station_id, f"refuses: {error or response}")

        station.submit(SET_CHARGING_PROFILE, request).when_settled(settled)

    def _profile(self, share: Share, limit: int, unit: ChargingRateUnit) -> ChargingProfile:
        start = self._host.env.now().replace(microsecond=0)
        period = ChargingSchedulePeriod(0, _amount(limit))
        schedule = ChargingSchedule(unit, (period,), start_schedule=start)
        return ChargingProfile(
            share.charging_profile_id, self._level(share.station_id), "ChargePointMaxProfile", "Absolute", schedule
        )

    def _learn(self, share: Share) -> None:
        self._shares[share.station_id] = share
        self._host.store.submit_later(put_shares, share)
        self.touch(share.station_id)

    def _leave_alone(self, station_id: str, reason: str) -> None:
        log.warning("%s %s; it is taken to draw what it may, and asked again later", station_id, reason)
        self._refusing.add(station_id)
        self.touch(station_id)
        self._host.call_later(self._retry_after, lambda: self.came_back(station_id))

    def _holdings(self, site: Site) -> Mapping[str, Holding]:
        found: dict[str, Holding] = {}
        for each in site.members:
            share, station_id = self._shares.get(each.station_id), each.station_id
            confirmed = self._confirmed(station_id, site.unit)
            is_online = self._host.stations.find(station_id) is not None
            found[station_id] = Holding(
                each.as_member.maximum if confirmed is None else confirmed,
                None if share is None or share.unit != site.unit else share.outstanding,
                station_id in self._waiting,
                is_online and station_id not in self._refusing and not self._is_overridden(station_id),
            )
        return found

    def _confirmed(self, station_id: str, unit: ChargingRateUnit) -> int | None:
        """What the station has accepted, if that is what counts there: it is installed, and nothing is above it."""
        share = self._shares.get(station_id)
        if share is None or share.unit != unit or self._is_overridden(station_id):
            return None
        return None if self._mirror.find(station_id, share.charging_profile_id) is None else share.confirmed

    def _is_overridden(self, station_id: str) -> bool:
        """Whether an operator's ChargePointMaxProfile is on a higher level: then ours decides nothing."""
        share = self._shares.get(station_id)
        held = None if share is None else self._mirror.find(station_id, share.charging_profile_id)
        level = self._level(station_id) if held is None else held.profile.stack_level
        return any(
            each.profile.charging_profile_purpose == "ChargePointMaxProfile" and each.profile.stack_level > level
            for each in self._mirror.of_station(station_id)
        )

    def _level(self, station_id: str) -> int:
        """The highest level that there is."""
        return max(core_of(self._host).configuration.number(station_id, "ChargeProfileMaxStackLevel") or 0, 0)

    def _check(self, name: str, site: Site) -> None:
        if not name.strip() or "/" in name:
            raise InvalidSite("a site needs a name, without slashes")
        amounts = [site.limit, *(amount for each in site.members for amount in (each.maximum, each.minimum))]
        if not all(each.is_finite() and 0 <= each <= MOST for each in amounts):
            raise InvalidSite("limits are not negative, and no more than there can be")
        stations = [each.station_id for each in site.members]
        if len(set(stations)) < len(stations):
            raise InvalidSite("a station is named more than once")
        for station_id in stations:
            elsewhere = self._site_of.get(station_id, name)
            if elsewhere != name:
                raise InvalidSite(f"{station_id} belongs to site {elsewhere} already")

    def _get(self, name: str) -> StoredSite:
        try:
            return self._sites[name]
        except KeyError:
            raise UnknownSite(f"there is no site {name}") from None

    def _index(self) -> None:
        self._site_of = {
            member.station_id: name for name, stored in self._sites.items() for member in stored.site.members
        }

    def _mark(self, name: str) -> None:
        self._due.add(name)
        self._wake.set()


def _targets(site: Site, holdings: Mapping[str, Holding]) -> Mapping[str, int]:
    members = [each.as_member for each in site.members]
    return targets(_tenths(site.limit), members, site.strategy, holdings)


def _tenths(amount: Decimal) -> int:
    return int(amount * 10)


def _amount(tenths: int) -> Decimal:
    return Decimal(tenths) / 10
