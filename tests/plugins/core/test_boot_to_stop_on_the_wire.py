"""The Core profile in a whole csmsd, frame by frame."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from csmsd.hookspecs import hookimpl
from csmsd.journal import ExchangeFilter
from csmsd.plugin import Plugin
from csmsd.testing import CallErrorReceived, TestCsms, open_test_csms
from csmsd_core import (
    Authorize,
    AuthorizeResponse,
    BootNotification,
    BootNotificationResponse,
    ChangeConfigurationResponse,
    ClearCacheResponse,
    CorePlugin,
    DataTransfer,
    DataTransferResponse,
    GetConfigurationResponse,
    Heartbeat,
    HeartbeatResponse,
    IdTagInfo,
    KeyValue,
    RemoteStartTransactionResponse,
    ResetResponse,
    StartTransaction,
    StartTransactionResponse,
    StatusNotification,
    StatusNotificationResponse,
    StopTransaction,
    StopTransactionResponse,
    Tag,
    VendorMessages,
    vendor_message,
)

BOOT = BootNotification("ACME", "Box")
NEW = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"


class SlowAuthoriser(Plugin[Any]):
    """Never answers."""

    name = "slow"
    requires = ("core",)

    @hookimpl
    async def authorize_id_tag(self) -> IdTagInfo:
        await trio.sleep_forever()


class Echo(VendorMessages, Plugin[Any]):
    """Answers one vendor."""

    name = "echo"
    requires = ("core",)

    @vendor_message("org.echo", "Say")
    async def say(self, station: Any, request: DataTransfer) -> DataTransferResponse:
        return DataTransferResponse("Accepted", request.data)


@pytest.fixture
async def csms(autojump_clock: MockClock) -> AsyncIterator[TestCsms]:
    async with open_test_csms(plugins=["core", Echo]) as csms:
        yield csms


def core_of(csms: TestCsms) -> CorePlugin:
    core = csms.host.plugins.get("core")
    assert isinstance(core, CorePlugin)
    return core


@pytest.mark.req("TC_001", "TC_003", "TC_004_1", "TC_012", "BOOT-01", "BOOT-27", "AUTH-07", "CORE-01", "CORE-02")
async def test_a_station_boots_reports_authorizes_charges_and_stops(csms: TestCsms, autojump_clock: MockClock) -> None:
    station, now = await csms.connect("CP-1"), csms.host.env.now
    await core_of(csms).tags.put(Tag("CARD", parent_id_tag="FLEET"), actor="op")
    boot = await station.send("BootNotification", BOOT, BootNotificationResponse)
    assert (boot.status, boot.interval) == ("Accepted", 300)
    for connector_id in (0, 1, 2):
        available = StatusNotification(connector_id, "NoError", "Available")
        await station.send("StatusNotification", available, StatusNotificationResponse)
    heartbeat = await station.send("Heartbeat", Heartbeat(), HeartbeatResponse)
    assert abs(heartbeat.current_time - now()) < timedelta(seconds=1)
    accepted = IdTagInfo("Accepted", None, "FLEET")
    assert (await station.send("Authorize", Authorize("card"), AuthorizeResponse)).id_tag_info == accepted
    request = StartTransaction(1, "CARD", 100, now())
    start = await station.send("StartTransaction", request, StartTransactionResponse)
    assert start.id_tag_info == accepted
    end = StopTransaction(start.transaction_id, 700, now(), "CARD")
    assert (await station.send("StopTransaction", end, StopTransactionResponse)).id_tag_info == accepted
    assert (await core_of(csms).transactions.find(start.transaction_id)).energy_wh == 600
    assert [each.connector_id for each in core_of(csms).statuses.of_station("CP-1")] == [0, 1, 2]


@pytest.mark.req("BOOT-04", "BOOT-01")
async def test_the_interval_is_called_interval(csms: TestCsms, autojump_clock: MockClock) -> None:
    station = await csms.connect("CP-1", heartbeat_interval=7)
    answer = await station.send_raw("BootNotification", BOOT)
    assert set(msgspec.json.decode(answer)) == {"status", "currentTime", "interval"}


@pytest.mark.req("OP-04", "RPC-20", "OP-03")
async def test_commands_wait_for_each_other_and_can_be_waited_for(csms: TestCsms, autojump_clock: MockClock) -> None:
    station, commands = await csms.connect("CP-1"), csms.host.commands
    station.behaviour = {"Reset": None, "ClearCache": None}
    records = [
        await commands.submit("CP-1", action, payload, actor="op")
        for action, payload in (("Reset", b'{"type":"Soft"}'), ("ClearCache", b"{}"))
    ]
    await trio.sleep(1)
    assert [call.action for call in station.calls] == ["Reset"], "the second waits for the first"
    await station.answer(await station.wait_for_call("Reset"), ResetResponse("Accepted"))
    await station.answer(await station.wait_for_call("ClearCache"), ClearCacheResponse("Rejected"))
    outcomes = [await commands.outcome(record.id) for record in records]
    assert [bytes(each.result or b"") for each in outcomes] == [b'{"status":"Accepted"}', b'{"status":"Rejected"}']


@pytest.mark.req("BOOT-20", "BOOT-31")
@pytest.mark.parametrize("registration", ["Pending", "Rejected"])
async def test_what_is_refused_before_acceptance_is_kept_for_the_operator(
    csms: TestCsms, registration: Any, autojump_clock: MockClock
) -> None:
    station = await csms.connect("CP-1", registration=registration)
    request = StartTransaction(1, "CARD", 100, csms.host.env.now())
    with pytest.raises(CallErrorReceived) as refused:
        await station.send("StartTransaction", request, StartTransactionResponse)
    assert refused.value.code == "SecurityError"
    (exchange,) = await csms.host.journal.exchanges(ExchangeFilter(action="StartTransaction"))
    assert (exchange.error, '"CARD"' in exchange.request) == ("SecurityError", True)
    await csms.host.stations.change("CP-1", registration="Accepted")
    assert (await station.send("BootNotification", BOOT, BootNotificationResponse)).status == "Accepted"
    answer = await station.send("StartTransaction", request, StartTransactionResponse)
    assert answer.transaction_id > 0, "processed normally after acceptance"


@pytest.mark.req("AUTH-09", "AUTH-14", "AUTH-13", "RPC-31")
async def test_an_authoriser_that_never_answers(autojump_clock: MockClock) -> None:
    async with open_test_csms(plugins=["core", SlowAuthoriser]) as csms:
        station = await csms.connect("CP-1")
        with pytest.raises(CallErrorReceived) as error:
            await station.send("Authorize", Authorize("CARD"), AuthorizeResponse)
        assert error.value.code == "InternalError"
        request = StartTransaction(1, "CARD", 100, csms.host.env.now())
        start = await station.send("StartTransaction", request, StartTransactionResponse)
        assert start.id_tag_info.status == "Accepted"
        assert not (await core_of(csms).transactions.find(start.transaction_id)).is_verified


@pytest.mark.req("BOOT-26", "RPC-26")
async def test_the_configuration_is_asked_for_only_after_the_answer_to_the_boot(autojump_clock: MockClock) -> None:
    async with open_test_csms(plugin={"core": {"read_configuration_of": ["*"]}}) as csms:
        station = await csms.connect("CP-1")
        told = GetConfigurationResponse((KeyValue("NumberOfConnectors", readonly=True, value="2"),))
        station.behaviour["GetConfiguration"] = told
        await station.send("BootNotification", BOOT, BootNotificationResponse)
        await trio.sleep(1)
        assert [message[1:2] for message in station.received] == [b"3", b"2"]
        assert core_of(csms).configuration.number("CP-1", "NumberOfConnectors") == 2


@pytest.mark.req("SEC-30", "SEC-31", "SEC-34", "WS-24", "CFG-05", "OP-01", "OP-03")
async def test_the_raw_route_rotates_the_password_and_shows_it_nowhere(
    csms: TestCsms, autojump_clock: MockClock
) -> None:
    station = await csms.connect("CP-1", password="0123456789abcdef0123456789abcdef01234567")
    station.behaviour["ChangeConfiguration"] = ChangeConfigurationResponse("Accepted")
    payload = b'{"key":"authorizationKEY","value":"%b"}' % NEW.encode()
    record = await csms.host.commands.submit("CP-1", "ChangeConfiguration", payload, actor="op")
    outcome = await csms.host.commands.outcome(record.id)
    assert outcome.state == "answered"
    assert NEW not in str(outcome)
    await trio.sleep(1)
    assert NEW not in str(await csms.host.journal.exchanges(ExchangeFilter()))
    await station.disconnect()
    assert await csms.knock(station, "0123456789abcdef0123456789abcdef01234567") == 401
    assert await csms.knock(station, NEW) == 101


@pytest.mark.req("AUTH-10", "TC_010", "OP-10")
async def test_a_guest_is_started_remotely(csms: TestCsms, autojump_clock: MockClock) -> None:
    station = await csms.connect("CP-1")
    station.behaviour["RemoteStartTransaction"] = RemoteStartTransactionResponse("Accepted")
    record = await csms.host.commands.submit(
        "CP-1", "RemoteStartTransaction", b'{"idTag":"GUEST","connectorId":1}', actor="op"
    )
    await csms.host.commands.outcome(record.id)
    assert (await station.send("Authorize", Authorize("GUEST"), AuthorizeResponse)).id_tag_info.status == "Accepted"
    request = StartTransaction(1, "GUEST", 0, csms.host.env.now())
    start = await station.send("StartTransaction", request, StartTransactionResponse)
    (remote,) = await core_of(csms).remote_starts.of_station("CP-1")
    assert remote.transaction_id == start.transaction_id


@pytest.mark.req("CORE-10", "CORE-11", "TC_064", "RPC-12")
async def test_data_transfers_find_their_plugin(csms: TestCsms, autojump_clock: MockClock) -> None:
    station = await csms.connect("CP-1")
    messages = (("org.ECHO", "say", "hi"), ("org.echo", "Sing", "la"), ("nobody", "Say", "hi"))
    answers = [await station.send("DataTransfer", DataTransfer(*each), DataTransferResponse) for each in messages]
    assert answers == [
        DataTransferResponse("Accepted", "hi"),
        DataTransferResponse("UnknownMessageId"),
        DataTransferResponse("UnknownVendorId"),
    ]
