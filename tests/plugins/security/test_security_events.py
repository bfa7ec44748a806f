"""Security events: confirmed, stored once, told to plugins, shown to operators."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from csmsd.hookspecs import hookimpl
from csmsd.journal import ExchangeFilter
from csmsd.plugin import Plugin
from csmsd.testing import CallErrorReceived, TestStation, open_test_csms
from csmsd_security import SecurityEventReceived
from csmsd_security.events import CRITICAL, NOT_CRITICAL, EventRow, UnknownEvent
from tests.plugins.security.conftest import START, Site


async def report(station: TestStation, type_: str, at: str = "2026-01-01T11:00:00Z", info: str = "") -> bytes:
    extra = f',"techInfo":"{info}"' if info else ""
    payload = f'{{"type":"{type_}","timestamp":"{at}"{extra}}}'
    return await station.send_raw("SecurityEventNotification", payload.encode())


@pytest.mark.req("SEC-70", "TC_077", "TC_078", "TC_080")
async def test_every_event_is_confirmed_and_stored_also_of_an_unknown_type(site: Site) -> None:
    assert await report(site.station, "VendorsOwn", info="why") == b"{}"
    [event] = await site.plugin.events.page()
    assert (event.station_id, event.type, event.tech_info) == ("CP-1", "VendorsOwn", "why")
    assert event.reported_at == START - timedelta(hours=1)
    assert event.received_at >= START
    assert (event.count, event.is_alert) == (1, False)


@pytest.mark.req("SEC-70", "RPC-12")
async def test_an_equal_event_is_counted_whatever_its_id_and_zone(site: Site) -> None:
    await report(site.station, "MemoryExhaustion", "2026-01-01T11:00:00Z")
    await trio.sleep(60)
    await report(site.station, "MemoryExhaustion", "2026-01-01T12:00:00+01:00")
    await report(site.station, "MemoryExhaustion", "2026-01-01T11:00:01Z")
    await report(site.station, "MemoryExhaustion", "2026-01-01T11:00:00Z", "other")
    events = await site.plugin.events.page()
    assert [event.count for event in reversed(events)] == [2, 1, 1]
    assert events[-1].last_received_at - events[-1].received_at >= timedelta(seconds=60)


@pytest.mark.req("SEC-70")
async def test_the_same_event_of_another_station_is_another_event(site: Site) -> None:
    other = await site.csms.connect("CP-2")
    await report(site.station, "MemoryExhaustion")
    await report(other, "MemoryExhaustion")
    assert [event.count for event in await site.plugin.events.page()] == [1, 1]
    assert len(await site.plugin.events.page(station_id="CP-2")) == 1


@pytest.mark.req("SEC-70")
async def test_equal_events_in_one_batch_are_one_record(site: Site) -> None:
    row = EventRow("CP-1", "InvalidMessages", None, START, START, is_critical=False)
    service: Any = site.plugin.events
    first = site.host.store.submit(service._add, row)
    second = site.host.store.submit(service._add, EventRow("CP-1", "InvalidMessages", None, START, START, False))
    assert [await first, await second] == [True, False]
    [event] = await site.plugin.events.page()
    assert event.count == 2


@pytest.mark.req("SEC-71")
@pytest.mark.parametrize("type_", sorted(CRITICAL))
async def test_critical_events_raise_an_alert_until_somebody_acknowledges(site: Site, type_: str) -> None:
    with site.host.events.watch(frozenset({"security.alert"})) as feed:
        await report(site.station, type_)
        assert (await feed.receive()).station_id == "CP-1"
    [event] = await site.plugin.events.page(only_alerts=True)
    assert event.is_alert
    await site.plugin.events.acknowledge(event.id, actor="ann")
    acknowledged = await site.plugin.events.acknowledge(event.id, actor="bob")
    assert (acknowledged.acknowledged_by, acknowledged.is_alert) == ("ann", False)
    assert await site.plugin.events.page(only_alerts=True) == []


@pytest.mark.req("SEC-71")
async def test_the_other_types_are_no_alerts(site: Site) -> None:
    assert not CRITICAL & NOT_CRITICAL
    assert len(CRITICAL | NOT_CRITICAL) == 18
    for type_ in sorted(NOT_CRITICAL):
        await report(site.station, type_)
    assert await site.plugin.events.page(only_alerts=True) == []
    assert len(await site.plugin.events.page()) == len(NOT_CRITICAL)


@pytest.mark.req("SEC-71")
async def test_nobody_acknowledges_what_is_not_there(site: Site) -> None:
    with pytest.raises(UnknownEvent):
        await site.plugin.events.acknowledge(99, actor="ann")


@pytest.mark.req("BOOT-20", "BOOT-31")
async def test_an_event_of_a_station_that_is_not_accepted_is_refused_kept_raw_and_taken_later(site: Site) -> None:
    await site.host.stations.change("CP-1", registration="Pending")
    with pytest.raises(CallErrorReceived, match="SecurityError"):
        await report(site.station, "TamperDetectionActivated")
    [kept] = [each for each in await site.host.journal.exchanges(ExchangeFilter("CP-1")) if each.error]
    assert "TamperDetectionActivated" in kept.request
    await site.host.stations.change("CP-1", registration="Accepted")
    assert await report(site.station, "TamperDetectionActivated") == b"{}"


class Siem(Plugin[Any]):
    """Hears of security events."""

    name = "siem"
    requires = ("security",)

    def __init__(self, config: Any, host: Any) -> None:
        super().__init__(config, host)
        self.heard: list[tuple[str, str, bool]] = []

    @hookimpl
    async def security_event_received(self, station_id: str, fact: SecurityEventReceived) -> None:
        self.heard.append((station_id, fact.type, fact.is_critical))


@pytest.mark.req("SEC-70")
async def test_other_plugins_hear_of_each_event_once(autojump_clock: MockClock) -> None:
    plugins: Sequence[Any] = ["core", "security", Siem]
    async with open_test_csms(plugins=plugins) as csms:
        station = await csms.connect("CP-1")
        for _ in range(2):
            await report(station, "FirmwareUpdated")
        await trio.sleep(5)
        siem = csms.host.plugins.get("siem")
        assert isinstance(siem, Siem)
        assert siem.heard == [("CP-1", "FirmwareUpdated", True)]
