"""The security profile's facts: what has happened and is stored, for plugins that must hear of all of it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from csmsd.store import Fact
from csmsd_security import hookspecs


class SecurityEventReceived(msgspec.Struct, frozen=True):
    """A SecurityEventNotification that was not known before; a repeated one is no fact."""

    type: str
    reported_at: datetime
    received_at: datetime
    is_critical: bool  # by the white paper's list; unknown types are not (SEC-71)
    tech_info: str | None = None


SECURITY_EVENT_RECEIVED = Fact("security_event_received", SecurityEventReceived, hookspecs.security_event_received)

FACTS = (SECURITY_EVENT_RECEIVED,)
