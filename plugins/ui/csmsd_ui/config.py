"""`[plugin.ui]`: what the operator can set for the pages. Where they are served is `listen.http`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class UiConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times in seconds."""

    name: Annotated[str, Meta(min_length=1, max_length=40), "What the pages call this csmsd."] = "csmsd"
    panel_timeout: Annotated[float, Meta(gt=0), "For a panel or a column of a plugin; then it shows an error."] = 2.0
    command_patience: Annotated[
        float, Meta(ge=0, le=60), "How long a page waits for the station's answer before it says: still waiting."
    ] = 10.0
