"""Sites on the wire: stations that share a limit are told so, lower first."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from csmsd.testing import TestStation
from csmsd_core import ChargingProfile
from csmsd_smartcharging import ClearChargingProfileResponse, SetChargingProfileResponse, Site, SiteMember
from csmsd_smartcharging.sites import InvalidSite, UnknownSite

YES, NO = SetChargingProfileResponse("Accepted"), SetChargingProfileResponse("Rejected")
MAX = "ChargePointMaxProfile"


def garage(limit: str, *stations: str, **fields: Any) -> Site:
    members = tuple(SiteMember(each, Decimal(32), Decimal(6)) for each in stations or ("CP-1", "CP-2"))
    return Site(Decimal(limit), members, **fields)


async def join(site: Any, *names: str) -> list[TestStation]:
    others = [site.station if name == "CP-1" else await site.csms.connect(name) for name in names]
    for each in others:
        each.behaviour = {"SetChargingProfile": YES, "ClearChargingProfile": ClearChargingProfileResponse("Accepted")}
    return others


def told(station: TestStation) -> list[float]:
    """The limits that a station was told, in order."""
    import msgspec

    profiles = [
        msgspec.json.decode(each.payload)["csChargingProfiles"]
        for each in station.calls
        if each.action == "SetChargingProfile"
    ]
    assert all(each["chargingProfilePurpose"] == MAX for each in profiles)
    assert len({each["chargingProfileId"] for each in profiles}) <= 1, "each replaces the one before"
    return [each["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] for each in profiles]


def confirmed(site: Any) -> list[Any]:
    return [each.confirmed for each in site.plugin.sites.state("garage").members]


async def test_stations_share_a_limit_and_follow_it(site: Any, autojump_clock: MockClock) -> None:
    one, two = await join(site, "CP-1", "CP-2")
    state = await site.plugin.sites.put("garage", garage("32"), actor="op")
    assert (state.is_kept, state.may_draw) == (False, 64), "nobody has been told yet"
    await trio.sleep(1)
    assert (told(one), told(two)) == ([16], [16])
    await site.plugin.sites.put("garage", garage("20.5"), actor="op")
    await trio.sleep(1)
    assert (told(one)[-1], told(two)[-1]) == (10.2, 10.2)
    assert site.plugin.sites.state("garage").is_kept


async def test_a_raise_waits_until_the_reduction_is_accepted(site: Any, autojump_clock: MockClock) -> None:
    one, two = await join(site, "CP-1", "CP-2")
    await site.plugin.sites.put("garage", garage("32"), actor="op")
    await trio.sleep(1)
    one.behaviour["SetChargingProfile"] = None
    members = (SiteMember("CP-1", Decimal(32)), SiteMember("CP-2", Decimal(32), priority=1))
    await site.plugin.sites.put("garage", Site(Decimal(32), members, strategy="priority"), actor="op")
    await trio.sleep(1)
    assert (told(one)[-1], told(two)) == (0, [16])
    calls = [each for each in one.calls if each.action == "SetChargingProfile"]
    await one.answer(calls[-1], YES)
    await trio.sleep(1)
    assert told(two) == [16, 32]


async def test_who_is_offline_keeps_what_it_may_draw_and_is_told_when_it_is_back(
    site: Any, autojump_clock: MockClock
) -> None:
    (one,) = await join(site, "CP-1")
    await site.plugin.sites.put("garage", garage("50"), actor="op")
    await trio.sleep(1)
    assert told(one) == [18], "the other may draw its 32"
    (two,) = await join(site, "CP-2")
    await trio.sleep(1)
    assert (told(one)[-1], told(two)) == (25, [25])
    await two.disconnect()
    await trio.sleep(1)
    assert [str(each.may_draw) for each in site.plugin.sites.state("garage").members] == ["25", "25"]
    assert [each.is_reachable for each in site.plugin.sites.state("garage").members] == [True, False]


async def test_who_refuses_is_taken_to_draw_what_it_may_and_asked_again(site: Any, autojump_clock: MockClock) -> None:
    one, two = await join(site, "CP-1", "CP-2")
    two.behaviour["SetChargingProfile"] = NO
    await site.plugin.sites.put("garage", garage("40"), actor="op")
    await trio.sleep(1)
    assert told(one)[-1] == 8, "40 - 32"
    assert len(told(two)) == 1
    two.behaviour["SetChargingProfile"] = YES
    await trio.sleep(400)
    assert confirmed(site) == [20, 20]


async def test_silence_counts_as_both(site: Any, autojump_clock: MockClock) -> None:
    one, two = await join(site, "CP-1", "CP-2")
    await site.plugin.sites.put("garage", garage("12"), actor="op")
    await trio.sleep(1)
    two.behaviour["SetChargingProfile"] = None
    await site.plugin.sites.put("garage", garage("60"), actor="op")
    await trio.sleep(100)
    state = site.plugin.sites.state("garage")
    assert [str(each.may_draw) for each in state.members] == ["30", "30"], "it may have taken the raise"
    assert (str(state.members[1].confirmed), state.is_kept) == ("6", True)
    assert told(one)[-1] == 30


async def test_what_may_be_drawn_is_known_after_a_restart(site: Any, autojump_clock: MockClock) -> None:
    await join(site, "CP-1", "CP-2")
    await site.plugin.sites.put("garage", garage("32"), actor="op")
    await trio.sleep(2)
    before = site.plugin.sites.state("garage")
    await site.plugin.sites.load()
    assert site.plugin.sites.state("garage") == before
    assert confirmed(site) == [16, 16]


async def test_a_profile_that_was_cleared_limits_nobody_and_is_set_again(site: Any, autojump_clock: MockClock) -> None:
    one, _ = await join(site, "CP-1", "CP-2")
    await site.plugin.sites.put("garage", garage("32"), actor="op")
    await trio.sleep(1)
    await site.clear()
    await trio.sleep(1)
    assert told(one) == [16, 16]
    assert confirmed(site) == [16, 16]


async def test_a_profile_above_ours_makes_the_station_unknown(
    site: Any, autojump_clock: MockClock, profile: Callable[..., ChargingProfile]
) -> None:
    await join(site, "CP-1", "CP-2")
    await site.plugin.sites.put("garage", garage("44"), actor="op")
    await trio.sleep(1)
    await site.set(0, profile(900, MAX, 63, level=5))
    await trio.sleep(1)
    state = site.plugin.sites.state("garage")
    assert (state.members[0].confirmed, str(state.members[0].may_draw)) == (None, "32")
    assert str(state.members[1].confirmed) == "12"


async def test_a_station_belongs_to_one_site_once(site: Any, autojump_clock: MockClock) -> None:
    sites = site.plugin.sites
    await sites.put("garage", garage("32"), actor="op")
    with pytest.raises(InvalidSite):
        await sites.put("yard", garage("32"), actor="op")
    with pytest.raises(InvalidSite):
        await sites.put("garage", garage("32", "CP-1", "CP-1"), actor="op")
    with pytest.raises(InvalidSite):
        await sites.put("a/b", garage("32", "CP-7"), actor="op")
    with pytest.raises(InvalidSite):
        await sites.put("garage", garage("-1"), actor="op")
    await sites.remove("garage", actor="op")
    await sites.put("yard", garage("32"), actor="op")
    assert sites.names() == ["yard"]
    with pytest.raises(UnknownSite):
        sites.state("garage")
