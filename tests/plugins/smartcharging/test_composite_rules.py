"""Single rules of the composite schedule that the worked examples leave open, and how a result is rendered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from jsonschema import Draft4Validator

from csmsd.ocpp.encoding import encode_payload
from csmsd_core import ChargingProfile
from csmsd_smartcharging import Composite, Installed, Query, Rules, Running, composite
from csmsd_smartcharging.rendering import NotRenderable, rendered

T0 = datetime(2026, 1, 1, 12, tzinfo=UTC)
MAX, DEFAULT, TX = "ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"
Profile = Callable[..., ChargingProfile]


def of(
    *profiles: tuple[int, ChargingProfile],
    connector_id: int = 1,
    duration: int = 3600,
    start: datetime = T0,
    unit: Any = None,
    running: tuple[Running, ...] = (),
    **rules: Any,
) -> Composite:
    found = [Installed(connector, profile, profile.transaction_id) for connector, profile in profiles]
    return composite(found, running, Query(connector_id, start, duration, unit), Rules(**rules))


def steps(result: Composite) -> list[tuple[int, Any]]:
    return [(each.start_period, None if each.limit is None else float(each.limit)) for each in result.periods]


@pytest.mark.req("SCA-01")
def test_validity_includes_its_start_and_not_its_end(profile: Profile) -> None:
    valid = profile(1, valid_from=T0 + timedelta(seconds=10), valid_to=T0 + timedelta(seconds=20))
    assert steps(of((1, valid), duration=60)) == [(0, None), (10, 16), (20, None)]


@pytest.mark.req("SCA-02")
def test_relative_begins_with_the_transaction_and_without_one_now(profile: Profile) -> None:
    relative = profile(1, DEFAULT, 10, 20, kind="Relative")
    since = (Running(1, 5, T0 - timedelta(seconds=300)),)
    assert steps(of((1, relative))) == [(0, 10), (600, 20)]
    assert steps(of((1, relative), running=since)) == [(0, 10), (300, 20)]
    absolute_without_start = profile(1, DEFAULT, 10, 20, start=None)
    assert steps(of((1, absolute_without_start), running=since)) == [(0, 10), (300, 20)]
    schedule = msgspec.structs.replace(relative.charging_schedule, start_schedule=T0 - timedelta(days=1))
    odd = msgspec.structs.replace(relative, charging_schedule=schedule)
    assert steps(of((1, odd), running=since)) == [(0, 10), (300, 20)], "its startSchedule means nothing"


@pytest.mark.req("SCA-02", "SCA-03")
def test_recurring_without_a_start_recurs_from_the_transaction_on(profile: Profile) -> None:
    daily = profile(1, DEFAULT, 10, kind="Recurring", recurrency_kind="Daily", start=None, duration=60)
    since = (Running(1, 5, T0 - timedelta(seconds=86_400 - 100)),)
    assert steps(of((1, daily), running=since)) == [(0, None), (100, 10), (160, None)]


@pytest.mark.req("SCA-02")
def test_a_relative_station_limit_begins_now_and_is_warned_of(profile: Profile) -> None:
    result = of((0, profile(1, MAX, 10, 20, kind="Relative")), running=(Running(1, 5, T0 - timedelta(hours=1)),))
    assert steps(result) == [(0, 10), (600, 20)]
    assert "SCA-02" in result.warnings[0]
    assert of((0, profile(1, MAX))).warnings == ()


@pytest.mark.req("SCA-03")
def test_before_its_start_a_recurring_profile_is_not_active(profile: Profile) -> None:
    daily = profile(1, DEFAULT, 10, kind="Recurring", recurrency_kind="Daily", start=T0 + timedelta(seconds=60))
    assert steps(of((1, daily))) == [(0, None), (60, 10)]


@pytest.mark.req("SCA-04", "SCA-05")
def test_fractions_of_seconds_are_cut_off(profile: Profile) -> None:
    late = profile(1, DEFAULT, 10, start=T0 + timedelta(seconds=5, milliseconds=900), duration=10)
    result = of((1, late), start=T0 + timedelta(milliseconds=700), duration=60)
    assert (result.start, steps(result)) == (T0, [(0, None), (5, 10), (15, None)])


@pytest.mark.req("SCA-06", "SCA-05")
def test_an_ended_level_gives_way_to_the_next_one(profile: Profile) -> None:
    profiles = [(1, profile(level, DEFAULT, 10 * level, level=level, duration=60 * (4 - level))) for level in (1, 2, 3)]
    assert steps(of(*profiles)) == [(0, 30), (60, 20), (120, 10), (180, None)]


@pytest.mark.req("SCA-08")
def test_profiles_of_other_transactions_do_not_count(profile: Profile) -> None:
    running = (Running(1, 5, T0),)
    other = profile(1, TX, 20, transaction_id=4)
    assert steps(of((1, other), running=running)) == [(0, None)]
    assert steps(of((1, profile(1, TX, 20, transaction_id=5)), running=running)) == [(0, 20)]
    assert steps(of((1, profile(1, TX, 20)), running=running)) == [(0, 20)], "of a remote start"
    assert steps(of((2, profile(1, TX, 20)), running=running)) == [(0, None)], "of another connector"
    assert steps(of((1, profile(1, TX, 20)))) == [(0, None)], "nothing runs"


@pytest.mark.req("SCA-09")
def test_the_gap_rule_can_be_switched_to_the_literal_reading(profile: Profile) -> None:
    stack = ((1, profile(1, TX, 20, duration=60)), (1, profile(2, DEFAULT, 10)))
    running = (Running(1, 5, T0),)
    assert steps(of(*stack, running=running)) == [(0, 20), (60, 10)]
    assert steps(of(*stack, running=running, tx_profile_hides_default=True)) == [(0, 20), (60, None)]


@pytest.mark.req("SCA-10")
def test_a_missing_limit_limits_nothing(profile: Profile) -> None:
    assert steps(of()) == [(0, None)]
    assert steps(of((0, profile(1, MAX, 20)))) == [(0, 20)]
    assert steps(of((0, profile(1, MAX, 20)), (1, profile(2, DEFAULT, 30)))) == [(0, 20)]


@pytest.mark.req("SCA-11")
def test_the_fewest_stated_phases_count(profile: Profile) -> None:
    def phases(maximum: int | None, default: int | None) -> int | None:
        stack = (0, profile(1, MAX, 20, phases=maximum)), (1, profile(2, DEFAULT, 10, phases=default))
        return of(*stack).periods[0].number_phases

    assert [phases(3, 1), phases(None, 3), phases(2, None), phases(None, None)] == [1, 3, 2, None]


@pytest.mark.req("SCA-12")
def test_the_unit_is_the_one_asked_for_or_that_of_the_limit(profile: Profile) -> None:
    watts, amperes = profile(1, DEFAULT, 6900, unit="W"), profile(2, MAX, 20)
    assert of((1, watts), (0, amperes)).unit == "W"
    assert of((0, profile(1, MAX, 6900, unit="W"))).unit == "W"
    assert of().unit == "A"
    assert steps(of((1, watts), unit="A")) == [(0, 10)]
    assert steps(of((1, watts), unit="A", voltage=Decimal(115))) == [(0, 20)]


@pytest.mark.req("SCA-13")
def test_connector_0_sums_up_what_runs_or_everything(profile: Profile) -> None:
    stack = (0, profile(1, DEFAULT, 10)), (0, profile(2, MAX, 100))
    one = (Running(1, 5, T0),)
    assert steps(of(*stack, connector_id=0)) == [(0, 0)], "nothing runs, so nothing is drawn"
    assert steps(of(*stack, connector_id=0, running=one)) == [(0, 10)]
    assert steps(of(*stack, connector_id=0, running=one, connectors=(1, 2, 3))) == [(0, 30)]
    unlimited = (1, profile(1, DEFAULT, 10)), (0, profile(2, MAX, 100))
    assert steps(of(*unlimited, connector_id=0, running=(*one, Running(2, 6, T0)))) == [(0, 100)]


@pytest.mark.req("SCA-14")
def test_equal_neighbours_are_one_period(profile: Profile) -> None:
    assert steps(of((1, profile(1, DEFAULT, 10, 10, 20, 20)))) == [(0, 10), (1200, 20)]


@pytest.mark.req("SCA-14")
def test_a_schedule_needs_a_duration() -> None:
    with pytest.raises(ValueError, match="positive duration"):
        of(duration=0)


@pytest.mark.req("SCA-18")
def test_the_minimum_rate_changes_nothing(profile: Profile) -> None:
    plain = profile(1, DEFAULT, 10)
    schedule = msgspec.structs.replace(plain.charging_schedule, min_charging_rate=Decimal(16))
    hinted = msgspec.structs.replace(plain, charging_schedule=schedule)
    assert of((1, hinted)) == of((1, plain))


@pytest.mark.req("SCA-19", "SCA-10")
def test_the_bound_of_a_connector_is_not_an_allocation(profile: Profile) -> None:
    stack, running = [(0, profile(1, MAX, 20))], (Running(1, 5, T0), Running(2, 6, T0))
    assert steps(of(*stack, running=running)) == steps(of(*stack, connector_id=2, running=running)) == [(0, 20)]
    assert steps(of(*stack, connector_id=0, running=running)) == [(0, 20)], "both together may draw no more"


# -- rendering ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("SCA-17", "MSG-39", "VAL-03")
def test_a_rendered_schedule_has_what_a_station_would_answer(profile: Profile) -> None:
    import json
    from importlib.resources import files

    result = of((1, profile(1, DEFAULT, "6.1", 16, phases=1)))
    payload = msgspec.json.decode(encode_payload(rendered(result)))
    assert payload == {
        "status": "Accepted",
        "connectorId": 1,
        "scheduleStart": "2026-01-01T12:00:00.000Z",
        "chargingSchedule": {
            "duration": 3600,
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [
                {"startPeriod": 0, "limit": 6.1, "numberPhases": 1},
                {"startPeriod": 600, "limit": 16.0, "numberPhases": 1},
            ],
        },
    }
    folder = files("ocpp.v16") / "schemas"
    schema = json.loads((folder / "GetCompositeScheduleResponse.json").read_text("utf-8-sig"))
    payload["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] = 6
    Draft4Validator(schema).validate(payload)


@pytest.mark.req("SCA-16")
def test_unlimited_stretches_get_the_rating_or_are_cut_off_or_fail(profile: Profile) -> None:
    ending = of((1, profile(1, DEFAULT, 10, duration=60)))
    assert ending.periods[-1].limit is None
    schedule = rendered(ending).charging_schedule
    assert schedule is not None
    assert (schedule.duration, len(schedule.charging_schedule_period)) == (60, 1)
    rated = rendered(ending, Decimal(32)).charging_schedule
    assert rated is not None
    assert rated.duration == 3600
    assert rated.charging_schedule_period[-1].limit == Decimal(32)
    beginning = of((1, profile(1, DEFAULT, 10, start=T0 + timedelta(seconds=60))))
    with pytest.raises(NotRenderable, match="maximum rating is not configured"):
        rendered(beginning)
    assert rendered(beginning, Decimal(32)).charging_schedule is not None
    with pytest.raises(NotRenderable):
        rendered(of())
