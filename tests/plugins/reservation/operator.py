"""What the tests of reservations do at the operator's and at the station's side."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import trio

from csmsd.testing import TestCsms, TestStation
from csmsd_core import (
    CorePlugin,
    StartTransaction,
    StartTransactionResponse,
    StatusNotification,
    StatusNotificationResponse,
)
from csmsd_reservation import (
    Booked,
    CancelReservationResponse,
    Reservation,
    ReservationPlugin,
    ReserveNowResponse,
    Wish,
)
from csmsd_web import WebPlugin

ACCEPTED, CANCELLED = ReserveNowResponse("Accepted"), CancelReservationResponse("Accepted")
HOUR = timedelta(hours=1)
PLUGINS = ("core", ReservationPlugin, WebPlugin)


def core_of(csms: TestCsms) -> CorePlugin:
    core = csms.host.plugins.get("core")
    assert isinstance(core, CorePlugin)
    return core


def plugin_of(csms: TestCsms) -> ReservationPlugin:
    plugin = csms.host.plugins.get("reservation")
    assert isinstance(plugin, ReservationPlugin)
    return plugin


async def reserve(
    csms: TestCsms, id_tag: str = "TAG", connector_id: int = 1, *, lasting: timedelta = HOUR, **more: Any
) -> Booked:
    wish = Wish(id_tag=id_tag, connector_id=connector_id, expires_at=csms.host.env.now() + lasting, **more)
    return await plugin_of(csms).reserve(csms.host.stations.get("CP-1"), wish)


async def mirror(csms: TestCsms) -> list[Reservation]:
    """All, oldest first, when everything that is under way has been taken."""
    await trio.sleep(2)
    return list(reversed(await plugin_of(csms).reservations.page()))


async def states(csms: TestCsms) -> list[str]:
    return [each.state for each in await mirror(csms)]


async def start(
    csms: TestCsms, station: TestStation, id_tag: str = "TAG", connector_id: int = 1, **more: Any
) -> StartTransactionResponse:
    more.setdefault("timestamp", csms.host.env.now())
    request = StartTransaction(connector_id=connector_id, id_tag=id_tag, meter_start=0, **more)
    return await station.send("StartTransaction", request, StartTransactionResponse)


async def report(station: TestStation, connector_id: int, status: Any) -> None:
    await station.send(
        "StatusNotification", StatusNotification(connector_id, "NoError", status), StatusNotificationResponse
    )


def sent(station: TestStation, action: str = "ReserveNow") -> list[Any]:
    return [json.loads(bytes(call.payload)) for call in station.calls if call.action == action]
