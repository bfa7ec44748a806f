from __future__ import annotations

import pytest
from tests.kernel.conftest import OpenHouse


@pytest.mark.req("WS-01", "WS-10")
async def test_a_station_is_admitted_and_its_messages_are_answered(open_house: OpenHouse, security: str) -> None:
    house = await open_house(security=security)
    peer, station = await house.enter()
    await peer.say('[2,"1","Heartbeat",{}]')
    assert await peer.frame() == (1, b'[2,"1","Heartbeat",{}]')
    assert station.received == [b'[2,"1","Heartbeat",{}]']
    assert station.request.is_tls == (security == "tls")
