"""DataTransfer from stations, routed vendor by vendor."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from csmsd.hookspecs import hookimpl
from csmsd_core import DataTransfer, DataTransferResponse, VendorMessages, hookspecs, vendor_message


class Acme(VendorMessages):
    """Two messages of one vendor, and everything of another."""

    @vendor_message("com.acme", "GetTariff")
    async def tariff(self, station: Any, request: DataTransfer) -> DataTransferResponse:
        return DataTransferResponse("Accepted", f"{station.id}:{request.data}")

    @vendor_message("com.acme", "Refuse")
    def refuse(self, station: Any, request: DataTransfer) -> DataTransferResponse:
        return DataTransferResponse("Rejected")

    @vendor_message("org.echo")
    def echo(self, station: Any, request: DataTransfer) -> DataTransferResponse:
        return DataTransferResponse("Accepted", request.message_id)


class AcmeToo(VendorMessages):
    """Another plugin for the same vendor."""

    @vendor_message("COM.ACME", "SetDisplay")
    def display(self, station: Any, request: DataTransfer) -> DataTransferResponse:
        return DataTransferResponse("Accepted")

    @vendor_message("com.acme", "Broken")
    def broken(self, station: Any, request: DataTransfer) -> DataTransferResponse:
        raise RuntimeError("out of order")


@pytest.fixture
async def station(house: Any) -> Any:
    house.enable(Acme(), "acme")
    house.enable(AcmeToo(), "acme-too")
    return await house.connect()


async def transfer(station: Any, *fields: str | None) -> DataTransferResponse:
    answer: DataTransferResponse = await station.send(hookspecs.data_transfer, DataTransfer(*fields))  # type: ignore[arg-type] # in their order
    return answer


@pytest.mark.req("CORE-10", "TC_064", "RPC-30")
async def test_an_unknown_vendor_is_told_so_without_data(house: Any) -> None:
    answer = await transfer(await house.connect(), "nobody", "Hello", "x")
    assert answer == DataTransferResponse("UnknownVendorId")


@pytest.mark.req("CORE-10", "MSG-03")
async def test_the_vendors_handler_decides(station: Any) -> None:
    assert await transfer(station, "com.acme", "GetTariff", "now") == DataTransferResponse("Accepted", "CP-1:now")
    assert await transfer(station, "com.acme", "Refuse") == DataTransferResponse("Rejected")


@pytest.mark.req("CORE-10")
@pytest.mark.parametrize("message_id", ["Unheard", None])
async def test_an_unknown_message_of_a_known_vendor_is_told_so(station: Any, message_id: str | None) -> None:
    assert await transfer(station, "com.acme", message_id) == DataTransferResponse("UnknownMessageId")


@pytest.mark.req("CORE-11", "VAL-07")
async def test_vendor_and_message_compare_without_regard_to_case(station: Any) -> None:
    assert (await transfer(station, "Com.Acme", "gettariff")).status == "Accepted"


@pytest.mark.req("CORE-11")
@pytest.mark.parametrize("message_id", ["Anything", None])
async def test_a_handler_may_take_all_messages_of_a_vendor(station: Any, message_id: str | None) -> None:
    assert await transfer(station, "org.echo", message_id) == DataTransferResponse("Accepted", message_id)


@pytest.mark.req("CORE-11")
async def test_data_is_opaque_and_may_be_long(station: Any) -> None:
    data = 'not JSON {"' * 100_000
    assert (await transfer(station, "com.acme", "GetTariff", data)).data == f"CP-1:{data}"


@pytest.mark.req("CORE-11")
async def test_two_plugins_may_share_a_vendor(station: Any) -> None:
    assert (await transfer(station, "com.acme", "SetDisplay")).status == "Accepted"
    assert (await transfer(station, "com.acme", "GetTariff")).status == "Accepted"


@pytest.mark.req("CORE-10", "RPC-30")
async def test_a_handler_that_fails_is_a_rejection_and_no_callerror(station: Any) -> None:
    assert await transfer(station, "com.acme", "Broken") == DataTransferResponse("Rejected")


@pytest.mark.req("CORE-10")
async def test_a_plugin_may_also_answer_the_hook_by_hand(house: Any) -> None:
    class ByHand:
        @hookimpl
        def data_transfer(self, request: DataTransfer) -> DataTransferResponse | None:
            return DataTransferResponse("Accepted", "by hand") if request.vendor_id == "hand" else None

    house.enable(ByHand(), "by-hand")
    station = await house.connect()
    assert (await transfer(station, "hand")).data == "by hand"
    assert (await transfer(station, "other")).status == "UnknownVendorId"


class Question(msgspec.Struct):
    """What a station writes into `data`."""

    connector: int


class Tariff(msgspec.Struct):
    """What it is sent."""

    cents: int


class Typed(VendorMessages):
    """Takes and returns Structs."""

    @vendor_message("com.typed", "GetTariff", Question)
    async def tariff(self, station: Any, question: Question) -> Tariff:
        return Tariff(question.connector * 10)

    @vendor_message("com.typed", "Refuse", Question)
    def refuse(self, station: Any, question: Question) -> DataTransferResponse:
        return DataTransferResponse("Rejected", "no")


@pytest.mark.req("CORE-10", "CORE-11")
@pytest.mark.parametrize(
    ("message_id", "data", "answer"),
    [
        ("GetTariff", '{"connector": 2}', DataTransferResponse("Accepted", '{"cents":20}')),
        ("gettariff", '{"connector": 2, "more": 1}', DataTransferResponse("Accepted", '{"cents":20}')),
        ("Refuse", '{"connector": 2}', DataTransferResponse("Rejected", "no")),
        ("GetTariff", '{"connector": "two"}', DataTransferResponse("Rejected")),
        ("GetTariff", "how much?", DataTransferResponse("Rejected")),
        ("GetTariff", None, DataTransferResponse("Rejected")),
        ("Other", '{"connector": 2}', DataTransferResponse("UnknownMessageId")),
    ],
)
async def test_a_typed_handler_gets_and_returns_structs(
    house: Any, message_id: str, data: str | None, answer: DataTransferResponse
) -> None:
    house.enable(Typed(), "typed")
    assert await transfer(await house.connect(), "com.typed", message_id, data) == answer
