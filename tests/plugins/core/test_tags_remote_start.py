"""Remote starts: a temporary permission for their id tag, and what becomes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trio

from csmsd.errors import CallFailed, CallTimeout
from csmsd_core import (
    GET_CONFIGURATION,
    REMOTE_START_TRANSACTION,
    GetConfiguration,
    GetConfigurationResponse,
    KeyValue,
    RemoteStartTransaction,
    RemoteStartTransactionResponse,
    StartTransaction,
    Tag,
    hookspecs,
)

on_both = pytest.mark.parametrize("core_url", ["sqlite", "postgres"], indirect=True)
ACCEPTED, REJECTED = RemoteStartTransactionResponse("Accepted"), RemoteStartTransactionResponse("Rejected")


async def remote_start(station: Any, id_tag: str, answer: Any = ACCEPTED, connector_id: int | None = None) -> Any:
    station.line.answers.append(answer)
    request = RemoteStartTransaction(id_tag, connector_id)
    return await station.station.call(REMOTE_START_TRANSACTION, request)


@on_both
@pytest.mark.req("AUTH-10", "TC_010", "TC_011_1")
async def test_the_tag_of_a_remote_start_is_good_for_that_station_and_a_while(house: Any) -> None:
    here, elsewhere = await house.connect(), await house.connect("CP-2")
    await remote_start(here, "GUEST")
    assert (await here.authorize("guest")).status == "Accepted"
    assert (await here.authorize("guest")).expiry_date is not None, "so that caches drop it"
    assert (await elsewhere.authorize("GUEST")).status == "Invalid"
    await trio.sleep(301)
    assert (await here.authorize("GUEST")).status == "Invalid"


@pytest.mark.req("AUTH-10")
async def test_a_temporary_tag_is_durable_before_the_station_knows_it(open_house: Any) -> None:
    house = await open_house()
    with pytest.raises(CallTimeout):
        await remote_start(await house.connect(), "GUEST", CallTimeout("no answer"))
    house = await open_house()
    assert (await (await house.connect()).authorize("GUEST")).status == "Accepted"


@pytest.mark.req("AUTH-10")
@pytest.mark.parametrize("is_restarted", [False, True])
async def test_a_temporary_tag_lasts_until_its_transaction_has_ended(open_house: Any, is_restarted: bool) -> None:
    house = await open_house()
    station = await house.connect()
    await remote_start(station, "GUEST")
    running = await station.start("GUEST")
    assert running.id_tag_info.status == "Accepted"
    if is_restarted:
        house = await open_house()
        station = await house.connect()
    await trio.sleep(7200)
    assert (await station.authorize("GUEST")).status == "Accepted", "to stop it"
    assert (await station.stop(running.transaction_id, "GUEST")).id_tag_info.status == "Accepted"
    assert (await station.authorize("GUEST")).status == "Invalid"
    if is_restarted:
        house = await open_house()
        assert (await (await house.connect()).authorize("GUEST")).status == "Invalid"


@pytest.mark.req("WS-08", "AUTH-10")
async def test_another_stations_stop_does_not_end_the_permission(house: Any) -> None:
    here, elsewhere = await house.connect(), await house.connect("CP-2")
    await remote_start(here, "GUEST")
    running = await here.start("GUEST")
    await elsewhere.stop(running.transaction_id, None)
    assert (await here.authorize("GUEST")).status == "Accepted"


@pytest.mark.req("AUTH-10", "TX-10", "AUTH-07")
async def test_a_remote_start_that_is_repeated_and_refused_leaves_the_first_in_force(house: Any) -> None:
    station = await house.connect()
    await remote_start(station, "GUEST")
    await remote_start(station, "GUEST", REJECTED)
    assert (await station.start("GUEST")).id_tag_info.status == "Accepted"


@pytest.mark.req("AUTH-10", "TX-12", "TX-24")
@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("end", ["closed", "superseded", "reconciled"])
async def test_the_permission_ends_with_the_transaction_however_that_ends(
    open_house: Any, end: str, is_restarted: bool
) -> None:
    house = await open_house()
    station = await house.connect()
    await remote_start(station, "GUEST")
    running = (await station.start("GUEST")).transaction_id
    await trio.sleep(1000)
    assert (await station.authorize("GUEST")).status == "Accepted"
    if end == "closed":
        await house.core.transactions.close(running, actor="test", meter_stop=10, reason="Other")
    elif end == "superseded":
        await station.start("SOMEBODY", meter=77)
    else:
        await station.stop(-1, "GUEST")
    if is_restarted:
        house = await open_house()
        station = await house.connect()
    assert (await house.core.transactions.find(running)).status == end
    assert (await station.authorize("GUEST")).status == "Invalid"


@pytest.mark.req("AUTH-10", "TX-32")
async def test_a_transaction_that_is_reopened_has_its_permission_again(house: Any) -> None:
    station = await house.connect()
    await remote_start(station, "GUEST")
    running = (await station.start("GUEST")).transaction_id
    await trio.sleep(1000)
    await house.core.transactions.close(running, actor="test", meter_stop=10, reason="Other")
    await house.core.transactions.reopen(running, actor="test")
    assert (await station.authorize("GUEST")).status == "Accepted"


@pytest.mark.req("AUTH-10", "TX-12")
async def test_a_transaction_that_only_overlaps_a_later_one_keeps_its_permission(house: Any) -> None:
    station = await house.connect()
    await remote_start(station, "GUEST")
    began = house.env.now()
    await trio.sleep(60)
    later = (await station.start("SOMEBODY")).transaction_id
    late = StartTransaction(1, "GUEST", 0, began)
    running = (await station.send(hookspecs.start_transaction, late)).transaction_id
    await trio.sleep(1000)
    await station.stop(later, None)
    assert (await house.core.transactions.find(running)).status == "open"
    assert (await station.authorize("GUEST")).status == "Accepted"


@pytest.mark.req("AUTH-10", "TX-10")
async def test_one_tag_on_two_connectors_has_two_permissions(house: Any) -> None:
    station = await house.connect()
    await remote_start(station, "GUEST", connector_id=1)
    await remote_start(station, "GUEST", connector_id=2)
    first = (await station.start("GUEST")).transaction_id
    await station.stop(first, "GUEST")
    assert (await station.authorize("GUEST")).status == "Accepted", "for connector 2"
    second = StartTransaction(2, "GUEST", 0, house.env.now())
    running = (await station.send(hookspecs.start_transaction, second)).transaction_id
    await trio.sleep(1000)
    await remote_start(station, "GUEST", connector_id=1)
    third = (await station.start("GUEST", meter=50)).transaction_id
    await trio.sleep(1000)
    await station.stop(third, "GUEST")
    assert (await station.authorize("GUEST")).status == "Accepted", "to stop the other one"
    await station.stop(running, "GUEST")
    assert (await station.authorize("GUEST")).status == "Invalid"


@pytest.mark.req("AUTH-10", "TX-39", "OP-11")
async def test_a_clock_that_is_not_set_does_not_cost_the_permission(house: Any) -> None:
    station = await house.connect()
    await remote_start(station, "GUEST")
    request = StartTransaction(1, "GUEST", 0, datetime(1970, 1, 1, tzinfo=UTC))
    assert (await station.send(hookspecs.start_transaction, request)).id_tag_info.status == "Accepted"
    await trio.sleep(1000)
    assert (await station.authorize("GUEST")).status == "Accepted"
    (known,) = await house.core.remote_starts.of_station("CP-1")
    assert known.state(house.env.now()) == "started"


@pytest.mark.req("AUTH-10")
async def test_a_transaction_from_before_the_request_does_not_use_the_permission_up(house: Any) -> None:
    station = await house.connect()
    await remote_start(station, "GUEST")
    old = StartTransaction(1, "GUEST", 0, house.env.now() - timedelta(hours=2))
    before = await station.send(hookspecs.start_transaction, old)
    await station.stop(before.transaction_id, None)
    assert (await station.authorize("GUEST")).status == "Accepted"


@pytest.mark.req("AUTH-10")
@pytest.mark.parametrize(
    "answer", [REJECTED, CallFailed("CP-1", "RemoteStartTransaction", "InternalError", "")], ids=["rejected", "failed"]
)
async def test_a_refused_remote_start_permits_nothing(house: Any, answer: Any) -> None:
    station = await house.connect()
    if answer is REJECTED:
        await remote_start(station, "GUEST", answer)
    else:
        with pytest.raises(CallFailed):
            await remote_start(station, "GUEST", answer)
    assert (await station.authorize("GUEST")).status == "Invalid"


@pytest.mark.req("AUTH-10")
async def test_a_remote_start_does_not_whitewash_a_blocked_or_expired_tag(house: Any) -> None:
    station = await house.connect()
    await house.core.tags.put(Tag("BAD", "Blocked"), actor="op")
    await house.core.tags.put(Tag("OLD", expires_at=house.env.now()), actor="op")
    for tag, status in (("BAD", "Blocked"), ("OLD", "Expired")):
        await remote_start(station, tag)
        assert (await station.authorize(tag)).status == status


@pytest.mark.req("AUTH-10")
async def test_remote_starts_permit_nothing_if_the_operator_does_not_want_it(open_house: Any) -> None:
    house = await open_house(remote_start_grants=False)
    station = await house.connect()
    await remote_start(station, "GUEST")
    assert (await station.authorize("GUEST")).status == "Invalid"


@pytest.mark.req("OP-10", "OP-11", "TC_011_2")
async def test_a_remote_start_without_a_start_is_reported(house: Any) -> None:
    station = await house.connect()
    with house.events.watch(frozenset({"remote_start.not_started"})) as events:
        await remote_start(station, "GUEST")
        (waiting,) = await house.core.remote_starts.of_station("CP-1")
        assert waiting.state(house.env.now()) == "accepted", "Accepted means only that it will try"
        await trio.sleep(301)
        assert events.receive_nowait().station_id == "CP-1"
    (given_up,) = await house.core.remote_starts.of_station("CP-1")
    assert given_up.state(house.env.now()) == "not started"


@pytest.mark.req("OP-11")
async def test_a_station_with_a_long_connection_timeout_is_given_as_long_and_a_margin(house: Any) -> None:
    station = await house.connect()
    station.line.answers.append(GetConfigurationResponse((KeyValue("ConnectionTimeOut", readonly=False, value="900"),)))
    await station.station.call(GET_CONFIGURATION, GetConfiguration())
    await remote_start(station, "GUEST")
    for seconds, state in ((955, "accepted"), (10, "not started")):
        await trio.sleep(seconds)
        (each,) = await house.core.remote_starts.of_station("CP-1")
        assert each.state(house.env.now()) == state


@pytest.mark.req("OP-10", "TX-10", "TC_010", "TC_026")
async def test_a_remote_start_succeeds_with_a_matching_start(house: Any) -> None:
    station = await house.connect()
    with house.events.watch(frozenset({"remote_start.not_started"})) as events:
        await remote_start(station, "GUEST", connector_id=1)
        running = await station.start("GUEST")
        await trio.sleep(301)
        with pytest.raises(trio.WouldBlock):
            events.receive_nowait()
    (done,) = await house.core.remote_starts.of_station("CP-1")
    assert (done.state(house.env.now()), done.transaction_id) == ("started", running.transaction_id)


@pytest.mark.req("OP-10", "TC_026")
async def test_a_rejected_remote_start_is_shown_as_such(house: Any) -> None:
    station = await house.connect()
    await remote_start(station, "GUEST", REJECTED)
    (each,) = await house.core.remote_starts.of_station("CP-1")
    assert each.state(house.env.now()) == "rejected"
