"""OCPP-J frames, in both directions."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ocpp import exceptions as reference_errors
from ocpp import messages as reference

from csmsd.ocpp import errors
from csmsd.ocpp.errors import MalformedFrame, OcppError
from csmsd.ocpp.frames import (
    Call,
    CallError,
    CallId,
    CallResult,
    decode_frame,
    encode_call,
    encode_error,
    encode_result,
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
IDS = st.text(min_size=1, max_size=36) | st.integers()


def malformed(message: bytes) -> MalformedFrame:
    with pytest.raises(MalformedFrame) as caught:
        decode_frame(message)
    return caught.value


def seen(frame: Call | CallResult | CallError) -> dict[str, Any]:
    """A frame as a dict, its raw parts read."""
    fields = msgspec.structs.asdict(frame)
    return {name: json.loads(bytes(v)) if isinstance(v, msgspec.Raw) else v for name, v in fields.items()}


@pytest.mark.req("RPC-01", "RPC-02", "RPC-11")
def test_the_three_frames_are_read() -> None:
    assert seen(decode_frame(b'[2,"1","Heartbeat",{}]')) == {"id": "1", "action": "Heartbeat", "payload": {}}
    assert seen(decode_frame(b' [ 3 , "1" , {"a": 1} ] ')) == {"id": "1", "payload": {"a": 1}}
    error = seen(decode_frame(b'[4,"1","InternalError","why",{"a":"b"}]'))
    assert error == {"id": "1", "code": "InternalError", "description": "why", "details": {"a": "b"}}


@pytest.mark.req("RPC-03")
@pytest.mark.parametrize("message", [b'[2,"1","Heartbeat",null]', b'[3,"1", null ]'])
def test_a_null_payload_is_an_empty_object(message: bytes) -> None:
    assert seen(decode_frame(message))["payload"] == {}


@pytest.mark.req("RPC-11", "RPC-15")
@pytest.mark.parametrize("call_id", [7, 10**30, -1, 1.5, "7", "", "x" * 255])
def test_an_id_is_kept_and_echoed_with_its_type(call_id: CallId) -> None:
    frame = decode_frame(json.dumps([2, call_id, "Heartbeat", {}]).encode())
    assert type(frame.id) is type(call_id)
    assert json.loads(encode_result(frame.id, b"{}")) == [3, call_id, {}]
    assert json.loads(encode_error(frame.id, "GenericError")) == [4, call_id, "GenericError", "", {}]


@pytest.mark.req("RPC-34", "RPC-35")
@pytest.mark.parametrize(
    "message",
    [
        b"", b" ", b"hello", b"{}", b"[]", b"null", b"2", b'"[2]"', b"\xff\xfe", b'{"2":"id"}', b"[2]", b"[2,",
    ],
)  # fmt: skip
def test_what_is_no_array_or_has_no_id_gets_no_answer(message: bytes) -> None:
    assert malformed(message).call_id is None


@pytest.mark.req("RPC-34")
@pytest.mark.parametrize(
    "message",
    [
        b'[1,"id","Heartbeat",{}]', b'[5,"id",{}]', b'["2","id","Heartbeat",{}]', b'[2.5,"id","Heartbeat",{}]',
        b'[null,"id","Heartbeat",{}]', b'[[2],"id","Heartbeat",{}]', b'[-2,"id","Heartbeat",{}]', b'[22,"id"]',
    ],
)  # fmt: skip
def test_another_message_type_number_gets_no_answer(message: bytes) -> None:
    assert malformed(message).call_id is None


@pytest.mark.req("RPC-34")
@pytest.mark.parametrize(
    ("message", "call_id"),
    [
        (b'[2,"id"]', "id"),
        (b'[2,"id","Heartbeat"]', "id"),
        (b'[2,"id","Heartbeat",{},{}]', "id"),
        (b'[2,"id",5,{}]', "id"),
        (b'[2,"id",null,{}]', "id"),
        (b'[2,17,"Heartbeat"]', 17),
        (b'[2,"id","Heartbeat",{', "id"),  # not JSON, but the id can be recovered
        (b'[2,"id","Heartbeat",{"a":NaN}]', "id"),
        (b'[2,"id","Heartbeat",{}] trailing', "id"),
        (b'[2,"id","Heartbeat",{"a":"\\ud800"}]', "id"),
        (b'[2,"id","Heart\x00beat",{}]', "id"),
        (b'[2,"id","\xff",{}]', "id"),
        (b'\xef\xbb\xbf[2,"id","Heartbeat",{}]', "id"),
        (b'[2,"a\\"\\u0041","Heartbeat",{', 'a"A'),
    ],
)
def test_a_broken_call_with_a_readable_id_is_to_be_answered(message: bytes, call_id: CallId) -> None:
    assert malformed(message).call_id == call_id


@pytest.mark.req("RPC-34")
@pytest.mark.parametrize(
    "message",
    [
        b'[2,null,"Heartbeat",{}]', b'[2,true,"Heartbeat",{}]', b'[2,["id"],"Heartbeat",{}]', b'[2,{},"Heartbeat"]',
        b'[2,"\\ud800","Heartbeat",{}]', b'[2,"' + b"x" * 300 + b'","Heartbeat",{',
    ],
)  # fmt: skip
def test_a_call_without_a_readable_id_gets_no_answer(message: bytes) -> None:
    assert malformed(message).call_id is None


@pytest.mark.req("RPC-27")
@pytest.mark.parametrize(
    "message", [b'[3,"id"]', b'[3,"id",{},{}]', b"[3,null,{}]", b'[4,"id"]', b'[4,"id",5]', b'[4,{},"X"]', b'[3,"id",{']
)
def test_a_broken_answer_is_never_answered(message: bytes) -> None:
    assert malformed(message).call_id is None


@pytest.mark.req("RPC-33")
@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b'[4,"1","Whatever"]', ("Whatever", "", {})),
        (b'[4,"1","","x"]', ("", "x", {})),
        (b'[4,"1","GenericError",null,null]', ("GenericError", "", {})),
        (b'[4,"1","GenericError",5,{"a":1}]', ("GenericError", "", {"a": 1})),
        (b'[4,"1","GenericError","x",{},"surplus"]', ("GenericError", "x", {})),
        (b'[4,"1","OccurrenceConstraintViolation","",{}]', ("OccurenceConstraintViolation", "", {})),
        (b'[4,"1","OccurenceConstraintViolation","",{}]', ("OccurenceConstraintViolation", "", {})),
        (b'[4,"1","FormatViolation"]', ("FormationViolation", "", {})),
        (b'[4,"1","FormatViolation",null]', ("FormationViolation", "", {})),
    ],
)
def test_a_call_error_may_be_incomplete_and_spelled_in_two_ways(message: bytes, expected: tuple[str, str, Any]) -> None:
    frame = seen(decode_frame(message))
    assert (frame["code"], frame["description"], frame["details"]) == expected


@pytest.mark.req("RPC-35")
@pytest.mark.parametrize("bomb", [b"[", b'{"a":', b'[{"a":'])
def test_a_depth_bomb_is_a_malformed_frame_like_any_other(bomb: bytes) -> None:
    assert malformed(bomb * 100_000).call_id is None
    assert malformed(b'[2,"id","Heartbeat",' + bomb * 100_000).call_id == "id"


@pytest.mark.req("RPC-35")
@given(st.binary(max_size=200))
@example(b'[2,"a","b",{"\xff":1}]')
def test_any_bytes_are_a_frame_or_malformed(message: bytes) -> None:
    with suppress(MalformedFrame):
        decode_frame(message)


@pytest.mark.req("RPC-35")
@given(st.lists(JSON_VALUES | st.sampled_from([2, 3, 4]), max_size=6), st.data())
def test_any_array_cut_anywhere_is_a_frame_or_malformed(elements: list[Any], data: st.DataObject) -> None:
    message = json.dumps(elements, ensure_ascii=False).encode("utf-8", "surrogatepass")
    cut = data.draw(st.integers(0, len(message)))
    for text in (message, message[:cut], message[:cut] + data.draw(st.binary(max_size=3)) + message[cut:]):
        try:
            frame = decode_frame(text)
        except MalformedFrame:
            continue
        assert isinstance(frame, Call | CallResult | CallError)


@pytest.mark.req("RPC-01", "RPC-11")
@given(IDS, st.text(), JSON_VALUES)
def test_what_is_encoded_is_decoded_again(call_id: CallId, text: str, payload: Any) -> None:
    raw = json.dumps(payload).encode()
    meant = {} if payload is None else payload
    call = decode_frame(encode_call(str(call_id), text, raw))
    assert seen(call) == {"id": str(call_id), "action": text, "payload": meant}
    assert seen(decode_frame(encode_result(call_id, raw))) == {"id": call_id, "payload": meant}


@pytest.mark.req("RPC-01")
def test_the_reference_implementation_reads_our_frames_and_we_read_its() -> None:
    call = reference.unpack(encode_call("1", "Reset", b'{"type":"Soft"}').decode())
    assert (call.unique_id, call.action, call.payload) == ("1", "Reset", {"type": "Soft"})
    theirs = reference.Call(unique_id="1", action="Reset", payload={"type": "Soft"}).to_json()
    assert seen(decode_frame(theirs.encode())) == {"id": "1", "action": "Reset", "payload": {"type": "Soft"}}
    result = reference.unpack(encode_result("1", b'{"status":"Accepted"}').decode())
    assert (result.unique_id, result.payload) == ("1", {"status": "Accepted"})
    error = reference.unpack(encode_error("1", "InternalError", "why").decode())
    assert isinstance(error.to_exception(), reference_errors.InternalError)


@pytest.mark.req("RPC-05")
def test_an_error_has_a_description_and_an_object_of_details_in_any_case() -> None:
    assert encode_error("1", "GenericError") == b'[4,"1","GenericError","",{}]'
    assert json.loads(encode_error("1", "GenericError", "x" * 300, {"a": "b"})) == [
        4, "1", "GenericError", "x" * 255, {"a": "b"},
    ]  # fmt: skip


@pytest.mark.req("RPC-32")
def test_the_error_codes_are_spelled_as_published() -> None:
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, OcppError)]
    assert {kind.code for kind in classes} == {
        "NotImplemented", "NotSupported", "InternalError", "ProtocolError", "SecurityError", "FormationViolation",
        "PropertyConstraintViolation", "OccurenceConstraintViolation", "TypeConstraintViolation", "GenericError",
    }  # fmt: skip
