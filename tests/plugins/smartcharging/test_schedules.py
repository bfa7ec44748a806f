"""Composite schedules of real stations: previews, answers and comparisons; and profiles for what has just begun."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from csmsd.hookspecs import hookimpl
from csmsd.ocpp.frames import CallError
from csmsd.plugin import Plugin
from csmsd.station import Station
from csmsd.testing import open_test_csms
from csmsd_core import (
    ChargingProfile,
    ChargingSchedule,
    ChargingSchedulePeriod,
    StartTransaction,
    StartTransactionResponse,
    Tag,
    Transaction,
)
from csmsd_smartcharging import (
    GetCompositeSchedule,
    GetCompositeScheduleResponse,
    Query,
    SetChargingProfileResponse,
)
from csmsd_smartcharging.differences import Difference
from csmsd_smartcharging.schedules import InvalidQuery
from tests.plugins.smartcharging.house import Site, virtual_env

DEFAULT, TX = "TxDefaultProfile", "TxProfile"
Profile = Callable[..., ChargingProfile]


# -- ours --------------------------------------------------------------------------------------------------------------


async def test_a_preview_shows_what_would_change_and_sends_nothing(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    await site.set(1, profile(1, DEFAULT, 16))
    calls = len(site.station.calls)
    wanted = profile(2, DEFAULT, 10, 16, 32, start=site.now)
    found = await site.plugin.schedules.preview("CP-1", 1, wanted, Query(1, site.now, 1800))
    assert found.replaced == (1,)
    assert found.differences == (
        Difference(0, 600, Decimal(16), Decimal(10)),
        Difference(1200, 1800, Decimal(16), Decimal(32)),
    )
    assert (site.ids, len(site.station.calls)) == ([1], calls)


async def test_a_preview_of_a_tx_profile_is_for_what_runs(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    query = Query(1, site.now, 60)
    assert (await site.plugin.schedules.preview("CP-1", 1, profile(1, TX), query)).differences == ()
    await site.start(1)
    found = await site.plugin.schedules.preview("CP-1", 1, profile(1, TX), query)
    assert found.differences == (Difference(0, 60, None, Decimal(16)),)


@pytest.mark.req("TX-39", "SCA-02")
async def test_a_relative_profile_begins_with_the_current_transaction(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    await site.set(1, profile(1, DEFAULT, 10, 20, kind="Relative"))
    await site.start(1)
    await trio.sleep(299)
    result = await site.plugin.schedules.calculate("CP-1", Query(1, site.now, 1000))
    assert [(each.start_period, each.limit) for each in result.periods] == [(0, 10), (300, 20)]


async def test_a_schedule_of_years_is_refused(site: Any, autojump_clock: MockClock) -> None:
    for duration in (0, -1, 10**9):
        with pytest.raises(InvalidQuery):
            await site.plugin.schedules.calculate("CP-1", Query(1, site.now, duration))


# -- the station's -----------------------------------------------------------------------------------------------------


def schedule(*limits: tuple[int, int], duration: int | None = None, unit: Any = "A") -> ChargingSchedule:
    return ChargingSchedule(
        unit, tuple(ChargingSchedulePeriod(start, Decimal(limit)) for start, limit in limits), duration
    )


async def answered(site: Any, response: Any, request: GetCompositeSchedule) -> Any:
    site.station.behaviour["GetCompositeSchedule"] = response
    record = await site.send("GetCompositeSchedule", request)
    await trio.sleep(1)
    return record


@pytest.mark.req("SC-29", "MSG-39", "TC_066")
async def test_what_is_asked_is_sent_completely(site: Any, autojump_clock: MockClock) -> None:
    await answered(site, GetCompositeScheduleResponse("Rejected"), GetCompositeSchedule(1, 300, "W"))
    assert site.sent("GetCompositeSchedule") == {"connectorId": 1, "duration": 300, "chargingRateUnit": "W"}
    await answered(site, GetCompositeScheduleResponse("Rejected"), GetCompositeSchedule(0, 300))
    assert site.sent("GetCompositeSchedule") == {"connectorId": 0, "duration": 300}


@pytest.mark.req("SC-29", "SC-30", "TC_066")
async def test_an_answer_is_kept_and_compared(site: Any, autojump_clock: MockClock, profile: Profile) -> None:
    await site.set(1, profile(1, DEFAULT, 16))
    start = site.now.replace(microsecond=0)
    told = GetCompositeScheduleResponse("Accepted", 1, start, schedule((0, 16), (60, 10), (120, 16), duration=300))
    await answered(site, told, GetCompositeSchedule(1, 300, "A"))
    (found,) = await site.plugin.schedules.comparisons("CP-1")
    assert (found.answer.starts_at, found.answer.response) == (start, told)
    assert found.differences == (Difference(60, 120, Decimal(10), Decimal(16)),)


@pytest.mark.req("SC-29")
async def test_without_a_start_the_time_of_receipt_counts(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    await site.set(1, profile(1, DEFAULT, 16))
    before = site.now
    await answered(
        site, GetCompositeScheduleResponse("Accepted", None, None, schedule((0, 16))), GetCompositeSchedule(1, 300)
    )
    (found,) = await site.plugin.schedules.comparisons("CP-1")
    assert before <= found.answer.starts_at <= site.now
    assert found.differences == ()


@pytest.mark.req("SC-30")
async def test_a_schedule_that_ends_early_says_nothing_after_that(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    await site.set(1, profile(1, DEFAULT, 16))
    told = GetCompositeScheduleResponse("Accepted", 1, None, schedule((0, 16), (200, 8), duration=100))
    await answered(site, told, GetCompositeSchedule(1, 300))
    (found,) = await site.plugin.schedules.comparisons("CP-1")
    assert found.differences == (Difference(100, 300, None, Decimal(16)),)


@pytest.mark.req("SC-29")
@pytest.mark.parametrize(
    "answer", [GetCompositeScheduleResponse("Rejected"), GetCompositeScheduleResponse("Accepted"), None]
)
async def test_an_answer_without_a_schedule_is_nothing_to_compare(
    site: Any, autojump_clock: MockClock, answer: Any
) -> None:
    answer = answer or CallError("", "NotSupported", "", msgspec.Raw(b"{}"))
    record = await answered(site, answer, GetCompositeSchedule(1, 300))
    found = await site.plugin.schedules.comparisons("CP-1")
    if isinstance(answer, CallError):
        assert (record.error_code, found) == ("NotSupported", [])
    else:
        assert [(each.ours, each.differences) for each in found] == [(None, ())]


@pytest.mark.req("SC-29")
async def test_the_last_answer_of_each_connector_is_kept(site: Any, autojump_clock: MockClock) -> None:
    for connector_id, limit in ((1, 6), (0, 7), (1, 8)):
        told = GetCompositeScheduleResponse("Accepted", connector_id, None, schedule((0, limit)))
        await answered(site, told, GetCompositeSchedule(connector_id, 300))
    found = await site.plugin.schedules.comparisons("CP-1")
    kept = [(each.answer.connector_id, each.answer.response.charging_schedule) for each in found]
    assert kept == [(0, schedule((0, 7))), (1, schedule((0, 8)))]


# -- profiles for what has just begun ----------------------------------------------------------------------------------


class Advisor(Plugin[Any]):
    """Has a profile for every transaction but a guest's."""

    name = "advisor"
    requires = ("smartcharging",)
    asked: list[int]

    def __init__(self, config: Any, host: Any) -> None:
        super().__init__(config, host)
        self.asked = []

    @hookimpl
    async def charging_profile_for(self, station: Station, transaction: Transaction) -> ChargingProfile | None:
        self.asked.append(transaction.id)
        await trio.sleep(0.5)
        if transaction.id_tag == "GUEST":
            return None
        return ChargingProfile(9, 0, "TxProfile", "Relative", schedule((0, 11)))


