"""OCPP-J frames, in both directions (J §4.2).

`decode_frame` reads the envelope in one pass and leaves the payload raw until its action is known. Only what that pass
refuses is looked at again, to find out whether a CALLERROR can still be addressed (RPC-34).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from csmsd.ocpp.errors import MalformedFrame

CallId: TypeAlias = str | int | float
"""A string, or the JSON number that some stations use instead; echoed with the same type (RPC-11, RPC-15)."""

EMPTY_OBJECT = msgspec.Raw(b"{}")
_NULL = msgspec.Raw(b"null")


class _Frame(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """What all frames share: an array whose first element is the message type number."""


class Call(_Frame, frozen=True, tag=2):
    """`[2, id, action, payload]`; the payload is JSON of any type, `null` already read as `{}` (RPC-03)."""

    id: CallId
    action: str
    payload: msgspec.Raw


class CallResult(_Frame, frozen=True, tag=3):
    """`[3, id, payload]`."""

    id: CallId
    payload: msgspec.Raw


class CallError(_Frame, frozen=True, tag=4):
    """`[4, id, code, description, details]`; the code is any string, synonyms in their official spelling (RPC-33)."""

    id: CallId
    code: str
    description: str = ""
    details: msgspec.Raw = EMPTY_OBJECT


Frame: TypeAlias = Call | CallResult | CallError

LONGEST_DESCRIPTION = 255  # characters

_CODE_SYNONYMS = {
    "OccurrenceConstraintViolation": "OccurenceConstraintViolation",
    "FormatViolation": "FormationViolation",
}
_MESSAGE_TYPES = (b"2", b"3", b"4")
_CALL_ELEMENTS = 4

_encode: Callable[[object], bytes] = msgspec.json.Encoder().encode
_decode: Callable[[bytes], Frame] = msgspec.json.Decoder(Frame).decode
_decode_elements: Callable[[bytes], list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_id: Callable[[bytes], CallId] = msgspec.json.Decoder(CallId).decode
_decode_text: Callable[[bytes], str] = msgspec.json.Decoder(str).decode

# UnicodeError: msgspec lets invalid UTF-8 through to Python. RecursionError: arrays in arrays in arrays.
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
_BEGINNING_OF_CALL = re.compile(rb'(?:\xef\xbb\xbf)?\s*\[\s*2\s*,\s*("(?:[^"\\\x00-\x1f]|\\.){0,255}")')


def decode_frame(message: bytes) -> Frame:
    """One frame of a complete message; MalformedFrame with a `call_id` if that CALL must be answered (RPC-34)."""
    try:
        frame = _decode(message)
    except _UNREADABLE as error:
        return _decode_irregular(message, str(error))
    if isinstance(frame, CallError):
        return _normalised(frame)
    if frame.payload == _NULL:
        return msgspec.structs.replace(frame, payload=EMPTY_OBJECT)
    return frame


def encode_call(call_id: str, action: str, payload: bytes) -> bytes:
    """`[2, id, action, payload]` (RPC-01, RPC-02)."""
    return _encode((2, call_id, action, msgspec.Raw(payload)))


def encode_result(call_id: CallId, payload: bytes) -> bytes:
    """`[3, id, payload]`; the id is repeated as it came (RPC-11)."""
    return _encode((3, call_id, msgspec.Raw(payload)))


def encode_error(call_id: CallId, code: str, description: str = "", details: Mapping[str, str] | None = None) -> bytes:
    """`[4, id, code, description, details]`; the description is cut at 255 characters (RPC-05, RPC-32)."""
    return _encode((4, call_id, code, description[:LONGEST_DESCRIPTION], dict(details or {})))


def _normalised(frame: CallError) -> CallError:
    code = _CODE_SYNONYMS.get(frame.code, frame.code)
    details = EMPTY_OBJECT if frame.details == _NULL else frame.details
    return CallError(frame.id, code, frame.description, details)


def _decode_irregular(message: bytes, reason: str) -> CallError:
    """What is tolerable in a CALLERROR, else the one MalformedFrame that RPC-34 names."""
    try:
        elements = _decode_elements(message)
    except _UNREADABLE:
        raise MalformedFrame(f"not a JSON array: {reason}", _recovered_id(message)) from None
    if not elements:
        raise MalformedFrame("empty array")
    message_type = bytes(elements[0])
    if message_type not in _MESSAGE_TYPES:
        raise MalformedFrame("message type number is none of 2, 3, 4")
    if len(elements) == 1:
        raise MalformedFrame("message id missing")
    try:
        call_id = _decode_id(elements[1])
    except _UNREADABLE:
        raise MalformedFrame("message id is neither a string nor a number") from None
    if message_type == b"2":
        raise MalformedFrame(_fault_of_call(elements), call_id)
    if message_type == b"3":
        raise MalformedFrame(f"CALLRESULT of {len(elements)} elements instead of 3")
    return _tolerated_error(call_id, elements[2:])


def _fault_of_call(elements: list[msgspec.Raw]) -> str:
    if len(elements) != _CALL_ELEMENTS:
        return f"CALL of {len(elements)} elements instead of {_CALL_ELEMENTS}"
    return "action is not a string"


def _tolerated_error(call_id: CallId, elements: list[msgspec.Raw]) -> CallError:
    """A CALLERROR with a description of another type, or with surplus elements: it still ends our CALL (RPC-33)."""
    try:
        code = _decode_text(elements[0])
    except (IndexError, *_UNREADABLE):
        raise MalformedFrame("CALLERROR without an error code") from None
    try:
        description = _decode_text(elements[1])
    except (IndexError, *_UNREADABLE):
        description = ""
    return _normalised(CallError(call_id, code, description, elements[2] if len(elements) > 2 else EMPTY_OBJECT))


def _recovered_id(message: bytes) -> str | None:
    """The string id of a CALL whose JSON is broken further on."""
    beginning = _BEGINNING_OF_CALL.match(message)
    if beginning is None:
        return None
    try:
        return _decode_text(beginning[1])
    except _UNREADABLE:
        return None
