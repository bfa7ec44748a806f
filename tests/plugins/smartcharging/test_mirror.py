"""The mirror: what a station holds after all that it has answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from csmsd.ocpp.frames import CallError
from csmsd.testing import open_test_csms
from csmsd_core import (
    ChargingProfile,
    RemoteStartTransaction,
    RemoteStartTransactionResponse,
    StopTransaction,
    StopTransactionResponse,
)
from csmsd_smartcharging import Query, SetChargingProfile, SetChargingProfileResponse, SmartChargingPlugin

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
MAX, DEFAULT, TX = "ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"
Profile = Callable[..., ChargingProfile]


@pytest.mark.req("SC-20", "SC-13", "MSG-37")
async def test_an_accepted_profile_is_kept_completely(site: Any, autojump_clock: MockClock, profile: Profile) -> None:
    sent = profile(7, DEFAULT, 6.1, 16, level=2, duration=3600, phases=3, valid_from=START, valid_to=START)
    assert (await site.set(2, sent)).state == "answered"
    (held,) = site.plugin.mirror.of_station("CP-1")
    assert (held.connector_id, held.profile, held.accepted_at <= site.now) == (2, sent, True)
    await site.plugin.mirror.load()
    assert site.plugin.mirror.of_station("CP-1") == (held,), "the database says the same, to the last tenth"


@pytest.mark.req("SC-17", "SC-20")
@pytest.mark.parametrize("answer", ["Rejected", "NotSupported", CallError("", "NotSupported", "", msgspec.Raw(b"{}"))])
async def test_what_a_station_does_not_accept_changes_nothing(
    site: Any, autojump_clock: MockClock, profile: Profile, answer: Any
) -> None:
    record = await site.set(1, profile(1), answer)
    assert site.ids == []
    if isinstance(answer, str):
        assert answer in bytes(record.result).decode()
    else:
        assert (record.state, record.error_code) == ("failed", "NotSupported")


@pytest.mark.req("SC-17")
async def test_a_bad_connector_is_told_as_the_station_tells_it(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    record = await site.set(
        9, profile(1), CallError("", "PropertyConstraintViolation", "no connector 9", msgspec.Raw(b"{}"))
    )
    assert (record.error_code, record.error) == ("PropertyConstraintViolation", "no connector 9")


@pytest.mark.req("SC-21", "SC-12")
async def test_the_same_id_replaces_wherever_it_is(site: Any, autojump_clock: MockClock, profile: Profile) -> None:
    await site.set(1, profile(7, DEFAULT))
    await site.set(0, profile(7, MAX, level=3))
    (held,) = site.plugin.mirror.of_station("CP-1")
    assert (held.connector_id, held.profile.stack_level) == (0, 3)


@pytest.mark.req("SC-21", "SCV-10")
async def test_the_same_purpose_and_level_replace_on_the_same_connector_only(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    await site.set(1, profile(1, DEFAULT, 16))
    await site.set(2, profile(2, DEFAULT, 16))
    await site.set(1, profile(3, DEFAULT, 10, level=1))
    tomorrow = site.now + timedelta(days=1)
    await site.set(1, profile(4, DEFAULT, 8, valid_from=tomorrow))
    assert site.ids == [2, 3, 4]
    await site.clear(id=3)
    calculated = await site.plugin.schedules.calculate("CP-1", Query(1, site.now, 172_800, "A"))
    assert [each.limit for each in calculated.periods] == [None, 8], "the old one is gone before the new one counts"


@pytest.mark.req("SC-21")
async def test_both_rules_may_remove_different_profiles(site: Any, autojump_clock: MockClock, profile: Profile) -> None:
    await site.set(1, profile(1, DEFAULT, level=0))
    await site.set(1, profile(2, DEFAULT, level=1))
    await site.set(1, profile(1, DEFAULT, level=1))
    assert site.ids == [1]


@pytest.mark.req("SC-21", "SC-20")
async def test_a_station_does_not_touch_the_profiles_of_another(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    await site.set(1, profile(1))
    other = await site.csms.connect("CP-2")
    other.behaviour["SetChargingProfile"] = SetChargingProfileResponse("Accepted")
    mine, site.station = site.station, other
    await site.set(1, profile(1, DEFAULT, 8))
    await site.clear()
    site.station = mine
    assert site.ids == [1]


@pytest.mark.req("TX-29", "SC-25", "TC_057")
async def test_tx_profiles_end_with_their_transaction_and_others_do_not(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    first = await site.start(1)
    second = await site.start(2)
    await site.set(1, profile(1, TX, transaction_id=first))
    await site.set(2, profile(2, TX, transaction_id=second))
    await site.set(1, profile(3, DEFAULT))
    await site.stop(first)
    assert site.ids == [2, 3]


@pytest.mark.req("SC-03", "TX-29")
async def test_a_tx_profile_without_an_id_belongs_to_what_runs_there(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    transaction = await site.start(1)
    await site.set(1, profile(1, TX))
    (held,) = site.plugin.mirror.of_station("CP-1")
    assert (held.transaction_id, held.profile.transaction_id) == (transaction, None)
    await site.stop(transaction)
    assert site.ids == []


@pytest.mark.req("TX-29", "SC-25")
async def test_a_stop_that_comes_late_takes_nothing_that_is_newer(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    transaction = await site.start(1)
    stopped_at = site.now
    site.plugin.running.ended(await site.core.transactions.find(transaction))
    await trio.sleep(60)
    await site.set(1, profile(1, TX))  # the station knows a transaction that csmsd does not know yet
    stop = StopTransaction(transaction, 1000, stopped_at)
    await site.station.send("StopTransaction", stop, StopTransactionResponse)
    await trio.sleep(1)
    assert site.ids == [1]


@pytest.mark.req("SC-21")
async def test_tx_profiles_of_different_transactions_do_not_replace_each_other(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    """The station has not told yet that the first one ended: its StopTransaction waits in a queue."""
    await site.set(1, profile(1, TX, transaction_id=70))
    await site.set(1, profile(2, TX, transaction_id=71))
    assert site.ids == [1, 2]
    await site.set(1, profile(3, TX, transaction_id=71))
    assert site.ids == [1, 3]


@pytest.mark.req("SC-25", "TX-29")
async def test_a_superseded_transaction_takes_its_profiles_with_it(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    first = await site.start(1)
    await site.set(1, profile(1, TX, transaction_id=first))
    await trio.sleep(60)
    await site.start(1)
    assert site.ids == []


@pytest.mark.req("SC-25", "SC-20")
async def test_an_answer_later_than_the_transaction_brings_its_profile_not_back(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    transaction = await site.start(1)
    record = await site.set(1, profile(1, TX, transaction_id=transaction), answer=lambda _: None)
    assert record.state == "timeout"
    call = await site.station.wait_for_call("SetChargingProfile")
    await site.stop(transaction)
    await site.station.answer(call, SetChargingProfileResponse("Accepted"))
    await trio.sleep(1)
    assert site.ids == []


@pytest.mark.req("RPC-24", "SC-20")
async def test_a_late_answer_counts(site: Any, autojump_clock: MockClock, profile: Profile) -> None:
    assert (await site.set(1, profile(1), answer=lambda _: None)).state == "timeout"
    assert site.ids == []
    await site.station.answer(
        await site.station.wait_for_call("SetChargingProfile"), SetChargingProfileResponse("Accepted")
    )
    await trio.sleep(1)
    assert site.ids == [1]


@pytest.mark.req("SC-22", "SC-23", "SC-16", "TC_059", "OP-12")
async def test_the_profile_of_a_remote_start_belongs_to_its_transaction(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    await site.set(0, profile(1, DEFAULT, 10))
    site.station.behaviour["RemoteStartTransaction"] = RemoteStartTransactionResponse("Accepted")
    offered = profile(2, TX, 20, kind="Relative")
    await site.send("RemoteStartTransaction", RemoteStartTransaction("CARD", 1, offered))
    assert site.ids == [1], "nothing charges yet"
    transaction = await site.start(1)
    assert [(each.id, each.transaction_id) for each in site.plugin.mirror.of_station("CP-1")] == [
        (1, None),
        (2, transaction),
    ]
    query = Query(1, site.now, 60, "A")
    assert (await site.plugin.schedules.calculate("CP-1", query)).periods[0].limit == 20
    await site.set(1, profile(3, TX, 30, level=1, transaction_id=transaction))
    assert site.ids == [1, 2, 3], "another level is stacked"
    await site.set(1, profile(4, TX, 6, transaction_id=transaction))
    assert site.ids == [1, 3, 4], "the same level is replaced"
    await site.stop(transaction)
    assert site.ids == [1]
    assert (await site.plugin.schedules.calculate("CP-1", query)).periods[0].limit == 10


@pytest.mark.req("SC-22")
async def test_a_start_that_has_another_cause_gets_no_offered_profile(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    site.station.behaviour["RemoteStartTransaction"] = RemoteStartTransactionResponse("Accepted")
    await site.send("RemoteStartTransaction", RemoteStartTransaction("GUEST", 1, profile(2, TX, 20)))
    await site.start(1, "CARD")
    assert site.ids == []


@pytest.mark.req("SC-22")
async def test_a_refused_remote_start_offers_nothing(site: Any, autojump_clock: MockClock, profile: Profile) -> None:
    site.station.behaviour["RemoteStartTransaction"] = RemoteStartTransactionResponse("Rejected")
    await site.send("RemoteStartTransaction", RemoteStartTransaction("CARD", 1, profile(2, TX, 20)))
    await site.start(1)
    assert site.ids == []


@pytest.mark.req("SC-22")
async def test_a_transaction_may_be_faster_than_the_answer_to_its_remote_start(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            site.send, "RemoteStartTransaction", RemoteStartTransaction("CARD", None, profile(2, TX, 20))
        )
        call = await site.station.wait_for_call("RemoteStartTransaction")
        await site.start(2)
        assert site.ids == []
        await site.station.answer(call, RemoteStartTransactionResponse("Accepted"))
    assert [(each.id, each.connector_id) for each in site.plugin.mirror.of_station("CP-1")] == [(2, 2)]


@pytest.mark.req("SC-24")
async def test_a_new_default_counts_at_once_for_what_runs_without_a_profile(
    site: Any, autojump_clock: MockClock, profile: Profile
) -> None:
    await site.start(1)
    query = Query(1, site.now, 60, "A")
    for limit in (16, 8):
        await site.set(1, profile(1, DEFAULT, limit))
        assert (await site.plugin.schedules.calculate("CP-1", query)).periods[0].limit == limit
    await site.clear()
    assert (await site.plugin.schedules.calculate("CP-1", query)).periods[0].limit is None


@pytest.mark.req("SC-26", "SC-28", "MSG-38", "TC_067")
@pytest.mark.parametrize("answer", ["Accepted", "Unknown"])
@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({}, []),
        ({"id": 2}, [1, 3, 4]),
        ({"id": 2, "connector_id": 1, "stack_level": 0}, [1, 3, 4]),
        ({"connector_id": 0}, [3, 4]),
        ({"connector_id": 1}, [1, 2]),
        ({"charging_profile_purpose": "TxDefaultProfile"}, [1, 4]),
        ({"stack_level": 1}, [1, 3, 4]),
        ({"connector_id": 1, "charging_profile_purpose": "TxDefaultProfile", "stack_level": 0}, [1, 2, 4]),
        ({"connector_id": 2, "stack_level": 0}, [1, 2, 3, 4]),
    ],
)
async def test_what_is_cleared_leaves_the_mirror(
    site: Any, autojump_clock: MockClock, profile: Profile, fields: dict[str, Any], left: list[int], answer: str
) -> None:
    transaction = await site.start(1)
    await site.set(0, profile(1, MAX))
    await site.set(0, profile(2, DEFAULT, level=1))
    await site.set(1, profile(3, DEFAULT))
    await site.set(1, profile(4, TX, transaction_id=transaction))
    await site.clear(answer, **fields)
    assert site.ids == left
    await site.plugin.mirror.load()
    assert site.ids == left


@pytest.mark.req("SC-25")
async def test_profiles_survive_a_restart_of_everybody(
    autojump_clock: MockClock, tmp_path: Path, profile: Profile
) -> None:
    from csmsd.config import Access, Config, Listen

    config = Config(listen=Listen(ocpp="", http=""), access=Access(authentication="optional"), data_dir=tmp_path)
    async with open_test_csms(plugins=["core", "smartcharging"], config=config) as csms:
        station = await csms.connect("CP-1")
        station.behaviour["SetChargingProfile"] = SetChargingProfileResponse("Accepted")
        command = csms.host.commands.known["SetChargingProfile"]
        await csms.host.stations.get("CP-1").call(command, command.request(1, profile(5, DEFAULT, 6.1)))
        await station.disconnect()
    async with open_test_csms(plugins=["core", "smartcharging"], config=config) as csms:
        plugin = csms.host.plugins.get("smartcharging")
        assert isinstance(plugin, SmartChargingPlugin)
        assert [each.profile for each in plugin.mirror.of_station("CP-1")] == [profile(5, DEFAULT, 6.1)]


async def test_the_plugin_can_be_switched_off_and_on(site: Any, autojump_clock: MockClock, profile: Profile) -> None:
    await site.set(1, profile(1))
    await site.host.plugins.disable("smartcharging")
    assert "SetChargingProfile" not in site.host.commands.known
    transaction = await site.start(1)
    await site.host.plugins.enable("smartcharging")
    assert site.ids == [1]
    assert (await site.set(1, profile(2, TX, transaction_id=transaction))).state == "answered"
    assert site.ids == [1, 2]
    assert site.warnings("SetChargingProfile", SetChargingProfile(1, profile(2, TX, transaction_id=transaction))) == []
