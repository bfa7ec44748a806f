"""The station's password in commands and answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from csmsd.errors import InvalidPayload
from csmsd_core.commands import CHANGE_CONFIGURATION, COMMANDS, GET_CONFIGURATION, RESET
from csmsd_core.messages import ChangeConfiguration, Reset
from csmsd_core.redaction import MASKED_KEY, mask_authorization_key

SECRET = "4f43415f4f"


@pytest.mark.req("WS-24", "SEC-30")
@pytest.mark.parametrize("key", ["AuthorizationKey", "authorizationkey", "AUTHORIZATIONKEY", " AuthorizationKey "])
def test_a_new_password_is_masked_in_any_spelling_of_its_key(key: str) -> None:
    payload = CHANGE_CONFIGURATION.encode(ChangeConfiguration(key, SECRET))
    assert json.loads(payload) == {"key": key, "value": SECRET}
    assert json.loads(CHANGE_CONFIGURATION.redact_request(payload)) == {"key": key, "value": "***"}


@pytest.mark.req("WS-24", "CFG-11")
def test_a_password_that_a_station_gives_away_is_masked() -> None:
    keys = [
        {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
        {"key": "AUTHORIZATIONKEY", "readonly": False, "value": SECRET},
    ]
    shown = GET_CONFIGURATION.redact_response(json.dumps({"configurationKey": keys}).encode())
    assert json.loads(shown) == {"configurationKey": [keys[0], keys[1] | {"value": "***"}]}


@pytest.mark.req("WS-24")
@pytest.mark.parametrize(
    "payload",
    [
        {"key": "AuthorizationKey", "value": [SECRET]}, {"key": "AuthorizationKey", "vaule": SECRET},
        {"Key": "AuthorizationKey", "value": {"x": SECRET}}, [[{"key": "authorizationKey", "value": SECRET}]],
        {"configurationKey": {"key": "AuthorizationKey", "value": SECRET}},
    ],
)  # fmt: skip
def test_a_password_in_a_broken_payload_is_masked_too(payload: Any) -> None:
    assert SECRET.encode() not in mask_authorization_key(json.dumps(payload).encode())


@pytest.mark.req("WS-24")
@pytest.mark.parametrize("payload", [b"", b'{"key":"AuthorizationKey","value":"4', b'{"value":"\xff"}', b"[" * 99999])
def test_what_cannot_be_read_is_not_shown(payload: bytes) -> None:
    assert mask_authorization_key(payload) == b'"(unreadable)"'


@pytest.mark.req("RPC-37")
@given(st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text())))
def test_what_holds_no_secret_is_shown_as_it_is(payload: dict[str, Any]) -> None:
    assume(all(str(value).strip().lower() != MASKED_KEY for value in payload.values()))
    raw = json.dumps(payload).encode()
    assert mask_authorization_key(raw) == raw


@pytest.mark.req("RPC-37")
def test_other_commands_are_shown_as_they_are() -> None:
    others = [command for command in COMMANDS if command is not CHANGE_CONFIGURATION]
    assert all(command.redact_request(b'{"key":"x"}') == b'{"key":"x"}' for command in others)


@pytest.mark.req("VAL-01", "MSG-27")
def test_a_command_that_breaks_its_schema_does_not_leave() -> None:
    assert RESET.encode(Reset("Soft")) == b'{"type":"Soft"}'
    with pytest.raises(InvalidPayload, match="Reset: type: must be one of Hard, Soft"):
        RESET.encode(Reset("Firm"))  # type: ignore[arg-type]  # what an untyped caller may do
    with pytest.raises(InvalidPayload, match="ChangeConfiguration: key: is longer than 50 characters"):
        CHANGE_CONFIGURATION.encode(ChangeConfiguration("k" * 51, "v"))
    with pytest.raises(InvalidPayload, match="must not contain control characters"):
        CHANGE_CONFIGURATION.decode(b'{"key":"k","value":"a\\u0000"}')
    assert CHANGE_CONFIGURATION.decode('{"key":"k","value":"ß"}'.encode()) == (
        ChangeConfiguration("k", "ß"), ("value: characters outside ASCII",),
    )  # fmt: skip
