"""The kit for plugin authors: a whole csmsd in virtual time, with stations that have no socket.

async def test_tariff(autojump_clock: MockClock) -> None:
async with open_test_csms(plugins=["core", AcmePlugin]) as csms:
station = await csms.connect("CP-1")
answer = await station.send("DataTransfer", DataTransfer("com.acme", "GetTariff"), DataTransferResponse)
assert answer.status == "Accepted"
"""

from csmsd.testing.csms import TestCsms, open_test_csms
from csmsd.testing.station import CallErrorReceived, TestStation

__all__ = ["CallErrorReceived", "TestCsms", "TestStation", "open_test_csms"]
