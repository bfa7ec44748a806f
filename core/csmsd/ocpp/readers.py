"""One reader for each kind of value: takes what msgspec refused and decides what of it is tolerable.

`read(value, path, owner, walk)` returns the value that the Struct gets, or UNSET after it has told the walk why not.
`owner` is the JSON object around the value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, TypeGuard

import msgspec
from msgspec import UNSET

from csmsd.ocpp.errors import (
    FormationViolation,
    OccurenceConstraintViolation,
    PropertyConstraintViolation,
    ProtocolError,
    TypeConstraintViolation,
)
from csmsd.ocpp.timestamps import read_timestamp
from csmsd.ocpp.types import HIGHEST_INTEGER, LOWEST_INTEGER, Accepting, UnreadableTimestamp
from csmsd.ocpp.walk import Walk

_ONE_DECIMAL = Decimal("0.1")
_LARGEST_MAGNITUDE = 15  # decimal digits before the point
_DIGITS = 19  # of the largest 64-bit integer
_LONGEST_NAME = 50  # characters of a property name in a path
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_BUT_LINE_ENDS = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]")

Object = dict[str, Any]


def _is_object(value: object) -> TypeGuard[Object]:
    return isinstance(value, dict)


def _is_array(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


class Reader(Protocol):
    """Reads one kind of value."""

    def read(self, value: Any, path: str, owner: Object, walk: Walk) -> Any:
        """The value for the Struct, or UNSET."""


@dataclass(frozen=True, slots=True)
class TextReader:
    """A string with a maximal length in characters."""

    longest: int | None
    pattern: str | None = None
    is_descriptive: bool = False
    is_numeric: bool = False
    is_multiline: bool = False

    def read(self, value: Any, path: str, owner: Object, walk: Walk) -> Any:
        """Numbers where stations send them (VAL-13); too long where it is harmless (VAL-14, VAL-17); any character."""
        if self.is_numeric and isinstance(value, int | Decimal) and not isinstance(value, bool):
            walk.tolerate("VAL-13", path, value)
            return str(value)
        if not isinstance(value, str):
            return walk.fail(TypeConstraintViolation, path, "must be a string")
        if self.longest is not None and len(value) > self.longest:
            if walk.policy.is_forgiving:
                walk.tolerate("VAL-14", path, value)
            elif walk.policy.is_lenient and self.is_descriptive:
                walk.tolerate("VAL-17", path, value)
            else:
                return walk.fail(PropertyConstraintViolation, path, f"is longer than {self.longest} characters")
        if self.pattern is not None and not re.search(self.pattern, value):
            return walk.fail(PropertyConstraintViolation, path, "is not of the required form")
        return self._with_odd_characters(value, path, walk)

    def _with_odd_characters(self, value: str, path: str, walk: Walk) -> Any:
        """Printable ASCII is the rule; what is not is kept and flagged, but no control character goes out (VAL-18)."""
        has_control = (_CONTROL_BUT_LINE_ENDS if self.is_multiline else _CONTROL).search(value)
        if has_control and walk.policy.is_ours:
            return walk.fail(PropertyConstraintViolation, path, "must not contain control characters")
        if has_control or not value.isascii():
            walk.tolerate("VAL-18", path, value)
        return value


@dataclass(frozen=True, slots=True)
class ChoiceReader:
    """A string out of a list."""

    values: frozenset[str]
    is_open: bool = False
    accepting: Accepting | None = None

    def read(self, value: Any, path: str, owner: Object, walk: Walk) -> Any:
        """Unknown values of an open list are kept raw (VAL-14, VAL-15); a few are accepted by name (VAL-11)."""
        if not isinstance(value, str):
            return walk.fail(TypeConstraintViolation, path, "must be a string")
        if value in self.values:
            return value
        if self._is_accepted(value, owner) and self.accepting is not None:
            walk.tolerate(self.accepting.rule, path, value)
        elif self.is_open and walk.policy.is_forgiving:
            walk.tolerate("VAL-14", path, value)
        elif self.is_open and walk.policy.is_lenient:
            walk.tolerate("VAL-15", path, value)
        else:
            return walk.fail(PropertyConstraintViolation, path, f"must be one of {', '.join(sorted(self.values))}")
        return value

    def _is_accepted(self, value: str, owner: Object) -> bool:
        if self.accepting is None or value not in self.accepting.values:
            return False
        sibling, expected = self.accepting.because
        return bool(owner.get(sibling) == expected)


@dataclass(frozen=True, slots=True)
class IntegerReader:
    """An integer within bounds."""

    lowest: int
    highest: int

    def read(self, value: Any, path: str, owner: Object, walk: Walk) -> Any:
        """Integral floats count as integers (VAL-13); bounds bind where no transaction is at stake (VAL-14)."""
        if isinstance(value, Decimal) and value.adjusted() < _DIGITS and value == value.to_integral_value():
            walk.tolerate("VAL-13", path, value)
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            return walk.fail(TypeConstraintViolation, path, "must be an integer")
        if self.lowest <= value <= self.highest:
            return value
        if walk.policy.is_forgiving and LOWEST_INTEGER <= value <= HIGHEST_INTEGER:
            walk.tolerate("VAL-14", path, value)
            return value
        return walk.fail(PropertyConstraintViolation, path, f"must be an integer {self._bounds()}")

    def _bounds(self) -> str:
        if self.highest < HIGHEST_INTEGER:
            return f"from {self.lowest} to {self.highest}"
        return f"of at least {self.lowest}" if self.lowest > LOWEST_INTEGER else "of at most 64 bits"


class DecimalReader:
    """A number with at most one decimal (VAL-03)."""

    def read(self, value: Any, path: str, owner: Object, walk: Walk) -> Any:
        """Never through binary floats: 8.1 is a multiple of 0.1."""
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            return walk.fail(TypeConstraintViolation, path, "must be a number")
        number = Decimal(value)
        if number.adjusted() > _LARGEST_MAGNITUDE:
            return walk.fail(PropertyConstraintViolation, path, "is too large")
        rounded = number.quantize(_ONE_DECIMAL)
        if rounded != number:
            return walk.fail(PropertyConstraintViolation, path, "must have at most one decimal")
        return rounded


class TimestampReader:
    """A date-time."""

    def read(self, value: Any, path: str, owner: Object, walk: Walk) -> Any:
        """UTC where the offset is missing (VAL-05); the time of receipt where nothing can be read (VAL-14)."""
        if not isinstance(value, str):
            return walk.fail(TypeConstraintViolation, path, "must be a string with a date-time")
        timestamp = read_timestamp(value)
        if timestamp is None and walk.policy.is_forgiving:
            walk.tolerate("VAL-14", path, value)
            return UnreadableTimestamp.at(walk.received_at, value)
        if timestamp is None or (walk.policy.is_ours and not timestamp.has_offset):
            return walk.fail(PropertyConstraintViolation, path, "must be a date-time like 2025-01-31T12:00:00Z")
        if not timestamp.has_offset:
            walk.tolerate("VAL-05", path, value)
        return timestamp.moment


class BooleanReader:
    """True or false."""

    def read(self, value: Any, path: str, owner: Object, walk: Walk) -> Any:
        """Nothing else will do."""
        return value if isinstance(value, bool) else walk.fail(TypeConstraintViolation, path, "must be true or false")


@dataclass(frozen=True, slots=True)
class ArrayReader:
    """An array, read into a tuple."""

    item: Reader
    fewest: int
    most: int | None
    may_be_empty: bool = False

    def read(self, value: Any, path: str, owner: Object, walk: Walk) -> Any:
        """A defective element of a transaction-related message is set aside and the rest read (VAL-14)."""
        if not _is_array(value):
            return walk.fail(TypeConstraintViolation, path, "must be an array")
        if len(value) < self.fewest or (self.most is not None and len(value) > self.most):
            if walk.policy.is_forgiving:
                walk.tolerate("VAL-14", path, value)
            elif self.may_be_empty and not value:
                walk.tolerate("VAL-13", path, value)
            else:
                return walk.fail(OccurenceConstraintViolation, path, f"has {len(value)} elements")
        items: list[Any] = []
        for index, element in enumerate(value):
            place, position = f"{path}[{index}]", walk.position
            item = self.item.read(element, place, owner, walk)
            if item is not UNSET:
                items.append(item)
            elif walk.policy.is_forgiving:
                walk.take_back(position)
                walk.tolerate("VAL-14", place, element, whole=True)
        return tuple(items)


@dataclass(frozen=True, slots=True)
class Property:
    """One property of an object."""

    attribute: str
    name: str
    is_required: bool
    reader: Reader


@dataclass(frozen=True, slots=True)
class ObjectReader:
    """An object, read into a Struct."""

    struct: type[msgspec.Struct]
    properties: dict[str, Property]
    is_secret: bool = False

    def read(self, value: Any, path: str, owner: Object, walk: Walk) -> Any:
        """Unknown properties are dropped (VAL-02), null is absent (VAL-13), the rest is the properties' business."""
        if not _is_object(value):
            error = TypeConstraintViolation if path else FormationViolation
            return walk.fail(error, path, "must be an object")
        position = walk.position
        walk.secrecy += self.is_secret
        attributes = self._attributes(value, path, walk)
        walk.secrecy -= self.is_secret
        if walk.has_failed_since(position):
            return UNSET
        try:
            return self.struct(**attributes)
        except ValueError as error:  # what a __post_init__ demands
            return walk.fail(PropertyConstraintViolation, path, str(error))

    def _attributes(self, value: Object, path: str, walk: Walk) -> dict[str, Any]:
        prefix = f"{path}." if path else ""
        for name in value.keys() - self.properties.keys():
            self._drop(value[name], f"{prefix}{name[:_LONGEST_NAME]}", walk)
        attributes: dict[str, Any] = {}
        for wanted in self.properties.values():
            if wanted.name in value:
                item = self._read_property(wanted, f"{prefix}{wanted.name}", value, walk)
                if item is not UNSET:
                    attributes[wanted.attribute] = item
            elif wanted.is_required:
                walk.fail(ProtocolError, f"{prefix}{wanted.name}", "is missing")
        return attributes

    def _drop(self, value: Any, path: str, walk: Walk) -> None:
        if walk.policy.is_lenient or walk.policy.is_forgiving:
            walk.tolerate("VAL-02", path, value)
        else:
            walk.fail(FormationViolation, path, "is not a property of this message")

    def _read_property(self, wanted: Property, path: str, owner: Object, walk: Walk) -> Any:
        value, position = owner[wanted.name], walk.position
        if value is None and not wanted.is_required:
            walk.tolerate("VAL-13", path, value)
            return UNSET
        item = wanted.reader.read(value, path, owner, walk)
        if item is UNSET and not wanted.is_required and walk.policy.is_forgiving:
            walk.take_back(position)
            walk.tolerate("VAL-14", path, value)
        return item
