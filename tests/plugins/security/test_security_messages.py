"""The messages of the security white paper against the published JSON schemas."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft6Validator

from csmsd.ocpp.decoding import PayloadDecoder, Tolerance
from csmsd.ocpp.encoding import encode_payload
from csmsd_security import messages as m
from csmsd_security.actions import ACTIONS
from csmsd_security.commands import COMMANDS, GET_LOG, INSTALL_CERTIFICATE, SIGNED_UPDATE_FIRMWARE
from tests.plugins.core.test_core_messages_schemas import (
    NOW,
    as_moments,
    compare,
    schema_of,
    values_of,
    without_empty_arrays,
)

TO_STATION = {
    "CertificateSigned": "MSG-50", "DeleteCertificate": "MSG-51", "ExtendedTriggerMessage": "MSG-52",
    "GetInstalledCertificateIds": "MSG-53", "GetLog": "MSG-54", "InstallCertificate": "MSG-55",
    "SignedUpdateFirmware": "MSG-60",
}  # fmt: skip
FROM_STATION = {
    "LogStatusNotification": "MSG-56", "SecurityEventNotification": "MSG-57", "SignCertificate": "MSG-58",
    "SignedFirmwareStatusNotification": "MSG-59",
}  # fmt: skip
ROWS = (*TO_STATION.values(), *FROM_STATION.values())
MESSAGES = [name + suffix for name in sorted({*TO_STATION, *FROM_STATION}) for suffix in ("", "Response")]


@cache
def flat_schema(name: str) -> dict[str, Any]:
    """The schema with its definitions in the places that name them."""
    schema = schema_of(name)
    flat: dict[str, Any] = _resolved(schema, schema.get("definitions", {}))
    return flat


def _resolved(part: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(part, list):
        return [_resolved(each, definitions) for each in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _resolved(definitions[part["$ref"].rpartition("/")[2]], definitions)
    return {key: _resolved(each, definitions) for key, each in part.items() if key != "definitions"}


@pytest.mark.req(*ROWS)
@pytest.mark.parametrize("name", MESSAGES)
def test_the_fields_are_those_of_the_schema(name: str) -> None:
    compare(msgspec.inspect.type_info(getattr(m, name)), flat_schema(name))


@pytest.mark.req(*ROWS)
@pytest.mark.parametrize("name", MESSAGES)
@given(st.data())
def test_what_a_schema_allows_is_read_without_deviation_and_written_as_it_was(name: str, data: st.DataObject) -> None:
    payload = data.draw(values_of(flat_schema(name), name).filter(lambda payload: payload.get("connectorId", 0) >= 0))
    decoder: PayloadDecoder[Any] = PayloadDecoder(getattr(m, name))
    message, deviations = decoder.decode(json.dumps(payload).encode(), Tolerance.STRICT, NOW)
    assert deviations == ()
    written = encode_payload(message)
    assert Draft6Validator(flat_schema(name)).is_valid(json.loads(written))
    assert without_empty_arrays(as_moments(json.loads(written))) == without_empty_arrays(as_moments(payload))


@pytest.mark.req(*ROWS)
def test_there_is_a_command_or_an_action_for_each() -> None:
    assert {command.name for command in COMMANDS} == TO_STATION.keys()
    assert {action.name for action in ACTIONS} == FROM_STATION.keys()
    for each in (*COMMANDS, *ACTIONS):
        assert (each.request, each.response) == (getattr(m, each.name), getattr(m, f"{each.name}Response"))


@pytest.mark.req("SEC-61", "MSG-55")
def test_pem_goes_out_with_the_line_ends_it_came_with() -> None:
    pem = "-----BEGIN CERTIFICATE-----\nAAAA\r\nBBBB\n-----END CERTIFICATE-----\n"
    body = json.dumps({"certificateType": "ManufacturerRootCertificate", "certificate": pem}).encode()
    request, warnings = INSTALL_CERTIFICATE.decode(body)
    assert json.loads(INSTALL_CERTIFICATE.encode(request))["certificate"] == pem
    assert warnings == ()


@pytest.mark.req("SEC-72", "SEC-75")
@pytest.mark.parametrize("command", [GET_LOG, SIGNED_UPDATE_FIRMWARE])
@pytest.mark.parametrize("url", ["ftp://me:pa@ss@host/x", r"ftp:\/\/me:p@host/x", "https://me@host/x"])
def test_passwords_in_urls_are_masked_wherever_a_request_is_shown(command: Any, url: str) -> None:
    shown = command.redact_request(b'{"location":"%s","n":1}' % url.encode())
    assert b"pa@ss" not in shown
    assert b"me" not in shown
    assert b"***@host/x" in shown
