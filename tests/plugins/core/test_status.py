"""StatusNotification: current status, complete history, and warnings that stop nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, get_args

import msgspec
import pytest
import sqlalchemy as sa
import trio
import trio.lowlevel

from csmsd._kernel.storage.tables import outbox
from csmsd.ocpp.decoding import Deviation
from csmsd_core import (
    ConnectorStatusChanged,
    StartTransaction,
    StatusNotification,
    StatusNotificationResponse,
    hookspecs,
)
from csmsd_core.messages import ChargePointStatus
from csmsd_core.status_rules import TRANSITIONS, findings, is_operative, missing_connectors

on_both = pytest.mark.parametrize("core_url", ["sqlite", "postgres"], indirect=True)


async def notify(station: Any, status: Any, connector_id: int = 1, error: Any = "NoError", **fields: Any) -> Any:
    request = StatusNotification(connector_id, error, status, **fields)
    return await station.send(hookspecs.status_notification, request)


@on_both
@pytest.mark.req("CORE-02", "CORE-03", "MSG-07", "WS-31", "WS-34")
async def test_every_notification_is_confirmed_and_kept_and_the_current_one_survives_a_restart(open_house: Any) -> None:
    house = await open_house()
    station, told = await house.connect(), house.env.now() - timedelta(seconds=3)
    answer = await notify(station, "Preparing", info="plug \x00", vendor_id="acme", vendor_error_code="7")
    assert answer == StatusNotificationResponse()
    await trio.sleep(5)
    await notify(station, "Charging", timestamp=told)
    for restarted in (False, True):
        house = await open_house() if restarted else house
        current = house.core.statuses.of_connector("CP-1", 1)
        assert (current.status, current.reported_at, current.info) == ("Charging", told, "")
        newest, first = [entry.status for entry in await house.core.statuses.history("CP-1")]
        assert (newest.status, first.status, first.info) == ("Charging", "Preparing", "plug \x00")
        assert (first.vendor_id, first.vendor_error_code) == ("acme", "7")
        assert first.reported_at == first.received_at, "the station gave no time"


@pytest.mark.req("CORE-03")
async def test_the_history_can_be_read_by_connector_and_page_by_page(house: Any) -> None:
    station = await house.connect()
    for status in ("Available", "Preparing", "Charging"):
        await notify(station, status)
    await notify(station, "Available", 2)
    newest, *older = await house.core.statuses.history("CP-1", connector_id=1)
    assert [entry.status.status for entry in (newest, *older)] == ["Charging", "Preparing", "Available"]
    page = await house.core.statuses.history("CP-1", before_id=newest.id, limit=1)
    assert [entry.status.status for entry in page] == ["Preparing"]


@pytest.mark.req("CORE-03")
async def test_since_when_a_status_lasts_is_known(house: Any) -> None:
    station, begun = await house.connect(), house.env.now()
    await notify(station, "Available")
    await trio.sleep(60)
    await notify(station, "Available", info="again")
    assert house.core.statuses.of_connector("CP-1", 1).since - begun < timedelta(seconds=1)
    await notify(station, "Preparing")
    assert house.core.statuses.of_connector("CP-1", 1).since - begun >= timedelta(seconds=60)


@pytest.mark.req("CORE-04", "OPS-04", "TX-31")
@pytest.mark.parametrize("before", get_args(ChargePointStatus))
@pytest.mark.parametrize("after", get_args(ChargePointStatus))
def test_only_a_transition_outside_of_the_table_gives_a_warning(before: Any, after: Any) -> None:
    error: Any = "OtherError" if after == "Faulted" else "NoError"
    found = findings(StatusNotification(1, error, after), before, None)
    is_allowed = before == after or after in TRANSITIONS[before]
    assert [each.split()[0] for each in found] == ([] if is_allowed else ["CORE-04"])


@pytest.mark.req("CORE-04")
def test_the_table_is_the_one_of_the_specification() -> None:
    suspended = {"Available", "Charging", "Finishing", "Unavailable", "Faulted"}
    assert {
        "Available": {"Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Reserved", "Unavailable", "Faulted"},
        "Preparing": {"Available", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Faulted"},
        "Charging": {"Available", "SuspendedEV", "SuspendedEVSE", "Finishing", "Unavailable", "Faulted"},
        "SuspendedEV": suspended | {"SuspendedEVSE"},
        "SuspendedEVSE": suspended | {"SuspendedEV"},
        "Finishing": {"Available", "Preparing", "Unavailable", "Faulted"},
        "Reserved": {"Available", "Preparing", "Unavailable", "Faulted"},
        "Unavailable": {"Available", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Faulted"},
        "Faulted": set(get_args(ChargePointStatus)) - {"Faulted"},
    } == TRANSITIONS


@pytest.mark.req("CORE-04")
async def test_an_implausible_transition_is_stored_with_its_warning(house: Any) -> None:
    station = await house.connect()
    await notify(station, "Available")
    await notify(station, "Finishing")
    current = house.core.statuses.of_connector("CP-1", 1)
    assert (current.status, current.warnings) == (
        "Finishing",
        ("CORE-04 Available to Finishing is not a transition of OCPP 1.6",),
    )


@on_both
@pytest.mark.req("CORE-05")
async def test_the_last_received_counts_even_if_its_timestamp_is_older(house: Any, nursery: trio.Nursery) -> None:
    station, now = await house.connect(), house.env.now()
    nursery.start_soon(lambda: notify(station, "Preparing", timestamp=now))
    await trio.lowlevel.checkpoint()
    nursery.start_soon(lambda: notify(station, "Charging", timestamp=now - timedelta(hours=1)))
    await trio.sleep(1)
    assert house.core.statuses.of_connector("CP-1", 1).status == "Charging"
    rows = await house.rows(sa.text("SELECT status FROM core_status"))
    assert rows == [{"status": "Charging"}], "also when both are written in one batch"


@pytest.mark.req("CORE-06")
async def test_connector_0_says_nothing_about_the_others(house: Any) -> None:
    station = await house.connect()
    await notify(station, "Charging", 1)
    await notify(station, "Unavailable", 0)
    await notify(station, "Preparing", 0)
    assert house.core.statuses.of_connector("CP-1", 1).status == "Charging"
    main = house.core.statuses.of_connector("CP-1", 0)
    assert (main.status, main.warnings) == ("Preparing", ("CORE-06 connector 0 cannot be Preparing",))


@pytest.mark.req("CORE-06")
def test_a_local_list_conflict_offers_to_send_the_list_again() -> None:
    (finding, _) = findings(StatusNotification(0, "LocalListConflict", "Available"), None, None)
    assert finding == "CORE-06 the local list contradicts an answer of ours: send the list again"


@pytest.mark.req("CORE-07")
async def test_an_error_without_a_fault_is_a_warning_and_no_outage(house: Any) -> None:
    station = await house.connect()
    await notify(station, "Charging", error="HighTemperature")
    current = house.core.statuses.of_connector("CP-1", 1)
    assert current.is_operative
    assert current.warnings == ("CORE-07 errorCode HighTemperature is a warning, not an outage",)
    await notify(station, "Faulted", error="HighTemperature")
    assert house.core.statuses.of_connector("CP-1", 1).warnings == ()


@pytest.mark.req("CORE-08")
def test_what_is_out_of_service() -> None:
    assert {status for status in get_args(ChargePointStatus) if not is_operative(status)} == {"Unavailable", "Faulted"}


@pytest.mark.req("CORE-09", "TX-32", "TC_005_1")
@pytest.mark.parametrize(("status", "info"), [("SuspendedEV", "EV side disconnected"), ("Available", None)])
async def test_a_notification_ends_no_transaction(house: Any, status: str, info: str | None) -> None:
    station = await house.connect()
    request = StartTransaction(1, "T", 0, house.env.now())
    running = await station.send(hookspecs.start_transaction, request)
    await notify(station, status, info=info)
    assert (await house.core.transactions.find(running.transaction_id)).status == "open"


@pytest.mark.req("CORE-09")
async def test_a_notification_starts_no_transaction(house: Any) -> None:
    await notify(await house.connect(), "Charging")
    assert await house.core.transactions.current("CP-1", 1) is None


@pytest.mark.req("BOOT-27", "BOOT-28", "TC_001")
async def test_unknown_connectors_are_created_on_first_mention(house: Any) -> None:
    station = await house.connect()
    for connector_id in (0, 1, 4):
        await notify(station, "Available", connector_id)
    connectors = [each.connector_id for each in house.core.statuses.of_station("CP-1")]
    assert connectors == [0, 1, 4]
    assert missing_connectors(connectors) == (2, 3), "they should be numbered without gaps"


@pytest.mark.req("BOOT-27")
def test_number_of_connectors_serves_for_plausibility_only() -> None:
    request = StatusNotification(3, "NoError", "Available")
    assert findings(request, None, 2) == ("BOOT-27 NumberOfConnectors is 2",)
    assert findings(request, None, 3) == findings(request, None, None) == ()


@pytest.mark.req("VAL-15")
async def test_an_unknown_error_code_counts_as_other_error_and_keeps_its_text(house: Any) -> None:
    station = await house.connect()
    deviation = Deviation("VAL-15", "errorCode", '"Error"')
    request = StatusNotification(1, "Error", "Faulted")  # type: ignore[arg-type] # what tolerance lets through
    await station.send(hookspecs.status_notification, request, deviation)
    current = house.core.statuses.of_connector("CP-1", 1)
    assert (current.error_code, current.error) == ("Error", "OtherError")
    assert current.warnings == ("VAL-15 errorCode 'Error' counts as OtherError", "VAL-15 errorCode")


@pytest.mark.req("CORE-03", "CORE-12")
async def test_only_what_is_new_is_a_fact(house: Any) -> None:
    station = await house.connect()
    await notify(station, "Available")
    await notify(station, "Available")
    await notify(station, "Available", info="door open")
    await notify(station, "Charging", info="door open")
    rows = await house.rows(sa.select(outbox.c.payload).where(outbox.c.name == "connector_status_changed"))
    told = [msgspec.json.decode(row["payload"], type=ConnectorStatusChanged) for row in rows]
    assert [(each.previous, each.status, each.info) for each in told] == [
        ("", "Available", ""),
        ("Available", "Available", "door open"),
        ("Available", "Charging", "door open"),
    ]
