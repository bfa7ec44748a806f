"""DataTransfer to stations: by a vendor's own name and types, from a plugin, the API and the command line."""

from __future__ import annotations

import json
from typing import Annotated, Any

import httpx
import msgspec
import pytest
from msgspec import Meta

from csmsd.errors import CallFailed, InvalidPayload
from csmsd.ocpp.frames import Call, CallError
from csmsd.plugin import NoConfig, Plugin
from csmsd.testing import open_test_csms
from csmsd_core import DATA_TRANSFER, DataTransfer, DataTransferResponse, VendorCommand
from tests.plugins.profile import ask, in_virtual_time

pytestmark = pytest.mark.trio(run=in_virtual_time)


class Price(msgspec.Struct):
    cents: Annotated[int, Meta(ge=0)]


class Shown(msgspec.Struct):
    lines: int


SHOW_PRICE = VendorCommand("com.acme", "ShowPrice", Price, "Show a price on the display.")


class AcmePlugin(Plugin[NoConfig]):
    """Shows prices."""

    name = "acme"
    requires = ("core",)
    commands = (SHOW_PRICE,)


@pytest.mark.req("CORE-10", "CORE-11")
async def test_a_plugin_sends_structs_and_reads_the_answer() -> None:
    async with open_test_csms(plugins=["core", AcmePlugin]) as csms:
        station = await csms.connect("CP-1")
        station.behaviour["DataTransfer"] = DataTransferResponse("Accepted", '{"lines": 2}')
        answer = await csms.host.stations.get("CP-1").call(SHOW_PRICE, Price(42))
        assert (answer.status, SHOW_PRICE.answer_in(answer, Shown)) == ("Accepted", Shown(2))
        [call] = station.calls
        sent = {"vendorId": "com.acme", "messageId": "ShowPrice", "data": '{"cents":42}'}
        assert (call.action, json.loads(bytes(call.payload))) == ("DataTransfer", sent)


async def test_an_answer_that_cannot_be_read_is_an_error_and_none_is_none() -> None:
    with pytest.raises(InvalidPayload, match=r"com\.acme\.ShowPrice: the answer's data"):
        SHOW_PRICE.answer_in(DataTransferResponse("Accepted", "two lines"), Shown)
    assert SHOW_PRICE.answer_in(DataTransferResponse("UnknownMessageId"), Shown) is None


@pytest.mark.parametrize("status", ["Accepted", "Rejected", "UnknownVendorId", "UnknownMessageId"])
async def test_the_station_decides_and_the_sender_hears_it(status: Any) -> None:
    async with open_test_csms(plugins=["core"]) as csms:
        station = await csms.connect("CP-1")
        station.behaviour["DataTransfer"] = DataTransferResponse(status)
        answer = await csms.host.stations.get("CP-1").call(DATA_TRANSFER, DataTransfer("nobody"))
        assert answer.status == status


async def test_the_api_calls_it_by_its_own_name() -> None:
    async with open_test_csms(plugins=["core", "web", AcmePlugin]) as csms:
        station = await csms.connect("CP-1")

        def display(call: Call) -> DataTransferResponse:
            data = json.loads(json.loads(bytes(call.payload))["data"])
            return DataTransferResponse("Accepted", json.dumps({"lines": data["cents"]}))

        station.behaviour["DataTransfer"] = display
        path = "/stations/CP-1/commands/com.acme.ShowPrice"
        answer = await ask(csms, "POST", path, {"cents": 7})
        assert answer.json()["result"] == {"status": "Accepted", "data": '{"lines": 7}'}
        refused = await ask(csms, "POST", path, {"cents": -7})
        assert (refused.status_code, "com.acme.ShowPrice" in refused.json()["detail"]) == (422, True)
        kinds = (await ask(csms, "GET", "/command-kinds")).json()["items"]
        assert {"name": "com.acme.ShowPrice", "summary": "Show a price on the display."} in kinds
        web: Any = csms.host.plugins.get("web")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(web.app), base_url="http://127.0.0.1") as client:
            document = (await client.get("/api/openapi.json")).json()
        assert "/api/v1/stations/{station_id}/commands/com.acme.ShowPrice" in document["paths"]
        exchanges = (await ask(csms, "GET", "/stations/CP-1/exchanges")).json()["items"]
        assert {exchange["action"] for exchange in exchanges} == {"DataTransfer"}  # as it was on the wire


async def test_a_callerror_is_told_under_its_own_name() -> None:
    async with open_test_csms(plugins=["core", AcmePlugin]) as csms:
        station = await csms.connect("CP-1")
        station.behaviour["DataTransfer"] = CallError("", "NotSupported", "", msgspec.Raw(b"{}"))
        with pytest.raises(CallFailed, match="ShowPrice with NotSupported"):
            await csms.host.stations.get("CP-1").call(SHOW_PRICE, Price(42))
