"""The composite schedule: what all profiles of a station together allow (SCA-06 … SCA-15).

Pure and exact: instants are whole seconds, amounts are fractions, and a limit is rounded once, down, at the very end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import msgspec

from csmsd_core.messages import ChargingProfile, ChargingProfilePurpose, ChargingRateUnit
from csmsd_smartcharging.timeline import Limit, Timeline, moment_of, own_anchor, second_of, timeline_of

PHASES_IF_NOT_STATED = 3  # SC-10


class Installed(msgspec.Struct, frozen=True):
    """A profile as a station holds it."""

    connector_id: int
    profile: ChargingProfile
    transaction_id: int | None = None  # the transaction that a TxProfile belongs to; None: not known yet (SC-22)


class Running(msgspec.Struct, frozen=True):
    """The current transaction of a connector."""

    connector_id: int
    transaction_id: int
    started_at: datetime


class Query(msgspec.Struct, frozen=True):
    """What is asked: a connector (0 = the whole station), from when on, and for how many seconds (at least 1)."""

    connector_id: int
    start: datetime
    duration: int
    unit: ChargingRateUnit | None = None  # None: that of the limit at the start (SCA-12)


class Rules(msgspec.Struct, frozen=True):
    """How the calculation is done."""

    voltage: Decimal = Decimal(230)  # nominal, of one phase against neutral
    tx_profile_hides_default: bool = False  # the literal reading of SCA-09: also while the TxProfile is not active
    connectors: tuple[int, ...] = ()  # connectors that connector 0 sums up even without a transaction (SCA-13)


class CompositePeriod(msgspec.Struct, frozen=True):
    """A limit from `start_period` seconds after the start on; None = unlimited (SCA-16)."""

    start_period: int
    limit: Decimal | None
    number_phases: int | None = None


class Composite(msgspec.Struct, frozen=True):
    """The result."""

    connector_id: int
    start: datetime
    duration: int
    unit: ChargingRateUnit
    periods: tuple[CompositePeriod, ...]
    warnings: tuple[str, ...] = ()


def composite(profiles: Iterable[Installed], running: Iterable[Running], query: Query, rules: Rules) -> Composite:
    """What the profiles allow; ValueError for a duration that is not positive. Among equals the later profile wins."""
    if query.duration <= 0:
        raise ValueError(f"a composite schedule needs a positive duration, not {query.duration}")
    start = second_of(query.start)
    stack = _Stack(tuple(profiles), {each.connector_id: each for each in running}, query.connector_id, start, rules)
    unit = query.unit or stack.unit_at(start)
    periods: list[CompositePeriod] = []
    for second in stack.break_points(start, start + query.duration):
        limit, phases = stack.allowed_at(second, unit)
        if not periods or (limit, phases) != (periods[-1].limit, periods[-1].number_phases):
            periods.append(CompositePeriod(second - start, limit, phases))
    return Composite(query.connector_id, moment_of(start), query.duration, unit, tuple(periods), stack.warnings)


class _Connector:
    """The profiles that decide about one connector (SCA-07, SCA-08, SCA-09)."""

    def __init__(
        self, connector_id: int, profiles: Sequence[Installed], running: Running | None, start: int, rules: Rules
    ) -> None:
        anchor = start if running is None else second_of(running.started_at)
        self._of_transaction = _stacked(_tx_profiles(connector_id, profiles, running), anchor)
        hides_default = rules.tx_profile_hides_default and bool(self._of_transaction)
        self._default = () if hides_default else _stacked(_tx_defaults(connector_id, profiles), anchor)

    @property
    def timelines(self) -> Iterable[Timeline]:
        return (*self._of_transaction, *self._default)

    def limit_at(self, second: int) -> Limit | None:
        return _prevailing(self._of_transaction, second) or _prevailing(self._default, second)


class _Stack:
    """All that decides about a query."""

    def __init__(
        self, profiles: Sequence[Installed], running: dict[int, Running], connector_id: int, start: int, rules: Rules
    ) -> None:
        self._voltage, self._is_station = Fraction(rules.voltage), connector_id == 0
        of_station = [each.profile for each in profiles if _has_purpose(each, "ChargePointMaxProfile")]
        self._maximum = _stacked(of_station, start)
        asked = (
            sorted(each for each in {*running, *rules.connectors} if each > 0) if self._is_station else [connector_id]
        )
        self._connectors = [_Connector(each, profiles, running.get(each), start, rules) for each in asked]
        self.warnings = tuple(map(_without_anchor, (each for each in of_station if own_anchor(each) is None)))

    def break_points(self, start: int, end: int) -> list[int]:
        """The start, and every instant inside at which the result may change (SCA-14)."""
        timelines = [*self._maximum, *(each for connector in self._connectors for each in connector.timelines)]
        found = {second for each in timelines for second in each.changes_between(start, end)}
        return sorted({start, *(second for second in found if start < second < end)})

    def unit_at(self, second: int) -> ChargingRateUnit:
        """The unit of a result whose unit nobody asked for (SCA-12)."""
        limits = [connector.limit_at(second) for connector in self._connectors]
        given = next((each for each in (*limits, _prevailing(self._maximum, second)) if each is not None), None)
        return "A" if given is None else given.unit

    def allowed_at(self, second: int, unit: ChargingRateUnit) -> tuple[Decimal | None, int | None]:
        """The limit at an instant, rounded down, and its phases (SCA-10, SCA-11, SCA-13, SCA-15)."""
        maximum = _prevailing(self._maximum, second)
        limits = [connector.limit_at(second) for connector in self._connectors]
        given = [each for each in limits if each is not None]
        amounts = [] if maximum is None else [_amount(maximum, unit, self._voltage)]
        if len(given) == len(limits):
            amounts.append(sum((_amount(each, unit, self._voltage) for each in given), Fraction(0)))
        operands = given if maximum is None else [maximum, *given]
        phases = _common_phases(operands) if self._is_station else _fewest_phases(operands)
        return (_rounded_down(min(amounts)) if amounts else None), phases


def converted(limit: Limit, unit: ChargingRateUnit, voltage: Decimal) -> Decimal:
    """A limit in another unit, rounded down to one decimal."""
    return _rounded_down(_amount(limit, unit, Fraction(voltage)))


def _amount(limit: Limit, unit: ChargingRateUnit, voltage: Fraction) -> Fraction:
    """A limit in another unit, by its own phases (SCA-12)."""
    if limit.unit == unit:
        return limit.amount
    watts_per_ampere = voltage * (limit.phases or PHASES_IF_NOT_STATED)
    return limit.amount * watts_per_ampere if unit == "W" else limit.amount / watts_per_ampere


def _has_purpose(installed: Installed, purpose: ChargingProfilePurpose) -> bool:
    return installed.profile.charging_profile_purpose == purpose


def _tx_profiles(connector_id: int, profiles: Iterable[Installed], running: Running | None) -> list[ChargingProfile]:
    """Those of the running transaction, and those that came with its remote start (SCA-08)."""
    if running is None:
        return []
    return [
        each.profile
        for each in profiles
        if _has_purpose(each, "TxProfile")
        and each.connector_id == connector_id
        and each.transaction_id in (None, running.transaction_id)
    ]


def _tx_defaults(connector_id: int, profiles: Iterable[Installed]) -> list[ChargingProfile]:
    """Those of the connector, and those of connector 0 on other levels (SCA-07)."""
    defaults = [each for each in profiles if _has_purpose(each, "TxDefaultProfile")]
    own = [each.profile for each in defaults if each.connector_id == connector_id]
    hidden = {each.stack_level for each in own}
    return [
        *own,
        *(each.profile for each in defaults if each.connector_id == 0 and each.profile.stack_level not in hidden),
    ]


def _stacked(profiles: Iterable[ChargingProfile], anchor: int) -> tuple[Timeline, ...]:
    """The highest level first, on a level the last one first."""
    timelines = [timeline_of(each, anchor) for each in profiles]
    timelines.reverse()
    return tuple(sorted(timelines, key=lambda timeline: -timeline.level))


def _prevailing(timelines: Iterable[Timeline], second: int) -> Limit | None:
    """The limit of the highest level that is valid and active (SCA-06)."""
    return next((limit for each in timelines if (limit := each.limit_at(second)) is not None), None)


def _fewest_phases(limits: Iterable[Limit]) -> int | None:
    return min((each.phases for each in limits if each.phases is not None), default=None)


def _common_phases(limits: Iterable[Limit]) -> int | None:
    stated = {each.phases for each in limits}
    return stated.pop() if len(stated) == 1 else None


def _rounded_down(amount: Fraction) -> Decimal:
    tenths = amount.numerator * 10 // amount.denominator
    whole, tenth = divmod(tenths, 10)
    return Decimal(f"{whole}.{tenth}")


def _without_anchor(profile: ChargingProfile) -> str:
    return (
        f"ChargePointMaxProfile {profile.charging_profile_id} does not say when it begins, and no transaction does: "
        "it is taken to begin at the start of the calculation (SCA-02)"
    )
