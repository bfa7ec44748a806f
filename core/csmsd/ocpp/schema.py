"""Turns a message type into its readers, once."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from msgspec import inspect

from csmsd.ocpp.readers import (
    ArrayReader,
    BooleanReader,
    ChoiceReader,
    DecimalReader,
    IntegerReader,
    ObjectReader,
    Property,
    Reader,
    TextReader,
    TimestampReader,
)
from csmsd.ocpp.types import HIGHEST_INTEGER, LOWEST_INTEGER

Marks = dict[str, Any]


def reader_of(message: type[msgspec.Struct]) -> ObjectReader:
    """The readers of a message; TypeError if a field has a type that OCPP does not know."""
    info = inspect.type_info(message)
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"{message.__name__} is not a Struct")
    return _object_reader(info)


def _object_reader(info: inspect.StructType) -> ObjectReader:
    properties: dict[str, Property] = {}
    is_secret = False
    for field in info.fields:
        kind, marks = _unwrapped(field.type)
        is_secret |= bool(marks.get("is_secret"))
        properties[field.encode_name] = Property(field.name, field.encode_name, field.required, _reader(kind, marks))
    return ObjectReader(info.cls, properties, is_secret)


def _unwrapped(info: inspect.Type) -> tuple[inspect.Type, Marks]:
    """The type itself, without `| None`, and the marks that `csmsd.ocpp.types` has put on it."""
    marks: Marks = {}
    while True:
        if isinstance(info, inspect.Metadata):
            marks |= cast("Marks", info.extra or {})
            info = info.type
        elif isinstance(info, inspect.UnionType):
            (info,) = (part for part in info.types if not isinstance(part, inspect.NoneType))
        else:
            return info, marks


def _reader(kind: inspect.Type, marks: Marks) -> Reader:
    match kind:
        case inspect.StructType():
            return _object_reader(kind)
        case inspect.VarTupleType():
            item, item_marks = _unwrapped(kind.item_type)
            may_be_empty = bool(marks.get("may_be_empty"))
            return ArrayReader(_reader(item, item_marks), kind.min_length or 0, kind.max_length, may_be_empty)
        case inspect.StrType():
            names = ("is_descriptive", "is_numeric", "is_multiline")
            return TextReader(kind.max_length, kind.pattern, **{name: bool(marks.get(name)) for name in names})
        case inspect.LiteralType():
            return ChoiceReader(frozenset(map(str, kind.values)), bool(marks.get("is_open")), marks.get("accepting"))
        case inspect.IntType():
            lowest = LOWEST_INTEGER if kind.ge is None else kind.ge
            return IntegerReader(lowest, HIGHEST_INTEGER if kind.le is None else kind.le)
        case _:
            return _simple_reader(kind)


def _simple_reader(kind: inspect.Type) -> Reader:
    if isinstance(kind, inspect.DecimalType):
        return DecimalReader()
    if isinstance(kind, inspect.DateTimeType):
        return TimestampReader()
    if isinstance(kind, inspect.BoolType):
        return BooleanReader()
    raise TypeError(f"{type(kind).__name__} has no place in a message")
