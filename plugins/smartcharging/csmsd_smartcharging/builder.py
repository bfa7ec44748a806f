"""The profile builder: what an operator wants, completed into a ChargingProfile that stations take (SC-07).

A field that is left out gets its default; one that is null stays out of the profile.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from csmsd.errors import CsmsdError
from csmsd_core.messages import (
    ChargingProfile,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedule,
    ChargingSchedulePeriod,
    RecurrencyKind,
)
from csmsd_smartcharging.refusals import faults_of

T = TypeVar("T")

DAY = 86_400  # seconds

Moment = Annotated[datetime, Meta(tz=True)]
Seconds = Annotated[int, Meta(ge=1)]


class InvalidProfile(CsmsdError):
    """No valid charging profile can be made of this: says why."""


class DraftPeriod(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A limit from `start_period` seconds after the start of the schedule on."""

    start_period: int
    limit: Decimal  # A per phase, or W in total; at most one decimal
    number_phases: int | None = None


class Draft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is wanted."""

    purpose: ChargingProfilePurpose
    periods: Annotated[tuple[DraftPeriod, ...], Meta(min_length=1)]
    unit: ChargingRateUnit = "A"
    kind: ChargingProfileKind = "Absolute"
    stack_level: Annotated[int, Meta(ge=0)] = 0
    recurrency_kind: RecurrencyKind | None = None
    duration: Seconds | UnsetType | None = UNSET  # of Absolute Tx- and TxDefaultProfiles: a day
    start_schedule: Moment | UnsetType | None = UNSET  # of Absolute and Recurring ones: now
    valid_from: Moment | UnsetType | None = UNSET  # of Absolute Tx- and TxDefaultProfiles: now
    valid_to: Moment | UnsetType | None = UNSET  # of the same: when the duration is over
    transaction_id: int | UnsetType | None = UNSET  # of TxProfiles: the connector's current transaction
    charging_profile_id: Annotated[int, Meta(ge=1)] | None = None  # None: csmsd chooses a new one (SC-12)
    min_charging_rate: Decimal | None = None


def build(draft: Draft, now: datetime, profile_id: int, current_transaction: int | None) -> ChargingProfile:
    """The profile; InvalidProfile. `current_transaction` is what a TxProfile is for (SC-03)."""
    now = now.replace(microsecond=0)
    is_filled = draft.kind == "Absolute" and draft.purpose != "ChargePointMaxProfile"
    duration = _given(draft.duration, DAY if is_filled else None)
    start = _start(draft, now)
    ends = None if duration is None else max(now, start or now) + timedelta(seconds=duration)
    profile = ChargingProfile(
        charging_profile_id=draft.charging_profile_id or profile_id,
        stack_level=draft.stack_level,
        charging_profile_purpose=draft.purpose,
        charging_profile_kind=draft.kind,
        charging_schedule=ChargingSchedule(
            charging_rate_unit=draft.unit,
            charging_schedule_period=tuple(
                ChargingSchedulePeriod(each.start_period, each.limit, each.number_phases) for each in draft.periods
            ),
            duration=duration,
            start_schedule=start,
            min_charging_rate=draft.min_charging_rate,
        ),
        transaction_id=_given(draft.transaction_id, current_transaction if draft.purpose == "TxProfile" else None),
        recurrency_kind=draft.recurrency_kind,
        valid_from=_given(draft.valid_from, now if is_filled else None),
        valid_to=_given(draft.valid_to, ends if is_filled else None),
    )
    fault = next(_contradictions(profile), None)
    if fault is not None:
        raise InvalidProfile(fault)
    return profile


def _start(draft: Draft, now: datetime) -> datetime | None:
    if draft.kind != "Relative":
        return _given(draft.start_schedule, now)
    if isinstance(draft.start_schedule, datetime):
        raise InvalidProfile("a Relative profile has no start of its own: it begins with the transaction (SC-06)")
    return None


def _contradictions(profile: ChargingProfile) -> Iterator[str]:
    yield from faults_of(profile)
    if profile.valid_from is not None and profile.valid_to is not None and profile.valid_to <= profile.valid_from:
        yield f"valid_to {profile.valid_to:%Y-%m-%dT%H:%M:%SZ} is not after valid_from"


def _given(value: T | UnsetType | None, otherwise: T | None) -> T | None:
    return otherwise if value is UNSET else value
