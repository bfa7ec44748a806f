"""Messages without a usable transactionId: linked on evidence only, otherwise left to the operator."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from csmsd_core.messages import SampledValue
from csmsd_core.transaction_tables import stop

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


async def states(bench: Any) -> list[str]:
    return [each.status for each in await bench.all()]


@pytest.mark.req("TX-23", "TX-24")
@pytest.mark.parametrize("reference", [-1, 0, -77])
async def test_a_stop_without_id_is_linked_to_the_only_candidate_with_the_same_tag(bench: Any, reference: int) -> None:
    id_ = await bench.start(tag="Tag")
    response = await bench.stop(reference, tag="TAG", meter=4000, at=NOON + HOUR)
    assert response.id_tag_info.status == "Accepted"
    stored = await bench.transactions.find(id_)
    assert (stored.status, stored.energy_wh, stored.stop_id_tag) == ("reconciled", 3000, "TAG")
    assert "TX-24 reconciled" in stored.flags
    (fact,) = await bench.facts("transaction_stopped")
    assert fact["status"] == "reconciled"


@pytest.mark.req("TX-24", "AUTH-04")
async def test_the_group_is_evidence(bench: Any) -> None:
    await bench.start(tag="A", parent="Family")
    await bench.stop(-1, tag="B", parent="FAMILY")
    assert await states(bench) == ["reconciled"]


@pytest.mark.req("TX-24", "TX-28")
async def test_the_begin_register_is_evidence_and_its_data_is_attributed(bench: Any, element: Any) -> None:
    id_ = await bench.start(meter=1000)
    begin = SampledValue("1.000", unit="kWh", context="Transaction.Begin")
    await bench.stop(-1, data=[element(NOON, begin)], reason="PowerLoss")
    assert await states(bench) == ["reconciled"]
    assert [each.connector_id for each in await bench.transactions.readings(id_)] == [1]


@pytest.mark.req("TX-24")
@pytest.mark.parametrize(
    "about",
    [
        {},  # PowerLoss without idTag: a lone candidate is no evidence
        {"tag": "STRANGER"},
        {"tag": "STRANGER", "parent": "OTHERS"},
    ],
)
async def test_a_lone_candidate_without_evidence_is_only_proposed(bench: Any, about: dict[str, Any]) -> None:
    id_ = await bench.start(parent="GROUP")
    await bench.stop(-1, **about)
    assert await states(bench) == ["open"]
    (lost,) = await bench.transactions.unmatched_stops()
    (proposal,) = await bench.transactions.proposals()
    assert (proposal.transaction_id, proposal.stop_id, proposal.evidence) == (id_, lost.id, "")


@pytest.mark.req("TX-24")
async def test_a_wrong_begin_register_is_no_evidence(bench: Any, element: Any) -> None:
    await bench.start(meter=1000)
    await bench.stop(-1, data=[element(NOON, SampledValue("1000.5", context="Transaction.Begin"))])
    await bench.stop(-1, meter=5001, data=[element(NOON, SampledValue("1000", context="Transaction.End"))])
    assert await states(bench) == ["open"]


@pytest.mark.req("TX-24")
async def test_two_candidates_are_two_proposals(bench: Any) -> None:
    await bench.start(connector=1)
    await bench.start(connector=2)
    await bench.stop(-1, tag="TAG")
    assert await states(bench) == ["open", "open"]
    assert [each.evidence for each in await bench.transactions.proposals("CP-1")] == ["tag", "tag"]
    assert await bench.transactions.proposals("CP-2") == []


@pytest.mark.req("TX-24", "WS-08")
@pytest.mark.parametrize(
    ("start", "stop_about"),
    [
        ({"station": "CP-2"}, {}),
        ({"at": NOON + HOUR}, {}),  # started after the stop
        ({"meter": 5001}, {}),  # register too high
    ],
)
async def test_what_does_not_fit_is_no_candidate(bench: Any, start: dict[str, Any], stop_about: dict[str, Any]) -> None:
    await bench.start(**start)
    await bench.stop(-1, tag="TAG", meter=5000, at=NOON, **stop_about)
    assert await states(bench) == ["open"]
    assert await bench.transactions.proposals() == []


@pytest.mark.req("TX-24")
async def test_a_transaction_whose_id_the_station_knows_is_no_candidate(bench: Any, element: Any) -> None:
    by_meter = await bench.start(connector=1)
    await bench.meter(element(NOON, "1000"), reference=by_meter)
    by_command = await bench.start(connector=2)
    await bench.transactions.acknowledged("CP-1", by_command)
    await bench.stop(-1, tag="TAG")
    assert await states(bench) == ["open", "open"]
    assert await bench.transactions.proposals() == []


@pytest.mark.req("TX-24", "WS-08")
async def test_an_id_that_another_station_uses_is_not_shown_to_be_known(bench: Any, element: Any) -> None:
    id_ = await bench.start()
    await bench.meter(element(NOON, "1000"), reference=id_, station="CP-2")
    await bench.transactions.acknowledged("CP-2", id_)
    await bench.stop(-1, tag="TAG")
    assert await states(bench) == ["reconciled"]


@pytest.mark.req("TX-24", "TX-33")
async def test_a_connector_that_has_long_been_available_has_no_candidate(bench: Any) -> None:
    await bench.start(at=NOON)
    await bench.put_status("Available", since=NOON + MINUTE)
    bench.now = NOON + 2 * HOUR
    await bench.stop(-1, tag="TAG")
    assert await states(bench) == ["open"]


@pytest.mark.req("TX-24", "TX-31")
async def test_a_start_that_has_just_arrived_is_a_candidate_though_its_status_lags_behind(bench: Any) -> None:
    await bench.put_status("Available", since=NOON - 9 * HOUR)
    await bench.start()
    await bench.stop(-1, tag="TAG")
    assert await states(bench) == ["reconciled"]


@pytest.mark.req("TX-24", "WS-08")
async def test_stations_of_one_batch_do_not_see_each_others_candidates(bench: Any, element: Any) -> None:
    await bench.start("CP-2")
    pending = [bench.send_stop(-1, "CP-1", tag="TAG"), bench.send_stop(-1, "CP-2", tag="STRANGER")]
    pending += [bench.send_meter(element(NOON, "1"), station=each, reference=-1) for each in ("CP-1", "CP-2")]
    for each in pending:
        await each
    assert await states(bench) == ["open"]
    assert [each.station_id for each in await bench.transactions.proposals()] == ["CP-2"]
    for station, expected in (("CP-1", None), ("CP-2", (await bench.all())[0].id)):
        (found,) = await bench.transactions.readings_at(station, 1, since=NOON, until=NOON + MINUTE)
        assert found.transaction_id == expected


@pytest.mark.req("TX-24", "TX-12")
async def test_a_superseded_transaction_is_a_candidate_up_to_its_successors_start(bench: Any) -> None:
    await bench.start(tag="A", at=NOON)
    await bench.start(tag="B", at=NOON + HOUR, meter=3000)
    await bench.stop(-1, tag="A", at=NOON + 2 * HOUR, meter=2000)
    assert await states(bench) == ["superseded", "open"]
    await bench.stop(-1, tag="A", at=NOON + HOUR, meter=2000)
    assert await states(bench) == ["reconciled", "open"]


@pytest.mark.req("TX-38")
async def test_a_repeat_is_never_linked_to_a_further_transaction(bench: Any) -> None:
    await bench.start(at=NOON)
    for _ in range(2):
        await bench.stop(-1, tag="TAG", meter=4000, at=NOON + HOUR)
    await bench.start(at=NOON + 2 * MINUTE, meter=1001)
    response = await bench.stop(-1, tag="tag", meter=4000, at=NOON + HOUR + timedelta(milliseconds=1))
    assert response.id_tag_info.status == "Accepted"
    assert await states(bench) == ["reconciled", "open"]
    assert await bench.count(stop) == 1


@pytest.mark.req("TX-38")
async def test_repeats_in_one_batch_reconcile_once(bench: Any) -> None:
    await bench.start(connector=1)
    pending = [bench.send_stop(-1, tag="TAG") for _ in range(3)]
    for each in pending:
        await each
    assert await states(bench) == ["reconciled"]
    assert await bench.count(stop) == 1


@pytest.mark.req("TX-24", "TX-40")
async def test_of_two_stops_without_id_in_one_batch_the_first_is_linked(bench: Any) -> None:
    id_ = await bench.start()
    pending = [bench.send_stop(-1, tag="TAG", meter=meter) for meter in (4000, 4500)]
    for each in pending:
        await each
    assert (await bench.transactions.find(id_)).meter_stop == 4000
    assert [each.meter_stop for each in await bench.transactions.unmatched_stops()] == [4500]


@pytest.mark.req("TX-40", "TX-24")
async def test_a_reconciled_stop_replaces_a_close_and_yields_to_none(bench: Any) -> None:
    id_ = await bench.start()
    await bench.transactions.close(id_, actor="ann")
    await bench.stop(-1, tag="TAG", meter=4000)
    assert await states(bench) == ["reconciled"]
    await bench.stop(-1, tag="TAG", meter=4500)
    assert (await bench.transactions.find(id_)).meter_stop == 4000
    assert len(await bench.transactions.unmatched_stops()) == 1


@pytest.mark.req("TX-40")
async def test_a_stop_of_the_own_id_in_the_same_batch_leaves_no_candidate(bench: Any) -> None:
    id_ = await bench.start()
    pending = [bench.send_stop(id_), bench.send_stop(-1, tag="TAG", meter=4000)]
    for each in pending:
        await each
    assert (await bench.transactions.find(id_)).meter_stop == 5000


@pytest.mark.req("TX-41")
async def test_a_stop_before_its_start_is_proposed_and_the_transaction_stays_open(bench: Any) -> None:
    await bench.stop(-1, tag="TAG", meter=4000, at=NOON + HOUR)
    id_ = await bench.start(at=NOON, received=NOON + 2 * HOUR)
    await bench.start(tag="OTHER", connector=2, at=NOON)  # no evidence
    await bench.start(meter=4001, connector=3, at=NOON)  # does not fit
    assert await states(bench) == ["open", "open", "open"]
    (proposal,) = await bench.transactions.proposals()
    assert (proposal.transaction_id, proposal.evidence) == (id_, "tag")
    await bench.stop(id_, meter=4000, at=NOON + HOUR)
    assert (await bench.transactions.find(id_)).status == "stopped"
    assert await bench.transactions.proposals() == []  # nothing left to decide


@pytest.mark.req("TX-24", "TX-41")
async def test_an_operator_accepts_a_stop(bench: Any, element: Any) -> None:
    id_ = await bench.start()
    await bench.stop(-1, meter=4000, at=NOON + HOUR, data=[element(NOON, "1000")])
    (proposal,) = await bench.transactions.proposals()
    accepted = await bench.transactions.accept(proposal.id, actor="ann")
    assert (accepted.status, accepted.energy_wh) == ("reconciled", 3000)
    assert await bench.transactions.find(id_) == accepted
    assert len(await bench.transactions.readings(id_)) == 1
    assert await bench.transactions.unmatched_stops() == []
    assert [fact["change"] for fact in await bench.facts("transaction_updated")] == ["reconciled"]
    with pytest.raises(Exception, match="accepted already"):
        await bench.transactions.accept(proposal.id, actor="ann")
    with pytest.raises(Exception, match="no proposal 999"):
        await bench.transactions.dismiss(999, actor="ann")
    await bench.stop(-1, meter=4000, at=NOON + HOUR)  # the station repeats it
    assert await bench.count(stop) == 1


@pytest.mark.req("TX-24")
async def test_what_has_been_decided_meanwhile_cannot_be_accepted(bench: Any) -> None:
    first, second = await bench.start(connector=1), await bench.start(connector=2)
    await bench.stop(-1)
    one, other = await bench.transactions.proposals()
    await bench.transactions.accept(one.id, actor="ann")
    with pytest.raises(Exception, match=f"belongs to transaction {first}"):
        await bench.transactions.accept(other.id, actor="ann")
    await bench.stop(-1, meter=6000)
    (late,) = await bench.transactions.proposals()
    await bench.stop(second)
    with pytest.raises(Exception, match="has been stopped"):
        await bench.transactions.accept(late.id, actor="ann")


@pytest.mark.req("TX-24")
async def test_a_dismissed_proposal_does_not_come_back(bench: Any) -> None:
    await bench.start()
    await bench.stop(-1)
    (proposal,) = await bench.transactions.proposals()
    assert (await bench.transactions.dismiss(proposal.id, actor="ann")).status == "open"
    await bench.stop(-1)
    assert await bench.transactions.proposals() == []
    assert len(await bench.transactions.unmatched_stops()) == 1


@pytest.mark.req("TX-24", "MV-09")
async def test_readings_without_id_are_linked_to_the_only_candidate_of_their_connector(
    bench: Any, element: Any
) -> None:
    id_ = await bench.start(connector=1)
    await bench.start(connector=2)
    await bench.meter(element(NOON + MINUTE, "1100"), connector=1, reference=-1)
    (found,) = await bench.transactions.readings(id_)
    assert found.flags == ("TX-24 reconciled",)
    assert found.reference == -1


@pytest.mark.req("TX-24", "MV-01")
async def test_ambiguous_readings_are_kept_and_an_operator_decides(bench: Any, element: Any) -> None:
    late = await bench.start(at=NOON)
    early = await bench.start(at=NOON - HOUR, tag="OTHER")
    values = [element(NOON + each * MINUTE, str(1000 + each)) for each in range(3)]
    await bench.meter(*values, reference=0)
    assert await bench.transactions.readings(late) == await bench.transactions.readings(early) == []
    proposals = await bench.transactions.proposals()
    assert {(each.transaction_id, each.connector_id) for each in proposals} == {(late, 1), (early, 1)}
    bench.now = NOON + HOUR
    await bench.stop(late, at=NOON + MINUTE)
    (mine,) = [each for each in proposals if each.transaction_id == late]
    await bench.transactions.accept(mine.id, actor="ann")
    assert [each.at for each in await bench.transactions.readings(late)] == [NOON, NOON + MINUTE]


@pytest.mark.req("TX-24", "MV-08")
async def test_readings_of_the_main_meter_without_id_have_no_candidate(bench: Any, element: Any) -> None:
    await bench.start()
    await bench.meter(element(NOON, "1"), connector=0, reference=-1)
    assert await bench.transactions.proposals() == []
    (found,) = await bench.transactions.readings_at("CP-1", 0, since=NOON, until=NOON + MINUTE)
    assert found.flags == ("TX-24 unmatched",)
