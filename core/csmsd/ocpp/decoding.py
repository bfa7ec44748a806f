"""Payloads: strict and fast when they obey their schema, tolerant exactly where the requirements say so, else an error.

`PayloadDecoder.decode` tries the action's prebuilt msgspec decoder first. Only what that refuses is walked value by
value: each difference is either a deviation that is tolerated and recorded by rule (VAL-02, VAL-05, VAL-10..VAL-17) or
the one OcppError that RPC-34 names.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)


class Tolerance(str, Enum):
    """How much a station may deviate from the schemas (VAL-17)."""

    LENIENT = "lenient"
    TRANSACTIONAL = "transactional"
    STRICT = "strict"


class Deviation(msgspec.Struct, frozen=True, gc=False):
    """One tolerated difference from the schema."""

    rule: str  # the requirement that tolerates it: "VAL-02"
    path: str  # where: "meterValue[0].sampledValue[2].unit"
    raw: str  # the offending JSON value, shortened to 255 characters; "" for a missing one


class PayloadDecoder(Generic[T]):
    """Decodes the payloads of one message type."""

    __slots__ = ("_fast", "_type", "is_transactional")

    def __init__(self, type_: type[T], *, is_transactional: bool = False) -> None:
        self._type, self.is_transactional = type_, is_transactional
        self._fast = msgspec.json.Decoder(type_).decode

    def decode(self, payload: bytes, tolerance: Tolerance, received_at: datetime) -> tuple[T, tuple[Deviation, ...]]:
        """The message and what was tolerated; an OcppError of RPC-34's table otherwise."""
        raise AssertionError
