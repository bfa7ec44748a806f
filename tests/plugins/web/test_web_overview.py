"""Numbers, search, and the messages of all stations."""

from __future__ import annotations

from csmsd_core import Heartbeat, HeartbeatResponse
from tests.plugins.web.management import Api, problem


async def test_csmsd_is_told_in_numbers(api: Api) -> None:
    await api.connect("CP-1")
    await api.put("/stations/CP-2", {"registration": "Pending"})
    numbers = (await api.get("/stats")).json()
    assert (numbers["stations_registered"], numbers["stations_connected"]) == (2, 1)
    assert numbers["registrations"] == {"Accepted": 1, "Pending": 1}
    assert numbers["security_profiles"] == {"0": 1}
    assert numbers["plugins"] == {"enabled": 2}
    assert (numbers["ready"], numbers["storage_available"], numbers["backlog"]) == (True, True, 0)


async def test_a_station_is_found_by_any_part_of_what_people_know_of_it(api: Api) -> None:
    for name, body in (
        ("A-1", {"note": "north gate"}),
        ("gate/2", {"serial_number": "S 77"}),
        ("GATE", {}),
        ("X", {"serial_number": "gate"}),
    ):
        await api.put(f"/stations/{name.replace('/', '%2F')}", body)
    found = (await api.get("/search", params={"q": "Gate"})).json()["items"]
    assert [(each["id"], each["is_exact"]) for each in found] == [
        ("GATE", True),
        ("X", True),
        ("gate/2", False),
        ("A-1", False),
    ]
    assert found[2]["path"] == "/api/v1/stations/gate%2F2"
    assert found[2]["words"] == "not connected, S 77"
    assert (await api.get(found[2]["path"])).status_code == 200
    assert (await api.get("/search", params={"q": "%"})).json()["items"] == []
    problem(await api.get("/search"), 422, "invalid-request")
    for number in range(60):
        await api.put(f"/stations/many-{number}")
    assert len((await api.get("/search", params={"q": "many"})).json()["items"]) == 50


async def test_messages_of_all_stations_are_listed_and_found_by_number(api: Api) -> None:
    for name in ("CP-1", "CP-2"):
        station = await api.connect(name)
        await station.send("Heartbeat", Heartbeat(), HeartbeatResponse)
    listed = (await api.get("/exchanges", params={"action": "Heartbeat"})).json()
    assert [each["station_id"] for each in listed["items"]] == ["CP-2", "CP-1"]
    assert listed["next"] is None
    first = (await api.get("/exchanges", params={"limit": 1})).json()
    second = (await api.get(first["next"])).json()
    assert first["items"][0]["id"] > second["items"][0]["id"]
    one = listed["items"][1]
    assert (await api.get(f"/exchanges/{one['id']}")).json() == one
    for number in (0, one["id"] + 1000, 2**63 - 1, 2**70):
        problem(await api.get(f"/exchanges/{number}"), 404, "unknown-exchange")
