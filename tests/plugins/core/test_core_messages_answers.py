"""What plugins answer to stations obeys the schemas."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from csmsd_core.actions import AUTHORIZE, HEARTBEAT, START_TRANSACTION
from csmsd_core.messages import AuthorizeResponse, HeartbeatResponse, IdTagInfo, StartTransactionResponse

NOW = datetime(2025, 1, 31, 12, tzinfo=UTC)


@pytest.mark.req("VAL-01", "VAL-06", "RPC-04", "CORE-01")
def test_an_answer_is_the_json_of_its_schema() -> None:
    assert HEARTBEAT.encode(HeartbeatResponse(NOW)) == b'{"currentTime":"2025-01-31T12:00:00.000Z"}'
    assert HEARTBEAT.encode(HeartbeatResponse(NOW), whole_seconds=True) == b'{"currentTime":"2025-01-31T12:00:00Z"}'
    assert AUTHORIZE.encode(AuthorizeResponse(IdTagInfo("Accepted"))) == b'{"idTagInfo":{"status":"Accepted"}}'


@pytest.mark.req("VAL-01")
@pytest.mark.parametrize(
    "answer",
    [
        AuthorizeResponse(IdTagInfo(cast("Any", "Welcome"))),
        AuthorizeResponse(IdTagInfo("Accepted", parent_id_tag="x" * 21)),
        AuthorizeResponse(cast("Any", None)),
        HeartbeatResponse(NOW),
    ],
)
def test_an_answer_that_breaks_its_schema_does_not_leave(answer: Any) -> None:
    with pytest.raises(ValueError, match=r"Expected|Invalid|missing|unknown"):
        AUTHORIZE.encode(answer)


@pytest.mark.req("VAL-01", "MSG-91")
def test_an_id_that_a_database_cannot_hold_does_not_leave() -> None:
    with pytest.raises(ValueError, match="Expected"):
        START_TRANSACTION.encode(StartTransactionResponse(2**63, IdTagInfo("Accepted")))
