"""Remote Trigger: what is sent, what is refused, and whether the message comes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, get_args

import msgspec
import pytest
import trio

from csmsd.errors import CallFailed, CallRefused, CallTimeout, InvalidPayload, StationUnavailable, UnknownCommand
from csmsd.hookspecs import hookimpl
from csmsd.ocpp.frames import CallError
from csmsd.plugin import NoConfig, Plugin
from csmsd.testing import CallErrorReceived, TestCsms, TestStation, open_test_csms
from csmsd_core import (
    CorePlugin,
    GetConfiguration,
    GetConfigurationResponse,
    Heartbeat,
    HeartbeatResponse,
    KeyValue,
    MeterValue,
    MeterValues,
    MeterValuesResponse,
    SampledValue,
    StatusNotification,
    StatusNotificationResponse,
)
from csmsd_core.commands import GET_CONFIGURATION
from csmsd_trigger import (
    TRIGGER_MESSAGE,
    MessageTrigger,
    Trigger,
    TriggerMessage,
    TriggerMessageResponse,
    TriggerPlugin,
)
from csmsd_web import WebPlugin
from tests.plugins.profile import ask, boot, booted, warnings_about

ACCEPTED, REJECTED = TriggerMessageResponse("Accepted"), TriggerMessageResponse("Rejected")
MESSAGES: Sequence[str] = get_args(MessageTrigger)


@pytest.fixture
async def csms() -> AsyncIterator[TestCsms]:
    async with open_test_csms(plugins=("core", TriggerPlugin, WebPlugin)) as csms:
        yield csms


def plugin_of(csms: TestCsms) -> TriggerPlugin:
    plugin = csms.host.plugins.get("trigger")
    assert isinstance(plugin, TriggerPlugin)
    return plugin


async def trigger(csms: TestCsms, message: Any, connector_id: int | None = None) -> Trigger:
    station = csms.host.stations.get("CP-1")
    return await (await plugin_of(csms).triggers.send(station, TriggerMessage(message, connector_id)))


def warnings(csms: TestCsms, message: Any, connector_id: int | None = None) -> list[str]:
    return warnings_about(csms, TRIGGER_MESSAGE, TriggerMessage(message, connector_id))


async def send_status(station: TestStation, connector_id: int = 1) -> None:
    await station.send(
        "StatusNotification", StatusNotification(connector_id, "NoError", "Available"), StatusNotificationResponse
    )


async def send_heartbeat(station: TestStation) -> None:
    await station.send("Heartbeat", Heartbeat(), HeartbeatResponse)


async def obey(station: TestStation, send: Any, *arguments: Any, after: float = 1.0) -> None:
    """Accept the next trigger, then send."""
    call = await station.wait_for_call("TriggerMessage")
    await station.answer(call, ACCEPTED)
    await trio.sleep(after)
    await send(station, *arguments)


def payload_of(station: TestStation) -> Any:
    [call] = [call for call in station.calls if call.action == "TriggerMessage"]
    return json.loads(bytes(call.payload))


# -- what is sent --------------------------------------------------------------------------------------------------


@pytest.mark.req("MSG-36", "TRG-01", "TRG-02")
@pytest.mark.parametrize("message", MESSAGES)
async def test_every_message_can_be_triggered_and_the_connector_is_sent_only_if_it_is_given(
    csms: TestCsms, message: str
) -> None:
    station = await csms.connect("CP-1")  # has not booted yet, so BootNotification is possible, too
    station.behaviour["TriggerMessage"] = REJECTED
    assert (await trigger(csms, message)).state == "rejected"
    assert payload_of(station) == {"requestedMessage": message}


@pytest.mark.req("TRG-02")
@pytest.mark.parametrize("message", sorted(set(MESSAGES) - {"MeterValues", "StatusNotification"}))
async def test_a_message_without_connector_is_triggered_with_one_on_the_raw_way_only_and_with_a_warning(
    csms: TestCsms, message: str
) -> None:
    station = await csms.connect("CP-1")
    station.behaviour["TriggerMessage"] = REJECTED
    assert "TRG-02" in warnings(csms, message, 1)[0]
    assert warnings(csms, message) == []
    await csms.host.stations.get("CP-1").call(TRIGGER_MESSAGE, TriggerMessage(message, 1))  # type: ignore[arg-type]  # a str of that Literal
    assert payload_of(station) == {"requestedMessage": message, "connectorId": 1}


@pytest.mark.req("TRG-03", "C-14")
@pytest.mark.parametrize("message", ["MeterValues", "StatusNotification"])
async def test_connector_0_is_sent_with_a_warning(csms: TestCsms, message: str) -> None:
    station = await booted(csms)
    station.behaviour["TriggerMessage"] = REJECTED
    assert "TRG-03" in warnings(csms, message, 0)[0]
    assert warnings(csms, message, 1) == []
    await trigger(csms, message, 0)
    assert payload_of(station)["connectorId"] == 0


@pytest.mark.req("MSG-36")
@pytest.mark.parametrize("payload", [b'{"requestedMessage":"Authorize"}', b"{}", b'{"connectorId":-1}'])
async def test_what_is_no_trigger_is_not_sent(csms: TestCsms, payload: bytes) -> None:
    await booted(csms)
    with pytest.raises(InvalidPayload):
        await csms.host.commands.submit("CP-1", "TriggerMessage", payload, actor="test")


@pytest.mark.req("OP-02")
async def test_what_the_station_says_about_itself_gives_rise_to_warnings(csms: TestCsms) -> None:
    station = await booted(csms)
    keys = (
        KeyValue("SupportedFeatureProfiles", readonly=True, value="Core, Reservation"),
        KeyValue("NumberOfConnectors", readonly=True, value="2"),
    )
    station.behaviour["GetConfiguration"] = GetConfigurationResponse(keys)
    await csms.host.stations.get("CP-1").call(GET_CONFIGURATION, GetConfiguration())
    assert ["RemoteTrigger" in warning for warning in warnings(csms, "Heartbeat")] == [True]
    assert any("NumberOfConnectors" in warning for warning in warnings(csms, "MeterValues", 3))


# -- what comes ----------------------------------------------------------------------------------------------------


@pytest.mark.req("TRG-04", "TC_054")
async def test_the_triggered_messages_of_the_certification_are_shown_as_results(
    csms: TestCsms, nursery: trio.Nursery
) -> None:
    station = await booted(csms)
    sample = SampledValue("12", context="Trigger")
    values = MeterValues(1, (MeterValue(csms.host.env.now(), (sample,)),))

    async def send_values(station: TestStation) -> None:
        await station.send("MeterValues", values, MeterValuesResponse)

    nursery.start_soon(obey, station, send_values)
    metered = await trigger(csms, "MeterValues", 1)
    assert (metered.state, metered.error) == ("arrived", "")
    assert json.loads(bytes(metered.message or b""))["meterValue"][0]["sampledValue"][0]["context"] == "Trigger"

    nursery.start_soon(obey, station, send_heartbeat)
    assert (await trigger(csms, "Heartbeat")).state == "arrived"
    nursery.start_soon(obey, station, send_status)
    assert (await trigger(csms, "StatusNotification", 1)).state == "arrived"
    station.behaviour["TriggerMessage"] = TriggerMessageResponse("NotImplemented")
    assert (await trigger(csms, "FirmwareStatusNotification")).state == "not implemented"
    states = [each.state for each in plugin_of(csms).triggers.recent("CP-1")]
    assert states == ["not implemented", "arrived", "arrived", "arrived"]


@pytest.mark.req("TRG-04", "TC_055")
async def test_rejected_is_a_normal_result(csms: TestCsms) -> None:
    station = await booted(csms)
    station.behaviour["TriggerMessage"] = REJECTED
    result = await trigger(csms, "MeterValues", 1)
    assert (result.state, result.message) == ("rejected", None)
    assert result.ended_at is not None


@pytest.mark.req("TRG-04")
async def test_another_connector_another_message_and_what_came_before_do_not_count(
    csms: TestCsms, nursery: trio.Nursery
) -> None:
    station = await booted(csms)

    async def send_many(station: TestStation) -> None:
        await send_heartbeat(station)
        await send_status(station, 1)
        await trio.sleep(3)
        await send_status(station, 2)

    await send_status(station, 2)
    await trio.sleep(1)
    nursery.start_soon(obey, station, send_many)
    before = csms.host.env.monotonic()
    result = await trigger(csms, "StatusNotification", 2)
    assert json.loads(bytes(result.message or b""))["connectorId"] == 2
    assert csms.host.env.monotonic() - before == pytest.approx(4.0)


class SlowPlugin(Plugin[NoConfig]):
    """Answers each Heartbeat after a while."""

    name = "slow"
    requires = ("core",)

    @hookimpl
    async def heartbeat(self) -> HeartbeatResponse:
        await trio.sleep(3)
        return HeartbeatResponse(self.host.env.now())


@pytest.mark.req("TRG-04")
async def test_a_message_that_was_under_way_before_the_answer_is_not_the_triggered_one() -> None:
    async with open_test_csms(plugins=("core", TriggerPlugin, SlowPlugin)) as csms:
        station = await booted(csms)
        station.behaviour["TriggerMessage"] = ACCEPTED
        await send_heartbeat(station)
        async with trio.open_nursery() as sending:
            sending.start_soon(send_heartbeat, station)
            await trio.sleep(1)
            assert (await trigger(csms, "Heartbeat")).state == "nothing came"


@pytest.mark.req("TRG-04")
async def test_the_same_request_sent_again_is_another_trigger(csms: TestCsms) -> None:
    station = await booted(csms)
    station.behaviour["TriggerMessage"] = REJECTED
    request = TriggerMessage("Heartbeat")
    for _ in range(2):
        await plugin_of(csms).triggers.send(csms.host.stations.get("CP-1"), request)
    assert [each.state for each in plugin_of(csms).triggers.recent("CP-1")] == ["rejected", "rejected"]


@pytest.mark.req("TRG-04")
async def test_a_message_that_follows_the_answer_in_the_same_breath_counts(csms: TestCsms) -> None:
    station = await booted(csms)
    call_and_more: list[Any] = []

    async def both() -> None:
        call = await station.wait_for_call("TriggerMessage")
        call_and_more.append(call)
        await station.answer(call, ACCEPTED)
        await station.deliver(b'[2,"quick","Heartbeat",{}]')

    async with trio.open_nursery() as nursery:
        nursery.start_soon(both)
        assert (await trigger(csms, "Heartbeat")).state == "arrived"


@pytest.mark.req("TRG-04")
async def test_a_message_that_csmsd_cannot_take_is_shown_with_the_reason(csms: TestCsms, nursery: trio.Nursery) -> None:
    station = await booted(csms)

    async def send_firmware_status(station: TestStation) -> None:
        with pytest.raises(CallErrorReceived):
            await station.send_raw("FirmwareStatusNotification", b'{"status":"Idle"}')

    nursery.start_soon(obey, station, send_firmware_status)
    result = await trigger(csms, "FirmwareStatusNotification")
    assert result.state == "arrived"
    assert result.error in ("NotSupported", "NotImplemented")


@pytest.mark.req("TRG-06")
async def test_when_nothing_comes_there_is_a_warning_and_no_repetition(
    csms: TestCsms, caplog: pytest.LogCaptureFixture
) -> None:
    station = await booted(csms)
    station.behaviour["TriggerMessage"] = ACCEPTED
    with csms.host.events.watch(frozenset({"trigger.nothing_came"})) as feed:
        before = csms.host.env.monotonic()
        result = await trigger(csms, "Heartbeat")
        assert result.state == "nothing came"
        assert csms.host.env.monotonic() - before == pytest.approx(30.0)
        assert msgspec.json.decode((await feed.receive()).data)["requested_message"] == "Heartbeat"
    assert "nothing came within 30 s (TRG-06)" in caplog.text
    await trio.sleep(3600)
    assert [call.action for call in station.calls] == ["TriggerMessage"]


@pytest.mark.req("TRG-06")
async def test_how_long_a_message_is_waited_for_can_be_set() -> None:
    async with open_test_csms(plugins=("core", TriggerPlugin), plugin={"trigger": {"patience": 5}}) as csms:
        station = await booted(csms)
        station.behaviour["TriggerMessage"] = ACCEPTED
        before = csms.host.env.monotonic()
        assert (await trigger(csms, "Heartbeat")).state == "nothing came"
        assert csms.host.env.monotonic() - before == pytest.approx(5.0)


# -- answers that are late, wrong or missing -----------------------------------------------------------------------


@pytest.mark.req("RPC-24", "TRG-04")
async def test_a_late_accepted_still_opens_the_door_and_shows_the_result(csms: TestCsms) -> None:
    station = await csms.connect("CP-1", registration="Pending", call_timeout=2.0)
    assert await boot(station) == "Pending"
    with pytest.raises(CallTimeout):
        await trigger(csms, "Heartbeat")
    assert plugin_of(csms).triggers.recent("CP-1")[0].state == "failed"
    await station.answer(await station.wait_for_call("TriggerMessage"), ACCEPTED)
    await trio.sleep(1)
    await send_heartbeat(station)
    await trio.sleep(1)
    [result] = plugin_of(csms).triggers.recent("CP-1")
    assert result.state == "arrived"


async def test_a_callerror_and_a_lost_line_are_failures(csms: TestCsms, nursery: trio.Nursery) -> None:
    station = await booted(csms)
    station.behaviour["TriggerMessage"] = CallError("", "NotSupported", "no", msgspec.Raw(b"{}"))
    with pytest.raises(CallFailed):
        await trigger(csms, "Heartbeat")
    station.behaviour["TriggerMessage"] = None

    async def leave() -> None:
        await trio.sleep(1)
        await station.disconnect()

    nursery.start_soon(leave)
    with pytest.raises(StationUnavailable):
        await trigger(csms, "Heartbeat")
    assert [each.state for each in plugin_of(csms).triggers.recent("CP-1")] == ["failed", "failed"]


# -- registration --------------------------------------------------------------------------------------------------


@pytest.mark.req("BOOT-20", "BOOT-21")
async def test_a_pending_station_may_send_what_it_has_accepted_to_send_until_its_next_boot(csms: TestCsms) -> None:
    station = await csms.connect("CP-1", registration="Pending")
    await boot(station)
    with pytest.raises(CallErrorReceived, match="SecurityError"):
        await send_status(station)
    station.behaviour["TriggerMessage"] = REJECTED
    await trigger(csms, "StatusNotification")
    with pytest.raises(CallErrorReceived, match="SecurityError"):
        await send_status(station)
    station.behaviour["TriggerMessage"] = ACCEPTED
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trigger, csms, "StatusNotification")
        await trio.sleep(1)
        await send_status(station)
    with pytest.raises(CallErrorReceived, match="SecurityError"):
        await send_heartbeat(station)
    await boot(station)
    with pytest.raises(CallErrorReceived, match="SecurityError"):
        await send_status(station)


@pytest.mark.req("TRG-05", "C-15")
async def test_a_station_that_was_told_accepted_is_not_asked_to_boot(csms: TestCsms) -> None:
    station = await csms.connect("CP-1")
    station.behaviour["TriggerMessage"] = REJECTED
    assert (await trigger(csms, "BootNotification")).state == "rejected", "before the first boot it is allowed"
    await boot(station)
    station.calls.clear()
    with pytest.raises(CallRefused, match="TRG-05"):
        await trigger(csms, "BootNotification")
    assert station.calls == []
    await csms.host.stations.change("CP-1", registration="Pending")
    with pytest.raises(CallRefused, match="TRG-05"):
        await trigger(csms, "BootNotification")
    assert await boot(station) == "Pending", "its own boot"
    assert (await trigger(csms, "BootNotification")).state == "rejected", "in Pending it is allowed"


@pytest.mark.req("BOOT-25", "TRG-05")
async def test_the_wait_of_a_provisioned_station_can_be_shortened(csms: TestCsms, nursery: trio.Nursery) -> None:
    station = await csms.connect("CP-1", registration="Pending")
    await boot(station)
    await csms.host.stations.change("CP-1", registration="Accepted")
    statuses: list[str] = []

    async def boot_again(station: TestStation) -> None:
        statuses.append(await boot(station))

    nursery.start_soon(obey, station, boot_again)
    assert (await trigger(csms, "BootNotification")).state == "arrived"
    await trio.sleep(1)
    assert statuses == ["Accepted"]


# -- the API, and without the plugin -------------------------------------------------------------------------------


@pytest.mark.req("TRG-04", "TRG-06")
async def test_the_route_waits_for_the_message(csms: TestCsms, nursery: trio.Nursery) -> None:
    station = await booted(csms)
    nursery.start_soon(obey, station, send_status, 1)
    body = {"requested_message": "StatusNotification", "connector_id": 1}
    answer = await ask(csms, "POST", "/stations/CP-1/trigger", body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["trigger"]["state"] == "arrived"
    assert answer.json()["trigger"]["message"]["status"] == "Available"

    station.behaviour["TriggerMessage"] = ACCEPTED
    answer = await ask(csms, "POST", "/stations/CP-1/trigger", body)
    assert answer.json()["trigger"]["state"] == "nothing came"
    assert "TRG-06" in answer.json()["warnings"][0]
    answer = await ask(csms, "POST", "/stations/CP-1/trigger", body | {"wait": 2})
    assert answer.json()["trigger"]["state"] == "accepted"
    states = [each["state"] for each in (await ask(csms, "GET", "/stations/CP-1/triggers")).json()["items"]]
    assert states == ["accepted", "nothing came", "arrived"]


@pytest.mark.req("TRG-02", "TRG-05")
async def test_the_route_refuses_what_must_not_be_sent(csms: TestCsms) -> None:
    station = await booted(csms)
    body = {"requested_message": "Heartbeat", "connector_id": 1}
    assert (await ask(csms, "POST", "/stations/CP-1/trigger", body)).status_code == 422
    body = {"requested_message": "BootNotification"}
    assert (await ask(csms, "POST", "/stations/CP-1/trigger", body)).status_code == 403
    assert (await ask(csms, "POST", "/stations/CP-2/trigger", body)).status_code == 404
    assert (await ask(csms, "GET", "/stations/CP-2/triggers")).status_code == 404
    assert station.calls == []


async def test_without_the_plugin_there_is_no_such_command() -> None:
    async with open_test_csms(plugins=("core",)) as csms:
        await booted(csms)
        assert isinstance(csms.host.plugins.get("core"), CorePlugin)
        with pytest.raises(UnknownCommand):
            await csms.host.commands.submit("CP-1", "TriggerMessage", b"{}", actor="test")
