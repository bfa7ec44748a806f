"""Campaigns: waves, pauses, failures, orders of the operator, restarts in the middle."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from trio.testing import MockClock

from csmsd.env import Env
from csmsd.testing import TestStation, open_test_csms
from csmsd_firmware import Campaign, FirmwarePlugin, Job, Member, Plan, Source
from csmsd_firmware.campaign_rules import advance
from csmsd_web import WebPlugin
from tests.kernel.virtual import VirtualNow
from tests.plugins.firmware.conftest import Depot, depot_settings, refusal, report
from tests.plugins.web.management import problem

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOCATION = "https://installer:s3cr3t@example.org/x.bin"
DONE = ("Downloading", "Downloaded", "Installing", "Installed")


async def start(depot: Depot, ids: Sequence[str], **plan: Any) -> int:
    body = {"name": "spring", "plan": {"source": {"location": LOCATION}, **plan}, "stations": {"ids": list(ids)}}
    answer = await depot.post("/firmware/campaigns", body)
    assert answer.status_code == 201, answer.text
    assert "s3cr3t" not in answer.text
    campaign_id: int = answer.json()["id"]
    await trio.sleep(6)
    return campaign_id


async def show(depot: Depot, campaign_id: int) -> tuple[str, str]:
    """The campaign's state, and those of its stations by their first letters."""
    await trio.sleep(6)
    view = (await depot.get(f"/firmware/campaigns/{campaign_id}")).json()
    return view["campaign"]["state"], "".join(each["member"]["state"][0] for each in view["members"])


async def order(depot: Depot, campaign_id: int, what: str) -> str:
    answer = await depot.post(f"/firmware/campaigns/{campaign_id}/{what}")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["state"])


async def fleet(depot: Depot, size: int) -> list[TestStation]:
    return [await depot.station(f"CP-{number}") for number in range(1, size + 1)]


def told(stations: Sequence[TestStation]) -> list[int]:
    return [sum(call.action == "UpdateFirmware" for call in station.calls) for station in stations]


async def test_waves_follow_each_other_with_a_pause(depot: Depot, autojump_clock: MockClock) -> None:
    stations = await fleet(depot, 5)
    campaign = await start(depot, [each.id for each in stations], wave_size=2, wave_pause=600)
    assert (await show(depot, campaign), told(stations)) == (("running", "rrwww"), [1, 1, 0, 0, 0])
    await report(stations[0], *DONE)
    await trio.sleep(3600)
    assert told(stations) == [1, 1, 0, 0, 0], "a wave is over when all of it are done"
    await report(stations[1], *DONE)
    assert await show(depot, campaign) == ("running", "sswww")
    await trio.sleep(500)
    assert told(stations) == [1, 1, 0, 0, 0]
    await trio.sleep(120)
    assert (await show(depot, campaign), told(stations)) == (("running", "ssrrw"), [1, 1, 1, 1, 0])
    for station in stations[2:4]:
        await report(station, *DONE)
    await trio.sleep(620)
    await report(stations[4], *DONE)
    assert await show(depot, campaign) == ("completed", "sssss")
    assert told(stations) == [1] * 5


@pytest.mark.parametrize(("limit", "expected"), [(0, ("stopped", "fsss")), (1, ("running", "frrw"))])
async def test_too_many_failures_stop_it(
    depot: Depot, autojump_clock: MockClock, limit: int, expected: tuple[str, str]
) -> None:
    stations = await fleet(depot, 4)
    stations[0].behaviour["UpdateFirmware"] = refusal("InternalError", "broken")
    first = await start(depot, [each.id for each in stations], wave_size=1 if limit == 0 else 3, max_failures=limit)
    assert await show(depot, first) == expected
    view = (await depot.get(f"/firmware/campaigns/{first}")).json()
    assert "broken" in view["members"][0]["member"]["error"]


async def test_what_was_told_goes_on_after_a_stop(depot: Depot, autojump_clock: MockClock) -> None:
    stations = await fleet(depot, 3)
    campaign = await start(depot, [each.id for each in stations], wave_size=2)
    await report(stations[0], "Downloading", "DownloadFailed")
    assert await show(depot, campaign) == ("stopped", "frs")
    await report(stations[1], *DONE)
    assert await show(depot, campaign) == ("stopped", "fss")
    assert told(stations) == [1, 1, 0]


