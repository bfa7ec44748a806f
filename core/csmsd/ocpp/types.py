"""The types of OCPP fields, and what is tolerated in them.

A field's annotation carries its strict rule, which msgspec checks, and its tolerance, which the walk applies to what
msgspec refused: `Annotated[CiString20, DESCRIPTIVE]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta


class Payload(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, rename="camel", forbid_unknown_fields=True):
    """Base of all messages and of what is inside them: an absent optional is None, or an empty tuple (RPC-04)."""


DESCRIPTIVE = Meta(extra={"is_descriptive": True})
"""No decision hangs on this text: in `lenient`, one that is too long is stored whole (VAL-17)."""

OPEN = Meta(extra={"is_open": True})
"""A Literal of which unknown values are kept as the raw `str`, where VAL-14 or VAL-15 allows it."""

NUMERIC = Meta(extra={"is_numeric": True})
"""A text that some stations send as a JSON number (VAL-13)."""

MAY_BE_EMPTY = Meta(extra={"may_be_empty": True})
"""An array that the schema wants filled and some stations send empty (VAL-13)."""

MULTILINE = Meta(extra={"is_multiline": True})
"""A text in which line ends are allowed (VAL-18)."""

SECRET = Meta(extra={"is_secret": True})
"""A value that may be a secret: nothing of the object that it is in is ever quoted (WS-24)."""


@dataclass(frozen=True, slots=True)
class Accepting:
    """Values outside of a Literal that `rule` accepts where the sibling property `because[0]` is `because[1]`."""

    values: tuple[str, ...]
    rule: str
    because: tuple[str, str]

    @property
    def meta(self) -> Meta:
        """For the annotation: `Annotated[Unit, HERTZ.meta]`."""
        return Meta(extra={"accepting": self})


CiString20 = Annotated[str, Meta(max_length=20)]
CiString25 = Annotated[str, Meta(max_length=25)]
CiString50 = Annotated[str, Meta(max_length=50)]
CiString255 = Annotated[str, Meta(max_length=255)]
CiString500 = Annotated[str, Meta(max_length=500)]
IdTag = CiString20
"""Compared without regard to case, stored and echoed as received (VAL-07)."""

LOWEST_INTEGER, HIGHEST_INTEGER = -(2**63), 2**63 - 1

Integer = Annotated[int, Meta(ge=LOWEST_INTEGER, le=HIGHEST_INTEGER)]
"""What a database can hold (MSG-91)."""

NonNegative = Annotated[int, Meta(ge=0, le=HIGHEST_INTEGER)]
Positive = Annotated[int, Meta(ge=1, le=HIGHEST_INTEGER)]
ConnectorId = Positive
"""One connector; `ConnectorOrStation` where 0 means the station itself, or all of its connectors."""
ConnectorOrStation = NonNegative

OneDecimal = Decimal
"""A JSON number with at most one decimal, checked in decimal arithmetic (VAL-03)."""

Timestamp = Annotated[datetime, Meta(tz=True)]
"""Any offset on the way in (VAL-04); UTC with milliseconds on the way out (VAL-06)."""


class UnreadableTimestamp(datetime):
    """The time of receipt, standing in for a timestamp that nobody can read; `raw` is the station's text (VAL-14)."""

    raw: str

    @classmethod
    def at(cls, received_at: datetime, raw: str) -> UnreadableTimestamp:
        """`received_at` has a zone."""
        at = received_at
        timestamp = cls(
            at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond, at.tzinfo, fold=at.fold
        )
        timestamp.raw = raw
        return timestamp
