"""The messages of Smart Charging against the published JSON schemas, which the `ocpp` package ships."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft4Validator

from csmsd.errors import InvalidPayload
from csmsd.ocpp.decoding import PayloadDecoder
from csmsd.ocpp.encoding import encode_payload
from csmsd.ocpp.errors import OcppError
from csmsd_smartcharging import CLEAR_CHARGING_PROFILE, COMMANDS, GET_COMPOSITE_SCHEDULE, SET_CHARGING_PROFILE

PERIOD = {"startPeriod": 0, "limit": 6.1, "numberPhases": 3}
SCHEDULE: dict[str, Any] = {
    "duration": 60,
    "startSchedule": "2026-01-01T00:00:00.000Z",
    "chargingRateUnit": "A",
    "chargingSchedulePeriod": [PERIOD],
    "minChargingRate": 0.3,
}
PROFILE: dict[str, Any] = {
    "chargingProfileId": 1,
    "transactionId": 5,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Recurring",
    "recurrencyKind": "Daily",
    "validFrom": "2026-01-01T00:00:00.000Z",
    "validTo": "2026-01-02T00:00:00.000Z",
    "chargingSchedule": SCHEDULE,
}
FULL: dict[str, dict[str, Any]] = {
    "SetChargingProfile": {"connectorId": 1, "csChargingProfiles": PROFILE},
    "SetChargingProfileResponse": {"status": "NotSupported"},
    "ClearChargingProfile": {
        "id": 1,
        "connectorId": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "stackLevel": 1,
    },
    "ClearChargingProfileResponse": {"status": "Unknown"},
    "GetCompositeSchedule": {"connectorId": 0, "duration": 60, "chargingRateUnit": "W"},
    "GetCompositeScheduleResponse": {
        "status": "Accepted",
        "connectorId": 1,
        "scheduleStart": "2026-01-01T00:00:00.000Z",
        "chargingSchedule": SCHEDULE,
    },
}
DECODERS = {command.name: command.request_decoder for command in COMMANDS} | {
    f"{command.name}Response": command.response_decoder for command in COMMANDS
}


def schema_of(name: str) -> Any:
    schema = json.loads((files("ocpp.v16") / "schemas" / f"{name}.json").read_text("utf-8-sig"))
    return json.loads(json.dumps(schema).replace('"multipleOf": 0.1', '"type": "number"'))  # VAL-03


def variants(value: Any) -> Iterator[Any]:
    """The value with one property missing, of another type, unknown, or with an unknown text, at any depth."""
    if isinstance(value, list):
        yield from ([each] for each in variants(value[0]))
        yield "text"
    elif isinstance(value, dict):
        yield {**value, "surplus": 1}
        for name, item in value.items():
            yield {key: each for key, each in value.items() if key != name}
            yield from ({**value, name: each} for each in variants(item))
    elif isinstance(value, str):
        yield 7
        yield "Nonsense"
    else:
        yield "text"


@pytest.mark.req("MSG-37", "MSG-38", "MSG-39", "SC-13", "TC_056", "TC_066", "TC_067")
@pytest.mark.parametrize("name", FULL)
def test_a_payload_passes_exactly_if_the_schema_lets_it_pass(name: str) -> None:
    decoder: PayloadDecoder[Any] = DECODERS[name]
    validator = Draft4Validator(schema_of(name), format_checker=None)
    message, _ = decoder.decode_strictly(json.dumps(FULL[name]).encode())
    assert json.loads(encode_payload(message)) == FULL[name]
    dates = {"startSchedule", "validFrom", "validTo", "scheduleStart"}
    for changed in variants(FULL[name]):
        if any(f'"{date}": "Nonsense"' in json.dumps(changed) for date in dates):
            continue  # schemas do not check formats, csmsd does
        try:
            decoder.decode_strictly(json.dumps(changed).encode())
        except OcppError:
            assert not validator.is_valid(changed), changed
        else:
            assert validator.is_valid(changed), changed


@pytest.mark.req("MSG-38", "SC-26")
def test_nothing_at_all_clears_everything() -> None:
    request, _ = CLEAR_CHARGING_PROFILE.decode(b"{}")
    assert CLEAR_CHARGING_PROFILE.encode(request) == b"{}"


@pytest.mark.req("VAL-03")
@pytest.mark.parametrize("limit", ["0.3", "6.1", "8.1", "16", "32.0"])
def test_tenths_are_exact_in_both_directions(limit: str) -> None:
    body = json.dumps(FULL["SetChargingProfile"]).replace("6.1", limit).encode()
    request, _ = SET_CHARGING_PROFILE.decode(body)
    assert request.cs_charging_profiles.charging_schedule.charging_schedule_period[0].limit == Decimal(limit)
    assert f'"limit":{float(limit)}'.encode() in SET_CHARGING_PROFILE.encode(request)


@pytest.mark.req("VAL-03")
def test_hundredths_are_no_payload() -> None:
    body = json.dumps(FULL["SetChargingProfile"]).replace("6.1", "6.15").encode()
    with pytest.raises(InvalidPayload):
        SET_CHARGING_PROFILE.decode(body)
    with pytest.raises(InvalidPayload):
        GET_COMPOSITE_SCHEDULE.decode(b'{"connectorId":-1,"duration":60}')
