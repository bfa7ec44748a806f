"""What about a profile is likely to be refused or to surprise: shown, never in the way (SC-03 … SC-15)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from csmsd.host import Host
from csmsd.station import Station
from csmsd_core import core_of
from csmsd_core.configuration import ConfigurationMirror
from csmsd_core.messages import ChargingProfile, ChargingSchedule, RemoteStartTransaction
from csmsd_smartcharging.messages import ClearChargingProfile, SetChargingProfile
from csmsd_smartcharging.mirror import ProfileMirror
from csmsd_smartcharging.mirror_rows import Held
from csmsd_smartcharging.running import RunningTransactions

UNIT_NAMES = {"A": "current", "W": "power"}  # in ChargingScheduleAllowedChargingRateUnit, folded


class ProfileWarnings:
    """Compares requests with what is known of the station."""

    def __init__(self, host: Host, mirror: ProfileMirror, running: RunningTransactions) -> None:
        self._host, self._mirror, self._running = host, mirror, running

    @property
    def _configuration(self) -> ConfigurationMirror:
        return core_of(self._host).configuration

    def about(self, station: Station, request: msgspec.Struct, now: datetime) -> list[str]:
        """One sentence for each finding."""
        match request:
            case SetChargingProfile():
                transaction = self._running.current(station.id, request.connector_id)
                running = None if transaction is None else transaction.id
                return list(self._of_set(station, request, running, now))
            case RemoteStartTransaction() if request.charging_profile is not None:
                return [*_of_kind(request.charging_profile), *self._of_content(station, request.charging_profile)]
            case ClearChargingProfile() if request.id is not None and request != ClearChargingProfile(request.id):
                return ["the id decides alone: leave the other fields out (SC-27)"]
            case _:
                return []

    def _of_set(
        self, station: Station, request: SetChargingProfile, running: int | None, now: datetime
    ) -> Iterator[str]:
        profile = request.cs_charging_profiles
        bound_to = _transaction_of(profile, running)
        candidate = Held(station.id, request.connector_id, bound_to, now, profile)
        if profile.charging_profile_purpose == "TxProfile":
            yield from _of_transaction(profile, request.connector_id, running)
        yield from _of_kind(profile)
        yield from self._of_content(station, profile)
        yield from self._of_capacity(candidate)
        yield from self._of_phases(candidate, running)
        yield from self._of_stacking(candidate, now)

    def _of_content(self, station: Station, profile: ChargingProfile) -> Iterator[str]:
        """What the station's configuration keys say about the profile itself (SC-11)."""
        schedule = profile.charging_schedule
        highest = self._configuration.number(station.id, "ChargeProfileMaxStackLevel")
        if highest is not None and profile.stack_level > highest:
            yield f"stackLevel {profile.stack_level} is above ChargeProfileMaxStackLevel {highest} (SC-11)"
        periods = self._configuration.number(station.id, "ChargingScheduleMaxPeriods")
        if periods is not None and len(schedule.charging_schedule_period) > periods:
            count = len(schedule.charging_schedule_period)
            yield f"{count} periods are more than ChargingScheduleMaxPeriods {periods} (SC-11)"
        units = self._configuration.remembered(station.id, "ChargingScheduleAllowedChargingRateUnit")
        if units is not None and UNIT_NAMES[schedule.charging_rate_unit] not in _items(units):
            yield f"the station takes limits in {units}, not in {schedule.charging_rate_unit} (SC-11)"
        if profile.valid_from is not None and profile.valid_to is not None and profile.valid_to <= profile.valid_from:
            yield "validTo is not after validFrom: the profile is never valid (SCA-01)"

    def _of_capacity(self, candidate: Held) -> Iterator[str]:
        """How many profiles the station takes (SC-11)."""
        after = self._mirror.after(candidate)
        installed = self._configuration.number(candidate.station_id, "MaxChargingProfilesInstalled")
        if installed is not None and len(after) > installed:
            yield (
                f"with this one {len(after)} profiles would be installed, "
                f"MaxChargingProfilesInstalled is {installed} (SC-11)"
            )
        highest = self._configuration.number(candidate.station_id, "ChargeProfileMaxStackLevel")
        purpose = candidate.profile.charging_profile_purpose
        alike = sum(each.profile.charging_profile_purpose == purpose for each in after)
        if highest is not None and alike > max(highest, 1):
            yield (
                f"with this one there would be {alike} of purpose {purpose}, "
                f"ChargeProfileMaxStackLevel {highest} is also the most of one purpose (SC-11)"
            )

    def _of_phases(self, candidate: Held, running: int | None) -> Iterator[str]:
        """A change of the phases while a vehicle charges (SC-10)."""
        if candidate.profile.charging_profile_purpose == "ChargePointMaxProfile":
            return
        phases = _phases_in(candidate.profile.charging_schedule)
        if running is not None:
            for each in self._mirror.replaced_by(candidate):
                phases |= _phases_in(each.profile.charging_schedule)
        can_switch = self._configuration.remembered(candidate.station_id, "ConnectorSwitch3to1PhaseSupported")
        if len(phases) > 1 and (can_switch or "").strip().lower() != "true":
            yield "the number of phases changes, and the station has not said ConnectorSwitch3to1PhaseSupported (SC-10)"

    def _of_stacking(self, candidate: Held, now: datetime) -> Iterator[str]:
        """What the profile hides, and what it leaves bare (SC-14, SC-15)."""
        profile = candidate.profile
        replaced = self._mirror.replaced_by(candidate)
        if replaced and profile.valid_from is not None and profile.valid_from > now:
            ids = ", ".join(str(each.id) for each in replaced)
            yield f"profile {ids} is replaced at once, and this one is valid later: nothing is in between (SC-14)"
        if profile.charging_schedule.duration is None and profile.valid_to is None:
            others = [each.profile for each in self._neighbours(candidate) if each not in replaced]
            levels = {each.stack_level for each in others}
            if profile.stack_level > 0 and profile.stack_level >= max(levels, default=0):
                yield "without a duration on the highest level it hides all lower ones for ever (SC-15)"

    def _neighbours(self, candidate: Held) -> list[Held]:
        """What is stacked with it: the same purpose, and a connector in common."""
        return [
            each
            for each in self._mirror.of_station(candidate.station_id)
            if each.profile.charging_profile_purpose == candidate.profile.charging_profile_purpose
            and (each.connector_id == candidate.connector_id or 0 in (each.connector_id, candidate.connector_id))
        ]


