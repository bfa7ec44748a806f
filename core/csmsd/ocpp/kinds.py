"""Which kinds of values occur in a message type."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from msgspec import inspect


@cache
def kinds_in(message: type[msgspec.Struct]) -> frozenset[type[inspect.Type]]:
    """The kinds of all fields, at any depth: DateTimeType, DecimalType ..."""
    return frozenset(_kinds(inspect.type_info(message)))


def _kinds(info: Any) -> set[type[inspect.Type]]:
    kinds: set[type[inspect.Type]] = {type(info)}
    for part in _parts(info):
        kinds |= _kinds(part)
    return kinds


def _parts(info: Any) -> list[Any]:
    match info:
        case inspect.StructType():
            return [field.type for field in info.fields]
        case inspect.UnionType():
            return list(info.types)
        case inspect.Metadata():
            return [info.type]
        case inspect.VarTupleType():
            return [info.item_type]
        case _:
            return []
