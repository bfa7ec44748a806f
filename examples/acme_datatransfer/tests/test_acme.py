"""The plugin in a whole csmsd, in virtual time."""

from __future__ import annotations

import msgspec
import pytest
from trio.testing import MockClock

from csmsd.testing import open_test_csms
from csmsd_acme import SHOW_TARIFF, AcmePlugin, Tariff
from csmsd_core.messages import DataTransfer, DataTransferResponse


@pytest.mark.parametrize(("station_id", "cents"), [("CP-1", 42), ("CP-AIRPORT", 79)])
async def test_a_station_learns_its_price(station_id: str, cents: int, autojump_clock: MockClock) -> None:
    table = {"acme": {"cents_by_station": {"CP-AIRPORT": 79}}}
    async with open_test_csms(plugins=["core", AcmePlugin], plugin=table) as csms:
        station = await csms.connect(station_id)
        question = DataTransfer("com.ACME", "GetTariff", '{"connector": 1}')
        answer = await station.send("DataTransfer", question, DataTransferResponse)
    assert answer == DataTransferResponse("Accepted", f'{{"cents":{cents},"unit":"kWh"}}')


async def test_an_unreadable_question_is_rejected(autojump_clock: MockClock) -> None:
    async with open_test_csms(plugins=["core", AcmePlugin]) as csms:
        station = await csms.connect("CP-1")
        question = DataTransfer("com.acme", "GetTariff", "how much?")
        answer = await station.send("DataTransfer", question, DataTransferResponse)
    assert answer.status == "Rejected"


async def test_a_station_is_sent_a_price(autojump_clock: MockClock) -> None:
    async with open_test_csms(plugins=["core", AcmePlugin]) as csms:
        station = await csms.connect("CP-1")
        station.behaviour["DataTransfer"] = DataTransferResponse("Accepted")
        answer = await csms.host.stations.get("CP-1").call(SHOW_TARIFF, Tariff(42))
        assert answer.status == "Accepted"
        [call] = station.calls
    sent = msgspec.json.decode(bytes(call.payload), type=DataTransfer)
    assert (sent.vendor_id, sent.message_id) == ("com.acme", "ShowTariff")
    assert sent.data == '{"cents":42,"unit":"kWh"}'