def _transaction_of(profile: ChargingProfile, running: int | None) -> int | None:
    if profile.charging_profile_purpose != "TxProfile":
        return None
    return running if profile.transaction_id is None else profile.transaction_id


def _of_transaction(profile: ChargingProfile, connector_id: int, running: int | None) -> Iterator[str]:
    if running is None:
        yield f"no transaction is known to run on connector {connector_id}: expect Rejected (SC-03)"
    elif profile.transaction_id is None:
        yield f"a TxProfile should name its transaction, {running} (SC-03)"
    elif profile.transaction_id != running:
        yield f"transaction {running} runs on connector {connector_id}, not {profile.transaction_id} (SC-03)"


def _of_kind(profile: ChargingProfile) -> Iterator[str]:
    """A start where there is none, or none where there should be one (SC-06)."""
    has_start = profile.charging_schedule.start_schedule is not None
    if profile.charging_profile_kind == "Relative" and has_start:
        yield "startSchedule means nothing in a Relative profile (SC-06)"
    if profile.charging_profile_kind != "Relative" and not has_start:
        yield f"an {profile.charging_profile_kind} profile should have a startSchedule (SC-06)"
    if profile.charging_profile_purpose == "ChargePointMaxProfile" and profile.charging_profile_kind == "Relative":
        yield "a Relative ChargePointMaxProfile has no transaction to begin with (SCA-02)"


def _phases_in(schedule: ChargingSchedule) -> set[int]:
    return {period.number_phases or 3 for period in schedule.charging_schedule_period}


def _items(text: str) -> set[str]:
    return {item.strip().casefold() for item in text.split(",")}
