"""Every field of every Core message, wrong in every way, under each policy: the outcome that the requirements name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from csmsd.ocpp.decoding import PayloadDecoder, Tolerance
from csmsd.ocpp.errors import OcppError
from csmsd.ocpp.types import UnreadableTimestamp
from csmsd_core import messages as m

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TRANSACTIONAL = ("StartTransaction", "StopTransaction", "MeterValues")
L, T, S = Tolerance.LENIENT, Tolerance.TRANSACTIONAL, Tolerance.STRICT

SAMPLE = {
    "value": "1", "context": "Sample.Periodic", "format": "Raw", "measurand": "Voltage", "phase": "L1",
    "location": "Outlet", "unit": "V",
}  # fmt: skip
METER_VALUE = {"timestamp": "2025-01-31T12:00:00Z", "sampledValue": [SAMPLE, SAMPLE]}
VALID: dict[str, dict[str, Any]] = {
    "Authorize": {"idTag": "A"},
    "BootNotification": {
        "chargePointVendor": "V", "chargePointModel": "M", "chargePointSerialNumber": "S", "chargeBoxSerialNumber": "B",
        "firmwareVersion": "F", "iccid": "1", "imsi": "2", "meterType": "T", "meterSerialNumber": "3",
    },
    "DataTransfer": {"vendorId": "V", "messageId": "M", "data": "D"},
    "Heartbeat": {},
    "MeterValues": {"connectorId": 1, "transactionId": 2, "meterValue": [METER_VALUE, METER_VALUE]},
    "StartTransaction": {
        "connectorId": 1, "idTag": "A", "meterStart": 5, "timestamp": "2025-01-31T12:00:00Z", "reservationId": 3,
    },
    "StatusNotification": {
        "connectorId": 1, "errorCode": "NoError", "status": "Available", "info": "I",
        "timestamp": "2025-01-31T12:00:00Z", "vendorId": "V", "vendorErrorCode": "E",
    },
    "StopTransaction": {
        "transactionId": 1, "meterStop": 9, "timestamp": "2025-01-31T12:00:00Z", "idTag": "A", "reason": "Local",
        "transactionData": [METER_VALUE, METER_VALUE],
    },
    "ChangeAvailabilityResponse": {"status": "Accepted"},
    "ChangeConfigurationResponse": {"status": "Accepted"},
    "ClearCacheResponse": {"status": "Accepted"},
    "DataTransferResponse": {"status": "Accepted", "data": "D"},
    "GetConfigurationResponse": {
        "configurationKey": [{"key": "K", "readonly": True, "value": "V"}], "unknownKey": ["U"],
    },
    "RemoteStartTransactionResponse": {"status": "Accepted"},
    "RemoteStopTransactionResponse": {"status": "Accepted"},
    "ResetResponse": {"status": "Accepted"},
    "UnlockConnectorResponse": {"status": "Unlocked"},
}  # fmt: skip

# One line for each field: message, path, kind. `!` required; text<n>, text (no limit); `~` descriptive; `?` open enum.
FIELDS = """
Authorize idTag! text20
BootNotification chargePointVendor! text20~
BootNotification chargePointModel! text20~
BootNotification chargePointSerialNumber text25~
BootNotification chargeBoxSerialNumber text25~
BootNotification firmwareVersion text50~
BootNotification iccid text20~
BootNotification imsi text20~
BootNotification meterType text25~
BootNotification meterSerialNumber text25~
DataTransfer vendorId! text255
DataTransfer messageId text50
DataTransfer data text
MeterValues connectorId! integer0
MeterValues transactionId integer
MeterValues meterValue! array1
MeterValues meterValue.0 object
MeterValues meterValue.0.timestamp! time
MeterValues meterValue.0.sampledValue! array1
MeterValues meterValue.0.sampledValue.1 object
MeterValues meterValue.0.sampledValue.1.value! number-text
MeterValues meterValue.0.sampledValue.1.context enum?
MeterValues meterValue.0.sampledValue.1.format enum?
MeterValues meterValue.0.sampledValue.1.measurand enum?
MeterValues meterValue.0.sampledValue.1.phase enum?
MeterValues meterValue.0.sampledValue.1.location enum?
MeterValues meterValue.0.sampledValue.1.unit enum?
StartTransaction connectorId! integer1
StartTransaction idTag! text20
StartTransaction meterStart! integer
StartTransaction timestamp! time
StartTransaction reservationId integer
StatusNotification connectorId! integer0
StatusNotification errorCode! enum?
StatusNotification status! enum
StatusNotification info text50~
StatusNotification timestamp time
StatusNotification vendorId text255~
StatusNotification vendorErrorCode text50~
StopTransaction transactionId! integer
StopTransaction meterStop! integer
StopTransaction timestamp! time
StopTransaction idTag text20
StopTransaction reason enum?
StopTransaction transactionData array0
StopTransaction transactionData.0 object
StopTransaction transactionData.0.timestamp! time
StopTransaction transactionData.0.sampledValue! array1
StopTransaction transactionData.0.sampledValue.1 object
StopTransaction transactionData.0.sampledValue.1.value! number-text
StopTransaction transactionData.0.sampledValue.1.context enum?
StopTransaction transactionData.0.sampledValue.1.format enum?
StopTransaction transactionData.0.sampledValue.1.measurand enum?
StopTransaction transactionData.0.sampledValue.1.phase enum?
StopTransaction transactionData.0.sampledValue.1.location enum?
StopTransaction transactionData.0.sampledValue.1.unit enum?
ChangeAvailabilityResponse status! enum
ChangeConfigurationResponse status! enum
ClearCacheResponse status! enum
DataTransferResponse status! enum
DataTransferResponse data text
GetConfigurationResponse configurationKey array0
GetConfigurationResponse configurationKey.0 object
GetConfigurationResponse configurationKey.0.key! text50~
GetConfigurationResponse configurationKey.0.readonly! boolean
GetConfigurationResponse configurationKey.0.value text500~
GetConfigurationResponse unknownKey array0
GetConfigurationResponse unknownKey.0 text50~
RemoteStartTransactionResponse status! enum
RemoteStopTransactionResponse status! enum
ResetResponse status! enum
UnlockConnectorResponse status! enum
"""

MISSING = object()
WRONG_TYPES: dict[str, tuple[Any, ...]] = {
    "text": (5, True, {}),
    "number-text": (True, {}, ["1"]),
    "integer": ("5", True, 12.5),
    "enum": (5, True, []),
    "time": (1738324800, True, {}),
    "array": ({}, True, "x"),
    "object": (5, True, []),
    "boolean": ("true", 1),
}


@dataclass(frozen=True)
class Field:
    """One line of the table."""

    message: str
    path: str
    kind: str
    is_required: bool
    is_descriptive: bool
    is_open: bool

    @property
    def is_element(self) -> bool:
        """An element of an array, not a property of an object."""
        return self.path.rpartition(".")[2].isdigit()

    @property
    def is_inside_element(self) -> bool:
        """Inside an element that can be set aside."""
        return "." in self.path


def read(line: str) -> Field:
    message, path, kind = line.split()
    return Field(message, path.rstrip("!"), kind.rstrip("~?"), "!" in path, "~" in kind, "?" in kind)


def wrongs_of(field: Field) -> Iterator[tuple[str, Any]]:
    """Every way in which a field can be wrong, and the value that is wrong so."""
    if not field.is_element:
        yield "missing", MISSING
    yield "null", None
    for wrong in WRONG_TYPES[field.kind.rstrip("0123456789")]:
        yield "wrong type", wrong
    if field.kind.startswith("text") and field.kind != "text":
        yield "too long", "x" * (int(field.kind[4:]) + 1)
    if field.kind.startswith("integer"):
        yield "integral float", 12.0
    if field.kind in ("integer0", "integer1"):
        yield "out of range", int(field.kind[-1]) - 1
    if field.kind == "enum":
        yield "unknown value", "Nonsense"
    if field.kind == "time":
        yield "unreadable", "yesterday"
        yield "no offset", "2025-01-31T12:00:00"
    if field.kind == "array1":
        yield "empty", []
    if field.kind == "number-text":
        yield "number", 230.5
    if field.kind.startswith(("text", "number-text")):
        yield "odd character", "a\x00"


def expected(field: Field, wrong: str, tolerance: Tolerance) -> str:
    """The code of the CALLERROR or the rule of the deviation; "" if all is well. From RPC-34, VAL-02 … VAL-18."""
    forgiving = field.message in TRANSACTIONAL and tolerance is not S
    lenient = tolerance is L
    match wrong:
        case "no offset":
            return "VAL-05"
        case "integral float" | "number":
            return "VAL-13"
        case "odd character":
            return "VAL-18"
        case "missing" if not field.is_required:
            return ""
        case "missing":
            return "VAL-14" if forgiving and field.is_inside_element else "ProtocolError"
        case "null" if not field.is_required and not field.is_element:
            return "VAL-13"
        case "null" | "wrong type":
            is_tolerable = field.is_inside_element or not field.is_required
            return "VAL-14" if forgiving and is_tolerable else "TypeConstraintViolation"
        case "empty":
            return "VAL-14" if forgiving else "OccurenceConstraintViolation"
        case "too long" if lenient and field.is_descriptive and not forgiving:
            return "VAL-17"
        case "unknown value" if lenient and field.is_open and not forgiving:
            return "VAL-15"
        case _:  # too long, unknown value, out of range, unreadable
            return "VAL-14" if forgiving else "PropertyConstraintViolation"


def changed(payload: Any, path: str, value: Any) -> Any:
    """A copy with one value replaced or removed."""
    result = json.loads(json.dumps(payload))
    place, _, name = path.rpartition(".")
    target = found(result, place)
    key: Any = int(name) if name.isdigit() else name
    if value is MISSING:
        del target[key]
    else:
        target[key] = value
    return result


def found(value: Any, path: str) -> Any:
    for name in filter(None, path.split(".")):
        value = value[int(name) if name.isdigit() else name]
    return value


@cache
def decoder_of(message: str) -> PayloadDecoder[Any]:
    return PayloadDecoder(getattr(m, message), is_transactional=message in TRANSACTIONAL)


def outcome(message: str, payload: Any, tolerance: Tolerance) -> str:
    """The code of the error, or the rules of the deviations."""
    try:
        _, deviations = decoder_of(message).decode(json.dumps(payload).encode(), tolerance, NOW)
    except OcppError as error:
        return error.code
    return " ".join(found.rule for found in deviations)


FIELD_LIST = [read(line) for line in FIELDS.strip().splitlines()]
CASES = [
    pytest.param(field, wrong, value, id=f"{field.message}-{field.path}-{wrong}-{value!r:.12}")
    for field in FIELD_LIST
    for wrong, value in wrongs_of(field)
]


@pytest.mark.req("VAL-02")
def test_the_valid_messages_that_all_this_starts_from_are_valid() -> None:
    for message, payload in VALID.items():
        assert [outcome(message, payload, tolerance) for tolerance in Tolerance] == ["", "", ""]
    for field in FIELD_LIST:
        found(VALID[field.message], field.path)


@pytest.mark.req("RPC-34", "VAL-05", "VAL-12", "VAL-13", "VAL-14", "VAL-15", "VAL-17", "VAL-18", "TX-04", "MV-01")
@pytest.mark.parametrize(("field", "wrong", "value"), CASES)
def test_a_wrong_field_has_the_outcome_that_the_requirements_name(field: Field, wrong: str, value: Any) -> None:
    payload = changed(VALID[field.message], field.path, value)
    for tolerance in Tolerance:
        assert outcome(field.message, payload, tolerance) == expected(field, wrong, tolerance), tolerance


OBJECTS = [
    *((message, "") for message in VALID),
    ("MeterValues", "meterValue.0"), ("MeterValues", "meterValue.0.sampledValue.1"),
    ("StopTransaction", "transactionData.0"), ("StopTransaction", "transactionData.0.sampledValue.1"),
    ("GetConfigurationResponse", "configurationKey.0"),
]  # fmt: skip


@pytest.mark.req("VAL-02", "RPC-34")
@pytest.mark.parametrize(("message", "path"), OBJECTS)
def test_an_unknown_property_is_dropped_or_refused_by_policy(message: str, path: str) -> None:
    payload = changed(VALID[message], f"{path}.surplus".lstrip("."), "x")
    in_transactional = "VAL-02" if message in TRANSACTIONAL else "FormationViolation"
    assert [outcome(message, payload, tolerance) for tolerance in (L, T, S)] == [
        "VAL-02", in_transactional, "FormationViolation",
    ]  # fmt: skip


def decoded(message: str, payload: Any) -> Any:
    return decoder_of(message).decode(json.dumps(payload).encode(), L, NOW)[0]


@pytest.mark.req("VAL-14", "MV-02")
def test_a_defective_sample_is_set_aside_whole_and_the_rest_is_read() -> None:
    defective = {"unit": "V", "note": "x" * 1000}
    payload = changed(VALID["StopTransaction"], "transactionData.0.sampledValue.0", defective)
    message, deviations = decoder_of("StopTransaction").decode(json.dumps(payload).encode(), L, NOW)
    assert [len(value.sampled_value) for value in message.transaction_data] == [1, 2]
    (aside,) = deviations
    assert (aside.rule, aside.path) == ("VAL-14", "transactionData[0].sampledValue[0]")
    assert json.loads(aside.raw) == defective


@pytest.mark.req("VAL-14", "TX-04", "MV-01")
@pytest.mark.parametrize("data", [5, "x", {}, None, [5], [[]], [{}], [None], [{"timestamp": 5}], [{"sampledValue": 5}]])
def test_a_stop_is_never_refused_because_of_its_data(data: Any) -> None:
    message = decoded("StopTransaction", VALID["StopTransaction"] | {"transactionData": data})
    assert (message.transaction_id, message.meter_stop, message.transaction_data) == (1, 9, ())


@pytest.mark.req("VAL-14")
def test_what_is_tolerated_is_stored_as_it_came() -> None:
    start = decoded("StartTransaction", VALID["StartTransaction"] | {"idTag": "x" * 30, "timestamp": "yesterday"})
    assert start.id_tag == "x" * 30
    assert isinstance(start.timestamp, UnreadableTimestamp)
    assert (start.timestamp, start.timestamp.raw) == (NOW, "yesterday")
    assert decoded("StopTransaction", VALID["StopTransaction"] | {"reason": "Alien"}).reason == "Alien"
    assert decoded("StopTransaction", VALID["StopTransaction"] | {"reason": 5}).reason is None
    assert decoded("StatusNotification", VALID["StatusNotification"] | {"errorCode": "Alien"}).error_code == "Alien"
    model = decoded("BootNotification", VALID["BootNotification"] | {"chargePointModel": "m" * 22})
    assert model.charge_point_model == "m" * 22


@pytest.mark.req("VAL-13", "MV-05")
@pytest.mark.parametrize(
    ("number", "text"), [("230.10", "230.10"), ("5", "5"), ("-0.5", "-0.5"), ("0.30", "0.30"), ("1e3", "1E+3")]
)
def test_a_numeric_sample_keeps_its_digits(number: str, text: str) -> None:
    payload = json.dumps(VALID["MeterValues"]).replace('"value": "1"', f'"value": {number}').encode()
    message, _ = decoder_of("MeterValues").decode(payload, S, NOW)
    assert {sample.value for value in message.meter_value for sample in value.sampled_value} == {text}


@pytest.mark.req("VAL-10")
@pytest.mark.parametrize("unit", ["Celsius", "Celcius"])
def test_both_spellings_of_celsius_are_regular(unit: str) -> None:
    payload = changed(VALID["MeterValues"], "meterValue.0.sampledValue.1.unit", unit)
    assert [outcome("MeterValues", payload, tolerance) for tolerance in Tolerance] == ["", "", ""]


@pytest.mark.req("VAL-11")
@pytest.mark.parametrize("unit", ["Hertz", "Hz"])
def test_hertz_is_accepted_for_a_frequency_under_every_policy(unit: str) -> None:
    sample = {"value": "50", "unit": unit, "measurand": "Frequency"}
    payload = changed(VALID["MeterValues"], "meterValue.0.sampledValue.1", sample)
    assert [outcome("MeterValues", payload, tolerance) for tolerance in Tolerance] == ["VAL-11", "VAL-11", "VAL-11"]
    payload = changed(payload, "meterValue.0.sampledValue.1.measurand", "Voltage")
    assert [outcome("MeterValues", payload, tolerance) for tolerance in (L, T, S)] == [
        "VAL-14", "VAL-14", "PropertyConstraintViolation",
    ]  # fmt: skip


@pytest.mark.req("VAL-04", "VAL-05")
@pytest.mark.parametrize("text", ["2025-01-31t12:00:00z", "2025-01-31 12:00:00Z", "2025-01-31T12:00:00.0000000001Z"])
def test_an_unusual_but_clear_timestamp_is_regular(text: str) -> None:
    payload = VALID["StartTransaction"] | {"timestamp": text}
    assert [outcome("StartTransaction", payload, tolerance) for tolerance in Tolerance] == ["", "", ""]
    assert decoded("StartTransaction", payload).timestamp == datetime(2025, 1, 31, 12, tzinfo=UTC)


@pytest.mark.req("WS-24", "CFG-11")
def test_a_configuration_value_is_never_quoted() -> None:
    key = {"key": "AuthorizationKey", "readonly": False, "value": "hunter2" * 100, "vaule": "hunter2"}
    payload = json.dumps({"configurationKey": [key]}).encode()
    _, deviations = decoder_of("GetConfigurationResponse").decode(payload, L, NOW)
    assert [(found.rule, found.raw) for found in deviations] == [("VAL-02", ""), ("VAL-17", "")]


@pytest.mark.req("VAL-07")
def test_an_id_tag_is_kept_as_received_and_enumerations_are_case_sensitive() -> None:
    for id_tag in ("", "abCD", "x" * 20):
        assert outcome("Authorize", {"idTag": id_tag}, S) == ""
        assert decoded("Authorize", {"idTag": id_tag}).id_tag == id_tag
    status = VALID["StatusNotification"] | {"status": "available"}
    assert {outcome("StatusNotification", status, tolerance) for tolerance in Tolerance} == {
        "PropertyConstraintViolation"
    }
