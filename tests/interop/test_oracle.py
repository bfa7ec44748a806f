"""The judge of these tests is judged: it sees what it is there to see."""

from __future__ import annotations

import json

import pytest

from tests.interop.oracle import Oracle, choices

GOOD = [
    '[3,"1",{"status":"Accepted","currentTime":"2026-01-01T00:00:00.000Z","interval":300}]',
    '[4,"1","FormationViolation","",{}]',
    '[2,"a1","Reset",{"type":"Hard"}]',
]
BAD = [
    '[3,"1",{"status":"accepted","currentTime":"2026-01-01T00:00:00Z","interval":300}]',
    '[3,"1",{"status":"Accepted","currentTime":"2026-01-01T00:00:00+00:00","interval":300}]',
    '[3,"1",{"status":"Accepted","currentTime":"2026-01-01T00:00:00Z","interval":300,"more":null}]',
    '[3,"1",{"status":"Accepted","currentTime":"2026-01-01T00:00:00Z"}]',
    '[3,"2",{"status":"Accepted","currentTime":"2026-01-01T00:00:00Z","interval":300}]',
    '[3,"1",null]',
    '[4,"1","OccurrenceConstraintViolation","",{}]',
    '[4,"1","GenericError",""]',
    '[2,"a1","Reset",{"type":"Warm"}]',
    f'[2,"{"a" * 37}","Reset",{{"type":"Hard"}}]',
    '[2,"a1","Reset",{"type":"Hard"},{}]',
    '[2,17,"Reset",{"type":"Hard"}]',
    '[2,"a1","DataTransfer",{"vendorId":"é"}]',
]


def complaints_about(*messages: str) -> list[str]:
    oracle = Oracle()
    oracle.said('[2,"1","BootNotification",{}]')
    for message in messages:
        oracle.heard(message)
    return oracle.complaints


@pytest.mark.req("VAL-01", "RPC-01", "RPC-04", "RPC-05", "RPC-10", "RPC-11", "RPC-32")
@pytest.mark.parametrize("message", GOOD)
def test_what_is_proper_passes(message: str) -> None:
    assert complaints_about(message) == []


@pytest.mark.parametrize("message", BAD)
def test_what_is_not_proper_is_noticed(message: str) -> None:
    assert len(complaints_about(message)) == 1


def test_an_id_or_an_answer_that_comes_twice_is_noticed() -> None:
    command, answer = json.dumps([2, "a1", "ClearCache", {}]), GOOD[0]
    assert len(complaints_about(command, command)) == 1
    assert len(complaints_about(answer, answer)) == 1


def test_only_what_got_a_result_counts_as_an_exchange() -> None:
    oracle = Oracle()
    for action, call_id in (("Heartbeat", "1"), ("DataTransfer", "2"), ("MeterValues", "3")):
        oracle.said(json.dumps([2, call_id, action, {}]))
    for action, call_id in (("ClearCache", "a1"), ("DataTransfer", "a2"), ("Reset", "a3")):
        oracle.heard(json.dumps([2, call_id, action, {}]))
    oracle.heard('[3,"1",{"currentTime":"2026-01-01T00:00:00.000Z"}]')
    oracle.heard('[4,"2","GenericError","",{}]')
    oracle.said('[3,"a1",{"status":"Accepted"}]')
    oracle.said('[4,"a2","GenericError","",{}]')
    assert oracle.exchanges == {("Heartbeat", "from station"), ("ClearCache", "to station")}


def test_the_values_of_a_field_are_found_wherever_it_lies() -> None:
    assert choices("ResetResponse", "status") == ["Accepted", "Rejected"]
    assert choices("DeleteCertificate", "certificateHashData", "hashAlgorithm") == ["SHA256", "SHA384", "SHA512"]
    tags = choices("SendLocalList", "localAuthorizationList", "items", "idTagInfo", "status")
    assert sorted(tags) == ["Accepted", "Blocked", "ConcurrentTx", "Expired", "Invalid"]
