"""The messages of Local Auth List Management and their schemas."""

from __future__ import annotations

from typing import Any

import pytest

from csmsd_localauth import COMMANDS
from tests.plugins.profile_messages import check_messages


@pytest.mark.req("MSG-32", "MSG-33", "MSG-90", "LAL-02")
def test_a_payload_passes_exactly_if_schema_and_text_let_it_pass() -> None:
    info = {"status": "Blocked", "expiryDate": "2026-01-01T00:00:00.000Z", "parentIdTag": "FLEET"}
    entry: dict[str, Any] = {"idTag": "04A1", "idTagInfo": info}
    send = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [entry]}
    full: dict[str, dict[str, Any]] = {
        "GetLocalListVersion": {},
        "GetLocalListVersionResponse": {"listVersion": -1},
        "SendLocalList": send,
        "SendLocalListResponse": {"status": "VersionMismatch"},
    }
    no_time = {"idTag": "04A1", "idTagInfo": {**info, "expiryDate": "2026-01-01T00:00:00.000Z" + "x" * 21}}
    refused = [("SendLocalList", {**send, "listVersion": version}) for version in (0, -1)]
    check_messages(COMMANDS, full, [*refused, ("SendLocalList", {**send, "localAuthorizationList": [no_time]})])
