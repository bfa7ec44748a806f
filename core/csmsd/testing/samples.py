"""Values of message types, made up from the types: valid, and otherwise without a meaning."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

T = TypeVar("T")

MOMENT = "2026-01-01T12:00:00Z"
_TEXTS = ("CP-1", "1", "a", "00000000", "a@b.c", "https://csms.example/file", "0.0.0.0:1", "AA", "aa", "2026-01-01")


def sample_of(type_: type[T], *, is_full: bool = False) -> T:
    """A value of this type; `is_full`: with everything that may be left out. ValueError if none can be thought of."""
    value = _value(inspect.type_info(type_), is_full)
    try:
        return msgspec.json.decode(msgspec.json.encode(value), type=type_, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"no sample of {type_.__qualname__} can be made up: {error}") from error


def _value(kind: inspect.Type, is_full: bool) -> Any:
    match kind:
        case inspect.Metadata(type=inner):
            return _value(inner, is_full)
        case inspect.StructType() | inspect.DataclassType() | inspect.TypedDictType():
            return _object(kind, is_full)
        case inspect.UnionType(types=types):
            several = [each for each in types if not isinstance(each, inspect.NoneType)]
            return _value(several[0], is_full) if several else None
        case inspect.IntType() | inspect.FloatType() | inspect.DecimalType():
            return _number(kind)
        case inspect.StrType():
            return _text(kind)
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.EnumType(cls=enum):
            return next(iter(enum)).value
        case _:
            return _collection(kind, is_full)


def _collection(kind: inspect.Type, is_full: bool) -> Any:
    match kind:
        case inspect.TupleType(item_types=items):
            return [_value(item, is_full) for item in items]
        case inspect.CollectionType(item_type=item, min_length=least):
            return [_value(item, is_full)] * max(least or 0, int(is_full))
        case inspect.DictType():
            return {}
        case inspect.BoolType():
            return is_full
        case inspect.BytesType() | inspect.ByteArrayType():
            return ""
        case _:
            return _moment(kind)


def _moment(kind: inspect.Type) -> Any:
    match kind:
        case inspect.DateTimeType():
            return MOMENT
        case inspect.DateType():
            return MOMENT[:10]
        case inspect.TimeType():
            return MOMENT[11:]
        case inspect.TimeDeltaType():
            return "PT60S"
        case inspect.UUIDType():
            return "00000000-0000-4000-8000-000000000000"
        case inspect.RawType():
            return {}
        case _:
            return None


def _object(kind: inspect.StructType | inspect.DataclassType | inspect.TypedDictType, is_full: bool) -> Any:
    wanted = [field for field in kind.fields if field.required or is_full]
    if isinstance(kind, inspect.StructType) and kind.array_like:
        return [_value(field.type, is_full) for field in kind.fields]
    value = {field.encode_name: _value(field.type, is_full) for field in wanted}
    if isinstance(kind, inspect.StructType) and kind.tag_field is not None:
        value[kind.tag_field] = kind.tag
    return value


def _number(kind: inspect.IntType | inspect.FloatType | inspect.DecimalType) -> Any:
    if isinstance(kind, inspect.DecimalType):
        return 1
    for least, step in ((kind.ge, 0), (kind.gt, 1)):
        if least is not None:
            unit = kind.multiple_of or 1
            return max(1, math.ceil((least + step) / unit) * unit)
    most = kind.le if kind.le is not None else (kind.lt - 1 if kind.lt is not None else 1)
    return min(1, most)


def _text(kind: inspect.StrType) -> str:
    import re

    for text in _TEXTS:
        padded = text.ljust(kind.min_length or 0, text[-1])[: kind.max_length]
        if kind.pattern is None or re.search(kind.pattern, padded):
            return padded
    return "x"
