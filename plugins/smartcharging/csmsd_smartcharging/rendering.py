"""A composite schedule as OCPP's GetCompositeSchedule.conf shows one (SCA-16, SCA-17)."""

from __future__ import annotations

from decimal import Decimal

from csmsd.errors import CsmsdError
from csmsd_core.messages import ChargingSchedule, ChargingSchedulePeriod
from csmsd_smartcharging.composite import Composite
from csmsd_smartcharging.messages import GetCompositeScheduleResponse


class NotRenderable(CsmsdError):
    """OCPP has no word for "unlimited", and nobody has said what the most is."""


def rendered(result: Composite, rating: Decimal | None = None) -> GetCompositeScheduleResponse:
    """The result as a station would answer it; `rating` is the most there can be, in the result's unit.

    Without a rating an unlimited end is cut off; NotRenderable if an unlimited stretch comes before a limit, or if
    nothing is limited at all.
    """
    periods = list(result.periods)
    duration = result.duration
    if rating is None and periods[-1].limit is None:
        duration = periods.pop().start_period
    if not periods:
        raise NotRenderable("nothing limits this connector, and its maximum rating is not configured")
    schedule = ChargingSchedule(
        charging_rate_unit=result.unit,
        charging_schedule_period=tuple(
            ChargingSchedulePeriod(each.start_period, _limit(each.limit, each.start_period, rating), each.number_phases)
            for each in periods
        ),
        duration=duration,
    )
    return GetCompositeScheduleResponse("Accepted", result.connector_id, result.start, schedule)


def _limit(limit: Decimal | None, second: int, rating: Decimal | None) -> Decimal:
    if limit is not None:
        return limit
    if rating is None:
        raise NotRenderable(
            f"from second {second} on nothing limits this connector for a while: "
            "OCPP cannot say so, and the maximum rating is not configured"
        )
    return rating
