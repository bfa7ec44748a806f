"""The Core profile's part of the management API."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from trio.testing import wait_all_tasks_blocked

from csmsd_core import (
    GetConfigurationResponse,
    KeyValue,
    StartTransaction,
    StartTransactionResponse,
    StatusNotification,
    StatusNotificationResponse,
    StopTransaction,
    StopTransactionResponse,
    Transaction,
)
from csmsd_core.routes_transactions import to_csv
from tests.plugins.web.management import Api, problem

AT = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.req("OPS-03", "AUTH-03", "AUTH-12")
async def test_an_id_tag_is_created_replaced_found_in_any_case_and_forgotten(api: Api) -> None:
    body = {"status": "Blocked", "parent_id_tag": "GROUP", "max_active_transactions": 1, "note": "lost"}
    made = (await api.put("/tags/AbC%2F1", body)).json()
    assert {name: made[name] for name in body} == body
    assert (await api.get("/tags/abc%2F1")).json()["id_tag"] == "AbC/1"
    replaced = (await api.put("/tags/AbC%2F1", {})).json()
    assert (replaced["status"], replaced["parent_id_tag"], replaced["note"]) == ("Accepted", None, "")
    assert (await api.delete("/tags/ABC%2F1")).status_code == 204
    assert "AbC/1" in problem(await api.get("/tags/AbC%2F1"), 404, "not-found")["detail"]
    problem(await api.delete("/tags/AbC%2F1"), 404, "not-found")
    audited = [(row.action, row.actor.partition(" (")[0]) for row in await api.audit()]
    assert audited[:3] == [("tag.delete", "test admin"), ("tag.put", "test admin"), ("tag.put", "test admin")]


@pytest.mark.req("AUTH-01", "AUTH-06")
async def test_expired_is_a_date_in_the_past_and_invalid_is_unknown(api: Api) -> None:
    past, future = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
    assert (await api.put("/tags/A", {"expiry_date": past})).json()["status"] == "Expired"
    assert (await api.put("/tags/A", {"status": "Expired"})).json()["status"] == "Expired"
    assert (await api.put("/tags/A", {"expiry_date": future})).json()["status"] == "Accepted"
    assert (await api.put("/tags/A", {"status": "Blocked", "expiry_date": past})).json()["status"] == "Blocked"
    problem(await api.put("/tags/A", {"status": "Expired", "expiry_date": future}), 422, "unprocessable-entity")
    problem(await api.put("/tags/A", {"status": "Invalid"}), 422, "unprocessable-entity")
    problem(await api.put("/tags/A", {"expiry_date": "2030-01-01T00:00:00"}), 422, "invalid-request")
    problem(await api.put("/tags/A", {"max_active_transactions": 0}), 422, "invalid-request")
    problem(await api.put(f"/tags/{'A' * 21}", {}), 422, "unprocessable-entity")
    wrong = problem(await api.put("/tags/A", {"expiry": future}), 422, "invalid-request")
    assert "did you mean 'expiry_date'" in wrong["detail"]


async def test_id_tags_are_listed_in_pages(api: Api) -> None:
    for name in ("b2", "B1", "a/1", "C"):
        await api.put(f"/tags/{name.replace('/', '%2F')}", {})
    seen: list[str] = []
    path: str | None = "/api/v1/tags?limit=1"
    while path is not None:
        page = (await api.get(path)).json()
        seen += [each["id_tag"] for each in page["items"]]
        path = page["next"]
    assert seen == ["a/1", "B1", "b2", "C"]
    assert [each["id_tag"] for each in (await api.get("/tags?prefix=b")).json()["items"]] == ["B1", "b2"]


@pytest.mark.req("TX-37", "TX-32", "TX-40")
async def test_a_transaction_is_listed_shown_closed_and_reopened(api: Api) -> None:
    await api.put("/tags/A", {})
    station = await api.connect("CP-1")
    start = StartTransaction(1, "A", 100, AT)
    started = await station.send("StartTransaction", start, StartTransactionResponse)
    path = f"/transactions/{started.transaction_id}"
    listed = (await api.get("/transactions?station_id=CP-1&status=open&id_tag=a&connector_id=1")).json()["items"]
    assert [each["id"] for each in listed] == [started.transaction_id]
    assert (await api.get("/transactions?started_since=2020-01-01T00:00:01Z")).json()["items"] == []
    assert len((await api.get("/transactions?started_until=2020-01-01T00:00:01Z")).json()["items"]) == 1
    closed = (await api.post(f"{path}/close", {"meter_stop": 150})).json()
    assert (closed["status"], closed["energy_wh"]) == ("closed", 50)
    problem(await api.post(f"{path}/close", {}), 409, "conflict")
    assert (await api.post(f"{path}/reopen")).json()["status"] == "open"
    stop = StopTransaction(started.transaction_id, 150, AT + timedelta(hours=1))
    await station.send("StopTransaction", stop, StopTransactionResponse)
    shown = (await api.get(path)).json()
    assert (shown["transaction"]["status"], shown["duration_seconds"]) == ("stopped", 3600)
    assert [each["state"] for each in shown["stops"]] == ["revoked", "applied"]
    assert (await api.get(f"{path}/meter-values")).json()["items"] == []
    for missing in ("/transactions/77", "/transactions/77/meter-values"):
        problem(await api.get(missing), 404, "not-found")
    problem(await api.post("/transactions/77/close"), 404, "not-found")
    problem(await api.get("/transactions/seven"), 404, "not-found")
    problem(await api.get(f"/transactions/{2**70}"), 400, "invalid-request")
    problem(await api.get("/transactions?status=lost"), 400, "invalid-request")
    problem(await api.get("/transactions?started_since=2030-01-01T00:00:00"), 400, "bad-request")
    problem(await api.get(f"/transactions?after={2**70}"), 400, "invalid-request")
    problem(await api.get(f"/stations/CP-1/exchanges?after={2**70}"), 400, "invalid-request")
    problem(await api.get(f"/stations/CP-1/status-history?connector_id={2**70}"), 400, "invalid-request")


async def test_transactions_are_exported_as_csv_that_no_spreadsheet_runs(api: Api) -> None:
    station = await api.connect("CP-1")
    for number, tag in enumerate(('=HYPERLINK("x")', "+1", "plain", "@x,y")):
        start = StartTransaction(1, tag, -5, AT + timedelta(minutes=number))
        await station.send("StartTransaction", start, StartTransactionResponse)
    answer = await api.get("/transactions?limit=3", headers={"accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    first = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["id_tag"] for row in first] == ["'@x,y", "plain", "'+1"]
    assert {row["meter_start"] for row in first} == {"-5"}
    following = answer.headers["link"].partition(">")[0].removeprefix("<")
    rest = await api.get(f"{following}&format=csv")
    assert [row["id_tag"] for row in csv.DictReader(io.StringIO(rest.text))] == ['\'=HYPERLINK("x")']
    assert "link" not in rest.headers
    assert (await api.get("/transactions?format=json", headers={"accept": "text/csv"})).json()["items"]


@pytest.mark.parametrize("risky", ["=1", "+1", "-1", "@a", "\t=1", "\r=1", " =1", "＝1"])
def test_a_formula_in_a_text_is_disarmed(risky: str) -> None:
    transaction = Transaction(
        id=1,
        station_id=risky,
        connector_id=1,
        id_tag="a",
        started_at=AT,
        start_received_at=AT,
        meter_start=-1,
        verdict="Accepted",
    )
    (row,) = csv.DictReader(io.StringIO(to_csv([transaction]), newline=""))
    assert row["station_id"] == f"'{risky}"
    assert row["meter_start"] == "-1"


@pytest.mark.req("TX-24", "TX-25", "TX-41")
async def test_a_stop_without_an_id_waits_for_a_decision(api: Api) -> None:
    station = await api.connect("CP-1")
    await station.send("StopTransaction", StopTransaction(-1, 50, AT, "A"), StopTransactionResponse)
    assert len((await api.get("/unmatched-stops?station_id=CP-1")).json()["items"]) == 1
    start = StartTransaction(1, "A", 10, AT - timedelta(hours=1))
    await station.send("StartTransaction", start, StartTransactionResponse)
    (proposed,) = (await api.get("/proposals")).json()["items"]
    accepted = (await api.post(f"/proposals/{proposed['id']}/accept")).json()
    assert (accepted["status"], accepted["energy_wh"]) == ("reconciled", 40)
    problem(await api.post(f"/proposals/{proposed['id']}/dismiss"), 409, "conflict")
    problem(await api.post("/proposals/77/dismiss"), 404, "not-found")
    separation = {"started_at": "2030-01-01T00:00:00Z", "meter_start": 1, "id_tag": "A"}
    problem(await api.post("/stops/77/separate", separation), 404, "not-found")


@pytest.mark.req("BOOT-27", "CORE-03", "TX-39")
async def test_connectors_are_shown_with_their_current_transaction_and_history(api: Api) -> None:
    station = await api.connect("CP-1")
    for status in ("Available", "Charging"):
        notification = StatusNotification(1, "NoError", status)
        await station.send("StatusNotification", notification, StatusNotificationResponse)
    started = await station.send("StartTransaction", StartTransaction(1, "A", 0, AT), StartTransactionResponse)
    (connector,) = (await api.get("/stations/CP-1/connectors")).json()["items"]
    assert (connector["status"]["status"], connector["operative"]) == ("Charging", True)
    assert connector["transaction"]["id"] == started.transaction_id
    history = (await api.get("/stations/CP-1/status-history?limit=1")).json()
    assert [each["status"]["status"] for each in history["items"]] == ["Charging"]
    earlier = (await api.get(history["next"])).json()["items"]
    assert [each["status"]["status"] for each in earlier] == ["Available"]
    problem(await api.get("/stations/CP-2/connectors"), 404, "unknown-station")


@pytest.mark.req("CFG-09", "CFG-11")
async def test_the_configuration_is_read_from_the_station_and_mirrored(api: Api) -> None:
    entries = (KeyValue("HeartbeatInterval", False, "300"), KeyValue("AuthorizationKey", False, "0123456789abcdef"))
    await api.connect("CP-1", GetConfiguration=GetConfigurationResponse(entries))
    read = await api.post("/stations/CP-1/configuration/refresh")
    assert read.status_code == 200
    await wait_all_tasks_blocked()
    mirror = await api.get("/stations/CP-1/configuration")
    assert [(each["key"], each["value"]) for each in mirror.json()["entries"]] == [
        ("AuthorizationKey", None),
        ("HeartbeatInterval", "300"),
    ]
    assert "0123456789abcdef" not in mirror.text + read.text
    await api.put("/stations/CP-2")
    problem(await api.post("/stations/CP-2/configuration/refresh"), 409, "station-offline")
    problem(await api.get("/stations/CP-3/configuration"), 404, "unknown-station")
