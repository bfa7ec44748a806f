"""Where two schedules say something else (SC-30)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import msgspec

from csmsd_core.messages import ChargingSchedule
from csmsd_smartcharging.composite import Composite, CompositePeriod


class Difference(msgspec.Struct, frozen=True):
    """From `start` to before `end`, in seconds from the start of both schedules; None = unlimited."""

    start: int
    end: int
    before: Decimal | None
    after: Decimal | None


Steps = Sequence[CompositePeriod]


def differences(before: Steps, after: Steps, duration: int) -> tuple[Difference, ...]:
    """The stretches in which the limits differ, within `duration` seconds; phases are not compared."""
    starts = sorted({0, *(each.start_period for each in (*before, *after)), duration})
    cuts = [second for second in starts if 0 <= second <= duration]
    found: list[Difference] = []
    for start, end in pairwise(cuts):
        one, other = _limit_at(before, start), _limit_at(after, start)
        if one == other:
            continue
        last = found[-1] if found else None
        if last is not None and last.end == start and (last.before, last.after) == (one, other):
            found[-1] = Difference(last.start, end, one, other)
        else:
            found.append(Difference(start, end, one, other))
    return tuple(found)


def steps_of(schedule: ChargingSchedule, duration: int) -> tuple[CompositePeriod, ...]:
    """A station's schedule as steps; after its own duration it says nothing, which is unlimited."""
    steps = [
        CompositePeriod(each.start_period, each.limit, each.number_phases) for each in schedule.charging_schedule_period
    ]
    if schedule.duration is not None and schedule.duration < duration:
        steps = [each for each in steps if each.start_period < schedule.duration]
        steps.append(CompositePeriod(schedule.duration, None))
    return tuple(steps)


def changes(before: Composite, after: Composite) -> tuple[Difference, ...]:
    """What a new profile would change."""
    return differences(before.periods, after.periods, after.duration)


def _limit_at(steps: Steps, second: int) -> Decimal | None:
    limit = None
    for each in steps:
        if each.start_period > second:
            break
        limit = each.limit
    return limit
