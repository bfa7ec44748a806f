"""BootNotification: registration, intervals, history, and what a station may do before it is accepted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import trio

from csmsd.errors import CallRefused, StoreUnavailable
from csmsd.hookspecs import hookimpl
from csmsd.pending import Pending
from csmsd.station import Arrival
from csmsd_core import (
    GET_CONFIGURATION,
    REMOTE_START_TRANSACTION,
    REMOTE_STOP_TRANSACTION,
    RESET,
    BootNotification,
    BootNotificationResponse,
    GetConfiguration,
    GetConfigurationResponse,
    Heartbeat,
    RemoteStartTransaction,
    RemoteStopTransaction,
    Reset,
    StartTransaction,
    StatusNotification,
    hookspecs,
)
from csmsd_core.tables import boot

on_both = pytest.mark.parametrize("core_url", ["sqlite", "postgres"], indirect=True)
BOOT = BootNotification("ACME", "Box", firmware_version="1.0", iccid="8931")


@pytest.mark.req("BOOT-01", "BOOT-02", "BOOT-10", "MSG-02", "TC_001")
async def test_a_provisioned_station_is_accepted_and_told_the_time_and_its_heartbeat_interval(house: Any) -> None:
    station = await house.connect()
    answer = await station.send(hookspecs.boot_notification, BOOT)
    assert answer == BootNotificationResponse("Accepted", house.env.now(), 300)
    assert station.station.record.announced == "Accepted"


@pytest.mark.req("BOOT-02")
async def test_the_heartbeat_interval_can_be_set_globally_and_for_one_station(open_house: Any) -> None:
    house = await open_house(heartbeat_interval=30)
    usual, special = await house.connect(), await house.connect("CP-2", heartbeat_interval=7)
    assert (await usual.send(hookspecs.boot_notification, BOOT)).interval == 30
    assert (await special.send(hookspecs.boot_notification, BOOT)).interval == 7


@pytest.mark.req("BOOT-03")
@pytest.mark.parametrize("registration", ["Pending", "Rejected"])
async def test_who_is_not_accepted_is_told_how_long_to_wait(open_house: Any, registration: str) -> None:
    house = await open_house()
    station = await house.connect(registration=registration, heartbeat_interval=7)
    assert (await station.send(hookspecs.boot_notification, BOOT)).interval == 60
    assert (await station.send(hookspecs.boot_notification, BOOT)).status == registration


@pytest.mark.req("BOOT-03")
async def test_zero_is_sent_only_if_configured(open_house: Any) -> None:
    house = await open_house(retry_interval=0)
    station = await house.connect(registration="Pending")
    assert (await station.send(hookspecs.boot_notification, BOOT)).interval == 0


@on_both
@pytest.mark.req("BOOT-05")
async def test_every_boot_is_kept_with_what_has_changed(house: Any) -> None:
    station = await house.connect()
    await station.send(hookspecs.boot_notification, BOOT)
    await station.send(hookspecs.boot_notification, BootNotification("ACME", "Box", firmware_version="1.1"))
    await station.send(hookspecs.boot_notification, BootNotification("ACME", "Box", iccid="8932"))
    newest, middle, first = await house.core.boots.history("CP-1")
    assert (first.changed, middle.changed, newest.changed) == ((), ("firmware_version",), ("iccid",))
    assert middle.data.iccid is None, "the history shows what was said, not what is known"
    nameplate = await house.core.boots.nameplate("CP-1")
    assert (nameplate.data.firmware_version, nameplate.data.iccid) == ("1.1", "8932"), "absence erases nothing"
    assert [each.id for each in await house.core.boots.history("CP-1", before_id=middle.id)] == [first.id]


@on_both
@pytest.mark.req("BOOT-05")
async def test_boots_of_one_batch_are_compared_with_each_other(house: Any, nursery: trio.Nursery) -> None:
    station = await house.connect()
    for version in ("1.0", "2.0", "3.0"):
        nursery.start_soon(
            station.send, hookspecs.boot_notification, BootNotification("ACME", "Box", firmware_version=version)
        )
    await trio.sleep(1)
    history = await house.core.boots.history("CP-1")
    assert [each.changed for each in reversed(history)] == [(), ("firmware_version",), ("firmware_version",)]


@pytest.mark.req("BOOT-06", "TC_032_1", "TX-32")
async def test_a_boot_closes_no_transaction(house: Any) -> None:
    station = await house.connect()
    await station.send(hookspecs.boot_notification, BOOT)
    started = await station.send(hookspecs.start_transaction, StartTransaction(1, "TAG", 0, house.env.now()))
    await station.send(hookspecs.boot_notification, BOOT)
    assert (await house.core.transactions.find(started.transaction_id)).status == "open"


@pytest.mark.req("BOOT-07", "TC_014")
async def test_a_boot_too_early_and_in_the_middle_of_a_connection_is_answered_like_any_other(house: Any) -> None:
    station = await house.connect()
    answers = [await station.send(hookspecs.boot_notification, BOOT) for _ in range(3)]
    assert [answer.status for answer in answers] == ["Accepted"] * 3


@pytest.mark.req("BOOT-11", "WS-31")
async def test_a_decision_counts_when_a_boot_has_told_it_and_survives_a_restart(open_house: Any) -> None:
    house = await open_house()
    station = await house.connect()
    await station.send(hookspecs.boot_notification, BOOT)
    await house.stations.change("CP-1", registration="Rejected")
    assert station.refusal("StopTransaction") is None, "the station believes that it is accepted"
    house = await open_house()
    station = await house.connect()
    assert station.refusal("StopTransaction") is None
    assert (await station.send(hookspecs.boot_notification, BOOT)).status == "Rejected"
    assert station.refusal("StopTransaction") == "SecurityError"
    house = await open_house()
    assert (await house.connect()).refusal("StopTransaction") == "SecurityError"


@pytest.mark.req("BOOT-11", "TX-04")
async def test_a_decision_that_could_not_be_stored_is_not_told(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    station = await house.connect()
    failed: Pending[Any] = Pending()
    failed.settle(error=StoreUnavailable("the disk is full"))
    monkeypatch.setattr(house.stations, "announce", lambda *_: failed)
    with pytest.raises(StoreUnavailable):
        await house.core.boots.answer(station.station, BOOT, Arrival("1", house.env.now(), b"{}"))


@pytest.mark.req("BOOT-11")
async def test_the_operators_decision_counts_at_once_where_none_was_ever_told(house: Any) -> None:
    station = await house.connect(registration="Pending")
    assert station.refusal("Heartbeat") == "SecurityError"


@pytest.mark.req("BOOT-10", "BOOT-20", "WS-31")
async def test_an_accepted_station_may_begin_with_any_message(house: Any) -> None:
    station = await house.connect()
    assert [station.refusal(action) for action in ("StopTransaction", "Heartbeat", "BootNotification")] == [None] * 3


@pytest.mark.req("BOOT-20", "BOOT-31")
@pytest.mark.parametrize("registration", ["Pending", "Rejected"])
async def test_who_is_not_accepted_may_only_boot(house: Any, registration: str) -> None:
    station = await house.connect(registration=registration)
    assert station.refusal("BootNotification") is None
    for action in ("Heartbeat", "StartTransaction", "StopTransaction", "MeterValues", "Authorize", "DataTransfer"):
        assert station.refusal(action) == "SecurityError"


@pytest.mark.req("BOOT-21")
async def test_a_triggered_message_passes_while_pending_until_the_next_boot(house: Any) -> None:
    station = await house.connect(registration="Pending")
    house.core.expected.expect("CP-1", "StatusNotification")
    assert station.refusal("StatusNotification") is None
    assert station.refusal("MeterValues") == "SecurityError", "only what was asked for"
    await station.send(hookspecs.boot_notification, BOOT)
    assert station.refusal("StatusNotification") == "SecurityError"


@pytest.mark.req("BOOT-21")
async def test_the_status_of_a_job_passes_across_a_restart_of_the_station_until_the_job_is_over(house: Any) -> None:
    station = await house.connect(registration="Pending")
    house.core.expected.expect("CP-1", "FirmwareStatusNotification", for_job=True)
    await station.send(hookspecs.boot_notification, BOOT)
    assert station.refusal("FirmwareStatusNotification") is None
    house.core.expected.forget("CP-1", "FirmwareStatusNotification")
    assert station.refusal("FirmwareStatusNotification") == "SecurityError"


@pytest.mark.req("BOOT-21")
async def test_nothing_is_expected_of_a_rejected_station(house: Any) -> None:
    station = await house.connect(registration="Rejected")
    house.core.expected.expect("CP-1", "StatusNotification")
    assert station.refusal("StatusNotification") == "SecurityError"


@pytest.mark.req("BOOT-22")
@pytest.mark.parametrize(
    ("command", "request_"),
    [(REMOTE_START_TRANSACTION, RemoteStartTransaction("TAG")), (REMOTE_STOP_TRANSACTION, RemoteStopTransaction(1))],
)
async def test_a_pending_station_is_not_started_or_stopped_remotely(house: Any, command: Any, request_: Any) -> None:
    station = await house.connect(registration="Pending")
    with pytest.raises(CallRefused, match="Pending"):
        await station.station.call(command, request_)
    assert station.line.sent == []


@pytest.mark.req("BOOT-25", "BOOT-32")
async def test_a_pending_station_can_be_provisioned_and_stays_connected(house: Any) -> None:
    station = await house.connect(registration="Pending")
    await station.send(hookspecs.boot_notification, BOOT)
    station.line.answers = [GetConfigurationResponse()]
    await station.station.call(GET_CONFIGURATION, GetConfiguration())
    await trio.sleep(3600)
    assert station.line.closed_with is None
    await house.stations.change("CP-1", registration="Accepted")
    assert (await station.send(hookspecs.boot_notification, BOOT)).status == "Accepted"


@pytest.mark.req("BOOT-23")
async def test_nothing_is_sent_to_a_rejected_station(house: Any) -> None:
    station = await house.connect(registration="Rejected")
    with pytest.raises(CallRefused, match="Rejected"):
        await station.station.call(RESET, Reset("Soft"))


@pytest.mark.req("BOOT-24")
@pytest.mark.parametrize(("is_switched_on", "closed_with"), [(True, 1008), (False, None)])
async def test_a_rejected_station_may_be_sent_away_after_its_answer(
    open_house: Any, is_switched_on: bool, closed_with: int | None
) -> None:
    house = await open_house(close_rejected=is_switched_on)
    station = await house.connect(registration="Rejected")
    await station.send(hookspecs.boot_notification, BOOT)
    assert station.line.closed_with is None, "the conf leaves first"
    await trio.sleep(5)
    assert (station.line.closed_with or (None,))[0] == closed_with


@pytest.mark.req("BOOT-26", "TC_019_2", "TC_021", "TC_054")
async def test_nothing_is_sent_unasked(house: Any) -> None:
    station = await house.connect()
    await station.send(hookspecs.boot_notification, BOOT)
    await station.send(hookspecs.status_notification, StatusNotification(0, "NoError", "Available"))
    await station.send(hookspecs.heartbeat, Heartbeat())
    await trio.sleep(3600)
    assert station.line.sent == []


@pytest.mark.req("BOOT-26")
async def test_the_configuration_is_read_after_a_boot_of_those_stations_that_are_named(open_house: Any) -> None:
    house = await open_house(read_configuration_of=["CP-2"])
    quiet, asked = await house.connect(), await house.connect("CP-2")
    for station in (quiet, asked):
        await station.send(hookspecs.boot_notification, BOOT)
    assert (quiet.line.sent, asked.line.sent) == ([], [GetConfiguration()])


@pytest.mark.req("BOOT-25")
async def test_policy_pending_holds_a_new_station_until_the_operator_accepts_it(open_house: Any) -> None:
    house = await open_house(boot_policy="pending")
    station = await house.connect()
    for _ in range(2):
        assert (await station.send(hookspecs.boot_notification, BOOT)).status == "Pending"
    house = await open_house(boot_policy="pending")
    station = await house.connect()
    assert (await station.send(hookspecs.boot_notification, BOOT)).status == "Pending"
    await house.stations.change("CP-1", registration="Accepted")
    assert (await station.send(hookspecs.boot_notification, BOOT)).status == "Accepted"


@pytest.mark.req("BOOT-10")
@pytest.mark.parametrize(("registration", "told"), [("Pending", "Accepted"), ("Rejected", "Rejected")])
async def test_policy_auto_accepts_everybody_who_was_not_rejected(
    open_house: Any, registration: str, told: str
) -> None:
    house = await open_house(boot_policy="auto")
    station = await house.connect(registration=registration)
    assert (await station.send(hookspecs.boot_notification, BOOT)).status == told


class Judge:
    """A plugin that decides who is accepted."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self._answer = answer

    @hookimpl
    async def accept_station(self, station: Any) -> Any:
        return self._answer()


