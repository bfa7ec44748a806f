"""Forms are made of Structs, and what is typed becomes the payload that was meant."""

from __future__ import annotations

import json

import pytest

from csmsd_core import CHANGE_AVAILABILITY, REMOTE_START_TRANSACTION
from csmsd_smartcharging import SET_CHARGING_PROFILE
from csmsd_ui.forms import Typed, fields_of, flat, payload_of, widgets

SCHEDULE = "csChargingProfiles.chargingSchedule"


def test_labels_are_ocpps_and_required_is_what_the_schema_requires() -> None:
    fields = {field.name: field for field in fields_of(REMOTE_START_TRANSACTION)}
    assert fields["idTag"].is_required
    assert fields["idTag"].max_length == 20
    assert not fields["connectorId"].is_required
    assert fields["chargingProfile"].kind == "object"
    (kind,) = (field for field in fields_of(CHANGE_AVAILABILITY) if field.name == "type")
    assert kind.choices == ("Inoperative", "Operative") or set(kind.choices) == {"Inoperative", "Operative"}


@pytest.mark.req("VAL-03")
def test_a_decimal_is_sent_as_it_was_typed() -> None:
    values = {
        "connectorId": "1",
        "csChargingProfiles.chargingProfileId": "7",
        "csChargingProfiles.stackLevel": "0",
        "csChargingProfiles.chargingProfilePurpose": "TxDefaultProfile",
        "csChargingProfiles.chargingProfileKind": "Absolute",
        f"{SCHEDULE}.chargingRateUnit": "A",
        f"{SCHEDULE}.chargingSchedulePeriod.rows": "2",
        f"{SCHEDULE}.chargingSchedulePeriod.0.startPeriod": "0",
        f"{SCHEDULE}.chargingSchedulePeriod.0.limit": "16.10",
        f"{SCHEDULE}.chargingSchedulePeriod.1.startPeriod": "60",
        f"{SCHEDULE}.chargingSchedulePeriod.1.limit": "8",
    }
    payload = payload_of(fields_of(SET_CHARGING_PROFILE), values)
    assert b'"limit": 16.10' in payload
    periods = json.loads(payload)["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"]
    assert [period["startPeriod"] for period in periods] == [0, 60]
    request, _ = SET_CHARGING_PROFILE.decode(payload.replace(b"16.10", b"16.1"))
    assert request.connector_id == 1


def test_what_is_left_empty_is_left_out_and_what_is_no_number_stays_text() -> None:
    fields = fields_of(REMOTE_START_TRANSACTION)
    assert json.loads(payload_of(fields, {"idTag": "A", "connectorId": " "})) == {"idTag": "A"}
    assert json.loads(payload_of(fields, {"idTag": "A", "connectorId": "one"})) == {"idTag": "A", "connectorId": "one"}
    assert json.loads(payload_of(fields, {"idTag": '"}, "x": 1'})) == {"idTag": '"}, "x": 1'}
    assert json.loads(payload_of(fields, {})) == {}


def test_a_payload_fills_the_form_it_came_from() -> None:
    payload = {"connectorId": 1, "csChargingProfiles": {"chargingSchedule": {"chargingSchedulePeriod": [{"limit": 6}]}}}
    values = flat(payload)
    assert values[f"{SCHEDULE}.chargingSchedulePeriod.0.limit"] == "6"
    made = widgets(fields_of(SET_CHARGING_PROFILE), Typed(values), {})
    assert json.loads(payload_of(fields_of(SET_CHARGING_PROFILE), values)) == payload
    assert made[0].value == "1"


def test_an_absurd_number_of_rows_is_no_way_to_fill_the_memory() -> None:
    values = {f"{SCHEDULE}.chargingSchedulePeriod.rows": "99999999"}
    assert len(payload_of(fields_of(SET_CHARGING_PROFILE), values)) < 100_000
