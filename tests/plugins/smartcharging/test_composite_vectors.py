"""The test vectors of the requirements: what each set of profiles adds up to, second by second."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from csmsd_core.messages import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from csmsd_smartcharging.composite import Installed, Query, Rules, Running, composite

MAX, DEFAULT, TX = "ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"
Steps = tuple[tuple[Any, ...], ...]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NEW_YEAR = at("2024-01-01")


def profile(
    purpose: Any,
    connector_id: int,
    *steps: tuple[Any, ...],
    level: int = 0,
    kind: Any = "Absolute",
    start: datetime | None = NEW_YEAR,
    duration: int | None = None,
    unit: Any = "A",
    recurs: Any = None,
    valid: tuple[datetime | None, datetime | None] = (None, None),
) -> Installed:
    periods = tuple(ChargingSchedulePeriod(step[0], Decimal(str(step[1])), *step[2:]) for step in steps)
    schedule = ChargingSchedule(unit, periods, duration, None if kind == "Relative" else start)
    content = ChargingProfile(1, level, purpose, kind, schedule, None, recurs, *valid)
    return Installed(connector_id, content)


def ask(profiles: Iterable[Installed], query: Query, running: Iterable[Running] = (), **rules: Any) -> Steps:
    """The periods as tuples: second, limit, and the phases if they are stated."""
    result = composite(profiles, running, query, Rules(**rules))
    assert result.start == query.start
    return tuple(
        (each.start_period, None if each.limit is None else str(each.limit).removesuffix(".0"))
        + (() if each.number_phases is None else (each.number_phases,))
        for each in result.periods
    )


def steps(text: str) -> Steps:
    """`0: 16, 600: unlimited`, with the number of phases in parentheses if it is stated."""
    found: list[tuple[Any, ...]] = []
    for each in text.split(", "):
        second, _, rest = each.partition(": ")
        limit, _, phases = rest.partition(" (")
        known = () if not phases else (int(phases.removesuffix(")")),)
        found.append((int(second), None if limit == "unlimited" else limit, *known))
    return tuple(found)


@pytest.mark.req("SCV-1", "SCA-03")
def test_the_documents_own_example_repeats_every_day() -> None:
    daily = profile(
        DEFAULT,
        1,
        (0, 11000, 3),
        (28800, 6000, 3),
        (72000, 11000, 3),
        kind="Recurring",
        recurs="Daily",
        start=at("2013-01-01"),
        duration=86400,
        unit="W",
    )
    found = ask([daily], Query(1, at("2024-06-10T07:00"), 86400, "W"))
    assert found == steps("0: 11000 (3), 3600: 6000 (3), 46800: 11000 (3)")


@pytest.mark.req("SCV-2", "SCA-06")
def test_a_higher_level_prevails_while_it_is_active() -> None:
    low = profile(DEFAULT, 1, (0, 16))
    high = profile(DEFAULT, 1, (0, 6), (1800, 10), level=1, start=at("2024-01-01T01:00"), duration=3600)
    assert ask([low, high], Query(1, NEW_YEAR, 14400, "A")) == steps("0: 16, 3600: 6, 5400: 10, 7200: 16")


@pytest.mark.req("SCV-3", "SCA-02", "SCA-09", "SCA-10")
def test_the_station_limit_and_the_transaction_limit_are_combined() -> None:
    profiles = [
        profile(MAX, 0, (0, 20), (7200, 12), duration=14400),
        profile(DEFAULT, 0, (0, 10)),
        profile(TX, 1, (0, 32), (3600, 16), kind="Relative", duration=7200),
    ]
    running = [Running(1, 7, at("2024-01-01T00:15"))]
    found = ask(profiles, Query(1, at("2024-01-01T00:30"), 18000, "A"), running)
    assert found == steps("0: 20, 2700: 16, 5400: 12, 6300: 10")


@pytest.mark.req("SCV-4", "SCA-07")
@pytest.mark.parametrize(("connector_id", "limit"), [(1, "0: 16"), (2, "0: 8")])
def test_a_default_of_the_connector_comes_before_that_of_the_station(connector_id: int, limit: str) -> None:
    profiles = [profile(DEFAULT, 2, (0, 8)), profile(DEFAULT, 0, (0, 16))]
    assert ask(profiles, Query(connector_id, NEW_YEAR, 600, "A")) == steps(limit)


@pytest.mark.req("SCV-5", "SCA-11", "SCA-12")
@pytest.mark.parametrize(("unit", "expected"), [("A", "0: 15.9 (1), 600: 10 (3)"), ("W", "0: 7360 (1), 600: 6900 (3)")])
def test_units_are_converted_by_each_limits_own_phases(unit: Any, expected: str) -> None:
    profiles = [profile(MAX, 0, (0, 11000), unit="W"), profile(DEFAULT, 1, (0, 32, 1), (600, 10, 3))]
    assert ask(profiles, Query(1, NEW_YEAR, 1200, unit)) == steps(expected)


@pytest.mark.req("SCV-6", "SCA-01")
@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2024-01-08", "0: 16, 7200: 6, 10800: 16"),
        ("2024-01-15", "0: 16, 3600: 6, 10800: 16"),
        ("2024-01-22", "0: 16"),
    ],
)
def test_a_weekly_profile_counts_only_while_it_is_valid(day: str, expected: str) -> None:
    weekly = profile(
        DEFAULT,
        1,
        (0, 6),
        level=2,
        kind="Recurring",
        recurs="Weekly",
        start=at("2024-01-01T08:00"),
        duration=7200,
        valid=(at("2024-01-08T09:00"), at("2024-01-16")),
    )
    found = ask([profile(DEFAULT, 1, (0, 16)), weekly], Query(1, at(f"{day}T07:00"), 14400, "A"))
    assert found == steps(expected)


@pytest.mark.req("SCV-7", "SCA-04", "SCA-05")
def test_periods_after_the_duration_are_never_executed() -> None:
    limited = profile(MAX, 0, (0, 10), (300, 20), (900, 30), duration=600)
    assert ask([limited], Query(1, NEW_YEAR, 1200, "A")) == steps("0: 10, 300: 20, 600: unlimited")


@pytest.mark.req("SCV-8", "SCA-04")
def test_what_exceeds_the_recurrence_is_not_executed() -> None:
    daily = profile(DEFAULT, 1, (0, 10), (43200, 20), (90000, 30), kind="Recurring", recurs="Daily", duration=172800)
    found = ask([daily], Query(1, at("2024-01-02T11:00"), 86400, "A"))
    assert found == steps("0: 10, 3600: 20, 46800: 10")


@pytest.mark.req("SCV-9", "SCA-13", "SCA-19")
@pytest.mark.parametrize(("maximum", "expected"), [(25, "0: 25"), (40, "0: 30")])
def test_connector_0_is_the_sum_of_what_runs_within_the_station_limit(maximum: int, expected: str) -> None:
    profiles = [profile(MAX, 0, (0, maximum)), profile(TX, 1, (0, 20)), profile(DEFAULT, 2, (0, 10))]
    running = [Running(1, 1, NEW_YEAR), Running(2, 2, NEW_YEAR)]
    assert ask(profiles, Query(0, NEW_YEAR, 600, "A"), running) == steps(expected)


@pytest.mark.req("SCV-10", "SC-14")
def test_a_profile_that_is_not_valid_yet_leaves_a_gap() -> None:
    """What was accepted last has replaced the other one: `test_mirror` has that half."""
    tomorrow = profile(DEFAULT, 1, (0, 8), valid=(at("2024-01-02"), None))
    assert ask([tomorrow], Query(1, NEW_YEAR, 172800, "A")) == steps("0: unlimited, 86400: 8")


@pytest.mark.req("SCV-11", "SCA-07")
@pytest.mark.parametrize(("connector_id", "expected"), [(1, "0: 20, 1800: 6, 3600: 20"), (2, "0: 10")])
def test_a_connectors_default_hides_the_stations_of_its_level_also_while_inactive(
    connector_id: int, expected: str
) -> None:
    profiles = [
        profile(DEFAULT, 1, (0, 6), level=1, start=at("2024-01-01T00:30"), duration=1800),
        profile(DEFAULT, 0, (0, 20)),
        profile(DEFAULT, 0, (0, 10), level=1),
    ]
    assert ask(profiles, Query(connector_id, NEW_YEAR, 7200, "A")) == steps(expected)


@pytest.mark.req("SCV-12", "SCA-03")
def test_a_change_of_the_clocks_shifts_nothing() -> None:
    daily = profile(
        DEFAULT,
        1,
        (0, 6),
        (3600, 16),
        kind="Recurring",
        recurs="Daily",
        start=at("2024-03-30T22:00"),
        duration=28800,
    )
    found = ask([daily], Query(1, at("2024-03-30T21:00"), 172800, "A"))
    assert found == steps("0: unlimited, 3600: 6, 7200: 16, 32400: unlimited, 90000: 6, 93600: 16, 118800: unlimited")


@pytest.mark.req("SCV-13", "SCA-08", "SCA-09")
@pytest.mark.parametrize(("runs", "expected"), [(True, "0: 16, 600: 32, 1200: 16, 3600: 10"), (False, "0: 10")])
def test_tx_profiles_count_only_while_their_transaction_runs(runs: bool, expected: str) -> None:
    profiles = [
        profile(DEFAULT, 1, (0, 10)),
        profile(TX, 1, (0, 16), kind="Relative", duration=3600),
        profile(TX, 1, (0, 32), kind="Relative", level=3, valid=(at("2024-01-01T00:10"), at("2024-01-01T00:20"))),
    ]
    running = [Running(1, 1, NEW_YEAR)] if runs else []
    assert ask(profiles, Query(1, NEW_YEAR, 7200, "A"), running) == steps(expected)


@pytest.mark.req("SCV-14", "SCA-15", "VAL-03")
@pytest.mark.parametrize(("unit", "expected"), [("A", "0: 6.1 (1), 60: 7.2"), ("W", "0: 1403 (1), 60: 5000")])
def test_limits_are_exact_and_rounded_down_once(unit: Any, expected: str) -> None:
    profiles = [profile(MAX, 0, (0, 5000), unit="W"), profile(TX, 1, (0, 6.1, 1), (60, 7.3))]
    assert ask(profiles, Query(1, NEW_YEAR, 120, unit), [Running(1, 1, NEW_YEAR)]) == steps(expected)


@pytest.mark.req("SCV-15", "SCA-11", "SCA-13", "SCA-15")
@pytest.mark.parametrize(("is_limited", "expected"), [(True, "0: 14.7 (3)"), (False, "0: 20 (3)")])
def test_a_sum_is_rounded_after_it_was_added_up(is_limited: bool, expected: str) -> None:
    profiles = [profile(MAX, 0, (0, 20, 3)), profile(TX, 1, (0, 5100, 3), unit="W")]
    if is_limited:
        profiles.append(profile(TX, 2, (0, 5100, 3), unit="W"))
    running = [Running(1, 1, NEW_YEAR), Running(2, 2, NEW_YEAR)]
    assert ask(profiles, Query(0, NEW_YEAR, 60, "A"), running) == steps(expected)
