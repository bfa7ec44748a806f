"""Payloads on their way out (RPC-03, RPC-04, VAL-03, VAL-06)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any, TypeAlias

import msgspec
from msgspec import inspect

from csmsd.ocpp.kinds import kinds_in
from csmsd.ocpp.types import UnreadableTimestamp

Content: TypeAlias = (
    "dict[str, Content] | list[Content] | tuple[Content, ...] | datetime | Decimal | str | float | bool | None"
)

_ONE_DECIMAL = Decimal("0.1")
_TIMESTAMP = re.compile(rb'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{3})\d*)?(Z|[+-]\d\d:\d\d|)"')


def _encode_stand_in(value: object) -> str:
    if isinstance(value, UnreadableTimestamp):
        return value.raw
    raise TypeError(f"{type(value).__name__} has no place in a payload")


_encode: Callable[[Any], bytes] = msgspec.json.Encoder(enc_hook=_encode_stand_in).encode


def encode_payload(payload: msgspec.Struct, *, whole_seconds: bool = False) -> bytes:
    """A message as JSON: absent optionals omitted (RPC-04), timestamps in UTC with milliseconds (VAL-06).

    `whole_seconds` is for stations that cannot read fractions of a second.
    """
    kinds = kinds_in(type(payload))
    message = _encode(_with_plain_numbers(payload) if inspect.DecimalType in kinds else payload)
    if inspect.DateTimeType not in kinds:
        return message
    return _TIMESTAMP.sub(_in_whole_seconds if whole_seconds else _in_milliseconds, message)


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
    return moment.astimezone(UTC).isoformat()[: len("2025-01-31T12:00:00")].encode()


def _with_plain_numbers(payload: msgspec.Struct) -> Content:
    content: Content = msgspec.to_builtins(payload, builtin_types=(Decimal, datetime))
    return _plain(content)


def _plain(value: Content) -> Content:
    """Decimals as JSON numbers with at most one decimal; rounded down: a limit is never exceeded (VAL-03)."""
    if isinstance(value, Decimal):
        return float(value.quantize(_ONE_DECIMAL, ROUND_FLOOR))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
