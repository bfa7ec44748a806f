"""The messages of Firmware Management against the published JSON schemas, and the masking of locations."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from csmsd.errors import InvalidPayload
from csmsd.ocpp.decoding import PayloadDecoder, Tolerance
from csmsd.ocpp.encoding import encode_payload
from csmsd.ocpp.errors import OcppError
from csmsd_firmware import GET_DIAGNOSTICS, UPDATE_FIRMWARE
from csmsd_firmware import messages as m
from csmsd_firmware.redaction import mask_location, masked

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ["DiagnosticsStatusNotification", "FirmwareStatusNotification", "GetDiagnostics", "UpdateFirmware"]
MESSAGES = [name + suffix for name in NAMES for suffix in ("", "Response")]
DATE_TIMES = st.datetimes(datetime(1990, 1, 1)).map(lambda moment: f"{moment.isoformat()}Z")


@cache
def schema_of(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((files("ocpp.v16") / "schemas" / f"{name}.json").read_text("utf-8-sig"))
    return schema


def values_of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "object":
            parts = {key: values_of(part) for key, part in schema.get("properties", {}).items()}
            required = set(schema.get("required", ()))
            return st.fixed_dictionaries(
                {key: part for key, part in parts.items() if key in required},
                optional={key: part for key, part in parts.items() if key not in required},
            )
        case "integer":
            return st.integers(-(2**63), 2**63 - 1)
        case _ if schema.get("format") == "date-time":
            return DATE_TIMES
        case _ if schema.get("format") == "uri":
            return st.sampled_from(["ftp://u:p@h/x", "https://h:1/a?b=c#d", "http://[::1]/"])
        case _:
            return st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=schema.get("maxLength", 60))


@pytest.mark.req("MSG-10", "MSG-11", "MSG-30", "MSG-31", "VAL-01")
@pytest.mark.parametrize("name", MESSAGES)
@given(st.data())
def test_what_a_schema_allows_is_read_and_written_as_it_was(name: str, data: st.DataObject) -> None:
    payload = data.draw(values_of(schema_of(name)))
    decoder: PayloadDecoder[Any] = PayloadDecoder(getattr(m, name))
    message, deviations = decoder.decode(json.dumps(payload).encode(), Tolerance.STRICT, NOW)
    assert deviations == ()
    written = encode_payload(message)
    assert Draft4Validator(schema_of(name)).is_valid(json.loads(written))
    assert set(json.loads(written)) == set(payload)


@pytest.mark.req("MSG-10", "MSG-11", "MSG-30", "MSG-31", "VAL-01")
@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("DiagnosticsStatusNotification", {}),
        ("DiagnosticsStatusNotification", {"status": "Installed"}),
        ("FirmwareStatusNotification", {"status": "Uploaded"}),
        ("FirmwareStatusNotification", {"status": "installed"}),
        ("GetDiagnostics", {"retries": 1}),
        ("GetDiagnostics", {"location": "ftp://h/", "startTime": "yesterday"}),
        ("GetDiagnosticsResponse", {"fileName": "x" * 256}),
        ("UpdateFirmware", {"location": "ftp://h/"}),
        ("UpdateFirmware", {"location": "ftp://h/", "retrieveDate": "2026-01-01T00:00:00Z", "retries": "1"}),
        ("UpdateFirmwareResponse", {"status": "Accepted"}),
    ],
)
def test_what_a_schema_forbids_is_refused(name: str, payload: dict[str, Any]) -> None:
    decoder: PayloadDecoder[Any] = PayloadDecoder(getattr(m, name))
    with pytest.raises(OcppError):
        decoder.decode(json.dumps(payload).encode(), Tolerance.STRICT, NOW)


@pytest.mark.req("FW-02", "WS-24")
@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("ftp://user:s3cr3t@host/a/b.bin", "ftp://***@host/a/b.bin"),
        ("ftp://s3cr3t@host", "ftp://***@host"),
        ("ftp://user:a/s3cr3t@host/b", "ftp://***@host/b"),
        ("ftp://user:a@s3cr3t@host/b", "ftp://***@host/b"),
        ("https://host/x?signature=s3cr3t#s3cr3t", "https://host/x?***"),
        ("https://host/x#s3cr3t", "https://host/x#***"),
        (f"https://host/api/v1/files/CP-1/{'s3cr3t-' * 6}x/new.bin", "https://host/api/v1/files/CP-1/***/new.bin"),
        ("user:s3cr3t@host", "***"),
        ("https://host:8080/new.bin", "https://host:8080/new.bin"),
        ("", ""),
    ],
)
def test_locations_are_shown_without_what_opens_them(location: str, shown: str) -> None:
    assert masked(location) == shown
    for command in (UPDATE_FIRMWARE, GET_DIAGNOSTICS):
        assert json.loads(command.redact_request(json.dumps({"location": location}).encode())) == {"location": shown}


@pytest.mark.req("FW-02", "WS-24")
@given(st.text(st.characters(exclude_characters="@", exclude_categories=["Cs"])), st.binary())
def test_no_password_gets_through_and_nothing_breaks_the_mask(password: str, junk: bytes) -> None:
    secret = f"s3cr3t{password}s3cr3t"
    assert "s3cr3t" not in masked(f"ftp://user:{secret}@host/x")
    mask_location(junk)


@pytest.mark.req("WS-24")
def test_a_payload_that_breaks_the_schema_is_not_quoted() -> None:
    bad = {"location": "ftp://u:s3cr3t@h/", "retrieveDate": "soon"}
    with pytest.raises(InvalidPayload) as caught:
        UPDATE_FIRMWARE.decode(json.dumps(bad).encode())
    assert "s3cr3t" not in str(caught.value)
    assert b"s3cr3t" not in mask_location(json.dumps({"deep": [{"Location": {"x": "s3cr3t"}}]}).encode())