async def test_pause_resume_and_abort(depot: Depot, autojump_clock: MockClock) -> None:
    stations = await fleet(depot, 3)
    campaign = await start(depot, [each.id for each in stations], wave_size=1)
    assert await order(depot, campaign, "pause") == "paused"
    await report(stations[0], *DONE)
    assert await show(depot, campaign) == ("paused", "sww")
    problem(await depot.post(f"/firmware/campaigns/{campaign}/pause"), 409, "not-possible")
    assert await order(depot, campaign, "resume") == "running"
    assert await show(depot, campaign) == ("running", "srw")
    assert await order(depot, campaign, "abort") == "aborted"
    assert await show(depot, campaign) == ("aborted", "srs")
    await report(stations[1], *DONE)
    assert await show(depot, campaign) == ("aborted", "sss")
    assert told(stations) == [1, 1, 0]
    for what in ("resume", "abort"):
        problem(await depot.post(f"/firmware/campaigns/{campaign}/{what}"), 409, "not-possible")
    assert (await depot.post("/firmware/campaigns/77/abort")).status_code == 404
    assert (await depot.post(f"/firmware/campaigns/{campaign}/delete")).status_code == 404


async def test_a_schedule_stations_that_are_away_and_patience(depot: Depot, autojump_clock: MockClock) -> None:
    stations = await fleet(depot, 3)
    await stations[0].disconnect()
    await stations[2].disconnect()
    at = (depot.host.env.now() + timedelta(hours=1)).isoformat()
    ids = [each.id for each in stations]
    campaign = await start(depot, ids, starts_at=at, patience=7200, max_failures=2)
    assert (await show(depot, campaign), told(stations)) == (("scheduled", "www"), [0, 0, 0])
    await trio.sleep(3600)
    assert (await show(depot, campaign), told(stations)) == (("running", "rrr"), [0, 1, 0])
    back = await depot.station("CP-1")
    await trio.sleep(10)
    await report(back, *DONE)
    assert await show(depot, campaign) == ("running", "srr")
    await trio.sleep(7200)
    assert await show(depot, campaign) == ("completed", "sff")
    members = (await depot.get(f"/firmware/campaigns/{campaign}")).json()["members"]
    assert [each["member"]["error"] for each in members] == [
        "", "it did not report success in time", "it could not be reached in time",
    ]  # fmt: skip
    await report(stations[1], "Installed")
    assert (await depot.job("CP-2"))["state"] == "installed"


async def test_each_station_gets_a_link_of_its_own_to_an_image(depot: Depot, autojump_clock: MockClock) -> None:
    stations = await fleet(depot, 2)
    assert (await depot.ask("PUT", "/firmware/images/new.bin?version=2.0", content=b"image")).status_code == 201
    body = {"name": "x", "plan": {"source": {"image": "new.bin"}}, "stations": {"vendor": "vendor", "model": "model"}}
    campaign = (await depot.post("/firmware/campaigns", body)).json()["id"]
    await trio.sleep(6)
    assert (await depot.delete("/firmware/images/new.bin")).status_code == 409
    locations = {bytes((await each.wait_for_call("UpdateFirmware")).payload) for each in stations}
    assert len(locations) == 2
    for station in stations:
        assert (await depot.jobs(station.id))[0]["expected_version"] == "2.0"
        await report(station, *DONE)
    assert await show(depot, campaign) == ("completed", "ss")
    assert (await depot.delete("/firmware/images/new.bin")).status_code == 204


async def test_what_cannot_be_started(depot: Depot, autojump_clock: MockClock) -> None:
    await fleet(depot, 2)
    source = {"location": LOCATION}

    async def refused(stations: dict[str, Any], **plan: Any) -> int:
        body = {"name": "x", "plan": {"source": source, **plan}, "stations": stations}
        return (await depot.post("/firmware/campaigns", body)).status_code

    assert await refused({}) == 422
    assert await refused({"ids": ["nobody"]}) == 404
    assert await refused({"vendor": "else"}) == 422
    assert await refused({"all": True}, source={}) == 422
    assert await refused({"all": True}, source={"image": "x", "location": "y"}) == 422
    assert await refused({"all": True}, wave_size=0) == 422
    assert await refused({"all": True}, source={"image": "unknown"}) in (404, 409)
    await start(depot, ["CP-1"])
    assert await refused({"ids": ["CP-2", "CP-1"]}) == 409
    assert await refused({"ids": ["CP-2"]}) == 201
    assert len((await depot.get("/firmware/campaigns")).json()["items"]) == 2


