"""What a walk through one payload may forgive, and what it has found."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from csmsd.ocpp.errors import (
    FormationViolation,
    OccurenceConstraintViolation,
    OcppError,
    PropertyConstraintViolation,
    ProtocolError,
    TypeConstraintViolation,
)

LONGEST_QUOTE = 255  # characters
MOST_DEVIATIONS = 200  # of one message; more tell nothing new

# First match wins (RPC-34).
_PRECEDENCE: tuple[type[OcppError], ...] = (
    FormationViolation,
    ProtocolError,
    TypeConstraintViolation,
    OccurenceConstraintViolation,
    PropertyConstraintViolation,
)
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Tolerance(StrEnum):
    """How much a station may deviate from the schemas (VAL-17)."""

    LENIENT = "lenient"
    TRANSACTIONAL = "transactional"
    STRICT = "strict"


class Deviation(msgspec.Struct, frozen=True, gc=False):
    """One tolerated difference from the schema."""

    rule: str  # the requirement that tolerates it: "VAL-02"
    path: str  # where: "meterValue[0].sampledValue[2].unit"
    raw: str  # the offending JSON value, at most 255 characters unless it was set aside; "" for a missing or secret one


class Policy(NamedTuple):
    """What is forgiven in one kind of message."""

    is_lenient: bool = False  # VAL-17: the harmless parts of every message
    is_forgiving: bool = False  # VAL-14: nothing but the bones of a transaction-related message
    is_ours: bool = False  # an operator's payload: nothing doubtful goes out (VAL-18)

    @classmethod
    def of(cls, tolerance: Tolerance, *, is_transactional: bool) -> Policy:
        """The policy of a station for one message."""
        return cls(tolerance is Tolerance.LENIENT, is_transactional and tolerance is not Tolerance.STRICT)


class Walk:
    """One payload being read: collects deviations and failures; readers decide by `policy`."""

    def __init__(self, policy: Policy, received_at: datetime) -> None:
        self.policy, self.received_at = policy, received_at
        self.deviations: list[Deviation] = []
        self.secrecy = 0  # how many objects that hold a secret we are inside of
        self._failures: list[OcppError] = []

    def tolerate(self, rule: str, path: str, value: Any, *, whole: bool = False) -> None:
        """Record a deviation; `whole`: the value is set aside, so this is where it is kept."""
        if whole or len(self.deviations) < MOST_DEVIATIONS:
            quote = "" if self.secrecy else _encode(value).decode()
            self.deviations.append(Deviation(rule, path, quote if whole else quote[:LONGEST_QUOTE]))

    def fail(self, error: type[OcppError], path: str, problem: str) -> msgspec.UnsetType:
        """Record a failure, without the value: it may be a secret. UNSET is what the reader returns then."""
        self._failures.append(error(f"{path}: {problem}" if path else problem))
        return msgspec.UNSET

    @property
    def position(self) -> tuple[int, int]:
        """Where we are, for `take_back`."""
        return len(self.deviations), len(self._failures)

    def take_back(self, position: tuple[int, int]) -> None:
        """What was found since then does not count: the value it was found in is set aside or treated as absent."""
        del self.deviations[position[0] :]
        del self._failures[position[1] :]

    def has_failed_since(self, position: tuple[int, int]) -> bool:
        """Something was found that cannot be tolerated."""
        return len(self._failures) > position[1]

    def failure(self) -> OcppError | None:
        """The one error that answers the message."""
        return min(self._failures, key=lambda error: _PRECEDENCE.index(type(error)), default=None)
