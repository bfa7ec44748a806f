"""The facts of Firmware Management."""

from __future__ import annotations

from datetime import datetime

import msgspec

from csmsd.store import Fact
from csmsd_firmware import hookspecs


class JobChanged(msgspec.Struct, frozen=True):
    """An update or an upload is in another state."""

    at: datetime
    job_id: int | None  # None: the station reports something that csmsd has not asked for
    state: str  # as in `Job.state`; "" without a job
    status: str = ""  # what the station reported; "" if it became clear in another way
    error: str = ""


FIRMWARE_STATUS_CHANGED = Fact("firmware_status_changed", JobChanged, hookspecs.firmware_status_changed)
DIAGNOSTICS_STATUS_CHANGED = Fact("diagnostics_status_changed", JobChanged, hookspecs.diagnostics_status_changed)

FACTS = (FIRMWARE_STATUS_CHANGED, DIAGNOSTICS_STATUS_CHANGED)
