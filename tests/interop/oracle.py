"""What csmsd says on the wire, judged by the official JSON schemas that the `ocpp` package carries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

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


@cache
def validator_of(schema: str) -> Draft4Validator:
    text = (files("ocpp.v16") / "schemas" / f"{schema}.json").read_text("utf-8-sig")
    return Draft4Validator(json.loads(text, parse_float=Decimal))


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
        self._asked: dict[str, str] = {}
        self._used_ids: set[str] = set()

    def said(self, text: str) -> None:
        """The station sent this."""
        frame = json.loads(text)
        if frame[0] == CALL:
            self._asked[frame[1]] = frame[2]

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
                yield from self._judge_payload(action, payload)
            case [3, str() as call_id, dict() as payload] if call_id in self._asked:
                yield from self._judge_payload(f"{self._asked.pop(call_id)}Response", payload)
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
