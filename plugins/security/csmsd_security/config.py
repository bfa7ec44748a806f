"""`[plugin.security]`: what the operator can set for the security profile."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class SecurityConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times in seconds unless the name says days."""

    patience: Annotated[float, Meta(gt=0), "How long an accepted trigger's message is waited for (TRG-06)."] = 30.0
