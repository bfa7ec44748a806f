"""The form of a command, from the Struct of its request: labels are OCPP's names, rules are the schema's.

A tree of fields is built once for each command. What a browser sends back, `chargingProfile.stackLevel = 1`, becomes
the payload's JSON text: numbers as they were typed, so that a decimal never passes through a float (VAL-03).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import msgspec
from msgspec import inspect

from csmsd.command import AnyCommand

Kind = Literal["text", "integer", "decimal", "boolean", "choice", "moment", "multiline", "object", "list", "json"]
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?", re.ASCII)
LONG = 200  # characters, from which a text gets more than one line
ROWS = ".rows"  # the name of the field that says how many rows a list has
MOST_ROWS = 100


@dataclass(frozen=True, slots=True)
class Field:
    """One property of a payload."""

    name: str  # OCPP's
    kind: Kind
    is_required: bool
    help: str = ""
    max_length: int | None = None
    low: int | None = None
    high: int | None = None
    choices: tuple[str, ...] = ()
    is_secret: bool = False
    fields: tuple[Field, ...] = ()  # of an object
    item: Field | None = None  # of a list


@dataclass(frozen=True, slots=True)
class Widget:
    """A field where it stands in a form, with what has been typed."""

    field: Field
    path: str  # `chargingProfile.chargingSchedule.chargingSchedulePeriod.0.limit`
    value: str = ""
    error: str = ""
    help: str = ""
    suggestions: Sequence[str] = ()
    children: Sequence[Widget] = ()  # of an object; of a list its rows
    is_open: bool = False
    id: str = ""


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody has typed, and what is known to be wrong with it."""

    values: Mapping[str, str] = field(default_factory=dict[str, str])
    error_at: str = ""
    error: str = ""


KNOWN: dict[str, tuple[type[msgspec.Struct], tuple[Field, ...]]] = {}  # by command; a type may be made anew


def fields_of(command: AnyCommand) -> tuple[Field, ...]:
    """The fields of a command's request, required ones first as the Struct has them."""
    known = KNOWN.get(command.name)
    if known is None or known[0] is not command.request:
        known = KNOWN[command.name] = command.request, _fields(command.request)
    return known[1]


def _fields(type_: type[msgspec.Struct]) -> tuple[Field, ...]:
    info = inspect.type_info(type_)
    assert isinstance(info, inspect.StructType)
    return tuple(_field(each.encode_name, each.type, each.required) for each in info.fields)


def _field(name: str, type_: inspect.Type, is_required: bool) -> Field:
    type_, extra = _bare(type_)
    is_secret = bool(extra.get("is_secret"))
    match type_:
        case inspect.StrType():
            is_long = extra.get("is_multiline") or (type_.max_length or 0) > LONG
            kind: Kind = "multiline" if is_long else "text"
            return Field(name, kind, is_required, max_length=type_.max_length, is_secret=is_secret)
        case inspect.IntType():
            return Field(name, "integer", is_required, low=_sane(type_.ge), high=_sane(type_.le))
        case inspect.DecimalType() | inspect.FloatType():
            return Field(name, "decimal", is_required)
        case inspect.BoolType():
            return Field(name, "boolean", is_required, choices=("true", "false"))
        case inspect.LiteralType() | inspect.EnumType():
            values = type_.values if isinstance(type_, inspect.LiteralType) else [each.value for each in type_.cls]
            return Field(name, "choice", is_required, choices=tuple(map(str, values)))
        case inspect.DateTimeType():
            return Field(name, "moment", is_required, help="UTC, for instance 2030-01-01T08:00:00Z")
        case inspect.StructType():
            parts = tuple(_field(each.encode_name, each.type, each.required) for each in type_.fields)
            return Field(name, "object", is_required, fields=parts)
        case inspect.VarTupleType() | inspect.ListType():
            return Field(name, "list", is_required, item=_field("", type_.item_type, True))
        case _:
            return Field(name, "json", is_required, help="JSON")


def _bare(type_: inspect.Type) -> tuple[inspect.Type, dict[str, Any]]:
    """The type without metadata and without None, and the metadata."""
    extra: dict[str, Any] = {}
    while True:
        if isinstance(type_, inspect.Metadata):
            extra |= cast("dict[str, Any]", type_.extra or {})  # pyright: ignore[reportUnknownMemberType]: half typed
            type_ = type_.type
        elif isinstance(type_, inspect.UnionType):
            parts = [each for each in type_.types if not isinstance(each, inspect.NoneType)]
            if len(parts) != 1:
                return inspect.AnyType(), extra
            type_ = parts[0]
        else:
            return type_, extra


