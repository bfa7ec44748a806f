"""Correlation of CALLs and answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csmsd.ocpp.frames import EMPTY_OBJECT, Call, CallError, CallResult
from csmsd.ocpp.session import LateAnswer, Session


def result(call_id: str | int) -> CallResult:
    return CallResult(call_id, EMPTY_OBJECT)


@pytest.mark.req("RPC-20")
def test_one_call_is_on_the_line_and_the_others_follow_in_order() -> None:
    session = Session()
    assert not session.is_awaiting
    assert session.submit("a", b"A") == b"A"
    assert session.submit("b", b"B") is None
    assert session.submit("c", b"C") is None
    assert session.is_awaiting
    assert session.finish("a") == ("b", b"B")
    assert session.finish("b") == ("c", b"C")
    assert session.finish("c") is None
    assert not session.is_awaiting


@pytest.mark.req("RPC-20")
def test_a_call_that_is_given_up_in_the_queue_is_never_sent() -> None:
    session = Session()
    session.submit("a", b"A")
    session.submit("b", b"B")
    session.submit("c", b"C")
    assert session.finish("b") is None
    assert session.finish("a") == ("c", b"C")


@pytest.mark.req("RPC-21")
def test_a_call_of_the_station_is_delivered_while_ours_is_on_the_line() -> None:
    session = Session()
    session.submit("a", b"A")
    call = Call("a", "Heartbeat", EMPTY_OBJECT)
    assert session.receive(call) is call
    assert session.is_awaiting


@pytest.mark.req("RPC-20")
def test_the_awaited_answer_is_delivered() -> None:
    session = Session()
    session.submit("a", b"A")
    for answer in (result("a"), CallError("a", "GenericError")):
        assert session.receive(answer) is answer


@pytest.mark.req("RPC-24")
def test_an_answer_that_is_not_awaited_is_recognised_with_its_id() -> None:
    session = Session()
    assert session.receive(result("a")) == LateAnswer(result("a"))
    session.submit("a", b"A")
    session.submit("b", b"B")
    assert session.receive(result("b")) == LateAnswer(result("b")), "queued, not sent"
    session.finish("a")
    assert session.receive(result("a")) == LateAnswer(result("a")), "given up"
    assert session.receive(result("b")) == result("b")
    session.finish("b")
    assert session.receive(result("b")) == LateAnswer(result("b")), "answered before"


@pytest.mark.req("RPC-11", "RPC-24")
def test_a_number_is_not_the_answer_to_a_string() -> None:
    session = Session()
    session.submit("7", b"A")
    assert isinstance(session.receive(result(7)), LateAnswer)


@pytest.mark.req("RPC-20")
@given(st.lists(st.tuples(st.sampled_from(["submit", "finish"]), st.integers(0, 5)), max_size=60))
def test_never_are_two_of_our_calls_on_the_line(steps: list[tuple[str, int]]) -> None:
    session, on_line, waiting = Session(), None, list[str]()
    for number, (step, choice) in enumerate(steps):
        known = [call_id for call_id in (on_line, *waiting) if call_id is not None]
        if step == "submit":
            call_id = str(number)
            sent = session.submit(call_id, call_id.encode())
            assert (sent is not None) == (on_line is None)
            on_line, waiting = (call_id, waiting) if on_line is None else (on_line, [*waiting, call_id])
        elif known:
            call_id = known[choice % len(known)]
            following = session.finish(call_id)
            if call_id != on_line:
                assert following is None
                waiting.remove(call_id)
            else:
                on_line = waiting.pop(0) if waiting else None
                assert following == (None if on_line is None else (on_line, on_line.encode()))
        assert session.is_awaiting == (on_line is not None)
