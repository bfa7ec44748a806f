"""Payloads: strict and fast when they obey their schema, tolerant exactly where the requirements say so, else an error.

`PayloadDecoder.decode` tries the message's prebuilt msgspec decoder first. Only what that refuses is walked value by
value: each difference is either a deviation that is tolerated and recorded by rule (VAL-02, VAL-05, VAL-10..VAL-18) or
the one OcppError that RPC-34 names.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec

from csmsd.ocpp.errors import FormationViolation
from csmsd.ocpp.kinds import kinds_in
from csmsd.ocpp.schema import reader_of
from csmsd.ocpp.walk import Deviation, Policy, Tolerance, Walk

__all__ = ["Deviation", "PayloadDecoder", "Tolerance"]

T = TypeVar("T", bound=msgspec.Struct)

_BACKSLASH, _DELETE = 0x5C, 0x7F  # as numbers they are found several times as fast
_NONE: tuple[Deviation, ...] = ()
_REFUSALS = (msgspec.MsgspecError, UnicodeError, RecursionError)
_parse: Callable[[bytes], Any] = msgspec.json.Decoder(float_hook=Decimal).decode
_OURS = Policy(is_ours=True)
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)  # never used: strictly, there is no unreadable timestamp


class PayloadDecoder(Generic[T]):
    """Decodes the payloads of one message type."""

    __slots__ = ("_fast", "_has_decimals", "_has_timestamps", "_reader", "is_transactional")

    def __init__(self, type_: type[T], *, is_transactional: bool = False) -> None:
        self.is_transactional = is_transactional
        self._fast: Callable[[bytes], T] = msgspec.json.Decoder(type_).decode
        self._reader = reader_of(type_)
        kinds = kinds_in(type_)
        self._has_timestamps = msgspec.inspect.DateTimeType in kinds
        self._has_decimals = msgspec.inspect.DecimalType in kinds

    def decode(self, payload: bytes, tolerance: Tolerance, received_at: datetime) -> tuple[T, tuple[Deviation, ...]]:
        """The message and what was tolerated; an OcppError of RPC-34's table otherwise. `received_at` has a zone."""
        payload = bytes(payload)  # of a Raw, which only looks like bytes
        if self._is_unsuspicious(payload):
            try:
                return self._fast(payload), _NONE
            except _REFUSALS:
                pass
        return self._walk(payload, Policy.of(tolerance, is_transactional=self.is_transactional), received_at)

    def decode_strictly(self, payload: bytes) -> tuple[T, tuple[str, ...]]:
        """A message that is about to go out, and warnings for whoever wrote it; an OcppError otherwise (VAL-18)."""
        message, deviations = self._walk(bytes(payload), _OURS, _ANY_TIME)
        warnings = [f"{found.path}: characters outside ASCII" for found in deviations if found.rule == "VAL-18"]
        return message, tuple(warnings)

    def _is_unsuspicious(self, payload: bytes) -> bool:
        """Nothing in it that msgspec would take and a rule would not: null, odd characters, numbers with decimals."""
        return (
            payload.isascii()
            and _BACKSLASH not in payload
            and _DELETE not in payload
            and b"null" not in payload
            and not self._has_decimals
            and not (self._has_timestamps and (b"0001-01-0" in payload or b"9999-12-3" in payload))
        )

    def _walk(self, payload: bytes, policy: Policy, received_at: datetime) -> tuple[T, tuple[Deviation, ...]]:
        walk = Walk(policy, received_at)
        try:
            message: T = self._reader.read(_parse(payload), "", {}, walk)
        except RecursionError:
            raise FormationViolation("nested too deeply") from None
        except (msgspec.MsgspecError, UnicodeError, ArithmeticError):
            raise FormationViolation("not readable as JSON") from None
        failure = walk.failure()
        if failure is not None:
            raise failure
        return message, tuple(walk.deviations)