def _sane(bound: int | None) -> int | None:
    """A bound that a person should read; those of 64 bits are the database's business."""
    return None if bound is None or abs(bound) >= 2**62 else bound


def widgets(fields: Sequence[Field], typed: Typed, hints: Mapping[str, Any], prefix: str = "") -> list[Widget]:
    """Fields with what was typed into them."""
    return [_widget(each, f"{prefix}{each.name}", typed, hints) for each in fields]


def _widget(of: Field, path: str, typed: Typed, hints: Mapping[str, Any]) -> Widget:
    children: Sequence[Widget] = ()
    below = any(name.startswith(f"{path}.") for name in typed.values)
    if of.kind == "object":
        children = widgets(of.fields, typed, hints, f"{path}.")
    elif of.kind == "list" and of.item is not None:
        children = [_widget(of.item, f"{path}.{row}", typed, hints) for row in range(_rows(of, path, typed.values))]
    return Widget(
        of,
        path,
        typed.values.get(path, ""),
        typed.error if typed.error_at == path else "",
        hints.get("help", {}).get(path, of.help),
        hints.get("choices", {}).get(path, ()),
        children,
        of.is_required or below or typed.error_at.startswith(path),
        "f-" + re.sub(r"[^A-Za-z0-9]", "-", path),
    )


def _rows(of: Field, path: str, values: Mapping[str, str]) -> int:
    least = 1 if of.is_required else 0
    told = values.get(path + ROWS, "")
    return max(least, min(int(told), MOST_ROWS)) if told.isdecimal() and len(told) < 6 else least


def payload_of(fields: Sequence[Field], values: Mapping[str, str]) -> bytes:
    """The payload's JSON text; what does not fit its type stays text, and the schema says so."""
    return _object(fields, values, "", is_required=True).encode("utf-8", "surrogatepass")


def _object(fields: Sequence[Field], values: Mapping[str, str], prefix: str, *, is_required: bool) -> str:
    parts = [(each.name, _json(each, f"{prefix}{each.name}", values)) for each in fields]
    given = [f"{json.dumps(name)}: {text}" for name, text in parts if text]
    return "{" + ", ".join(given) + "}" if given or is_required else ""


def _json(of: Field, path: str, values: Mapping[str, str]) -> str:
    """The JSON text of one field; "" if nothing was typed."""
    if of.kind == "object":
        return _object(of.fields, values, f"{path}.", is_required=of.is_required and _is_touched(path, values))
    if of.kind == "list" and of.item is not None:
        rows = [_json(of.item, f"{path}.{row}", values) for row in range(_rows(of, path, values))]
        filled = [row for row in rows if row and row != "{}"]
        return f"[{', '.join(filled)}]" if filled else ""
    text = values.get(path, "")
    if of.kind not in ("text", "multiline"):
        text = text.strip()
    if not text:
        return ""
    if of.kind in ("integer", "decimal") and NUMBER.fullmatch(text):
        return text
    if of.kind == "boolean" and text in ("true", "false"):
        return text
    if of.kind == "json":
        return text
    if of.kind == "multiline":
        text = text.replace("\r\n", "\n")
    return json.dumps(text)


def _is_touched(path: str, values: Mapping[str, str]) -> bool:
    return any(name.startswith(f"{path}.") and text and not name.endswith(ROWS) for name, text in values.items())


def flat(value: Any, path: str = "") -> dict[str, str]:
    """The fields that a payload fills: for the way from JSON mode to the form, and to send something again."""
    found: dict[str, str] = {}
    match value:
        case dict():
            for name, each in value.items():  # pyright: ignore[reportUnknownVariableType]: JSON has no types
                found |= flat(each, f"{path}.{name}" if path else str(name))  # pyright: ignore[reportUnknownArgumentType]: JSON has no types
        case list():
            found[path + ROWS] = str(len(value))  # pyright: ignore[reportUnknownArgumentType]: JSON has no types
            for row, each in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]: JSON has no types
                found |= flat(each, f"{path}.{row}")
        case bool():
            found[path] = "true" if value else "false"
        case None:
            pass
        case _:
            found[path] = str(value)
    return found
