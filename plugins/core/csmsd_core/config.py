"""`[plugin.core]`: what the operator can set for the Core profile, with the help that `csmsd config init` writes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from csmsd_core.pricing import Tariff
from csmsd_core.transaction_rules import TransactionRules


class CoreConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times in seconds."""

    heartbeat_interval: Annotated[int, Meta(ge=1), "What an accepted station is told."] = 300  # BOOT-02
    retry_interval: Annotated[int, Meta(ge=0), "What others are told; 0 leaves the wait to them."] = 60  # BOOT-03
    # BOOT-25
    boot_policy: Annotated[
        Literal["known", "auto", "pending"],
        "Who is accepted. known: as the operator decided for each station. auto: everybody who was not rejected."
        " pending: a station's first boot puts it on hold until the operator accepts it.",
    ] = "known"
    close_rejected: Annotated[bool, "End the connection of a station that was told Rejected."] = False  # BOOT-24
    # BOOT-26: nothing is sent unasked.
    read_configuration_of: Annotated[
        tuple[str, ...], "Stations whose configuration is read after each accepted boot; *: all."
    ] = ()
    # BOOT-30
    clock_drift_warning: Annotated[float, Meta(gt=0), "A station's clock that is further off is shown."] = 60.0
    # AUTH-09
    authorizer_failure: Annotated[
        Literal["InternalError", "Accepted", "Blocked", "Invalid"],
        "What Authorize gets when an external authoriser fails: an error, or a status.",
    ] = "InternalError"
    # AUTH-14
    start_unverified: Annotated[
        bool, "What StartTransaction of a tag that nobody knows gets then: Accepted for an hour, else Invalid."
    ] = True
    # AUTH-10
    remote_start_grants: Annotated[bool, "The id tag of a remote start is good for that station for a while."] = True
    # OP-11
    remote_start_window: Annotated[float, Meta(gt=0), "At least for this long; for as long a start is waited for."] = (
        300.0
    )
    # OP-02
    refuse_on_warning: Annotated[bool, "Refuse commands that give rise to a warning instead of sending them."] = False
    tariff: Tariff = field(default_factory=Tariff)
    transactions: TransactionRules = field(default_factory=TransactionRules)
