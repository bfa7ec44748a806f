"""Whole days of stations that behave: nothing to complain about, nothing lost, every watt hour accounted for."""

from __future__ import annotations

from itertools import pairwise

import trio

from csmsd.station import StationRecord
from csmsd_simulator.car import Car
from csmsd_simulator.visitors import Traffic, visit
from tests.plugins.simulator.conftest import TAG, Site, charge, core_of, open_site


async def test_a_day_with_two_busy_connectors_gives_no_cause_for_complaint(site: Site) -> None:
    station = await site.station()
    station.configuration.put("MeterValueSampleInterval", "300")
    station.configuration.put("ClockAlignedDataInterval", "900")
    station.configuration.put("StopTxnSampledData", "Energy.Active.Import.Register")
    station.metering.align()
    with trio.move_on_after(24 * 3600):
        async with trio.open_nursery() as drivers:
            for connector in station.connectors:
                drivers.start_soon(visit, station, connector, Traffic((TAG, "alice"), longest_gap=3600))
    for connector in station.connectors:
        station.charging.stop(connector, "Local")
        station.charging.unplug(connector)
    await trio.sleep(60)

    assert await site.deviations() == set()
    assert site.complaints() == []
    exchanges = await site.exchanges()
    assert [each for each in exchanges if each.error] == []
    assert sum(each.action == "Heartbeat" for each in exchanges) in range(280, 295)
    transactions = await site.transactions()
    assert len(transactions) > 6
    assert all(each.is_stopped and not each.flags for each in transactions)
    assert sum(each.energy_wh or 0 for each in transactions) == station.energy_wh > 100_000
    for connector in station.connectors:
        own = [each for each in transactions if each.connector_id == connector.id]
        assert own[0].meter_start == 0
        assert own[-1].meter_stop == connector.meter.register_wh
        for earlier, later in pairwise(own):
            assert earlier.meter_stop == later.meter_start, "nothing flows between transactions"
        status = core_of(site.csms).statuses.of_connector("CP-1", connector.id)
        assert status is not None
        assert status.status == "Available"


async def test_a_day_offline_arrives_exactly_once(site: Site) -> None:
    station = await site.station()
    station.configuration.put("MeterValueSampleInterval", "600")
    await charge(station, 3600)  # the tag is in the cache from now on
    site.go_offline(station)
    for number in (1, 2, 1):
        await charge(station, 2 * 3600, number)
        await trio.sleep(3600)
    assert len(await site.transactions()) == 1
    waiting = station.line.backlog
    assert waiting > 3 * 12
    site.go_online(station)
    await trio.sleep(120)

    assert station.line.backlog == 0
    transactions = await site.transactions()
    assert [each.connector_id for each in transactions] == [1, 1, 2, 1]
    assert all(each.is_stopped for each in transactions)
    assert sum(each.energy_wh or 0 for each in transactions) == station.energy_wh
    sent = [each for each in await site.exchanges() if each.action in ("StartTransaction", "StopTransaction")]
    assert len(sent) == 8, "each message once"
    assert await site.deviations() == set()
    assert site.complaints() == []


async def test_a_line_that_breaks_every_minute_loses_nothing(site: Site) -> None:
    station = await site.station("drops-connection-every=61")
    for _ in range(5):
        await charge(station, 1800)
    await trio.sleep(300)
    transactions = await site.transactions()
    assert [each.is_stopped for each in transactions] == [True] * 5
    assert sum(each.energy_wh or 0 for each in transactions) == station.energy_wh > 0


async def test_a_power_cut_ends_transactions_and_the_station_boots_again(site: Site) -> None:
    station = await site.station()
    connector = station.connectors[0]
    await charge(station, 600)
    station.charging.plug_in(connector, Car())
    station.charging.present(connector, TAG)
    await trio.sleep(600)
    stops = sum(b"StopTransaction" in message for message in site.sent)
    station.power.fail()
    await trio.sleep(1)
    assert sum(b"StopTransaction" in message for message in site.sent) == stops, "there is no power to say anything"
    await trio.sleep(60)
    last = (await site.transactions())[-1]
    assert (last.is_stopped, last.reason) == (True, "PowerLoss")
    assert [each.action for each in await site.exchanges("BootNotification")] == ["BootNotification"] * 2


async def test_a_station_that_is_not_accepted_says_nothing_but_boot() -> None:
    async with open_site() as site:
        await site.csms.host.stations.register(StationRecord("CP-9", registration="Rejected"))
        station = await site.station(station_id="CP-9")
        await charge(station, 100)
        await trio.sleep(1000)
        assert {each.action for each in await site.exchanges()} == {"BootNotification"}
        assert not station.line.is_online
        await site.csms.host.stations.change("CP-9", registration="Accepted")
        await trio.sleep(1000)
        assert station.line.is_online


async def test_a_meter_follows_ramp_limit_and_battery(site: Site) -> None:
    station = await site.station(max_power_w=7_000)
    connector = station.connectors[0]
    car = Car.arriving(10_000, 50, 11_000)
    station.charging.plug_in(connector, car)
    station.charging.present(connector, TAG)
    powers: list[int] = []
    while not car.is_full:
        await trio.sleep(30)
        powers.append(connector.meter.power_w)
    assert max(powers) == 7_000, "the station's limit"
    assert powers[-2] < 3_000, "a nearly full battery takes less"
    assert connector.status == "SuspendedEV"
    assert connector.meter.register_wh == 5_000, "half of 10 kWh"
