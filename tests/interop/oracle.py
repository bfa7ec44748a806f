"""What csmsd says on the wire, judged by the official JSON schemas that the `ocpp` package carries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from jsonschema import Draft4Validator

CALL, CALLRESULT, CALLERROR = 2, 3, 4
ERROR_CODES = {
    "NotImplemented",
    "NotSupported",
    "InternalError",
    "ProtocolError",
    "SecurityError",
    "FormationViolation",
    "PropertyConstraintViolation",
    "OccurenceConstraintViolation",
    "TypeConstraintViolation",
    "GenericError",
}
UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
TIMES = {"currentTime", "expiryDate"}
Direction = Literal["from station", "to station"]
Exchange = tuple[str, Direction]


@cache
def validator_of(schema: str) -> Draft4Validator:
    text = (files("ocpp.v16") / "schemas" / f"{schema}.json").read_text("utf-8-sig")
    return Draft4Validator(json.loads(text, parse_float=Decimal))


def choices(schema: str, *path: str) -> list[str]:
    """The values that an official schema admits for a field, which may lie within others."""
    whole: Any = validator_of(schema).schema
    node = whole
    for name in path:
        node = node["items"] if name == "items" else node["properties"][name]
        if "$ref" in node:
            node = whole["definitions"][node["$ref"].removeprefix("#/definitions/")]
    found: list[str] = node["enum"]
    return found


def times_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in TIMES:
                yield inner
            yield from times_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from times_in(inner)


class Oracle:
    """Follows one conversation, over any number of connections, and notes whatever csmsd says wrong."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.judged: list[str] = []  # the schemas of the messages that were judged
        self.exchanges: set[Exchange] = set()  # those that ended with a CALLRESULT
        self._asked: dict[str, str] = {}
        self._commanded: dict[str, str] = {}
        self._used_ids: set[str] = set()

    def said(self, text: str) -> None:
        """The station sent this."""
        frame = json.loads(text)
        if frame[0] == CALL:
            self._asked[frame[1]] = frame[2]
        elif frame[0] == CALLRESULT and frame[1] in self._commanded:
            self.exchanges.add((self._commanded.pop(frame[1]), "to station"))

    def heard(self, text: str) -> None:
        """Csmsd sent this."""
        self.complaints += [f"{complaint}: {text}" for complaint in self._judge(text)]

    def _judge(self, text: str) -> Iterator[str]:
        if not text.isascii():
            yield "not ASCII"
        match json.loads(text, parse_float=Decimal):
            case [2, str() as call_id, str() as action, dict() as payload]:
                if not 0 < len(call_id) <= 36 or call_id in self._used_ids:
                    yield "the id is used or has an improper length"
                self._used_ids.add(call_id)
                self._commanded[call_id] = action
                yield from self._judge_payload(action, payload)
            case [3, str() as call_id, dict() as payload] if call_id in self._asked:
                action = self._asked.pop(call_id)
                self.exchanges.add((action, "from station"))
                yield from self._judge_payload(f"{action}Response", payload)
            case [4, str() as call_id, str() as code, str(), dict()] if call_id in self._asked:
                self._asked.pop(call_id)
                if code not in ERROR_CODES:
                    yield "no such error code"
            case _:
                yield "no proper frame, or an answer to nothing"

    def _judge_payload(self, schema: str, payload: dict[str, Any]) -> Iterator[str]:
        self.judged.append(schema)
        for error in validator_of(schema).iter_errors(payload):
            yield f"{schema}: {error.message}"
        for moment in times_in(payload):
            if UTC_TIME.fullmatch(moment) is None:
                yield f"{schema}: {moment} is no UTC time with Z and at most milliseconds"
