"""The plugin in a whole csmsd, in virtual time, with a customer service in memory."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from csmsd import NoConfig, Plugin, Station
from csmsd.testing import CallErrorReceived, open_test_csms
from csmsd_acme_authorizer import AcmeAuthorizerPlugin
from csmsd_core import Tag, VendorMessages, vendor_message
from csmsd_core.messages import Authorize, AuthorizeResponse, DataTransfer, DataTransferResponse


async def customer_service(request: httpx.Request) -> httpx.Response:
    """Knows three customers."""
    match json.loads(request.content)["tag"]:
        case "ACME-GOOD":
            return httpx.Response(200, json={"may_charge": True})
        case "ACME-BAD":
            return httpx.Response(200, json={"may_charge": False})
        case "ACME-SLOW":
            await trio.sleep(60)
    return httpx.Response(500)


class Authorizer(AcmeAuthorizerPlugin):
    """ACME's plugin, with a short way to the customer service."""

    transport = httpx.MockTransport(customer_service)


class Neighbour(VendorMessages, Plugin[NoConfig]):
    """Somebody else's plugin, which needs a task of csmsd's for its answer."""

    name = "neighbour"
    requires = ("core",)

    @vendor_message("neighbour")
    async def answer(self, station: Station, request: DataTransfer) -> DataTransferResponse:
        await trio.sleep(0.01)
        return DataTransferResponse("Accepted")


async def status(station: Any, id_tag: str) -> str:
    """What a station is told of a tag: a status, or the code of an error."""
    try:
        answer = await station.send("Authorize", Authorize(id_tag), AuthorizeResponse)
    except CallErrorReceived as error:
        return error.code
    told: str = answer.id_tag_info.status
    return told


@pytest.mark.parametrize(
    ("otherwise", "slow", "broken"),
    [("refuse", "InternalError", "InternalError"), ("tag_table", "Accepted", "Invalid")],
)
async def test_the_customer_service_decides_and_its_silence_has_a_stated_outcome(
    otherwise: str, slow: str, broken: str, autojump_clock: MockClock
) -> None:
    table = {"acme_authorizer": {"otherwise": otherwise}}
    async with open_test_csms(plugins=["core", Authorizer], plugin=table) as csms:
        core: Any = csms.host.plugins.get("core")
        for tag in ("ACME-SLOW", "STAFF"):
            await core.tags.put(Tag(tag), actor="test")
        station = await csms.connect("CP-1")
        tags = ("ACME-GOOD", "acme-bad", "ACME-BAD", "ACME-SLOW", "ACME-BROKEN", "STAFF", "NOBODY")
        told = [await status(station, tag) for tag in tags]
    assert told == ["Accepted", broken, "Blocked", slow, broken, "Accepted", "Invalid"]


async def test_an_outage_does_not_put_the_plugin_aside_nor_delay_another_station(autojump_clock: MockClock) -> None:
    async with open_test_csms(plugins=["core", Neighbour, Authorizer]) as csms:
        other = await csms.connect("OTHER")
        async with trio.open_nursery() as nursery:
            for number in range(300):
                nursery.start_soon(status, await csms.connect(f"CP-{number}"), "ACME-SLOW")
            await trio.sleep(0.1)
            begun = trio.current_time()
            await other.send("DataTransfer", DataTransfer("neighbour"), DataTransferResponse)
            assert trio.current_time() - begun < 0.1  # although more wait than csmsd has tasks
        [state] = [one.state for one in csms.host.plugins.status() if one.name == "acme_authorizer"]
    assert state == "enabled"