@pytest.mark.req("BOOT-10")
async def test_a_plugin_may_decide_who_is_accepted(house: Any) -> None:
    house.enable(Judge(lambda: "Rejected"), "judge")
    station = await house.connect()
    assert (await station.send(hookspecs.boot_notification, BOOT)).status == "Rejected"


@pytest.mark.req("BOOT-10")
@pytest.mark.filterwarnings("ignore")
async def test_a_plugin_that_fails_to_decide_leaves_the_station_pending(house: Any) -> None:
    def fail() -> None:
        raise RuntimeError("out of order")

    house.enable(Judge(fail), "judge")
    station = await house.connect()
    assert (await station.send(hookspecs.boot_notification, BOOT)).status == "Pending"


@on_both
@pytest.mark.req("BOOT-05", "BOOT-29")
async def test_each_boot_is_a_fact_with_its_changes(house: Any) -> None:
    station = await house.connect()
    await station.send(hookspecs.boot_notification, BOOT)
    rows = await house.rows(sa.select(boot.c.at, boot.c.registration, boot.c.interval))
    assert rows == [{"at": house.env.now(), "registration": "Accepted", "interval": 300}]


@pytest.mark.req("BOOT-30")
@pytest.mark.parametrize(("seconds", "is_off"), [(-61, True), (61, True), (59, False)])
async def test_a_clock_that_is_off_is_seen_in_live_messages_and_shown(
    open_house: Any, seconds: int, is_off: bool
) -> None:
    house = await open_house()
    station = await house.connect()
    told = house.env.now() + timedelta(seconds=seconds)
    await station.send(hookspecs.status_notification, StatusNotification(1, "NoError", "Available", timestamp=told))
    assert house.core.clocks.offset("CP-1") == seconds
    assert house.core.clocks.is_off("CP-1") is is_off
    assert [each.value for each in house.metrics() if each.name == "core_clocks_off"] == [float(is_off)]
    house = await open_house()
    assert house.core.clocks.offset("CP-1") == seconds, "it is known after a restart too"


@pytest.mark.req("CORE-01", "MSG-04", "WS-35")
async def test_a_heartbeat_is_told_the_time(house: Any) -> None:
    station = await house.connect()
    await trio.sleep(90)
    assert (await station.send(hookspecs.heartbeat, Heartbeat())).current_time == house.env.now()
