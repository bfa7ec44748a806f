"""Reservations as plugins and the management API see them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest
import trio

from csmsd.errors import UnknownCommand
from csmsd.hookspecs import hookimpl
from csmsd.plugin import NoConfig, Plugin
from csmsd.testing import TestCsms, TestStation, open_test_csms
from csmsd_reservation import (
    Reservation,
    ReservationPlugin,
)
from tests.plugins.profile import ask, booted, virtual_env
from tests.plugins.reservation.operator import (
    ACCEPTED,
    CANCELLED,
    plugin_of,
    reserve,
    sent,
    start,
)


class Listener(Plugin[NoConfig]):
    """Hears of reservations."""

    name = "listener"
    requires = ("reservation",)
    heard: list[tuple[str, Reservation]]

    def __init__(self, config: NoConfig, host: Any) -> None:
        super().__init__(config, host)
        self.heard = []

    @hookimpl
    async def reservation_changed(self, station_id: str, fact: Reservation) -> None:
        self.heard.append((station_id, fact))


@pytest.mark.req("RES-06")
async def test_plugins_hear_of_everything_in_order() -> None:
    async with open_test_csms(plugins=("core", ReservationPlugin, Listener), env=virtual_env()) as csms:
        station = await booted(csms)
        station.behaviour |= {"ReserveNow": ACCEPTED, "CancelReservation": CANCELLED}
        with csms.host.events.watch(frozenset({"reservation.changed"})) as feed:
            booked = await reserve(csms)
            assert booked.reservation is not None
            await plugin_of(csms).cancel(booked.reservation.reservation_id)
            await trio.sleep(5)
            kinds = [msgspec.json.decode((await feed.receive()).data)["state"] for _ in range(3)]
        listener: Any = csms.host.plugins.get("listener")
        assert [(station_id, fact.state) for station_id, fact in listener.heard] == [
            ("CP-1", "requested"), ("CP-1", "active"), ("CP-1", "cancelled"),
        ]  # fmt: skip
        assert kinds == ["requested", "active", "cancelled"]


@pytest.mark.req("RES-01", "RES-02", "RES-05", "RES-07", "OPS-02")
async def test_the_routes_reserve_list_and_cancel(csms: TestCsms, station: TestStation) -> None:
    body: dict[str, Any] = {"id_tag": "ANNA", "connector_id": 1, "expires_in": 900}
    answer = await ask(csms, "POST", "/stations/CP-1/reservations", body)
    assert answer.status_code == 200, answer.text
    made = answer.json()["reservation"]
    expires_at = datetime.fromisoformat(made["expires_at"])
    assert (expires_at - csms.host.env.now()).total_seconds() == pytest.approx(900, abs=5)
    assert (answer.json()["status"], made["state"], made["parent_id_tag"]) == ("Accepted", "active", "FLEET")

    absolute = {"id_tag": "ANNA", "connector_id": 2, "expires_at": "2026-01-01T15:00:00+01:00", "with_group": False}
    answer = await ask(csms, "POST", "/stations/CP-1/reservations", absolute)
    assert answer.json()["reservation"]["expires_at"].startswith("2026-01-01T14:00:00")
    assert sent(station)[-1]["expiryDate"] == "2026-01-01T14:00:00.000Z"
    assert "parentIdTag" not in sent(station)[-1]

    page = (await ask(csms, "GET", "/reservations?limit=1&station_id=CP-1")).json()
    assert [each["connector_id"] for each in page["items"]] == [2]
    page = (await ask(csms, "GET", page["next"].removeprefix("/api/v1"))).json()
    assert [each["connector_id"] for each in page["items"]] == [1]

    answer = await ask(csms, "POST", f"/reservations/{made['reservation_id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "Accepted")
    assert answer.json()["reservation"]["state"] == "cancelled"
    live = (await ask(csms, "GET", "/reservations?live=true")).json()["items"]
    assert [each["connector_id"] for each in live] == [2]
    over = (await ask(csms, "GET", "/reservations?state=cancelled")).json()["items"]
    assert [each["connector_id"] for each in over] == [1]


@pytest.mark.req("TX-09")
async def test_the_route_lists_findings(csms: TestCsms, station: TestStation) -> None:
    await start(csms, station, reservation_id=99)
    await trio.sleep(2)
    (finding,) = (await ask(csms, "GET", "/reservation-findings")).json()["items"]
    assert (finding["reservation_id"], finding["finding"]) == (99, "unknown")


@pytest.mark.req("RES-02")
@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, 422),
        ({"expires_in": 60, "expires_at": "2030-01-01T00:00:00Z"}, 422),
        ({"expires_at": "2020-01-01T00:00:00Z"}, 422),
        ({"expires_in": 0}, 422),
    ],
)
async def test_the_route_wants_one_end_that_is_ahead(
    csms: TestCsms, station: TestStation, more: Any, status: int
) -> None:
    body = {"id_tag": "ANNA", "connector_id": 1, **more}
    assert (await ask(csms, "POST", "/stations/CP-1/reservations", body)).status_code == status
    assert sent(station) == []


async def test_the_routes_say_what_is_unknown_or_taken(csms: TestCsms, station: TestStation) -> None:
    body = {"id_tag": "ANNA", "connector_id": 1, "expires_in": 60, "reservation_id": 5}
    assert (await ask(csms, "POST", "/stations/CP-2/reservations", body)).status_code == 404
    assert (await ask(csms, "POST", "/reservations/99/cancel")).status_code == 404
    assert (await ask(csms, "POST", "/stations/CP-1/reservations", body)).status_code == 200
    await booted(csms, "CP-2")
    assert (await ask(csms, "POST", "/stations/CP-2/reservations", body)).status_code == 409


async def test_without_the_plugin_there_are_no_such_commands() -> None:
    async with open_test_csms(plugins=("core",)) as csms:
        await booted(csms)
        for action in ("ReserveNow", "CancelReservation"):
            with pytest.raises(UnknownCommand):
                await csms.host.commands.submit("CP-1", action, b"{}", actor="test")
