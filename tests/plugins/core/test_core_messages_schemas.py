"""The Core profile's messages against the published JSON schemas, which the `ocpp` package ships."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from csmsd.errors import InvalidPayload
from csmsd.ocpp.decoding import PayloadDecoder, Tolerance
from csmsd.ocpp.encoding import encode_payload
from csmsd.ocpp.types import Payload
from csmsd_core import messages as m
from csmsd_core.commands import COMMANDS, REMOTE_START_TRANSACTION

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TRANSACTIONAL = {"StartTransaction", "StopTransaction", "MeterValues"}
FROM_STATION = {
    "Authorize": "MSG-01", "BootNotification": "MSG-02", "DataTransfer": "MSG-03", "Heartbeat": "MSG-04",
    "MeterValues": "MSG-05", "StartTransaction": "MSG-06", "StatusNotification": "MSG-07", "StopTransaction": "MSG-08",
}  # fmt: skip
TO_STATION = {
    "ChangeAvailability": "MSG-20", "ChangeConfiguration": "MSG-21", "ClearCache": "MSG-22", "DataTransfer": "MSG-23",
    "GetConfiguration": "MSG-24", "RemoteStartTransaction": "MSG-25", "RemoteStopTransaction": "MSG-26",
    "Reset": "MSG-27", "UnlockConnector": "MSG-28",
}  # fmt: skip
NAMES = sorted({*FROM_STATION, *TO_STATION})
MESSAGES = [name + suffix for name in NAMES for suffix in ("", "Response")]

# What the text of the standard adds to the schemas: lowest values, and arrays that must not be empty.
LOWEST = {
    ("BootNotificationResponse", "interval"): 0, ("MeterValues", "connectorId"): 0,
    ("StartTransaction", "connectorId"): 1, ("StatusNotification", "connectorId"): 0,
    ("ChangeAvailability", "connectorId"): 0, ("RemoteStartTransaction", "connectorId"): 1,
    ("RemoteStartTransaction", "stackLevel"): 0, ("UnlockConnector", "connectorId"): 1,
}  # fmt: skip
FILLED = {"meterValue", "sampledValue", "chargingSchedulePeriod"}

PRINTABLE = st.characters(min_codepoint=32, max_codepoint=126)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
DATE_TIMES = st.datetimes(datetime(1990, 1, 1), timezones=ZONES).map(datetime.isoformat)


@cache
def schema_of(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((files("ocpp.v16") / "schemas" / f"{name}.json").read_text("utf-8-sig"))
    return schema


def type_of(name: str) -> type[Payload]:
    kind: type[Payload] = getattr(m, name)
    return kind


@cache
def decoder_of(name: str) -> PayloadDecoder[Any]:
    return PayloadDecoder(type_of(name), is_transactional=name in TRANSACTIONAL)


def is_valid(name: str, payload: bytes) -> bool:
    """By the schema; numbers as decimals, because 8.1 is no multiple of 0.1 in binary."""
    schema = json.loads(json.dumps(schema_of(name)), parse_float=Decimal)
    return bool(Draft4Validator(schema).is_valid(json.loads(payload, parse_float=Decimal)))


def values_of(schema: dict[str, Any], message: str, name: str = "") -> st.SearchStrategy[Any]:
    """Whatever the schema and the text allow."""
    if "enum" in schema:
        return st.sampled_from([value for value in schema["enum"] if value not in ("Hertz", "Hz")])
    match schema["type"]:
        case "object":
            parts = {key: values_of(part, message, key) for key, part in schema.get("properties", {}).items()}
            required = set(schema.get("required", ()))
            return st.fixed_dictionaries(
                {key: part for key, part in parts.items() if key in required},
                optional={key: part for key, part in parts.items() if key not in required},
            )
        case "array":
            return st.lists(values_of(schema["items"], message), min_size=name in FILLED, max_size=3)
        case "integer":
            return st.integers(LOWEST.get((message, name), -(2**63)), 2**63 - 1)
        case "number":
            return st.integers(-(10**6), 10**6).map(lambda tenths: tenths / 10)
        case "boolean":
            return st.booleans()
        case _ if schema.get("format") == "date-time":
            return DATE_TIMES
        case _:
            return st.text(PRINTABLE, max_size=min(schema.get("maxLength", 60), 60))


def is_expressible(name: str, payload: dict[str, Any]) -> bool:
    """A remote start takes a TxProfile without a transaction id only (MSG-25)."""
    profile = payload.get("chargingProfile") if name == "RemoteStartTransaction" else None
    return profile is None or (profile["chargingProfilePurpose"] == "TxProfile" and "transactionId" not in profile)


@pytest.mark.req("VAL-01", "VAL-12", "VAL-16", *FROM_STATION.values(), *TO_STATION.values(), "PERF-05")
@pytest.mark.parametrize("name", MESSAGES)
@given(st.data())
def test_what_a_schema_allows_is_read_without_deviation_and_written_as_it_was(name: str, data: st.DataObject) -> None:
    payload = data.draw(values_of(schema_of(name), name).filter(lambda payload: is_expressible(name, payload)))
    raw = json.dumps(payload).encode()
    assert is_valid(name, raw)
    message, deviations = decoder_of(name).decode(raw, Tolerance.STRICT, NOW)
    assert deviations == ()
    assert decoder_of(name).decode_strictly(raw) == (message, ()), "the walk comes to the same end as the fast path"
    written = encode_payload(message)
    assert is_valid(name, written)
    assert b"null" not in written or b"null" in raw
    assert without_empty_arrays(as_moments(json.loads(written))) == without_empty_arrays(as_moments(payload))


def as_moments(value: Any) -> Any:
    """Timestamps by their instant, in milliseconds."""
    if isinstance(value, dict):
        return {key: as_moments(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_moments(item) for item in value]
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[\d.]*(Z|[+-]\d\d:\d\d)", value):
        moment = datetime.fromisoformat(value).astimezone(UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    return value


def without_empty_arrays(value: Any) -> Any:
    """An optional array that is empty says the same as one that is absent."""
    if isinstance(value, dict):
        return {key: without_empty_arrays(item) for key, item in value.items() if item != []}
    return [without_empty_arrays(item) for item in value] if isinstance(value, list) else value


@pytest.mark.req("MSG-90", "RPC-02", *FROM_STATION.values(), *TO_STATION.values())
@pytest.mark.parametrize("name", MESSAGES)
def test_the_fields_of_every_message_are_those_of_its_schema(name: str) -> None:
    compare(msgspec.inspect.type_info(type_of(name)), schema_of(name))


def compare(info: Any, schema: dict[str, Any]) -> None:
    """Names, presence, kinds, lengths and values, at any depth."""
    while isinstance(info, msgspec.inspect.Metadata | msgspec.inspect.UnionType):
        parts = info.types if isinstance(info, msgspec.inspect.UnionType) else (info.type,)
        (info,) = (part for part in parts if not isinstance(part, msgspec.inspect.NoneType))
    if isinstance(info, msgspec.inspect.StructType):
        assert schema["additionalProperties"] is False
        assert {field.encode_name for field in info.fields} == schema.get("properties", {}).keys()
        assert {field.encode_name for field in info.fields if field.required} == set(schema.get("required", ()))
        for field in info.fields:
            compare(field.type, schema["properties"][field.encode_name])
    elif isinstance(info, msgspec.inspect.VarTupleType):
        assert schema["type"] == "array"
        compare(info.item_type, schema["items"])
    elif isinstance(info, msgspec.inspect.LiteralType):
        assert set(info.values) == set(schema["enum"]) - {"Hertz", "Hz"}  # VAL-11 is a tolerance, not the rule
    elif isinstance(info, msgspec.inspect.StrType):
        assert (schema["type"], info.max_length) == ("string", schema.get("maxLength"))
    else:
        kinds = {"IntType": "integer", "DecimalType": "number", "BoolType": "boolean", "DateTimeType": "string"}
        assert kinds[type(info).__name__] == schema["type"]
        assert isinstance(info, msgspec.inspect.DateTimeType) == (schema.get("format") == "date-time")
        assert isinstance(info, msgspec.inspect.DecimalType) == (schema.get("multipleOf") == 0.1)


@pytest.mark.req(*TO_STATION.values())
def test_there_is_a_command_for_every_core_message_to_a_station() -> None:
    assert {command.name for command in COMMANDS} == TO_STATION.keys()
    for command in COMMANDS:
        assert (command.request, command.response) == (type_of(command.name), type_of(command.name + "Response"))
        assert command.summary.endswith(".")


@pytest.mark.req("MSG-25")
@pytest.mark.parametrize(("purpose", "extra"), [("TxDefaultProfile", {}), ("TxProfile", {"transactionId": 1})])
def test_a_remote_start_takes_a_tx_profile_without_transaction_id_only(purpose: str, extra: dict[str, int]) -> None:
    profile = {
        "chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": purpose, "chargingProfileKind": "Absolute",
        "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.1}]},
    }  # fmt: skip
    with pytest.raises(InvalidPayload, match="must be a TxProfile without a transactionId"):
        REMOTE_START_TRANSACTION.decode(json.dumps({"idTag": "A", "chargingProfile": profile | extra}).encode())
