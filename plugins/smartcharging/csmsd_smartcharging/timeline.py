"""One charging profile on the time axis: when it is valid and active, and what it then allows (SCA-01 … SCA-05).

Instants are whole seconds since 1970 in UTC, intervals are half-open. Limits are exact fractions.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from csmsd_core.messages import ChargingProfile, ChargingRateUnit

RECURRENCE = {"Daily": 86_400, "Weekly": 604_800}  # seconds of elapsed time, whatever clocks on walls do (SCA-03)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ONE_SECOND = timedelta(seconds=1)


def second_of(moment: datetime) -> int:
    """The instant, truncated to whole seconds."""
    return (moment - EPOCH) // ONE_SECOND


def moment_of(second: int) -> datetime:
    """The instant as a moment in UTC."""
    return EPOCH + timedelta(seconds=second)


class Limit(NamedTuple):
    """What one profile allows at an instant: A per phase, or W in total (SC-09)."""

    amount: Fraction
    unit: ChargingRateUnit
    phases: int | None  # None: not stated, which means 3 (SC-10)

    @classmethod
    def of_tenths(cls, tenths: int, unit: ChargingRateUnit, phases: int) -> Limit:
        """An amount that was stored in tenths."""
        return cls(Fraction(tenths, 10), unit, phases)


@dataclass(frozen=True, slots=True)
class Timeline:
    """A profile with its anchor: everything in seconds."""

    level: int
    valid_from: int | None
    valid_to: int | None
    anchor: int  # the start of the schedule, or of its first occurrence
    recurs_every: int | None
    lasts: int | None  # the effective duration; None = for ever (SCA-04)
    starts: tuple[int, ...]  # of the periods, ascending
    limits: tuple[Limit, ...]

    def limit_at(self, second: int) -> Limit | None:
        """The limit at an instant; None while the profile is not valid or not active (SCA-01, SCA-05)."""
        if self.valid_from is not None and second < self.valid_from:
            return None
        if self.valid_to is not None and second >= self.valid_to:
            return None
        elapsed = second - self.anchor
        if elapsed < 0:
            return None
        if self.recurs_every is not None:
            elapsed %= self.recurs_every
        if self.lasts is not None and elapsed >= self.lasts:
            return None
        index = bisect_right(self.starts, elapsed) - 1
        return None if index < 0 else self.limits[index]

    def changes_between(self, start: int, end: int) -> Iterator[int]:
        """Instants at which `limit_at` may change; some lie outside of the range (SCA-14)."""
        if self.valid_from is not None:
            yield self.valid_from
        if self.valid_to is not None:
            yield self.valid_to
        for begin in self._occurrences(start, end):
            for offset in self.starts:
                if self.lasts is None or offset < self.lasts:
                    yield begin + offset
            if self.lasts is not None:
                yield begin + self.lasts

    def _occurrences(self, start: int, end: int) -> Iterator[int]:
        if self.recurs_every is None:
            yield self.anchor
            return
        first = max(0, (start - self.anchor) // self.recurs_every)
        last = (end - self.anchor) // self.recurs_every
        for occurrence in range(first, last + 1):
            yield self.anchor + occurrence * self.recurs_every


def timeline_of(profile: ChargingProfile, otherwise: int) -> Timeline:
    """The profile on the time axis; `otherwise` is the anchor of one that has none of its own (SCA-02)."""
    schedule = profile.charging_schedule
    recurs_every = None
    if profile.charging_profile_kind == "Recurring":
        recurs_every = RECURRENCE[profile.recurrency_kind or "Daily"]
    periods = sorted(schedule.charging_schedule_period, key=lambda period: period.start_period)
    unit = schedule.charging_rate_unit
    return Timeline(
        level=profile.stack_level,
        valid_from=None if profile.valid_from is None else second_of(profile.valid_from),
        valid_to=None if profile.valid_to is None else second_of(profile.valid_to),
        anchor=otherwise if (own := own_anchor(profile)) is None else own,
        recurs_every=recurs_every,
        lasts=_effective_duration(schedule.duration, recurs_every),
        starts=tuple(period.start_period for period in periods),
        limits=tuple(Limit(Fraction(period.limit), unit, period.number_phases) for period in periods),
    )


def own_anchor(profile: ChargingProfile) -> int | None:
    """When the schedule says itself that it begins; a startSchedule in a Relative profile says nothing (SCA-02)."""
    start = profile.charging_schedule.start_schedule
    return None if start is None or profile.charging_profile_kind == "Relative" else second_of(start)


def _effective_duration(duration: int | None, recurs_every: int | None) -> int | None:
    if recurs_every is None:
        return duration
    return recurs_every if duration is None else min(duration, recurs_every)
