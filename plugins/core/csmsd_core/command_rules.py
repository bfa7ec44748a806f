"""Which commands are refused. Few: a request that satisfies the schema is sent as asked (OP-02), but for these rows.

A charging profile that does not belong into a RemoteStartTransaction (OP-12) is refused by the message's own type.
"""

from __future__ import annotations

import msgspec

from csmsd.command import AnyCommand
from csmsd.station import Station
from csmsd_core.configuration_keys import known_key
from csmsd_core.configuration_values import as_integer
from csmsd_core.messages import ChangeConfiguration

NOT_WHILE_PENDING = frozenset({"RemoteStartTransaction", "RemoteStopTransaction"})  # BOOT-22


def refusal(station: Station, command: AnyCommand, request: msgspec.Struct) -> str | None:
    """One sentence why this must not be sent to this station now, or None."""
    registration = station.record.in_force
    if registration == "Rejected":
        return "its registration is Rejected, so nothing is sent to it (BOOT-23)"
    if registration == "Pending" and command.name in NOT_WHILE_PENDING:
        return f"its registration is Pending, so {command.name} is not allowed (BOOT-22)"
    if isinstance(request, ChangeConfiguration):
        return _profile_lowering(station, request)
    return None


def _profile_lowering(station: Station, request: ChangeConfiguration) -> str | None:
    key, present = known_key(request.key), station.record.security_profile
    if key is None or key.name != "SecurityProfile" or present is None:
        return None
    wanted = as_integer(request.value)
    if wanted is not None and wanted < present:
        return f"a security profile is never lowered by OCPP: it is {present} (SEC-46)"
    return None
