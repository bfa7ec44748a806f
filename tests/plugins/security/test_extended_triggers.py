"""Extended triggers: what is sent, what is refused, and whether the message comes."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import trio

from csmsd.errors import CallFailed, CallRefused
from csmsd.ocpp.frames import CallError
from csmsd.testing import CallErrorReceived
from csmsd_core import (
    BootNotification,
    BootNotificationResponse,
    StatusNotification,
    StatusNotificationResponse,
    Trigger,
)
from csmsd_security.messages import ExtendedTrigger, ExtendedTriggerMessage, ExtendedTriggerMessageResponse
from tests.plugins.security.conftest import Site

ACCEPTED, REJECTED = ExtendedTriggerMessageResponse("Accepted"), ExtendedTriggerMessageResponse("Rejected")


async def trigger(site: Site, message: Any, connector_id: int | None = None) -> Trigger:
    station = site.host.stations.get("CP-1")
    return await (await site.plugin.triggers.send(station, ExtendedTriggerMessage(message, connector_id)))


async def obey(site: Site, action: str, payload: bytes) -> None:
    await site.station.answer(await site.station.wait_for_call("ExtendedTriggerMessage"), ACCEPTED)
    await trio.sleep(1)
    await site.station.send_raw(action, payload)


@pytest.mark.req("SEC-74", "MSG-52", "TRG-02")
@pytest.mark.parametrize("message", get_args(ExtendedTrigger))
async def test_every_message_can_be_triggered_and_the_connector_is_sent_only_if_it_is_given(
    site: Site, message: str
) -> None:
    site.station.behaviour["ExtendedTriggerMessage"] = REJECTED
    assert (await trigger(site, message)).state == "rejected"
    assert site.sent("ExtendedTriggerMessage") == {"requestedMessage": message}


@pytest.mark.req("SEC-74", "TRG-04")
@pytest.mark.parametrize(
    ("message", "action", "payload"),
    [
        ("FirmwareStatusNotification", "SignedFirmwareStatusNotification", b'{"status":"Idle"}'),
        ("LogStatusNotification", "LogStatusNotification", b'{"status":"Idle"}'),
        ("Heartbeat", "Heartbeat", b"{}"),
    ],
)
async def test_what_comes_is_shown(
    site: Site, nursery: trio.Nursery, message: str, action: str, payload: bytes
) -> None:
    nursery.start_soon(obey, site, action, payload)
    sent = await trigger(site, message)
    assert (sent.state, sent.message and bytes(sent.message)) == ("arrived", payload)
    assert site.plugin.triggers.recent("CP-1") == [sent]


@pytest.mark.req("TRG-04")
async def test_a_status_of_another_connector_does_not_count(site: Site, nursery: trio.Nursery) -> None:
    nursery.start_soon(
        obey, site, "StatusNotification", b'{"connectorId":2,"errorCode":"NoError","status":"Available"}'
    )
    assert (await trigger(site, "StatusNotification", 1)).state == "nothing came"


@pytest.mark.req("TRG-06")
async def test_nothing_comes_and_nothing_is_repeated(site: Site) -> None:
    site.station.behaviour["ExtendedTriggerMessage"] = ACCEPTED
    assert (await trigger(site, "LogStatusNotification")).state == "nothing came"
    assert len([call for call in site.station.calls if call.action == "ExtendedTriggerMessage"]) == 1


@pytest.mark.req("BOOT-21", "SEC-74")
async def test_a_pending_station_may_send_what_it_was_asked_for(site: Site, nursery: trio.Nursery) -> None:
    await site.host.stations.change("CP-1", registration="Pending")
    with pytest.raises(CallErrorReceived, match="SecurityError"):
        await site.station.send_raw("SignedFirmwareStatusNotification", b'{"status":"Idle"}')
    nursery.start_soon(obey, site, "SignedFirmwareStatusNotification", b'{"status":"Idle"}')
    assert (await trigger(site, "FirmwareStatusNotification")).error == ""


@pytest.mark.req("TRG-05", "SEC-74")
async def test_an_accepted_station_is_not_asked_to_boot(site: Site) -> None:
    await site.station.send("BootNotification", BootNotification("v", "m"), BootNotificationResponse)
    with pytest.raises(CallRefused, match="TRG-05"):
        await trigger(site, "BootNotification")


@pytest.mark.req("TRG-03", "TRG-02", "SEC-58")
async def test_what_is_doubtful_is_said(site: Site) -> None:
    await site.configure(CpoName="ACME", NumberOfConnectors="2")
    doubtful: list[tuple[ExtendedTrigger, int]] = [("StatusNotification", 0), ("Heartbeat", 1), ("MeterValues", 3)]
    said = {
        (message, connector): " ".join(
            site.warnings("ExtendedTriggerMessage", ExtendedTriggerMessage(message, connector))
        )
        for message, connector in doubtful
    }
    assert "TRG-03" in said["StatusNotification", 0]
    assert "TRG-02" in said["Heartbeat", 1]
    assert "BOOT-28" in said["MeterValues", 3]
    assert site.warnings("ExtendedTriggerMessage", ExtendedTriggerMessage("SignChargePointCertificate")) == []


@pytest.mark.req("SEC-58")
async def test_a_station_without_a_cpo_name_is_warned_of(site: Site) -> None:
    [warning] = site.warnings("ExtendedTriggerMessage", ExtendedTriggerMessage("SignChargePointCertificate"))
    assert "SEC-58" in warning


@pytest.mark.req("SEC-74")
async def test_an_error_is_shown_among_the_triggers(site: Site) -> None:
    site.station.behaviour["ExtendedTriggerMessage"] = CallError("1", "NotSupported", "no", b"{}")  # type: ignore[arg-type]  # details are Raw on the way in only
    with pytest.raises(CallFailed):
        await trigger(site, "Heartbeat")
    assert site.plugin.triggers.recent("CP-1")[0].state == "failed"


@pytest.mark.req("SEC-74", "TRG-04")
async def test_a_status_of_the_connector_counts(site: Site, nursery: trio.Nursery) -> None:
    async def later() -> None:
        await site.station.answer(await site.station.wait_for_call("ExtendedTriggerMessage"), ACCEPTED)
        await trio.sleep(2)
        request = StatusNotification(1, "NoError", "Available")
        await site.station.send("StatusNotification", request, StatusNotificationResponse)

    nursery.start_soon(later)
    assert (await trigger(site, "StatusNotification", 1)).state == "arrived"
