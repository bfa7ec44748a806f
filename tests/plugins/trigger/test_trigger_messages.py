"""The messages of Remote Trigger and their schemas."""

from __future__ import annotations

from typing import Any

import pytest

from csmsd_trigger import TRIGGER_MESSAGE
from tests.plugins.profile_messages import check_messages


@pytest.mark.req("MSG-36", "MSG-90")
def test_a_payload_passes_exactly_if_schema_and_text_let_it_pass() -> None:
    full: dict[str, dict[str, Any]] = {
        "TriggerMessage": {"requestedMessage": "MeterValues", "connectorId": 0},
        "TriggerMessageResponse": {"status": "NotImplemented"},
    }
    negative = {"requestedMessage": "MeterValues", "connectorId": -1}
    check_messages((TRIGGER_MESSAGE,), full, [("TriggerMessage", negative)])
