"""Payloads of a profile's messages against the published JSON schemas, which the `ocpp` package ships."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from jsonschema import Draft4Validator

from csmsd.command import AnyCommand
from csmsd.ocpp.decoding import PayloadDecoder
from csmsd.ocpp.encoding import encode_payload
from csmsd.ocpp.errors import OcppError

Payloads = Mapping[str, dict[str, Any]]  # a complete one of each message


def check_messages(commands: Sequence[AnyCommand], full: Payloads, refused_by_text: Sequence[tuple[str, Any]]) -> None:
    """What the schema lets pass is read and written unchanged; what it does not is refused, and so is what the
    standard's text forbids besides."""
    decoders = {command.name: command.request_decoder for command in commands} | {
        f"{command.name}Response": command.response_decoder for command in commands
    }
    assert decoders.keys() == full.keys()
    for name, payload in full.items():
        schema = json.loads((files("ocpp.v16") / "schemas" / f"{name}.json").read_text("utf-8-sig"))
        for variant in (payload, *_variants(payload)):
            is_valid = bool(Draft4Validator(schema).is_valid(variant)) and (name, variant) not in refused_by_text
            assert _passes(decoders[name], variant) is is_valid, (name, variant)
    for name, variant in refused_by_text:
        assert not _passes(decoders[name], variant), (name, variant)


def _passes(decoder: PayloadDecoder[Any], payload: Any) -> bool:
    try:
        value, _ = decoder.decode_strictly(json.dumps(payload).encode())
    except OcppError:
        return False
    assert json.loads(encode_payload(value)) == payload
    return True


def _variants(value: Any) -> Iterator[Any]:
    """One thing missing, too much, of another type, too long or unknown, at any depth."""
    if isinstance(value, dict):
        yield {**value, "unheardOf": 1}
        for name, item in value.items():
            rest = {other: each for other, each in value.items() if other != name}
            yield rest
            for variant in _variants(item):
                yield {**rest, name: variant}
    elif isinstance(value, list):
        yield {}
        for index, item in enumerate(value):
            for variant in _variants(item):
                yield [*value[:index], variant, *value[index + 1 :]]
    elif isinstance(value, str):
        yield from (17, value + "x" * 21, True, [])
    else:
        yield from ("17", 1.5, True, {})
