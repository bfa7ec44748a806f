"""`[plugin.security]`: what the operator can set for the security profile."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class SecurityConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times in seconds unless the name says days."""

    cpo_name: Annotated[str, "The organisation (O) in stations' certificates; they must name it (SEC-21)."] = "csmsd"
    trusted_organisations: Annotated[tuple[str, ...], "Others that are accepted as well."] = ()
    client_crl: Annotated[
        tuple[str, ...],
        "PEM revocation lists of the authorities in listen.client_roots; SIGHUP reads them again.",
    ] = ()
    authority: Annotated[
        Literal["built-in", "external", "manual"],
        "Who issues certificates: the built-in CA once it is there, another plugin, or the operator by upload.",
    ] = "built-in"
    certificate_days: Annotated[int, Meta(ge=1), "How long the built-in CA's certificates are good."] = 365
    renew_days: Annotated[int, Meta(ge=1), "A certificate with fewer days left is reported."] = 30
    renew_automatically: Annotated[bool, "... and its station is asked to renew it (SEC-50)."] = False
    superseded_days: Annotated[float, Meta(ge=0), "How long an old certificate is good beside its successor."] = 30.0
    patience: Annotated[float, Meta(gt=0), "How long an accepted trigger's message is waited for (TRG-06)."] = 30.0
    event_retention_days: Annotated[
        float, Meta(ge=0), "How long security events are kept, acknowledged or not; 0 = for ever."
    ] = 365.0
    event_max_rows: Annotated[int, Meta(ge=0), "How many security events are kept; 0 = no limit."] = 1_000_000
