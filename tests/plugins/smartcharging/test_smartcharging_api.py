"""Charging profiles over the management API and from the shell."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trio
from click.testing import CliRunner
from trio.testing import MockClock

from csmsd.testing import open_test_csms
from csmsd_core import RemoteStartTransactionResponse, Tag
from csmsd_smartcharging import (
    ClearChargingProfileResponse,
    GetCompositeScheduleResponse,
    SetChargingProfileResponse,
)
from tests.plugins.profile import ask
from tests.plugins.smartcharging.house import Site, virtual_env

DRAFT = {"purpose": "TxDefaultProfile", "periods": [{"start_period": 0, "limit": 6.1}]}
Ask = Callable[..., Any]


@pytest.fixture
async def managed(autojump_clock: MockClock) -> AsyncIterator[Site]:
    async with open_test_csms(plugins=["core", "smartcharging", "web"], env=virtual_env()) as csms:
        site = Site(csms, await csms.connect("CP-1"))
        site.station.behaviour = {
            "SetChargingProfile": SetChargingProfileResponse("Accepted"),
            "ClearChargingProfile": ClearChargingProfileResponse("Accepted"),
            "GetCompositeSchedule": GetCompositeScheduleResponse("Rejected"),
            "RemoteStartTransaction": RemoteStartTransactionResponse("Accepted"),
        }
        await site.core.tags.put(Tag("CARD"), actor="op")
        yield site


async def answer(site: Site, method: str, path: str, body: object = None, status: int = 200) -> Any:
    response = await ask(site.csms, method, path, body)
    assert response.status_code == status, response.text
    return response.json() if response.content else None


@pytest.mark.req("SC-20", "SC-27", "OPS-03")
async def test_a_profile_is_previewed_installed_listed_and_cleared(managed: Site, autojump_clock: MockClock) -> None:
    path = "/stations/CP-1/charging-profiles"
    body = {"connector_id": 1, "draft": DRAFT}
    preview = await answer(managed, "POST", f"{path}/preview", body)
    assert [each["after"] for each in preview["differences"]] == ["6.1"]
    assert managed.station.calls == []
    sent = await answer(managed, "POST", path, body)
    assert (sent["status"], sent["profile"]["chargingSchedule"]["duration"]) == ("Accepted", 86_400)
    (held,) = (await answer(managed, "GET", path))["items"]
    assert (held["connector_id"], held["profile"]) == (1, sent["profile"])
    assert held["id"] == sent["profile"]["chargingProfileId"]
    found = await answer(managed, "GET", "/stations/CP-1/composite-schedule?connector_id=1&duration=600")
    assert [each["limit"] for each in found["periods"]] == ["6.1"]
    await answer(managed, "POST", f"{path}/clear", {"id": held["id"]})
    assert managed.sent("ClearChargingProfile") == {"id": held["id"]}
    assert managed.ids == []
    await answer(managed, "POST", f"{path}/clear", {})
    assert managed.sent("ClearChargingProfile") == {}
    await answer(managed, "POST", f"{path}/clear", {"id": 1, "connector_id": 1}, status=422)


@pytest.mark.req("SC-05", "SC-01", "SC-17")
async def test_what_cannot_be_is_refused_with_a_reason(managed: Site, autojump_clock: MockClock) -> None:
    path = "/stations/CP-1/charging-profiles"
    wrong = await answer(
        managed, "POST", path, {"connector_id": 1, "draft": DRAFT | {"recurrency_kind": "Daily"}}, status=422
    )
    assert "SC-05" in wrong["detail"]
    wrong = await answer(managed, "POST", path, {"connector_id": 1, "draft": DRAFT | {"level": 1}}, status=422)
    assert "stack_level" in wrong["detail"]
    refused = await answer(
        managed, "POST", path, {"connector_id": 1, "draft": DRAFT | {"purpose": "ChargePointMaxProfile"}}
    )
    assert (refused["state"], "SC-01" in refused["error"]) == ("refused", True)
    await answer(managed, "POST", path, {"connector_id": 1, "template": "none"}, status=404)
    await answer(managed, "GET", "/stations/NOBODY/charging-profiles", status=404)
    await answer(managed, "GET", "/stations/CP-1/composite-schedule?duration=0", status=422)
    await answer(managed, "GET", "/stations/CP-1/composite-schedule?start=2026-01-01T00:00:00", status=422)
    await answer(managed, "GET", "/stations/CP-1/composite-schedule?start=2026-01-01T00:00:00Z")
    await answer(managed, "POST", "/stations/NOBODY/charging-profiles", {"connector_id": 1, "draft": DRAFT}, status=404)


async def test_a_template_is_stored_and_applied_to_any_connector(managed: Site, autojump_clock: MockClock) -> None:
    path = "/smartcharging/templates/night"
    await answer(managed, "PUT", path, {"draft": DRAFT, "note": "cheap"})
    await managed.plugin.templates.load()
    assert (await answer(managed, "GET", path))["note"] == "cheap"
    for connector_id in (1, 2):
        body = {"connector_id": connector_id, "template": "night"}
        sent = await answer(managed, "POST", "/stations/CP-1/charging-profiles", body)
        assert sent["status"] == "Accepted"
    assert len(managed.ids) == 2
    await answer(managed, "PUT", path, {"draft": DRAFT | {"kind": "Recurring"}}, status=422)
    await answer(managed, "DELETE", path, status=204)
    await answer(managed, "GET", path, status=404)
    assert (await answer(managed, "GET", "/smartcharging/templates"))["items"] == []


@pytest.mark.req("SC-16", "OP-12", "TC_059")
async def test_a_remote_start_with_a_profile(managed: Site, autojump_clock: MockClock) -> None:
    path, draft = "/stations/CP-1/charging-profiles/remote-start", DRAFT | {"purpose": "TxProfile"}
    sent = await answer(managed, "POST", path, {"id_tag": "CARD", "connector_id": 1, "draft": draft})
    assert sent["status"] == "Accepted"
    assert managed.sent("RemoteStartTransaction")["chargingProfile"] == sent["profile"]
    await managed.start(1)
    assert managed.ids == [sent["profile"]["chargingProfileId"]]
    wrong = await answer(managed, "POST", path, {"id_tag": "CARD", "draft": DRAFT}, status=422)
    assert "OP-12" in wrong["detail"]


@pytest.mark.req("SCA-16", "SCA-17", "SC-29", "SC-30")
async def test_schedules_are_rendered_and_compared(managed: Site, autojump_clock: MockClock) -> None:
    path = "/stations/CP-1/composite-schedule/rendered?connector_id=1&duration=600&unit=W"
    await answer(managed, "GET", path, status=409)
    await answer(managed, "PUT", "/stations/CP-1/ratings/0", {"limit": 32, "unit": "A"})
    await managed.plugin.ratings.load()
    shown = await answer(managed, "GET", path)
    assert shown["chargingSchedule"]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 22080.0}]
    asked = await answer(managed, "POST", "/stations/CP-1/composite-answers?connector_id=1&duration=60")
    assert asked["status"] == "Rejected"
    (kept,) = (await answer(managed, "GET", "/stations/CP-1/composite-answers"))["items"]
    assert (kept["response"], kept["ours"]) == ({"status": "Rejected"}, None)
    await answer(managed, "PUT", "/stations/CP-1/ratings/0", {"limit": -1, "unit": "A"}, status=422)


async def test_a_site_is_put_shown_and_removed(managed: Site, autojump_clock: MockClock) -> None:
    path = "/smartcharging/sites/garage"
    body = {"limit": 20, "members": [{"station_id": "CP-1", "maximum": 32}]}
    await answer(managed, "PUT", path, body)
    await trio.sleep(1)
    shown = await answer(managed, "GET", path)
    assert (shown["is_kept"], shown["members"][0]["confirmed"]) == (True, "20")
    assert len((await answer(managed, "GET", "/smartcharging/sites"))["items"]) == 1
    await answer(managed, "PUT", "/smartcharging/sites/yard", body, status=422)
    await answer(managed, "DELETE", path, status=204)
    await answer(managed, "GET", path, status=404)


# -- from the shell ----------------------------------------------------------------------------------------------------


async def shell(site: Site, *words: str, code: int = 0) -> str:
    """`csmsd profile …` against the API in process: what it prints."""
    import httpx

    from csmsd.client import ApiClient
    from csmsd_smartcharging.cli import profile

    token = trio.lowlevel.current_trio_token()

    def forward(request: httpx.Request) -> httpx.Response:
        import json

        body = json.loads(request.content) if request.content else None
        path = str(request.url).split("/api/v1", 1)[1]
        response: httpx.Response = trio.from_thread.run(ask, site.csms, request.method, path, body, trio_token=token)
        return httpx.Response(response.status_code, headers=response.headers, content=response.content)

    def run() -> Any:
        client = ApiClient("http://127.0.0.1", transport=httpx.MockTransport(forward))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("csmsd.cli.remote.open_client", lambda *_: client)
            return CliRunner().invoke(profile, list(words))

    assert threading.current_thread() is threading.main_thread()
    result = await trio.to_thread.run_sync(run)
    assert result.exit_code == code, result.output
    return str(result.output)


async def test_profiles_from_the_shell(managed: Site) -> None:
    assert "holds no charging profiles" in await shell(managed, "list", "CP-1")
    assert "unlimited" in await shell(managed, "preview", "CP-1", "16", "--connector", "1")
    assert "answered Accepted" in await shell(managed, "set", "CP-1", "0:16", "3600:6.1/1", "--connector", "1")
    periods = managed.sent("SetChargingProfile")["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"]
    assert periods == [{"startPeriod": 0, "limit": 16.0}, {"startPeriod": 3600, "limit": 6.1, "numberPhases": 1}]
    assert "TxDefaultProfile" in await shell(managed, "list", "CP-1")
    assert "6.1 A" in await shell(managed, "composite", "CP-1", "--connector", "1")
    assert "answered Accepted" in await shell(managed, "clear", "CP-1", "--all")
    assert managed.ids == []


async def test_mistakes_in_the_shell(managed: Site) -> None:
    assert "is no period like" in await shell(managed, "set", "CP-1", "much", code=2)
    assert "at least one limit" in await shell(managed, "set", "CP-1", code=2)
    assert "--all" in await shell(managed, "clear", "CP-1", code=2)
    assert "--all" in await shell(managed, "clear", "CP-1", "--id", "1", "--level", "2", code=2)
    managed.station.behaviour["SetChargingProfile"] = SetChargingProfileResponse("Rejected")
    assert "answered Rejected" in await shell(managed, "set", "CP-1", "16", "--connector", "1", code=1)
    assert "SC-01" in await shell(managed, "set", "CP-1", "16", "--connector", "1", "--purpose", "max", code=1)
