"""`csmsd trigger`, `csmsd reservation` and `csmsd locallist` against a running csmsd with a real station."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from click.testing import Result

from tests.cli.conftest import Charger, Cli, Server, eventually

Chargers = Callable[..., Charger]


def said(result: Result, code: int = 0) -> str:
    assert result.exit_code == code, result.output
    return result.stdout


def complaint(result: Result, code: int) -> str:
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stderr.strip()


@pytest.fixture
def station(remote: Cli, server: Server, charger: Chargers) -> Iterator[Charger]:
    """A registered station that is connected and has booted."""
    said(remote("station", "add", "CP-1", "--no-password"))
    connected = charger(f"{server.ocpp_url}/CP-1")
    connected.call("BootNotification", {"chargePointVendor": "v", "chargePointModel": "m"})
    eventually(lambda: msgspec.json.decode(said(remote("station", "show", "CP-1", "--json")))["announced"] is not None)
    yield connected
    remote("station", "remove", "CP-1", "--yes")


@pytest.mark.req("TRG-04", "TRG-06")
def test_a_trigger_shows_what_came_and_what_did_not(remote: Cli, station: Charger) -> None:
    station.answers["TriggerMessage"] = {"status": "Accepted"}

    def send_when_asked() -> None:
        eventually(lambda: any(action == "TriggerMessage" for action, _ in station.calls))
        station.call("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"})

    sender = threading.Thread(target=send_when_asked)
    sender.start()
    shown = said(remote("trigger", "CP-1", "StatusNotification", "--connector", "1"))
    sender.join()
    assert '"status": "Available"' in shown
    assert station.calls[-1] == ("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1})

    assert "has not come" in complaint(remote("trigger", "CP-1", "Heartbeat", "--wait", "0.1"), 4)
    station.answers["TriggerMessage"] = {"status": "NotImplemented"}
    assert "will not send Heartbeat: not implemented" in complaint(remote("trigger", "CP-1", "Heartbeat"), 1)
    assert "TRG-05" in complaint(remote("trigger", "CP-1", "BootNotification"), 1)
    assert "TRG-02" in complaint(remote("trigger", "CP-1", "Heartbeat", "--connector", "1"), 1)
    complaint(remote("trigger", "CP-1", "Authorize"), 2)


@pytest.mark.req("RES-01", "RES-02", "RES-07")
def test_reservations_are_added_listed_and_cancelled(remote: Cli, station: Charger) -> None:
    assert "no reservations" in said(remote("reservation", "list"))
    station.answers |= {"ReserveNow": {"status": "Accepted"}, "CancelReservation": {"status": "Accepted"}}
    text = said(remote("reservation", "add", "CP-1", "04A1", "--connector", "1", "--for", "2h", "--id", "4711"))
    assert text.startswith("reservation 4711 holds until ")
    said(remote("reservation", "add", "CP-1", "04A2", "--until", "2099-01-01T00:00:00Z", "--parent", "FLEET"))
    requests: list[Any] = [payload for action, payload in station.calls if action == "ReserveNow"]
    assert (requests[0]["connectorId"], requests[1]["connectorId"]) == (1, 0)
    assert (requests[1]["expiryDate"], requests[1]["parentIdTag"]) == ("2099-01-01T00:00:00.000Z", "FLEET")
    listed = said(remote("reservation", "list", "--station", "CP-1"))
    assert "4711" in listed
    assert "any" in listed
    assert "reservation 4711 is cancelled" in said(remote("reservation", "cancel", "4711"))
    assert "4711" not in said(remote("reservation", "list"))
    assert "cancelled" in said(remote("reservation", "list", "--all"))

    station.answers |= {"ReserveNow": {"status": "Occupied"}, "CancelReservation": {"status": "Rejected"}}
    assert "it answered Occupied" in complaint(remote("reservation", "add", "CP-1", "04A1"), 1)
    assert "knows no reservation 4711" in complaint(remote("reservation", "cancel", "4711"), 1)
    complaint(remote("reservation", "cancel", "99"), 1)
    complaint(remote("reservation", "add", "CP-1", "04A1", "--for", "soon"), 2)
    complaint(remote("reservation", "add", "CP-1", "04A1", "--until", "soon"), 2)
    complaint(remote("reservation", "add", "CP-1", "04A1", "--for", "1h", "--until", "2099-01-01"), 2)


@pytest.mark.req("LAL-01", "LAL-08")
def test_local_lists_are_shown_synchronised_and_sent(remote: Cli, station: Charger) -> None:
    said(remote("tag", "add", "ANNA", "--parent", "FLEET"))
    station.answers |= {
        "GetLocalListVersion": {"listVersion": 0}, "SendLocalList": {"status": "Accepted"},
        "GetConfiguration": {"unknownKey": ["LocalAuthListMaxLength", "SendLocalListMaxLength"]},
    }  # fmt: skip
    assert "0: its list is empty" in said(remote("locallist", "version", "CP-1"))
    assert "give the limits" in complaint(remote("locallist", "sync", "CP-1"), 1)
    limits = ("--max-entries", "9", "--max-entries-per-message", "5")
    assert "has 1 entries now (Full 1: Accepted)" in said(remote("locallist", "sync", "CP-1", *limits))
    station.answers["GetLocalListVersion"] = {"listVersion": 1}
    assert "in line with the id tags already" in said(remote("locallist", "sync", "CP-1", *limits))
    shown = said(remote("locallist", "show", "CP-1"))
    assert "version 1, 1 entries" in shown
    assert "FLEET" in shown
    assert msgspec.json.decode(said(remote("locallist", "show", "CP-1", "--json")))["is_certain"] is True

    assert "Differential 2" in said(remote("locallist", "send", "CP-1", "BERT", "--remove", "ANNA", *limits))
    assert station.calls[-1][1]["localAuthorizationList"] == [
        {"idTag": "ANNA"}, {"idTag": "BERT", "idTagInfo": {"status": "Invalid"}},
    ]  # fmt: skip
    station.answers["SendLocalList"] = {"status": "Failed"}
    assert "Full 3: Failed" in complaint(remote("locallist", "send", "CP-1", "--full", *limits), 1)
    assert "proposed: csmsd locallist sync CP-1 (LAL-08" in said(remote("locallist", "show", "CP-1"))
    station.answers["GetLocalListVersion"] = {"listVersion": -1}
    assert "has no local list" in complaint(remote("locallist", "sync", "CP-1", *limits), 1)
    complaint(remote("locallist", "send", "CP-1"), 2)
    said(remote("tag", "remove", "ANNA"))
