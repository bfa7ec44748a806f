"""StartTransaction: stored once, flagged, answered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from csmsd.ocpp.decoding import Deviation
from csmsd.ocpp.types import UnreadableTimestamp
from csmsd_core.transaction_rules import TransactionRules
from csmsd_core.transaction_tables import transaction

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.req("TX-01", "TX-02", "TX-03", "TX-37", "TC_003", "TC_037_3", "MSG-06")
@pytest.mark.parametrize("verdict", ["Accepted", "Blocked", "Expired", "Invalid"])
async def test_every_start_gets_a_positive_id_and_a_full_record_whatever_the_verdict(bench: Any, verdict: str) -> None:
    response = await bench.send_start(verdict=verdict, parent="GROUP")
    assert response.id_tag_info.status == verdict
    assert 1 <= response.transaction_id <= 2**31 - 1
    stored = await bench.transactions.find(response.transaction_id)
    assert (stored.verdict, stored.status, stored.id_tag, stored.parent_id_tag) == (verdict, "open", "TAG", "GROUP")
    assert (stored.meter_start, stored.connector_id, stored.started_at) == (1000, 1, NOON)


@pytest.mark.req("TX-02")
async def test_ids_are_unique_over_stations_and_restarts(bench: Any) -> None:
    ids = [await bench.start(f"CP-{number % 3}", meter=number) for number in range(20)]
    bench.restart()
    ids += [await bench.start(f"CP-{number % 3}", meter=number) for number in range(20, 40)]
    assert len(set(ids)) == 40
    assert min(ids) > 0


@pytest.mark.req("TX-05", "RPC-12", "B-02", "AUTH-03")
async def test_a_retransmission_is_the_same_transaction_whatever_has_changed_around_it(bench: Any) -> None:
    first = await bench.start(at=NOON + timedelta(milliseconds=789))
    again = [
        await bench.start(at=NOON + timedelta(milliseconds=789)),
        await bench.start(at=NOON),  # the fraction got lost in the queue
        await bench.start(at=NOON.astimezone(timezone(timedelta(hours=2)))),  # the same instant in another zone
        await bench.start(at=NOON, tag="tag"),
        await bench.start(at=NOON, reservation=7),  # no part of the key
        await bench.start(at=NOON, received=NOON + timedelta(days=3)),
    ]
    bench.restart()
    again.append(await bench.start(at=NOON))
    await bench.stop(first, at=NOON + HOUR)
    again.append(await bench.start(at=NOON, received=NOON + 2 * HOUR))
    assert set(again) == {first}
    assert await bench.count(transaction) == 1
    assert len(await bench.facts("transaction_started")) == 1


@pytest.mark.req("TX-05")
async def test_retransmissions_in_progress_at_the_same_time_collapse(bench: Any) -> None:
    pending = [bench.send_start() for _ in range(5)]
    assert len({(await each).transaction_id for each in pending}) == 1
    assert len(await bench.facts("transaction_started")) == 1


@pytest.mark.req("TX-05", "VAL-14")
async def test_unreadable_timestamps_are_compared_by_their_text(bench: Any) -> None:
    def unreadable(received: datetime, raw: str) -> datetime:
        return UnreadableTimestamp.at(received, raw)

    first = await bench.start(at=unreadable(NOON, "yesterday"))
    later = NOON + HOUR
    again = await bench.start(at=unreadable(later, "yesterday"), received=later)
    other = await bench.start(at=unreadable(later, "today"), received=later)
    assert first == again != other
    stored = await bench.transactions.find(first)
    assert (stored.started_at, stored.start_reported_at, stored.start_raw) == (NOON, None, "yesterday")


@pytest.mark.req("TX-05")
@pytest.mark.parametrize(
    "other", [{"connector": 2}, {"tag": "OTHER"}, {"meter": 1001}, {"at": NOON + timedelta(seconds=1)}]
)
async def test_what_differs_in_the_key_is_another_transaction(bench: Any, other: dict[str, Any]) -> None:
    assert await bench.start() != await bench.start(**other)


@pytest.mark.req("TX-05", "WS-08")
async def test_the_same_message_of_another_station_is_another_transaction(bench: Any) -> None:
    assert await bench.start("CP-1") != await bench.start("CP-2")


@pytest.mark.req("TX-06")
async def test_a_retry_gets_the_current_verdict(bench: Any) -> None:
    first = await bench.send_start(verdict="Accepted")
    again = await bench.send_start(verdict="Blocked")
    assert (again.transaction_id, again.id_tag_info.status) == (first.transaction_id, "Blocked")


@pytest.mark.req("AUTH-14")
async def test_a_start_that_nobody_could_verify_is_stored_and_flagged(bench: Any) -> None:
    stored = await bench.transactions.find(await bench.start(verified=False))
    assert not stored.is_verified
    assert "AUTH-14 not verified" in stored.flags


@pytest.mark.req("TX-07", "TX-09", "TX-30", "TX-39")
@pytest.mark.parametrize(
    ("about", "flag"),
    [
        ({"connector": 0}, "TX-07 no connector"),
        ({"meter": -5}, "TX-07 negative meter"),
        ({"at": NOON + HOUR}, "TX-07 future timestamp"),
        ({"at": NOON + timedelta(hours=25)}, "TX-39 implausible timestamp"),
        ({"at": datetime(1970, 1, 1, tzinfo=UTC)}, "TX-39 implausible timestamp"),
        ({"at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))}, None),
        ({"reservation": 12}, "TX-09 reservation"),
        ({"at": NOON - timedelta(minutes=6)}, "TX-30 historical"),
        ({"tag": "T\x00\u00e4"}, "VAL-18 not printable ASCII"),
        ({"meter": 2**62}, None),
    ],
)
async def test_whatever_is_implausible_is_stored_flagged_and_answered(
    bench: Any, about: dict[str, Any], flag: str | None
) -> None:
    stored = await bench.transactions.find(await bench.start(**about))
    assert flag is None or flag in stored.flags
    assert stored.id_tag == about.get("tag", "TAG")
    assert stored.reservation_id == about.get("reservation")


@pytest.mark.req("VAL-14")
async def test_tolerated_deviations_become_flags_without_array_positions(bench: Any) -> None:
    stored = await bench.transactions.find(await bench.start(deviations=[Deviation("VAL-14", "list[3].idTag", "x")]))
    assert stored.flags == ("VAL-14 list.idTag",)


@pytest.mark.req("TX-39", "PERF-04")
async def test_both_times_are_kept_and_the_effective_one_falls_back_to_receipt(bench: Any) -> None:
    ancient = datetime(2009, 12, 31, 23, 59, 59, 123456, tzinfo=UTC)
    stored = await bench.transactions.find(await bench.start(at=ancient))
    assert (stored.started_at, stored.start_reported_at, stored.start_received_at) == (NOON, ancient, NOON)
    exact = NOON - timedelta(milliseconds=1)
    assert (await bench.transactions.find(await bench.start(at=exact))).started_at == exact


@pytest.mark.req("TX-12")
async def test_a_newer_start_supersedes_the_open_one_without_inventing_a_stop(bench: Any) -> None:
    older = await bench.start(at=NOON)
    newer = await bench.start(at=NOON + HOUR, tag="OTHER", meter=2000, received=NOON + HOUR)
    before = await bench.transactions.find(older)
    assert (before.status, before.superseded_by, before.meter_stop, before.stopped_at) == (
        "superseded",
        newer,
        None,
        None,
    )
    assert "TX-12 superseded" in before.flags
    assert (await bench.transactions.current("CP-1", 1)).id == newer
    (change,) = await bench.facts("transaction_updated")
    assert (change["change"], change["transaction"]["id"]) == ("superseded", older)
    await bench.stop(older, meter=1500, at=NOON + 2 * MINUTE, received=NOON + 2 * HOUR)
    assert (await bench.transactions.find(older)).status == "stopped"
    assert (await bench.transactions.find(newer)).status == "open"


@pytest.mark.req("TX-12")
async def test_an_equal_start_supersedes_too(bench: Any) -> None:
    older, newer = await bench.start(), await bench.start(tag="OTHER")
    assert (await bench.transactions.find(older)).superseded_by == newer


@pytest.mark.req("TX-12", "TX-39")
async def test_an_older_start_that_arrives_later_leaves_both_open(bench: Any) -> None:
    first = await bench.start(at=NOON)
    late = await bench.start(at=NOON - HOUR, tag="OTHER")
    assert [(await bench.transactions.find(each)).status for each in (first, late)] == ["open", "open"]
    assert "TX-07 overlapping" in (await bench.transactions.find(late)).flags
    assert (await bench.transactions.current("CP-1", 1)).id == first


@pytest.mark.req("TX-12")
async def test_a_start_whose_clock_alone_changed_is_a_probable_duplicate_and_never_merged(bench: Any) -> None:
    first = await bench.start(at=NOON)
    second = await bench.start(at=NOON + timedelta(seconds=90), tag="tag")
    assert first != second
    assert "TX-12 probable duplicate" in (await bench.transactions.find(second)).flags


@pytest.mark.req("TX-12")
async def test_connector_zero_other_connectors_and_other_stations_supersede_nothing(bench: Any) -> None:
    ids = [await bench.start("CP-1"), await bench.start("CP-1", connector=2), await bench.start("CP-2")]
    ids += [await bench.start(connector=0, at=NOON + each * MINUTE) for each in range(2)]
    assert {(await bench.transactions.find(each)).status for each in ids} == {"open"}


@pytest.mark.req("TX-12")
async def test_a_retry_of_a_superseded_start_changes_nothing(bench: Any) -> None:
    older = await bench.start(at=NOON)
    newer = await bench.start(at=NOON + HOUR, meter=2000)
    assert await bench.start(at=NOON) == older
    assert (await bench.transactions.find(newer)).status == "open"


@pytest.mark.req("TX-12")
async def test_starts_in_one_batch_supersede_in_the_order_of_arrival(bench: Any) -> None:
    pending = [bench.send_start(at=NOON + each * MINUTE, meter=each) for each in range(3)]
    first, second, third = [(await each).transaction_id for each in pending]
    assert (await bench.transactions.find(first)).superseded_by == second
    assert (await bench.transactions.find(second)).superseded_by == third
    assert (await bench.transactions.find(third)).status == "open"


@pytest.mark.req("TX-08")
async def test_without_a_limit_a_token_may_charge_everywhere(bench: Any) -> None:
    await bench.start("CP-1")
    assert (await bench.send_start("CP-2")).id_tag_info.status == "Accepted"


@pytest.mark.req("TX-08")
async def test_a_limited_token_gets_concurrent_tx_and_a_transaction(bench: Any) -> None:
    await bench.start("CP-1", limit=1)
    response = await bench.send_start("CP-2", tag="tag", limit=1)
    assert response.id_tag_info.status == "ConcurrentTx"
    assert (await bench.transactions.find(response.transaction_id)).verdict == "ConcurrentTx"
    (*_, fact) = await bench.facts("transaction_started")
    assert fact["verdict"] == "ConcurrentTx"


@pytest.mark.req("TX-08")
async def test_two_starts_of_a_limited_token_in_one_batch_are_judged_in_order(bench: Any) -> None:
    pending = [bench.send_start("CP-1", limit=1), bench.send_start("CP-2", limit=1)]
    assert [(await each).id_tag_info.status for each in pending] == ["Accepted", "ConcurrentTx"]


@pytest.mark.req("TX-08", "TX-06")
async def test_a_start_that_was_refused_does_not_count_against_a_retry_of_the_earlier_one(bench: Any) -> None:
    first = await bench.send_start("CP-1", limit=1)
    assert (await bench.send_start("CP-2", limit=1)).id_tag_info.status == "ConcurrentTx"
    retry = await bench.send_start("CP-1", limit=1)
    assert (retry.transaction_id, retry.id_tag_info.status) == (first.transaction_id, "Accepted")


@pytest.mark.req("TX-08", "OPS-04")
async def test_nothing_that_may_have_ended_counts_against_a_limited_token(bench: Any) -> None:
    first = await bench.send_start("CP-1", limit=1)
    retry = await bench.send_start("CP-1", limit=1)
    assert retry.id_tag_info.status == "Accepted"  # (a) itself
    same_place = await bench.send_start("CP-1", limit=1, at=NOON + MINUTE, meter=1100)
    assert same_place.id_tag_info.status == "Accepted"  # (b) it supersedes the one there; (d) which is superseded now
    assert first.transaction_id != same_place.transaction_id
    await bench.stop(same_place.transaction_id)
    assert (await bench.send_start("CP-2", limit=1)).id_tag_info.status == "Accepted"  # (c) its stop is known


@pytest.mark.req("TX-08", "TX-33")
async def test_a_stale_transaction_does_not_lock_the_driver_out(bench: Any) -> None:
    await bench.start("CP-1", limit=1)
    await bench.put_status("Available", since=NOON + MINUTE)
    bench.now = NOON + 30 * MINUTE
    assert (await bench.send_start("CP-2", limit=1)).id_tag_info.status == "ConcurrentTx"
    bench.now = NOON + 2 * HOUR
    assert (await bench.send_start("CP-3", limit=2)).id_tag_info.status == "Accepted"  # only the one on CP-2 counts


@pytest.mark.req("TX-08", "TX-33")
async def test_a_transaction_with_a_later_received_one_on_its_connector_does_not_count(bench: Any) -> None:
    await bench.start("CP-1", limit=1)
    bench.now = NOON + MINUTE
    await bench.start("CP-1", tag="OTHER", at=NOON - HOUR)
    assert (await bench.send_start("CP-2", limit=1)).id_tag_info.status == "Accepted"


@pytest.mark.req("TX-08")
async def test_a_late_start_on_the_connector_of_an_open_transaction_is_not_concurrent(bench: Any) -> None:
    await bench.start("CP-1", limit=1, at=NOON)
    late = await bench.send_start("CP-1", limit=1, at=NOON - 2 * MINUTE, meter=900)
    assert late.id_tag_info.status == "Accepted"


@pytest.mark.req("TX-08", "TX-30")
async def test_a_historical_start_never_gets_concurrent_tx(bench: Any) -> None:
    await bench.start("CP-1", limit=1, at=NOON - HOUR)
    assert (await bench.send_start("CP-2", limit=1, at=NOON - 6 * MINUTE)).id_tag_info.status == "Accepted"
    assert (await bench.send_start("CP-3", limit=1, at=NOON - 4 * MINUTE)).id_tag_info.status == "ConcurrentTx"


@pytest.mark.req("TX-08")
async def test_a_refused_tag_stays_refused_for_its_own_reason(bench: Any) -> None:
    await bench.start("CP-1", limit=1)
    assert (await bench.send_start("CP-2", limit=1, verdict="Blocked")).id_tag_info.status == "Blocked"


@pytest.mark.req("TX-08")
@pytest.mark.parametrize(
    ("rules", "expected"), [(TransactionRules(), "Accepted"), (TransactionRules(count_groups=True), "ConcurrentTx")]
)
async def test_a_group_counts_as_one_token_only_on_request(bench: Any, expected: str) -> None:
    await bench.start("CP-1", parent="Group", limit=1)
    response = await bench.send_start("CP-2", tag="OTHER", parent="GROUP", limit=1)
    assert response.id_tag_info.status == expected


@pytest.mark.req("TX-10", "TC_010")
async def test_a_pending_remote_start_is_linked_to_its_transaction_once(bench: Any) -> None:
    await bench.put_remote_start("r-1", tag="TAG", connector=1, at=NOON)
    other_tag = await bench.start(tag="OTHER")
    other_connector = await bench.start(connector=2)
    foreign = await bench.start("CP-2")
    linked = await bench.start(tag="tag", at=NOON + MINUTE)
    later = await bench.start(tag="tag", at=NOON + 2 * MINUTE)
    found = [
        (await bench.transactions.find(each)).remote_start_id
        for each in (other_tag, other_connector, foreign, linked, later)
    ]
    assert found == [None, None, None, "r-1", None]
    assert [fact["remote_start_id"] for fact in await bench.facts("transaction_started")][3] == "r-1"


@pytest.mark.req("TX-10")
@pytest.mark.parametrize(
    ("started", "outcome", "is_linked"),
    [
        (-4 * MINUTE, "sent", True),
        (-6 * MINUTE, "sent", False),  # it was in the queue before the request was sent
        (4 * MINUTE, "accepted", True),
        (6 * MINUTE, "accepted", False),
        (MINUTE, "rejected", False),
        (MINUTE, "failed", False),
    ],
)
async def test_only_a_start_that_can_come_from_the_request_is_linked(
    bench: Any, started: timedelta, outcome: str, is_linked: bool
) -> None:
    await bench.put_remote_start("r-1", tag="TAG", connector=None, at=NOON, outcome=outcome)
    bench.now = NOON + HOUR
    stored = await bench.transactions.find(await bench.start(at=NOON + started))
    assert (stored.remote_start_id == "r-1") is is_linked


@pytest.mark.req("TX-10")
async def test_each_start_of_a_batch_is_compared_with_the_request_by_its_own_time(bench: Any) -> None:
    await bench.put_remote_start("r-1", tag="TAG", connector=None, at=NOON)
    times = (NOON - HOUR, NOON + HOUR)
    pending = [bench.send_start(at=at, connector=number) for number, at in enumerate(times, 1)]
    ids = [(await each).transaction_id for each in pending]
    assert [(await bench.transactions.find(each)).remote_start_id for each in ids] == [None, None]


@pytest.mark.req("TX-10")
async def test_a_remote_start_is_linked_once_in_a_batch_too(bench: Any) -> None:
    await bench.put_remote_start("r-1", tag="TAG", connector=None, at=NOON)
    pending = [bench.send_start(connector=number) for number in (1, 2)]
    ids = [(await each).transaction_id for each in pending]
    assert [(await bench.transactions.find(each)).remote_start_id for each in ids] == ["r-1", None]


@pytest.mark.req("TX-33", "TX-36", "TX-07")
async def test_stale_transactions_and_gaps_of_the_register_are_shown(bench: Any) -> None:
    first = await bench.start(meter=1000)
    await bench.stop(first, meter=1500)
    gap = await bench.start(meter=1600, at=NOON + MINUTE)
    assert "TX-36 missing energy" in (await bench.transactions.find(gap)).flags
    await bench.stop(gap, meter=1700, at=NOON + 2 * MINUTE)
    reset = await bench.start(meter=10, at=NOON + 3 * MINUTE)
    assert "TX-07 decreasing meter" in (await bench.transactions.find(reset)).flags
    await bench.put_status("Available", since=NOON)
    bench.now = NOON + 2 * HOUR
    shown = await bench.transactions.find(reset)
    assert "TX-33 stale" in shown.flags
    assert shown.status == "open"  # a warning, nothing else


@pytest.mark.req("TX-33")
async def test_a_later_received_transaction_makes_an_open_one_stale(bench: Any) -> None:
    first = await bench.start(at=NOON)
    bench.now = NOON + MINUTE
    late = await bench.start(at=NOON - HOUR, tag="OTHER")
    assert "TX-33 stale" in (await bench.transactions.find(first)).flags
    assert "TX-33 stale" not in (await bench.transactions.find(late)).flags


@pytest.mark.req("TX-39")
async def test_among_equal_starts_the_one_received_last_is_current(bench: Any) -> None:
    await bench.start(tag="A")
    last = await bench.start(tag="B", received=NOON + MINUTE)
    assert (await bench.transactions.current("CP-1", 1)).id == last
    assert await bench.transactions.current("CP-1", 2) is None
