"""Starting a transaction without OCPP's payload: where follows from what the connectors say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from csmsd.testing import TestStation
from csmsd_core import RemoteStartTransactionResponse, StatusNotification, StatusNotificationResponse
from tests.plugins.web.management import Api, problem

ACCEPTED = RemoteStartTransactionResponse("Accepted")


async def report(station: TestStation, statuses: dict[int, Any]) -> None:
    for connector_id, status in statuses.items():
        request = StatusNotification(connector_id, "NoError", status)
        await station.send("StatusNotification", request, StatusNotificationResponse)


@pytest.mark.req("OPS-02", "OP-10", "MSG-25")
@pytest.mark.parametrize(
    ("statuses", "connector_id"),
    [
        ({}, None),
        ({0: "Available"}, None),
        ({0: "Available", 1: "Available"}, 1),  # the only one
        ({1: "Available", 2: "Available"}, None),  # the station chooses
        ({1: "Available", 2: "Preparing"}, 2),  # where a car is plugged in
        ({1: "Preparing", 2: "Preparing"}, None),
    ],
)
async def test_the_connector_follows_from_what_is_known(
    api: Api, statuses: dict[int, Any], connector_id: int | None
) -> None:
    station = await api.connect("CP-1", RemoteStartTransaction=ACCEPTED)
    await report(station, statuses)
    answer = await api.post("/stations/CP-1/remote-start", {"id_tag": "CARD"})
    assert (answer.status_code, answer.json()["status"], answer.json()["connector_id"]) == (
        200,
        "Accepted",
        connector_id,
    )
    expected = {"idTag": "CARD"} if connector_id is None else {"idTag": "CARD", "connectorId": connector_id}
    assert [json.loads(bytes(call.payload)) for call in station.calls] == [expected]


@pytest.mark.req("OPS-02")
async def test_a_connector_that_is_named_is_told_and_warnings_are_shown(api: Api) -> None:
    station = await api.connect("CP-1", RemoteStartTransaction=RemoteStartTransactionResponse("Rejected"))
    await report(station, {1: "Preparing", 2: "Faulted"})
    answer = await api.post("/stations/CP-1/remote-start", {"id_tag": "CARD", "connector_id": 2})
    assert (answer.json()["status"], answer.json()["connector_id"]) == ("Rejected", 2)
    assert any("Faulted" in warning for warning in answer.json()["warnings"])
    assert (await api.audit())[0].action == "transaction.remote_start"


@pytest.mark.req("OPS-02")
async def test_what_cannot_be_started_is_said(api: Api) -> None:
    await api.put("/stations/CP-2")
    problem(await api.post("/stations/CP-2/remote-start", {"id_tag": "CARD"}), 409, "station-offline")
    problem(await api.post("/stations/CP-3/remote-start", {"id_tag": "CARD"}), 404, "unknown-station")
    await api.connect("CP-1")
    for body in ({}, {"id_tag": ""}, {"id_tag": "X" * 21}, {"id_tag": "CARD", "connector_id": 0}):
        problem(await api.post("/stations/CP-1/remote-start", body), 422, "invalid-request")
