"""The types of events: what they mean, JSON Schema of their data, and an example of each."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import inspect as kinds

from csmsd.store import Fact

MOMENT = datetime(2030, 4, 1, 9, 30, tzinfo=UTC)
# For fields whose type says too little.
_BY_NAME: dict[str, Any] = {
    "station_id": "CP-1",
    "id_tag": "04A1B2C3",
    "parent_id_tag": "",
    "connector_id": 1,
    "transaction_id": 7,
    "status": "Charging",
    "previous": "Preparing",
    "error_code": "NoError",
    "vendor": "ACME",
    "model": "Wallbox 11",
    "firmware_version": "1.4.2",
    "registration": "Accepted",
    "value": "1200",
    "measurand": "Energy.Active.Import.Register",
    "unit": "Wh",
    "reason": "Local",
}


class EventType(msgspec.Struct, frozen=True):
    """One type of events."""

    type: str
    plugin: str  # whose fact it is; `kernel` for csmsd's own
    summary: str
    schema: dict[str, Any]  # JSON Schema of `data`
    example: dict[str, Any]  # a whole event


def event_types(known: Mapping[str, tuple[str, Fact[Any]]], source: str = "csmsd") -> list[EventType]:
    """All that are known, by name."""
    return [_describe(owner, fact, source) for _, (owner, fact) in sorted(known.items())]


def _describe(owner: str, fact: Fact[Any], source: str) -> EventType:
    summary = (inspect.getdoc(fact.hook) or inspect.getdoc(fact.type) or "").partition("\n")[0]
    summary = summary.removeprefix("A fact: ").replace("; see above for the rest", "")
    example = {
        "id": "17-1901266200000",
        "source": source,
        "type": fact.name,
        "time": "2030-04-01T09:30:00Z",
        "subject": "CP-1",
        "data": msgspec.json.decode(msgspec.json.encode(example_of(fact.type))),
        "specversion": "1.0",
        "datacontenttype": "application/json",
    }
    return EventType(fact.name, owner, summary[:1].upper() + summary[1:], msgspec.json.schema(fact.type), example)


def example_of(type_: type[msgspec.Struct]) -> msgspec.Struct:
    """A value of a fact's type that could be."""
    value = _value(kinds.type_info(type_), "")
    return msgspec.convert(value, type_)


def _value(kind: kinds.Type, name: str) -> Any:
    match kind:
        case kinds.Metadata():
            return _value(kind.type, name)
        case kinds.UnionType():
            return _of_union(kind, name)
        case kinds.StructType():
            return {field.encode_name: _value(field.type, field.encode_name) for field in kind.fields}
        case kinds.LiteralType():
            return _named(name, kind.values) or kind.values[0]
        case kinds.EnumType():
            return next(iter(kind.cls)).value
        case kinds.DateTimeType():
            return MOMENT.isoformat().replace("+00:00", "Z")
        case kinds.CollectionType():
            return [_value(kind.item_type, name)]
        case _:
            return _plain(kind, name)


def _plain(kind: kinds.Type, name: str) -> Any:
    match kind:
        case kinds.BoolType():
            return False
        case kinds.IntType() | kinds.FloatType():
            return _number(name)
        case kinds.StrType():
            return _BY_NAME.get(name, "")
        case kinds.DictType():
            return {}
        case _:
            return None


def _of_union(kind: kinds.UnionType, name: str) -> Any:
    """None where there may be nothing, unless it is a part of what is told."""
    others = [each for each in kind.types if not isinstance(each, kinds.NoneType)]
    is_optional = len(others) < len(kind.types)
    return None if is_optional and name not in _BY_NAME else _value(others[0], name)


def _named(name: str, values: Iterable[Any]) -> Any:
    wanted = _BY_NAME.get(name)
    return wanted if wanted in tuple(values) else None


def _number(name: str) -> int:
    found = _BY_NAME.get(name, 1)
    return found if isinstance(found, int) else 1


HEAD = """# Events

What csmsd tells others, as [webhooks or over MQTT](../plugins/events/README.md): each event is a fact that is stored,
in an envelope after CloudEvents 1.0 (JSON, structured mode). `id` is the same for every delivery of a fact, so that
repeats are seen; `time` is when csmsd recorded it, `subject` the station's identity, `source` whose csmsd it is. New
members may come at any time: ignore what you do not know. `GET /api/v1/event-types` tells the types of the plugins that
are enabled.

This page is generated from the types: `python scripts/events_page.py > docs/events.md`.
"""


def page(types: Iterable[EventType]) -> str:
    """All of it as Markdown."""
    parts = [HEAD]
    for each in types:
        example = msgspec.json.format(msgspec.json.encode(each.example), indent=2).decode()
        schema = msgspec.json.format(msgspec.json.encode(each.schema), indent=2).decode()
        parts.append(
            f"## `{each.type}`\n\nOf {_owner(each.plugin)}. {each.summary}\n\n```json\n{example}\n```\n\n"
            f"<details><summary>JSON Schema of data</summary>\n\n```json\n{schema}\n```\n\n</details>\n"
        )
    return "\n".join(parts)


def _owner(plugin: str) -> str:
    return "csmsd itself" if plugin == "kernel" else f"the plugin {plugin}"
