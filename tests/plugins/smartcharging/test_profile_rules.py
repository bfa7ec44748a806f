"""What is refused, what is warned of, and what the builder fills in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from trio.testing import MockClock

from csmsd.errors import InvalidPayload
from csmsd_core import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod, RemoteStartTransaction
from csmsd_smartcharging import (
    SET_CHARGING_PROFILE,
    ClearChargingProfile,
    Draft,
    DraftPeriod,
    InvalidProfile,
    SetChargingProfile,
    SetChargingProfileResponse,
    build,
)
from csmsd_smartcharging.refusals import refusal

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MAX, DEFAULT, TX = "ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"
Profile = Callable[..., ChargingProfile]


def with_periods(profile: ChargingProfile, *periods: ChargingSchedulePeriod, **fields: Any) -> ChargingProfile:
    schedule = msgspec.structs.replace(profile.charging_schedule, charging_schedule_period=periods, **fields)
    return msgspec.structs.replace(profile, charging_schedule=schedule)


def period(start: int = 0, limit: str = "16", phases: int | None = None) -> ChargingSchedulePeriod:
    return ChargingSchedulePeriod(start, Decimal(limit), phases)


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("SC-01", "SC-02", "SC-03", "TC_067")
@pytest.mark.parametrize(
    ("purpose", "connector_id", "rule"),
    [(MAX, 0, None), (MAX, 1, "SC-01"), (DEFAULT, 0, None), (DEFAULT, 1, None), (TX, 1, None), (TX, 0, "SC-03")],
)
def test_each_purpose_has_its_connectors(purpose: Any, connector_id: int, rule: str | None, profile: Profile) -> None:
    refused = refusal(SetChargingProfile(connector_id, profile(1, purpose)))
    assert refused is None if rule is None else rule in str(refused)


@pytest.mark.req("SC-04", "SC-02", "TC_056")
@pytest.mark.parametrize(("purpose", "connector_id"), [(MAX, 0), (DEFAULT, 1)])
def test_only_a_tx_profile_has_a_transaction_id(purpose: Any, connector_id: int, profile: Profile) -> None:
    assert "SC-04" in str(refusal(SetChargingProfile(connector_id, profile(1, purpose, transaction_id=5))))
    assert refusal(SetChargingProfile(1, profile(1, TX, transaction_id=5))) is None


@pytest.mark.req("OP-12", "SC-04", "TC_059")
@pytest.mark.parametrize(("purpose", "transaction_id"), [(TX, 5), (DEFAULT, None), (MAX, None)])
def test_a_remote_start_takes_a_tx_profile_without_an_id_only(
    purpose: Any, transaction_id: int | None, profile: Profile
) -> None:
    with pytest.raises(ValueError, match="must be a TxProfile without a transactionId"):
        RemoteStartTransaction("CARD", 1, profile(1, purpose, transaction_id=transaction_id))


@pytest.mark.req("SC-05")
@pytest.mark.parametrize(
    ("kind", "recurs", "is_refused"),
    [
        ("Absolute", "Daily", True),
        ("Relative", "Weekly", True),
        ("Recurring", None, True),
        ("Recurring", "Daily", False),
        ("Recurring", "Weekly", False),
        ("Absolute", None, False),
    ],
)
def test_a_recurring_profile_and_no_other_says_how_it_recurs(
    kind: Any, recurs: Any, is_refused: bool, profile: Profile
) -> None:
    refused = refusal(SetChargingProfile(1, profile(1, kind=kind, recurrency_kind=recurs)))
    assert ("SC-05" in str(refused)) is is_refused
    refused = refusal(RemoteStartTransaction("CARD", 1, profile(1, TX, kind=kind, recurrency_kind=recurs)))
    assert ("SC-05" in str(refused)) is is_refused


@pytest.mark.req("SC-08")
@pytest.mark.parametrize(
    ("starts", "is_refused"), [((), True), ((1,), True), ((0, 60, 60), True), ((0, 60, 30), True), ((0, 60, 61), False)]
)
def test_periods_begin_at_0_and_ascend(starts: tuple[int, ...], is_refused: bool, profile: Profile) -> None:
    changed = with_periods(profile(1), *map(period, starts))
    assert ("SC-08" in str(refusal(SetChargingProfile(1, changed)))) is is_refused


@pytest.mark.req("SC-09", "VAL-03")
@pytest.mark.parametrize(
    ("amount", "is_refused"),
    [("0", False), ("0.3", False), ("8.1", False), ("-0.1", True), ("6.15", True), ("1e30", True), ("NaN", True)],
)
def test_limits_are_tenths_and_not_negative(amount: str, is_refused: bool, profile: Profile) -> None:
    changed = with_periods(profile(1), period(limit=amount))
    assert ("SC-09" in str(refusal(SetChargingProfile(1, changed)))) is is_refused
    hinted = with_periods(profile(1), period(), min_charging_rate=Decimal(amount))
    assert ("SC-09" in str(refusal(SetChargingProfile(1, hinted)))) is is_refused


@pytest.mark.req("SC-10")
@pytest.mark.parametrize(("phases", "is_refused"), [(None, False), (1, False), (3, False), (0, True), (4, True)])
def test_there_are_one_to_three_phases(phases: int | None, is_refused: bool, profile: Profile) -> None:
    changed = with_periods(profile(1), period(phases=phases))
    assert ("SC-10" in str(refusal(SetChargingProfile(1, changed)))) is is_refused


@pytest.mark.req("SC-11", "MSG-37")
def test_a_negative_level_is_no_payload() -> None:
    body = (
        b'{"connectorId":1,"csChargingProfiles":{"chargingProfileId":1,"stackLevel":-1,'
        b'"chargingProfilePurpose":"TxDefaultProfile","chargingProfileKind":"Relative","chargingSchedule":'
        b'{"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":6}]}}}'
    )
    SET_CHARGING_PROFILE.decode(body.replace(b"-1", b"0"))
    with pytest.raises(InvalidPayload):
        SET_CHARGING_PROFILE.decode(body)


@pytest.mark.req("SC-01")
async def test_what_is_refused_never_reaches_the_station(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    record = await site.set(1, profile(1, MAX))
    assert (record.state, "SC-01" in record.error, site.station.calls) == ("refused", True, [])
    offered = profile(1, TX, kind="Recurring")
    record = await site.send("RemoteStartTransaction", RemoteStartTransaction("CARD", 1, offered))
    assert (record.state, "SC-05" in record.error, site.station.calls) == ("refused", True, [])


# -- warnings ----------------------------------------------------------------------------------------------------------


def found(site: Any, connector_id: int, profile: ChargingProfile) -> str:
    return " | ".join(site.warnings("SetChargingProfile", SetChargingProfile(connector_id, profile)))


@pytest.mark.req("SC-03", "TC_057")
async def test_a_tx_profile_wants_a_transaction_and_is_sent_without_one(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    assert "no transaction is known to run on connector 1" in found(site, 1, profile(1, TX, transaction_id=5))
    assert (await site.set(1, profile(1, TX, transaction_id=5), "Rejected")).state == "answered"
    transaction = await site.start(1)
    assert found(site, 1, profile(1, TX, transaction_id=transaction)) == ""
    assert f"should name its transaction, {transaction}" in found(site, 1, profile(1, TX))
    assert f"transaction {transaction} runs on connector 1, not 5" in found(site, 1, profile(1, TX, transaction_id=5))
    await site.stop(transaction)
    assert "no transaction is known" in found(site, 1, profile(1, TX, transaction_id=transaction))


@pytest.mark.req("SC-06")
async def test_a_start_in_the_wrong_place_is_warned_of(site: Any, autojump_clock: MockClock, profile: Profile) -> None:
    assert "should have a startSchedule" in found(site, 1, profile(1, start=None))
    relative = with_periods(profile(1, kind="Relative"), period(), start_schedule=NOW)
    assert "means nothing in a Relative profile" in found(site, 1, relative)
    assert found(site, 1, profile(1, kind="Relative")) == ""
    assert "no transaction to begin with" in found(site, 0, profile(1, MAX, kind="Relative"))


@pytest.mark.req("SC-11", "CFG-09")
async def test_the_stations_own_limits_are_warned_of(site: Any, autojump_clock: MockClock, profile: Profile) -> None:
    assert found(site, 1, profile(1, level=9, unit="W", duration=60)) == "", "nothing is known yet"
    await site.configure(
        ChargeProfileMaxStackLevel="2",
        ChargingScheduleMaxPeriods="2",
        MaxChargingProfilesInstalled="3",
        ChargingScheduleAllowedChargingRateUnit="Current",
    )
    assert found(site, 1, profile(1, DEFAULT, 1, 2, level=2, duration=60)) == ""
    assert "above ChargeProfileMaxStackLevel 2" in found(site, 1, profile(1, level=3))
    assert "3 periods are more than ChargingScheduleMaxPeriods 2" in found(site, 1, profile(1, DEFAULT, 1, 2, 3))
    assert "takes limits in Current, not in W" in found(site, 1, profile(1, unit="W"))
    offered = RemoteStartTransaction("CARD", 1, profile(1, TX, unit="W"))
    assert any("SC-11" in each for each in site.warnings("RemoteStartTransaction", offered))
    for number in (1, 2):
        await site.set(number, profile(number))
    assert "3 of purpose TxDefaultProfile" in found(site, 3, profile(3))
    assert "SC-11" not in found(site, 1, profile(3)), "it replaces the first"
    await site.set(0, profile(3, MAX))
    assert "4 profiles would be installed" in found(site, 3, profile(4))


@pytest.mark.req("SC-11")
async def test_power_is_allowed_where_it_is_named(site: Any, autojump_clock: MockClock, profile: Profile) -> None:
    await site.configure(ChargingScheduleAllowedChargingRateUnit="Current, power")
    assert found(site, 1, profile(1, unit="W")) == ""
    await site.configure(ChargingScheduleAllowedChargingRateUnit="Power")
    assert "not in A" in found(site, 1, profile(1))


@pytest.mark.req("SC-10")
async def test_other_phases_in_between_are_warned_of(site: Any, autojump_clock: MockClock, profile: Profile) -> None:
    switching = with_periods(profile(1), period(0, phases=1), period(60))
    assert "ConnectorSwitch3to1PhaseSupported" in found(site, 1, switching)
    await site.set(1, profile(1, phases=3))
    single = profile(2, phases=1)
    assert found(site, 1, single) == "", "nothing charges there"
    await site.start(1)
    assert "ConnectorSwitch3to1PhaseSupported" in found(site, 1, single)
    await site.configure(ConnectorSwitch3to1PhaseSupported="true")
    assert found(site, 1, single) == found(site, 1, switching) == ""


@pytest.mark.req("SC-14")
async def test_a_replacement_that_is_valid_later_leaves_a_gap(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    later = profile(2, valid_from=site.now + timedelta(hours=1))
    assert found(site, 1, later) == ""
    await site.set(1, profile(1))
    assert "profile 1 is replaced at once" in found(site, 1, later)
    assert found(site, 1, profile(2, valid_from=site.now - timedelta(hours=1))) == ""


@pytest.mark.req("SC-15")
async def test_an_endless_profile_on_top_is_warned_of(site: Any, autojump_clock: MockClock, profile: Profile) -> None:
    await site.set(1, profile(1, level=1, duration=60))
    assert "hides all lower ones for ever" in found(site, 1, profile(2, level=2))
    assert found(site, 1, profile(2, level=2, duration=60)) == ""
    assert found(site, 1, profile(2, level=0)) == "", "there is one above it"
    assert found(site, 1, profile(2, level=2, valid_to=site.now + timedelta(hours=1))) == ""


@pytest.mark.req("SC-27")
async def test_an_id_with_other_fields_is_warned_of(site: Any, autojump_clock: MockClock) -> None:
    assert site.warnings("ClearChargingProfile", ClearChargingProfile(1, 0)) != []
    assert site.warnings("ClearChargingProfile", ClearChargingProfile(1)) == []
    assert site.warnings("ClearChargingProfile", ClearChargingProfile(None, 0)) == []


# -- the builder -------------------------------------------------------------------------------------------------------


def draft(purpose: Any = DEFAULT, **fields: Any) -> Draft:
    return Draft(purpose, (DraftPeriod(0, Decimal("6.0")),), **fields)


@pytest.mark.req("SC-07", "SC-06", "TC_056", "TC_057", "TC_059")
@pytest.mark.parametrize("purpose", [DEFAULT, TX])
def test_an_absolute_profile_has_all_four_times(purpose: Any) -> None:
    built = build(draft(purpose), NOW, 5, 42)
    schedule, tomorrow = built.charging_schedule, NOW + timedelta(days=1)
    assert (built.valid_from, built.valid_to) == (NOW, tomorrow)
    assert (schedule.start_schedule, schedule.duration) == (NOW, 86_400)
    assert (built.charging_profile_id, built.recurrency_kind) == (5, None)
    assert built.transaction_id == (42 if purpose == TX else None)


@pytest.mark.req("SC-07")
def test_times_can_be_given_and_be_suppressed() -> None:
    built = build(draft(duration=60, start_schedule=NOW - timedelta(hours=1)), NOW, 5, None)
    assert (built.charging_schedule.duration, built.valid_from) == (60, NOW)
    bare = build(draft(duration=None, valid_from=None, valid_to=None, start_schedule=None), NOW, 5, None)
    assert (bare.valid_from, bare.valid_to) == (None, None)
    assert (bare.charging_schedule.start_schedule, bare.charging_schedule.duration) == (None, None)
    assert build(draft(duration=60), NOW, 5, None).valid_to == NOW + timedelta(seconds=60)


@pytest.mark.req("SC-06", "SC-05", "SC-13", "TC_057")
def test_other_kinds_get_what_they_need_and_no_more() -> None:
    relative = build(draft(TX, kind="Relative"), NOW, 5, 42)
    assert (relative.charging_schedule.start_schedule, relative.charging_schedule.duration) == (None, None)
    recurring = build(draft(kind="Recurring", recurrency_kind="Weekly"), NOW, 5, None)
    assert (recurring.charging_schedule.start_schedule, recurring.valid_to) == (NOW, None)
    whole = build(draft(MAX), NOW, 5, None)
    assert (whole.charging_schedule.start_schedule, whole.charging_schedule.duration) == (NOW, None)


@pytest.mark.req("SC-05", "SC-06", "SC-04", "SC-09")
@pytest.mark.parametrize(
    "wrong",
    [
        draft(kind="Recurring"),
        draft(recurrency_kind="Daily"),
        draft(kind="Relative", start_schedule=NOW),
        draft(transaction_id=5),
        draft(valid_from=NOW, valid_to=NOW),
        draft(min_charging_rate=Decimal("0.25")),
    ],
)
def test_what_contradicts_itself_is_not_built(wrong: Draft) -> None:
    with pytest.raises(InvalidProfile):
        build(wrong, NOW, 5, None)


@pytest.mark.req("SC-12", "SC-03", "SC-07", "TC_057", "TX-39")
async def test_the_service_numbers_profiles_and_names_the_current_transaction(
    site: Any, autojump_clock: MockClock
) -> None:
    site.station.behaviour["SetChargingProfile"] = SetChargingProfileResponse("Accepted")
    transaction = await site.start(1)
    first = await site.plugin.profiles.set("CP-1", 1, draft(TX), actor="op")
    second = await site.plugin.profiles.set("CP-1", 1, draft(TX, stack_level=1), actor="op")
    chosen = await site.plugin.profiles.set("CP-1", 1, draft(DEFAULT, charging_profile_id=77), actor="op")
    assert first.profile.transaction_id == transaction
    assert len({first.profile.charging_profile_id, second.profile.charging_profile_id, 77}) == 3
    assert chosen.profile.charging_profile_id == 77
    sent = site.sent("SetChargingProfile")["csChargingProfiles"]
    assert {"validFrom", "validTo"} <= sent.keys()
    assert {"startSchedule", "duration"} <= sent["chargingSchedule"].keys()
    assert sent["chargingSchedule"]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 6.0}]


@pytest.mark.req("SC-03")
async def test_without_a_transaction_the_builder_names_none_and_warns(site: Any, autojump_clock: MockClock) -> None:
    site.station.behaviour["SetChargingProfile"] = SetChargingProfileResponse("Rejected")
    sent = await site.plugin.profiles.set("CP-1", 1, draft(TX), actor="op")
    assert sent.profile.transaction_id is None
    assert any("no transaction is known" in each for each in sent.warnings)
    assert bytes(sent.record.result) == b'{"status":"Rejected"}'


@pytest.mark.req("SC-27", "SC-26", "TC_067")
async def test_clearing_sends_exactly_the_fields_that_are_needed(site: Any, autojump_clock: MockClock) -> None:
    profiles = site.plugin.profiles
    from csmsd_smartcharging import ClearChargingProfileResponse

    site.station.behaviour["ClearChargingProfile"] = ClearChargingProfileResponse("Accepted")
    await profiles.clear_one("CP-1", 5, actor="op")
    assert site.sent("ClearChargingProfile") == {"id": 5}
    await profiles.clear("CP-1", connector_id=1, purpose=DEFAULT, stack_level=0, actor="op")
    assert site.sent("ClearChargingProfile") == {
        "connectorId": 1,
        "chargingProfilePurpose": DEFAULT,
        "stackLevel": 0,
    }
    await profiles.clear("CP-1", actor="op")
    assert site.sent("ClearChargingProfile") == {}


@pytest.mark.req("SC-16", "SC-04", "OP-12", "TC_059")
async def test_a_remote_start_with_a_built_profile(site: Any, autojump_clock: MockClock) -> None:
    from csmsd_core import RemoteStartTransactionResponse

    site.station.behaviour["RemoteStartTransaction"] = RemoteStartTransactionResponse("Accepted")
    await site.start(1)
    await site.plugin.profiles.remote_start("CP-1", "CARD", draft(TX), actor="op", connector_id=1)
    sent = site.sent("RemoteStartTransaction")["chargingProfile"]
    assert sent["chargingProfilePurpose"] == TX
    assert "transactionId" not in sent
    assert sent["chargingSchedule"]["chargingSchedulePeriod"][0]["startPeriod"] == 0
    with pytest.raises(InvalidProfile):
        await site.plugin.profiles.remote_start("CP-1", "CARD", draft(DEFAULT), actor="op")
    with pytest.raises(InvalidProfile):
        await site.plugin.profiles.remote_start("CP-1", "CARD", draft(TX, transaction_id=3), actor="op")


def test_a_schedule_is_what_the_draft_says() -> None:
    built = build(draft(unit="W", min_charging_rate=Decimal("1.5")), NOW, 5, None)
    assert isinstance(built.charging_schedule, ChargingSchedule)
    assert built.charging_schedule.charging_rate_unit == "W"
    assert built.charging_schedule.min_charging_rate == Decimal("1.5")