@pytest.fixture
async def advised(autojump_clock: MockClock) -> AsyncIterator[Any]:
    async with open_test_csms(plugins=["core", "smartcharging", Advisor], env=virtual_env()) as csms:
        site = Site(csms, await csms.connect("CP-1"))
        site.station.behaviour["SetChargingProfile"] = SetChargingProfileResponse("Accepted")
        for tag in ("CARD", "GUEST"):
            await site.core.tags.put(Tag(tag), actor="op")
        yield site


def asked_for(site: Any) -> list[int]:
    advisor: Any = site.host.plugins.get("advisor")
    return list(advisor.asked)


@pytest.mark.req("SC-16", "RPC-26", "TX-11", "TC_057")
async def test_a_transaction_gets_its_profile_after_its_answer(advised: Any, autojump_clock: MockClock) -> None:
    transaction = await advised.start(1)
    sent = advised.sent("SetChargingProfile")
    assert (sent["connectorId"], sent["csChargingProfiles"]["transactionId"]) == (1, transaction)
    kinds = [b"SetChargingProfile" in each for each in advised.station.received]
    assert kinds.index(True) > 0, "the answer to StartTransaction has left before"
    assert advised.ids == [9]


@pytest.mark.req("TX-11")
async def test_a_start_from_an_offline_queue_gets_none(advised: Any, autojump_clock: MockClock) -> None:
    request = StartTransaction(1, "CARD", 0, advised.now - timedelta(hours=2))
    await advised.station.send("StartTransaction", request, StartTransactionResponse)
    await trio.sleep(1)
    assert (asked_for(advised), advised.ids) == ([], [])


@pytest.mark.req("TX-11")
async def test_a_transaction_that_was_succeeded_meanwhile_gets_none(advised: Any, autojump_clock: MockClock) -> None:
    first = StartTransaction(1, "CARD", 0, advised.now - timedelta(seconds=60))
    await advised.station.send("StartTransaction", first, StartTransactionResponse)
    await trio.sleep(0.3)
    second = await advised.start(1)
    await trio.sleep(1)
    (held,) = advised.plugin.mirror.of_station("CP-1")
    assert (len(asked_for(advised)), held.transaction_id) == (2, second)
    sent = [each for each in advised.station.calls if each.action == "SetChargingProfile"]
    assert len(sent) == 1


@pytest.mark.req("TX-11")
async def test_who_has_no_answer_changes_nothing_and_costs_no_query(
    advised: Any, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries: list[Any] = []
    monkeypatch.setattr(advised.host.store, "read", queries.append)
    transaction = await advised.start(1, "GUEST")
    assert (asked_for(advised), advised.ids, queries) == ([transaction], [], [])


@pytest.mark.req("TX-11", "SC-17")
@pytest.mark.parametrize(
    "answer", [SetChargingProfileResponse("Rejected"), CallError("", "NotSupported", "", msgspec.Raw(b"{}"))]
)
async def test_a_station_that_will_not_charges_without(advised: Any, autojump_clock: MockClock, answer: Any) -> None:
    advised.station.behaviour["SetChargingProfile"] = answer
    await advised.start(1)
    assert advised.ids == []
    advised.station.behaviour["SetChargingProfile"] = SetChargingProfileResponse("Accepted")
    await trio.sleep(60)
    await advised.start(2)
    assert advised.ids == [9]
