"""Charging profiles as a station keeps and obeys them (1.6 §3.13): limits in whole watts, by a look at each moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from csmsd_core.messages import ChargingProfile, ChargingSchedule
from csmsd_simulator.meter import VOLTS

_CYCLES = {"Daily": timedelta(days=1), "Weekly": timedelta(days=7)}
_DEFAULT_PHASES = 3


@dataclass(frozen=True)
class Installed:
    """A profile and where it applies; a TxProfile belongs to a transaction on that connector."""

    connector_id: int
    profile: ChargingProfile


@dataclass(frozen=True)
class Session:
    """A transaction, as far as limits depend on it."""

    connector_id: int
    transaction_id: int | None
    started_at: datetime


class ProfileStore:
    """All profiles of a station."""

    def __init__(self) -> None:
        self.installed: list[Installed] = []

    def put(self, connector_id: int, profile: ChargingProfile) -> None:
        """Install; the same id, or the same level and purpose of a connector, is replaced (1.6 §5.16)."""

        def is_replaced(each: Installed) -> bool:
            other = each.profile
            if other.charging_profile_id == profile.charging_profile_id:
                return True
            same_kind = other.charging_profile_purpose == profile.charging_profile_purpose
            return same_kind and each.connector_id == connector_id and other.stack_level == profile.stack_level

        self.installed = [each for each in self.installed if not is_replaced(each)]
        self.installed.append(Installed(connector_id, profile))

    def clear(
        self, profile_id: int | None, connector_id: int | None, purpose: str | None, stack_level: int | None
    ) -> int:
        """Remove what fits everything given; how many there were."""

        def fits(each: Installed) -> bool:
            profile = each.profile
            if profile_id is not None:
                return profile.charging_profile_id == profile_id
            return (
                connector_id in (None, each.connector_id)
                and purpose in (None, profile.charging_profile_purpose)
                and stack_level in (None, profile.stack_level)
            )

        kept = [each for each in self.installed if not fits(each)]
        removed = len(self.installed) - len(kept)
        self.installed = kept
        return removed

    def end_of(self, session: Session) -> None:
        """The transaction has ended, and its profiles with it."""
        self.installed = [
            each
            for each in self.installed
            if each.profile.charging_profile_purpose != "TxProfile" or each.connector_id != session.connector_id
        ]

    def limit(self, session: Session, at: datetime, phases: int) -> int | None:
        """The watts that this transaction may draw; None: as much as it likes."""
        own = self._leading("TxProfile", session, at, phases)
        if own is None:
            own = self._leading("TxDefaultProfile", session, at, phases)
        limits = [limit for limit in (own, self.station_limit(at, phases)) if limit is not None]
        return min(limits, default=None)

    def station_limit(self, at: datetime, phases: int) -> int | None:
        """What all connectors together may draw."""
        return self._leading("ChargePointMaxProfile", Session(0, None, at), at, phases)

    def changes(self, session: Session, start: datetime, duration: int) -> list[int]:
        """The seconds after `start` at which a limit may change."""
        end = start + timedelta(seconds=duration)
        moments = {start}
        for each in self.installed:
            profile = each.profile
            moments |= {moment for moment in (profile.valid_from, profile.valid_to) if moment is not None}
            schedule = profile.charging_schedule
            cycle = _CYCLES.get(profile.recurrency_kind or "")
            beginning = _beginning(profile, session, start)
            while beginning is not None and beginning < end:
                offsets = [period.start_period for period in schedule.charging_schedule_period]
                offsets += [schedule.duration] if schedule.duration is not None else []
                moments |= {beginning + timedelta(seconds=offset) for offset in offsets}
                beginning = beginning + cycle if cycle else None
        return sorted({int((moment - start).total_seconds()) for moment in moments if start <= moment < end})

    def _leading(self, purpose: str, session: Session, at: datetime, phases: int) -> int | None:
        """The limit of the profile with the highest stack level that says something now."""
        candidates = [
            each
            for each in self.installed
            if each.profile.charging_profile_purpose == purpose and _concerns(each, session)
        ]
        candidates.sort(key=lambda each: (each.profile.stack_level, each.connector_id), reverse=True)
        for each in candidates:
            limit = _limit_now(each.profile, session, at, phases)
            if limit is not None:
                return limit
        return None


def _concerns(each: Installed, session: Session) -> bool:
    wanted = each.profile.transaction_id
    if wanted is not None and wanted != session.transaction_id:
        return False
    return each.connector_id in (0, session.connector_id)


def _beginning(profile: ChargingProfile, session: Session, at: datetime) -> datetime | None:
    """When the schedule that may apply now has begun."""
    start = profile.charging_schedule.start_schedule
    if profile.charging_profile_kind == "Relative":
        return session.started_at
    if start is None:
        return session.started_at
    cycle = _CYCLES.get(profile.recurrency_kind or "")
    if profile.charging_profile_kind == "Recurring" and cycle is not None:
        return start + cycle * ((at - start) // cycle)
    return start


def _limit_now(profile: ChargingProfile, session: Session, at: datetime, phases: int) -> int | None:
    if profile.valid_from is not None and at < profile.valid_from:
        return None
    if profile.valid_to is not None and at >= profile.valid_to:
        return None
    beginning = _beginning(profile, session, at)
    schedule = profile.charging_schedule
    if beginning is None or at < beginning:
        return None
    elapsed = (at - beginning).total_seconds()
    if schedule.duration is not None and elapsed >= schedule.duration:
        return None
    current = [period for period in schedule.charging_schedule_period if period.start_period <= elapsed]
    if not current:
        return None
    return watts(schedule, current[-1].limit, min(phases, current[-1].number_phases or _DEFAULT_PHASES))


def watts(schedule: ChargingSchedule, limit: Decimal, phases: int) -> int:
    """A limit of a schedule in watts, rounded down."""
    factor = VOLTS * phases if schedule.charging_rate_unit == "A" else 1
    return int((limit * factor).to_integral_value(ROUND_FLOOR))
