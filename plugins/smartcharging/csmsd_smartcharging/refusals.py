"""Which profiles are never sent, because no station could make sense of them (SC-01 … SC-10).

What is only odd is sent as asked, and warned of: see `warnings`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise

import msgspec

from csmsd_core.messages import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod, RemoteStartTransaction
from csmsd_smartcharging.messages import SetChargingProfile

MOST_DIGITS = 12  # before the point; more watts than there are
PHASES = (1, 2, 3)


def refusal(request: msgspec.Struct) -> str | None:
    """One sentence why this command must not be sent, or None."""
    return next(_faults(request), None)


def _faults(request: msgspec.Struct) -> Iterator[str]:
    match request:
        case SetChargingProfile():
            yield from _of_connector(request.connector_id, request.cs_charging_profiles)
            yield from faults_of(request.cs_charging_profiles)
        case RemoteStartTransaction() if request.charging_profile is not None:
            yield from faults_of(request.charging_profile)
        case _:
            pass


def faults_of(profile: ChargingProfile) -> Iterator[str]:
    """What is wrong with a profile wherever it is installed."""
    if profile.transaction_id is not None and profile.charging_profile_purpose != "TxProfile":
        yield f"a {profile.charging_profile_purpose} has no transactionId (SC-04)"
    is_recurring = profile.charging_profile_kind == "Recurring"
    if is_recurring and profile.recurrency_kind is None:
        yield "a Recurring profile needs a recurrencyKind (SC-05)"
    if not is_recurring and profile.recurrency_kind is not None:
        yield f"only a Recurring profile has a recurrencyKind, not an {profile.charging_profile_kind} one (SC-05)"
    yield from _of_schedule(profile.charging_schedule)


def _of_connector(connector_id: int, profile: ChargingProfile) -> Iterator[str]:
    if profile.charging_profile_purpose == "ChargePointMaxProfile" and connector_id != 0:
        yield f"a ChargePointMaxProfile is for the whole station: connector 0, not {connector_id} (SC-01)"
    if profile.charging_profile_purpose == "TxProfile" and connector_id == 0:
        yield "a TxProfile is for one connector, not for connector 0 (SC-03)"


def _of_schedule(schedule: ChargingSchedule) -> Iterator[str]:
    if schedule.min_charging_rate is not None:
        yield from _of_amount("minChargingRate", schedule.min_charging_rate)
    yield from _of_periods(schedule.charging_schedule_period)


def _of_periods(periods: Sequence[ChargingSchedulePeriod]) -> Iterator[str]:
    if not periods:
        yield "a schedule needs at least one period (SC-08)"
        return
    if periods[0].start_period != 0:
        yield f"the first period begins with startPeriod 0, not {periods[0].start_period} (SC-08)"
    for one, following in pairwise(periods):
        if following.start_period <= one.start_period:
            yield f"periods ascend: startPeriod {following.start_period} comes after {one.start_period} (SC-08)"
    for period in periods:
        yield from _of_amount("limit", period.limit)
        if period.number_phases is not None and period.number_phases not in PHASES:
            yield f"numberPhases is 1, 2 or 3, not {period.number_phases} (SC-10)"


def _of_amount(field: str, amount: Decimal) -> Iterator[str]:
    if not amount.is_finite() or amount.adjusted() >= MOST_DIGITS:
        yield f"{field} {amount} is no amount of current or power (SC-09)"
    elif amount < 0:
        yield f"{field} is not negative, as {amount} is (SC-09)"
    elif amount * 10 != (amount * 10).to_integral_value():
        yield f"{field} has at most one decimal, {amount} has more (SC-09)"
