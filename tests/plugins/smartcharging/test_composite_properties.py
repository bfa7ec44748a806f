"""Any stack of profiles: the engine against an oracle that knows nothing but the rules and looks at every second."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csmsd_core.messages import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from csmsd_smartcharging.composite import Composite, Installed, Query, Rules, Running, composite

MIDNIGHT = datetime(2024, 3, 31, tzinfo=UTC)
LENGTH = 90  # seconds
CONNECTORS = (1, 2)
Outcome = tuple[Fraction | None, int | None]


# -- the oracle: straight from the rules, one instant at a time --------------------------------------------------------


def oracle_active(profile: ChargingProfile, t: datetime, anchor: datetime) -> ChargingSchedulePeriod | None:
    schedule = profile.charging_schedule
    if profile.valid_from is not None and t < profile.valid_from:
        return None
    if profile.valid_to is not None and t >= profile.valid_to:
        return None
    s = anchor
    if profile.charging_profile_kind != "Relative" and schedule.start_schedule is not None:
        s = schedule.start_schedule
    d = schedule.duration
    if profile.charging_profile_kind == "Recurring":
        r = 86400 if profile.recurrency_kind == "Daily" else 604800
        if t < s:
            return None
        while s + timedelta(seconds=r) <= t:
            s += timedelta(seconds=r)
        d = r if d is None else min(d, r)
    e = (t - s).total_seconds()
    if e < 0 or (d is not None and e >= d):
        return None
    found = None
    for period in schedule.charging_schedule_period:
        if period.start_period <= e:
            found = period
    return found


def oracle_prevailing(profiles: Sequence[ChargingProfile], t: datetime, anchor: datetime) -> Any:
    best: Any = None
    for profile in profiles:
        period = oracle_active(profile, t, anchor)
        if period is not None and (best is None or profile.stack_level > best[0]):
            best = (
                profile.stack_level,
                period.limit,
                profile.charging_schedule.charging_rate_unit,
                period.number_phases,
            )
    return best


def oracle_amount(operand: Any, unit: str) -> Fraction:
    _, limit, own, phases = operand
    factor = Fraction(230) * (3 if phases is None else phases)
    if own == unit:
        return Fraction(limit)
    return Fraction(limit) * factor if unit == "W" else Fraction(limit) / factor


def oracle_x(
    stack: Sequence[Installed], c: int, running: Sequence[Running], t: datetime, t0: datetime, rules: Rules
) -> Any:
    current = next((each for each in running if each.connector_id == c), None)
    anchor = t0 if current is None else current.started_at
    tx = [
        each.profile
        for each in stack
        if each.profile.charging_profile_purpose == "TxProfile"
        and each.connector_id == c
        and current is not None
        and (each.transaction_id is None or each.transaction_id == current.transaction_id)
    ]
    defaults = [each for each in stack if each.profile.charging_profile_purpose == "TxDefaultProfile"]
    mine = [each.profile for each in defaults if each.connector_id == c]
    levels = [each.stack_level for each in mine]
    general = [each.profile for each in defaults if each.connector_id == 0 and each.profile.stack_level not in levels]
    found = oracle_prevailing(tx, t, anchor)
    if found is None and not (tx and rules.tx_profile_hides_default):
        found = oracle_prevailing(mine + general, t, anchor)
    return found


def oracle(stack: Sequence[Installed], running: Sequence[Running], query: Query, rules: Rules, t: datetime) -> Outcome:
    t0 = query.start
    unit = query.unit or "A"
    top = [each.profile for each in stack if each.profile.charging_profile_purpose == "ChargePointMaxProfile"]
    m = oracle_prevailing(top, t, t0)
    asked = [query.connector_id]
    if query.connector_id == 0:
        asked = sorted({*rules.connectors, *(each.connector_id for each in running)})
    xs = [oracle_x(stack, c, running, t, t0, rules) for c in asked]
    operands = [each for each in [m, *xs] if each is not None]
    candidates = [oracle_amount(m, unit)] if m is not None else []
    if all(each is not None for each in xs):
        candidates.append(sum((oracle_amount(each, unit) for each in xs), Fraction(0)))
    stated = [each[3] for each in operands]
    if query.connector_id == 0:
        phases = stated[0] if stated and all(each == stated[0] for each in stated) else None
    else:
        phases = min((each for each in stated if each is not None), default=None)
    return (Fraction(math.floor(min(candidates) * 10), 10) if candidates else None), phases


# -- random stacks -----------------------------------------------------------------------------------------------------

moments = st.integers(-20, LENGTH + 20).map(lambda seconds: MIDNIGHT + timedelta(seconds=seconds))
days_before = st.sampled_from([0, 1, 2, 7, 8, 14])


@st.composite
def installed(draw: st.DrawFn, number: int) -> Installed:
    purpose: Any = draw(st.sampled_from(["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"]))
    connector = 0 if purpose == "ChargePointMaxProfile" else draw(st.sampled_from(CONNECTORS))
    if purpose == "TxDefaultProfile" and draw(st.booleans()):
        connector = 0
    kind: Any = draw(st.sampled_from(["Absolute", "Recurring", "Relative"]))
    start = draw(moments) - timedelta(days=draw(days_before)) if draw(st.integers(0, 4)) else None
    offsets = sorted({0, *draw(st.lists(st.integers(1, 100), max_size=3))})
    periods = tuple(
        ChargingSchedulePeriod(offset, Decimal(draw(st.integers(0, 320))) / 10, draw(st.sampled_from([None, 1, 2, 3])))
        for offset in offsets
    )
    unit: Any = draw(st.sampled_from(["A", "W"]))
    if unit == "W":
        periods = tuple(
            ChargingSchedulePeriod(each.start_period, each.limit * 700, each.number_phases) for each in periods
        )
    duration = draw(st.sampled_from([None, 0, 1, 7, 30, 86_400, 86_430]) | st.integers(1, 120))
    valid_from = draw(st.none() | moments)
    valid_to = draw(st.none() | moments)
    recurs: Any = draw(st.sampled_from(["Daily", "Weekly"])) if kind == "Recurring" else None
    level = draw(st.integers(0, 3))
    schedule = ChargingSchedule(unit, periods, duration, None if kind == "Relative" else start)
    profile = ChargingProfile(number, level, purpose, kind, schedule, None, recurs, valid_from, valid_to)
    return Installed(connector, profile, draw(st.sampled_from([None, 11, 12])) if purpose == "TxProfile" else None)


def slot(each: Installed) -> tuple[Any, ...]:
    """What no two profiles in a station share: see SC-21."""
    return each.profile.charging_profile_purpose, each.connector_id, each.profile.stack_level


@st.composite
def stacks(draw: st.DrawFn) -> tuple[list[Installed], list[Running], Query, Rules]:
    found = {slot(each): each for each in (draw(installed(number)) for number in range(draw(st.integers(0, 7))))}
    running = [Running(c, 10 + c, draw(moments)) for c in CONNECTORS if draw(st.booleans())]
    query = Query(draw(st.sampled_from([0, *CONNECTORS])), MIDNIGHT, LENGTH, draw(st.sampled_from(["A", "W"])))
    rules = Rules(tx_profile_hides_default=draw(st.booleans()), connectors=draw(st.sampled_from([(), CONNECTORS])))
    return list(found.values()), running, query, rules


Case = tuple[list[Installed], list[Running], Query, Rules]


def each_second(result: Composite) -> list[Outcome]:
    found: list[Outcome] = []
    following = [*(each.start_period for each in result.periods[1:]), result.duration]
    for period, end in zip(result.periods, following, strict=True):
        limit = None if period.limit is None else Fraction(period.limit)
        found += [(limit, period.number_phases)] * (end - period.start_period)
    return found


def check_against_oracle(case: Case) -> None:
    stack, running, query, rules = case
    result = composite(stack, running, query, rules)
    expected = [
        oracle(stack, running, query, rules, query.start + timedelta(seconds=second)) for second in range(LENGTH)
    ]
    assert each_second(result) == expected


def check_splitting(case: Case, cut: int) -> None:
    """Profiles that begin with the calculation (SCA-02) begin twice when it is split: they are left out."""
    stack, running, query, rules = case
    busy = {each.connector_id for each in running}
    own = [
        each
        for each in stack
        if (each.profile.charging_profile_kind != "Relative" and each.profile.charging_schedule.start_schedule)
        or (each.connector_id in busy)
    ]
    whole = composite(own, running, query, rules)
    first = composite(own, running, Query(query.connector_id, query.start, cut, query.unit), rules)
    later = query.start + timedelta(seconds=cut)
    second = composite(own, running, Query(query.connector_id, later, LENGTH - cut, query.unit), rules)
    assert each_second(whole) == each_second(first) + each_second(second)


ordinary = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
campaign = settings(max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.req("SCA-03", "SCA-06", "SCA-07", "SCA-09", "SCA-10", "SCA-11", "SCA-12", "SCA-13", "SCA-14", "SCA-15")
@given(stacks())
@ordinary
def test_the_engine_agrees_with_the_rules_at_every_second(case: Case) -> None:
    check_against_oracle(case)


@pytest.mark.req("SCA-14")
@given(stacks(), st.integers(1, LENGTH - 1))
@ordinary
def test_a_schedule_is_the_same_in_one_piece_or_in_two(case: Case, cut: int) -> None:
    check_splitting(case, cut)


@pytest.mark.req("SCA-10", "SCA-15", "SCA-19")
@given(stacks())
@ordinary
def test_no_result_is_above_a_limit_in_force_and_none_is_said_twice(case: Case) -> None:
    stack, running, query, rules = case
    result = composite(stack, running, query, rules)
    pairs = [(each.limit, each.number_phases) for each in result.periods]
    assert all(one != other for one, other in pairwise(pairs))
    assert [each.start_period for each in result.periods] == sorted({each.start_period for each in result.periods})
    assert result.periods[0].start_period == 0
    top = [each.profile for each in stack if each.profile.charging_profile_purpose == "ChargePointMaxProfile"]
    for second, (limit, _) in enumerate(each_second(result)):
        maximum = oracle_prevailing(top, query.start + timedelta(seconds=second), query.start)
        if maximum is not None:
            assert limit is not None
            assert limit <= oracle_amount(maximum, result.unit)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@given(stacks())
@campaign
def test_ten_thousand_stacks_agree_with_the_rules(case: Case) -> None:
    check_against_oracle(case)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@given(stacks(), st.integers(1, LENGTH - 1))
@campaign
def test_ten_thousand_stacks_may_be_split(case: Case, cut: int) -> None:
    check_splitting(case, cut)