@asynccontextmanager
async def depot_in(folder: Path, now: VirtualNow) -> AsyncIterator[Depot]:
    plugins = ("core", WebPlugin, FirmwarePlugin)
    configured = {"firmware": depot_settings()}
    async with open_test_csms(plugins=plugins, env=Env(now=now), data_dir=folder, plugin=configured) as csms:
        depot = Depot(csms)
        depot.token = await depot.mint()
        yield depot


async def test_a_restart_in_the_middle_tells_nobody_twice(tmp_path: Path, autojump_clock: MockClock) -> None:
    now = VirtualNow()
    async with depot_in(tmp_path, now) as depot:
        stations = await fleet(depot, 5)
        stations[1].behaviour["UpdateFirmware"] = None
        await stations[2].disconnect()
        campaign = await start(depot, [each.id for each in stations], wave_size=3)
        await report(stations[0], "Downloading")
        assert told(stations) == [1, 1, 0, 0, 0]
    async with depot_in(tmp_path, now) as depot:
        stations = await fleet(depot, 5)
        await trio.sleep(10)
        assert told(stations) == [0, 0, 1, 0, 0], "only who was away before is told now"
        assert [job["state"] for job in await depot.jobs("CP-2")] == ["unanswered"]
        assert await show(depot, campaign) == ("running", "rrrww")
        for station in stations[:3]:
            await report(station, *DONE)
        await order(depot, campaign, "pause")
    async with depot_in(tmp_path, now) as depot:
        stations = await fleet(depot, 5)
        assert (await show(depot, campaign), told(stations)) == (("paused", "sssww"), [0] * 5)
        await order(depot, campaign, "resume")
        await trio.sleep(10)
        assert told(stations) == [0, 0, 0, 1, 1]
        for station in stations[3:]:
            await report(station, *DONE)
        assert await show(depot, campaign) == ("completed", "sssss")


STATES = ("requested", "not sent", "unanswered", "refused", "accepted", "downloading", "download failed", "installed")


def job_of(station_id: str, state: Any) -> Job:
    return Job(id=1, kind="firmware", station_id=station_id, location="", state=state, requested_at=NOW, changed_at=NOW)


@given(st.data())
def test_whatever_happens_the_rules_of_waves_and_failures_hold(data: st.DataObject) -> None:
    size, wave_size = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 4))
    limit, pause = data.draw(st.integers(0, 3)), data.draw(st.sampled_from([0.0, 60.0]))
    plan = Plan(source=Source(location="x"), wave_size=wave_size, wave_pause=pause, max_failures=limit, patience=1000)
    campaign = Campaign(id=1, name="", state="scheduled", plan=plan, created_at=NOW, created_by="")
    ids = [f"CP-{number}" for number in range(size)]
    members: Sequence[Member] = [
        Member(campaign_id=1, station_id=each, position=index) for index, each in enumerate(ids)
    ]
    jobs: dict[str, Job] = {}
    now = NOW
    for _ in range(data.draw(st.integers(1, 25))):
        now += timedelta(seconds=data.draw(st.sampled_from([0, 5, 70, 1100])))
        order = data.draw(st.sampled_from([None, None, None, "paused", "running", "aborted"]))
        if order and campaign.state in ("running", "paused"):
            campaign = replace(campaign, state=order)
        for member in members:
            if member.state not in ("waiting", "skipped") and data.draw(st.booleans()):
                jobs[member.station_id] = job_of(member.station_id, data.draw(st.sampled_from(STATES)))
        before, earlier = campaign, members
        campaign, members = advance(campaign, members, jobs, now)
        begun = [new for new, old in zip(members, earlier, strict=True) if old.state == "waiting" != new.state]
        started = [each for each in begun if each.state == "running"]
        assert len(started) <= wave_size
        if started:
            assert campaign.state == "running"
            assert not any(each.state == "running" and each not in started for each in members)
            assert sum(each.state == "failed" for each in members) <= limit
            assert (
                before.wave == 0
                or before.wave_ended_at is None
                or now >= before.wave_ended_at + timedelta(seconds=pause)
            )
        if campaign.state in ("stopped", "aborted"):
            assert not any(each.state == "waiting" for each in members)
        if campaign.state == "completed":
            assert not any(each.state in ("waiting",) for each in members)
        for new, old in zip(members, earlier, strict=True):
            assert new.wave in (old.wave, campaign.wave)
            assert (
                not (old.state == "succeeded" and new.state != "succeeded") or jobs[new.station_id].state != "installed"
            )
