"""`[plugin.core]`: what the operator can set for the Core profile."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from csmsd_core.transaction_rules import TransactionRules


class CoreConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times in seconds."""

    heartbeat_interval: Annotated[int, Meta(ge=1)] = 300  # what an accepted station is told (BOOT-02)
    retry_interval: Annotated[int, Meta(ge=0)] = 60  # what others are told; 0 leaves the wait to them (BOOT-03)
    # Who is accepted. known: as the operator decided for each station. auto: everybody who was not rejected.
    # pending: a station's first boot puts it on hold until the operator accepts it (BOOT-25).
    boot_policy: Literal["known", "auto", "pending"] = "known"
    close_rejected: bool = False  # end the connection after BootNotification.conf Rejected (BOOT-24)
    # Stations whose configuration is read after each accepted boot; "*": all. Else nothing is sent unasked (BOOT-26).
    read_configuration_of: tuple[str, ...] = ()
    clock_drift_warning: Annotated[float, Meta(gt=0)] = 60.0  # a station's clock that is further off is shown (BOOT-30)
    # What Authorize gets when an external authoriser fails: a CALLERROR, or a status (AUTH-09).
    authorizer_failure: Literal["InternalError", "Accepted", "Blocked", "Invalid"] = "InternalError"
    start_unverified: bool = (
        True  # ... and StartTransaction of a tag nobody knows: Accepted for an hour, else Invalid (AUTH-14)
    )
    remote_start_grants: bool = True  # the id tag of a remote start is good for that station for a while (AUTH-10)
    remote_start_window: Annotated[float, Meta(gt=0)] = (
        300.0  # ... at least this long; so long a start is waited for (OP-11)
    )
    refuse_on_warning: bool = False  # refuse commands that give rise to a warning instead of sending them (OP-02)
    transactions: TransactionRules = field(default_factory=TransactionRules)
