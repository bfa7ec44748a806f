"""All cases, in the order of the report."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from csmsd.errors import ConfigError
from csmsd_certification.case import Case
from csmsd_certification.core_commands import CORE_COMMANDS
from csmsd_certification.core_sessions import CORE_SESSIONS
from csmsd_certification.firmware import FIRMWARE
from csmsd_certification.local_list import LOCAL_LIST
from csmsd_certification.reservation import RESERVATION
from csmsd_certification.security_door import SECURITY_DOOR
from csmsd_certification.security_messages import SECURITY_MESSAGES
from csmsd_certification.smart_charging import SMART_CHARGING
from csmsd_certification.trigger import TRIGGER

TABLES = (
    CORE_SESSIONS,
    CORE_COMMANDS,
    FIRMWARE,
    LOCAL_LIST,
    RESERVATION,
    TRIGGER,
    SMART_CHARGING,
    SECURITY_DOOR,
    SECURITY_MESSAGES,
)
CASES: tuple[Case, ...] = tuple(case for table in TABLES for case in table.cases)


def select(ids: Sequence[str]) -> tuple[Case, ...]:
    """Those named, or all; ConfigError for an id that no case has."""
    known = {case.id: case for case in CASES}
    for case_id in ids:
        if case_id not in known:
            near = get_close_matches(case_id, known, n=1)
            advice = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"there is no case {case_id}{advice}")
    return tuple(case for case in CASES if not ids or case.id in ids)
