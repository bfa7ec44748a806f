"""Frames and payloads on their way out (RPC-01 … RPC-06, VAL-03, VAL-06)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal
from functools import cache
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from csmsd.ocpp.frames import CallId
from csmsd.ocpp.types import UnreadableTimestamp

LONGEST_DESCRIPTION = 255  # characters

_ONE_DECIMAL = Decimal("0.1")
_TIMESTAMP = re.compile(rb'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{3})\d*)?(Z|[+-]\d\d:\d\d|)"')


def _encode_stand_in(value: object) -> str:
    if isinstance(value, UnreadableTimestamp):
        return value.raw
    raise TypeError(f"{type(value).__name__} has no place in a payload")


_encode: Callable[[Any], bytes] = msgspec.json.Encoder(enc_hook=_encode_stand_in).encode


def encode_call(call_id: str, action: str, payload: bytes) -> bytes:
    """`[2, id, action, payload]` (RPC-01, RPC-02)."""
    return _encode((2, call_id, action, msgspec.Raw(payload)))


def encode_result(call_id: CallId, payload: bytes) -> bytes:
    """`[3, id, payload]`; the id is repeated as it came (RPC-11)."""
    return _encode((3, call_id, msgspec.Raw(payload)))


def encode_error(call_id: CallId, code: str, description: str = "", details: Mapping[str, str] | None = None) -> bytes:
    """`[4, id, code, description, details]`; the description is cut at 255 characters (RPC-05, RPC-32)."""
    return _encode((4, call_id, code, description[:LONGEST_DESCRIPTION], dict(details or {})))


def encode_payload(payload: msgspec.Struct, *, whole_seconds: bool = False) -> bytes:
    """A message as JSON: absent optionals omitted (RPC-04), timestamps in UTC with milliseconds (VAL-06).

    `whole_seconds` is for stations that cannot read fractions of a second.
    """
    shape = _shape_of(type(payload))
    if not shape.has_timestamps:
        return _encode(_with_plain_numbers(payload) if shape.has_decimals else payload)
    message = _encode(_with_plain_numbers(payload) if shape.has_decimals else payload)
    return _TIMESTAMP.sub(_in_whole_seconds if whole_seconds else _in_milliseconds, message)


class _Shape(NamedTuple):
    has_timestamps: bool
    has_decimals: bool


@cache
def _shape_of(payload_type: type[msgspec.Struct]) -> _Shape:
    kinds = {type(kind) for kind in _kinds_in(inspect.type_info(payload_type), set())}
    return _Shape(inspect.DateTimeType in kinds, inspect.DecimalType in kinds)


def _kinds_in(info: Any, seen: set[int]) -> list[Any]:
    """Every type inside a type."""
    if id(info) in seen:
        return []
    seen.add(id(info))
    parts: list[Any] = [field.type for field in info.fields] if isinstance(info, inspect.StructType) else []
    parts += getattr(info, "types", ())
    parts += [part for name in ("type", "item_type") if (part := getattr(info, name, None)) is not None]
    return [info] + [kind for part in parts for kind in _kinds_in(part, seen)]


def _in_milliseconds(timestamp: re.Match[bytes]) -> bytes:
    seconds, milliseconds, zone = timestamp.groups()
    if zone == b"Z":
        return b'"%b.%bZ"' % (seconds, milliseconds or b"000")
    return b'"%b.%bZ"' % (_utc_seconds(seconds, zone), milliseconds or b"000")


def _in_whole_seconds(timestamp: re.Match[bytes]) -> bytes:
    seconds, _, zone = timestamp.groups()
    return b'"%bZ"' % (seconds if zone == b"Z" else _utc_seconds(seconds, zone))


def _utc_seconds(seconds: bytes, zone: bytes) -> bytes:
    """A time with an offset as UTC; without one it is UTC already (databases without zones)."""
    moment = datetime.fromisoformat((seconds + (zone or b"Z")).decode())
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


def _with_plain_numbers(payload: msgspec.Struct) -> Any:
    return _plain(msgspec.to_builtins(payload, builtin_types=(Decimal, datetime)))


def _plain(value: Any) -> Any:
    """Decimals as JSON numbers with at most one decimal; rounded down: a limit is never exceeded (VAL-03)."""
    if isinstance(value, Decimal):
        return float(value.quantize(_ONE_DECIMAL, ROUND_FLOOR))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
