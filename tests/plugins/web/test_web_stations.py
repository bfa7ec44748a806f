"""Stations over the management API."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from trio.testing import wait_all_tasks_blocked

from csmsd_core import ResetResponse
from tests.plugins.web.management import Api, problem


@pytest.mark.req("OPS-03")
async def test_a_station_is_registered_changed_and_removed(api: Api) -> None:
    made = await api.put("/stations/CP-1", {"serial_number": "S1", "registration": "Pending", "call_timeout": 7})
    assert made.status_code == 200
    assert made.json()["registration"] == "Pending"
    changed = (await api.put("/stations/CP-1", {"note": "north"})).json()
    assert (changed["serial_number"], changed["note"], changed["call_timeout"]) == ("S1", "north", 7)
    assert (await api.put("/stations/CP-1", {"call_timeout": None})).json()["call_timeout"] is None
    assert (await api.delete("/stations/CP-1")).status_code == 204
    problem(await api.get("/stations/CP-1"), 404, "unknown-station")
    problem(await api.delete("/stations/CP-1"), 404, "unknown-station")


@pytest.mark.req("SEC-34", "WS-24")
async def test_a_generated_password_is_shown_once_and_works(api: Api) -> None:
    answer = (await api.put("/stations/CP-1", {"generate_password": True})).json()
    password = answer["generated_password"]
    assert len(password) == 40
    assert "generated_password" not in (await api.get("/stations/CP-1")).json()
    assert "generated_password" not in (await api.put("/stations/CP-1", {})).json()
    station = await api.csms.connect("CP-1", password=password, register=False)
    assert (await api.get("/stations/CP-1")).json()["online"]
    await station.disconnect()
    with pytest.raises(ConnectionRefusedError):
        await api.csms.connect("CP-1", password="wrong" * 8, register=False)


@pytest.mark.req("SEC-34", "WS-24")
async def test_no_password_is_in_any_answer_journal_or_audit(api: Api) -> None:
    secret = "correct horse battery"
    answer = await api.put("/stations/CP-1", {"password": secret})
    assert secret not in answer.text
    rows = await api.audit()
    assert [row.action for row in rows][:2] == ["station.credentials", "station.register"]
    assert secret not in repr(rows)
    refused = await api.put("/stations/CP-2", {"password": secret, "generate_password": True})
    assert secret not in problem(refused, 422, "invalid-request")["detail"]


async def test_credentials_are_withdrawn(api: Api) -> None:
    await api.put("/stations/CP-1", {"password": "0123456789abcdef"})
    assert (await api.delete("/stations/CP-1/credentials")).status_code == 204
    assert not (await api.get("/stations/CP-1")).json()["has_credentials"]
    problem(await api.delete("/stations/CP-2/credentials"), 404, "unknown-station")


@pytest.mark.req("WS-04", "WS-06")
@pytest.mark.parametrize("identity", ["A/B", "a b", "ümlaut", "A%2FB", "a..b", "commands", "x?y#z", "ключ"])
async def test_an_identity_is_one_percent_encoded_segment(api: Api, identity: str) -> None:
    path = f"/stations/{quote(identity, safe='')}"
    assert (await api.put(path, {"note": "here"})).json()["id"] == identity
    assert (await api.get(path)).json()["note"] == "here"
    assert [each["id"] for each in (await api.get("/stations")).json()["items"]] == [identity]
    assert (await api.get(f"{path}/attempts")).status_code == 200
    assert (await api.delete(path)).status_code == 204


async def test_a_path_that_is_no_text_names_nothing(api: Api) -> None:
    problem(await api.get("/stations/%FF"), 404, "not-found")
    problem(await api.get("/stations/A%00B"), 400, "bad-request")
    problem(await api.get("/tags?prefix=%00"), 400, "bad-request")
    problem(await api.put("/stations/A%0AB", {}), 422, "invalid-station")


async def test_stations_are_listed_in_pages_with_filters(api: Api) -> None:
    for number in range(5):
        await api.put(f"/stations/CP-{number}", {"note": "blue" if number % 2 else "", "registration": "Accepted"})
    await api.put("/stations/CP-3", {"registration": "Rejected"})
    await api.connect("CP-1")
    seen: list[str] = []
    path: str | None = "/api/v1/stations?limit=2"
    while path is not None:
        page = (await api.get(path)).json()
        assert len(page["items"]) <= 2
        seen += [each["id"] for each in page["items"]]
        path = page["next"]
    assert seen == [f"CP-{number}" for number in range(5)]

    async def ids(query: str) -> list[str]:
        return [each["id"] for each in (await api.get(f"/stations?{query}")).json()["items"]]

    assert await ids("online=true") == ["CP-1"]
    assert await ids("online=false&search=BLUE") == ["CP-3"]
    assert await ids("registration=Rejected") == ["CP-3"]
    following = (await api.get("/stations?search=blue&limit=1")).json()["next"]
    assert [each["id"] for each in (await api.get(following)).json()["items"]] == ["CP-3"]
    problem(await api.get("/stations?limit=1001"), 400, "invalid-request")
    problem(await api.get("/stations?registration=Maybe"), 400, "invalid-request")


async def test_an_unknown_field_is_told_with_the_nearest_known_one(api: Api) -> None:
    wrong = problem(await api.put("/stations/CP-1", {"pasword": "secret-text"}), 422, "invalid-request")
    assert "did you mean 'password'" in wrong["detail"]
    assert "secret-text" not in str(wrong)
    far = problem(await api.put("/stations/CP-1", {"zzz": 1}), 422, "invalid-request")
    assert "known: accept_long_message_ids" in far["detail"]
    typed = problem(await api.put("/stations/CP-1", {"call_timeout": "soon"}), 422, "invalid-request")
    assert typed["errors"][0]["where"] == "call_timeout"
    problem(await api.put("/stations/CP-1", {"security_profile": 9}), 422, "invalid-station")
    problem(await api.ask("PUT", "/stations/CP-1", content=b"{", headers={}), 400, "bad-request")
    assert (await api.get("/stations")).json()["items"] == []


async def test_a_connected_station_is_shown_and_can_be_disconnected(api: Api) -> None:
    station = await api.connect("CP-1", Reset=ResetResponse("Accepted"))
    shown = (await api.get("/stations/CP-1")).json()
    assert shown["online"]
    assert shown["connection"]["peer"].startswith("127.0.0.1:")
    assert shown["last_seen_at"]
    assert (await api.post("/stations/CP-1/disconnect")).status_code == 204
    assert (await station.wait_closed())[0] == 1000
    await wait_all_tasks_blocked()
    assert not (await api.get("/stations/CP-1")).json()["online"]
    problem(await api.post("/stations/CP-1/disconnect"), 409, "station-offline")


async def test_what_was_recorded_of_a_station_can_be_read(api: Api) -> None:
    await api.connect("CP-1")
    exchanges = (await api.get("/stations/CP-1/exchanges?limit=1")).json()
    assert exchanges["items"][0]["action"] == "BootNotification"
    assert (await api.get(exchanges["next"])).json()["items"] == []
    attempts = (await api.get("/stations/CP-1/attempts")).json()["items"]
    assert attempts[0]["stage"] == "admitted"
    assert (await api.get("/attempts")).json()["items"] == attempts
    assert (await api.get("/stations/CP-1/deviations")).json()["items"] == []
    assert (await api.get("/deviations")).json()["items"] == []
