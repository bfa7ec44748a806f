"""What a simulated station decides by itself: limits, tags, keys, cars. No time passes here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import trio

from csmsd_core import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod, IdTagInfo
from csmsd_simulator.car import MWS_PER_WH, Car
from csmsd_simulator.configuration import Configuration
from csmsd_simulator.messages import AuthorizationData
from csmsd_simulator.meter import Meter
from csmsd_simulator.profiles import ProfileStore, Session
from csmsd_simulator.tags import KnownTags
from tests.plugins.simulator.conftest import Site, charge

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SESSION = Session(1, 42, NOON)


def profile(
    number: int, *limits: tuple[int, int], purpose: str = "TxDefaultProfile", level: int = 0, **more: Any
) -> ChargingProfile:
    """Limits in watts from a second on."""
    of_schedule = {key: more.pop(key) for key in ("duration", "start_schedule") if key in more}
    periods = tuple(ChargingSchedulePeriod(start, Decimal(limit)) for start, limit in limits)
    schedule = ChargingSchedule("W", periods, **of_schedule)
    kind = more.pop("kind", "Relative")
    return ChargingProfile(number, level, purpose, kind, schedule, **more)  # type: ignore[arg-type] # a text


def limit_after(seconds: float, *profiles: tuple[int, ChargingProfile], session: Session = SESSION) -> int | None:
    store = ProfileStore()
    for connector_id, each in profiles:
        store.put(connector_id, each)
    return store.limit(session, NOON + timedelta(seconds=seconds), 3)


def test_without_a_profile_there_is_no_limit() -> None:
    assert limit_after(0) is None


@pytest.mark.parametrize(("seconds", "limit"), [(0, 7000), (59, 7000), (60, 3000), (119, 3000), (120, None)])
def test_periods_follow_each_other_until_the_schedule_ends(seconds: int, limit: int | None) -> None:
    assert limit_after(seconds, (1, profile(1, (0, 7000), (60, 3000), duration=120))) == limit


def test_the_highest_stack_level_that_says_something_leads() -> None:
    low, high = profile(1, (0, 7000)), profile(2, (0, 3000), level=5, duration=60)
    assert limit_after(0, (1, low), (1, high)) == 3000
    assert limit_after(60, (1, low), (1, high)) == 7000


def test_a_profile_of_the_transaction_comes_before_the_default_and_the_station_limits_both() -> None:
    default, own = profile(1, (0, 3000), level=9), profile(2, (0, 9000), purpose="TxProfile", transaction_id=42)
    ceiling = profile(3, (0, 5000), purpose="ChargePointMaxProfile")
    assert limit_after(0, (0, default), (1, own)) == 9000
    assert limit_after(0, (0, default), (1, own), (0, ceiling)) == 5000
    assert limit_after(0, (0, default), (1, own), session=Session(1, 43, NOON)) == 3000, "another transaction"
    assert limit_after(0, (2, default)) is None, "another connector"


def test_validity_and_recurrence() -> None:
    valid = profile(1, (0, 3000), valid_from=NOON + timedelta(60), valid_to=NOON + timedelta(61))
    assert limit_after(0, (0, valid)) is None
    assert limit_after(86_400 * 60, (0, valid)) == 3000
    assert limit_after(86_400 * 61, (0, valid)) is None
    nightly = profile(
        2,
        (0, 11_000),
        (3600, 1000),
        kind="Recurring",
        recurrency_kind="Daily",
        start_schedule=NOON - timedelta(days=7),
        duration=7200,
    )
    day = 86_400
    assert [limit_after(each, (0, nightly)) for each in (0, 3600, 7200, day, day + 3600)] == [
        11_000, 1000, None, 11_000, 1000
    ]  # fmt: skip
    absolute = profile(3, (0, 2000), kind="Absolute", start_schedule=NOON + timedelta(hours=1))
    assert (limit_after(0, (0, absolute)), limit_after(3600, (0, absolute))) == (None, 2000)


def test_profiles_are_replaced_and_removed() -> None:
    store = ProfileStore()
    store.put(1, profile(1, (0, 7000)))
    store.put(1, profile(2, (0, 6000)))
    assert [each.profile.charging_profile_id for each in store.installed] == [2], "same purpose, level, connector"
    store.put(0, profile(2, (0, 5000), level=3))
    assert [each.connector_id for each in store.installed] == [0], "same id"
    store.put(1, profile(3, (0, 1), purpose="TxProfile"))
    store.end_of(SESSION)
    assert len(store.installed) == 1
    assert store.clear(None, 1, None, None) == 0
    assert store.clear(None, None, "TxDefaultProfile", 3) == 1


def test_the_local_list_comes_before_the_cache_and_tags_expire() -> None:
    tags = KnownTags()
    tags.remember("Alice", IdTagInfo("Accepted", NOON + timedelta(hours=1)))

    def verdict(tag: str, at: datetime = NOON, **sources: bool) -> str | None:
        info = tags.verdict(tag, at, **{"uses_list": True, "uses_cache": True, **sources})
        return None if info is None else info.status

    assert verdict("ALICE") == "Accepted"
    assert verdict("ALICE", NOON + timedelta(hours=1)) == "Expired"
    assert verdict("ALICE", uses_cache=False) is None
    tags.replace_list(1, [AuthorizationData("ALICE", IdTagInfo("Blocked"))])
    assert verdict("alice") == "Blocked"
    tags.remember("alice", IdTagInfo("Accepted"))
    assert verdict("alice") == "Blocked", "what is in the list is not cached"
    assert verdict("alice", uses_list=False) is None
    tags.update_list(2, [AuthorizationData("alice")])
    assert (verdict("alice"), len(tags), tags.version) == (None, 0, 2)
    tags.remember("bob", IdTagInfo("Accepted"))
    tags.clear_cache()
    assert verdict("bob") is None


def test_secrets_are_written_and_never_read() -> None:
    keys = Configuration(2)
    assert keys.change("AuthorizationKey", "too short").status == "Rejected"
    assert keys.change("AuthorizationKey", "long enough for a password").status == "Accepted"
    (found,), _ = keys.find(["AuthorizationKey"])
    assert found.value is None
    everything, unknown = keys.find([])
    assert (len(everything) > 35, unknown) == (True, ())


def test_energy_is_counted_in_whole_numbers_whatever_the_steps() -> None:
    meter, car = Meter(power_w=11_000), Car.arriving(60_000, 0, 11_000)
    for step in range(1, 3_601):
        meter.advance(float(step), car, 1)
    assert (meter.register_wh, meter.energy_mws) == (11_000, 11_000 * MWS_PER_WH)
    assert car.soc == 18
    meter.advance(3_601.0, Car.arriving(10, 100, 11_000), 1)
    assert meter.register_wh == 11_000, "a full battery takes nothing"


async def test_a_tag_that_turns_out_to_be_refused_ends_the_transaction(site: Site) -> None:
    station = await site.station()
    station.configuration.put("AllowOfflineTxForUnknownId", "true")
    site.go_offline(station)
    await trio.sleep(1)
    connector = station.connectors[0]
    station.charging.plug_in(connector, Car())
    station.charging.present(connector, "NOBODY")
    await trio.sleep(600)
    assert connector.status == "Charging"
    site.go_online(station)
    await trio.sleep(60)
    (transaction,) = await site.transactions()
    assert (transaction.verdict, transaction.reason) == ("Invalid", "DeAuthorized")
    assert connector.transaction is None
    await charge(station, 60, 2)
    assert len(await site.transactions()) == 2
