"""`[plugin.localauth]`: what the operator can set for local authorization lists."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class LocalAuthConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times in seconds."""

    # Stations whose list follows the id tags by itself; "*": all. Else nothing is sent unasked (BOOT-26).
    sync_automatically: tuple[str, ...] = ()
    sync_interval: Annotated[float, Meta(ge=1)] = 300.0  # how often their lists are compared with the id tags
    retry_with_full: bool = True  # a synchronisation whose Differential fails goes on with a Full list, once (LAL-08)
    # Limits of stations that do not tell theirs (LAL-06); without them the operator has to give limits each time.
    assumed_list_length: Annotated[int, Meta(ge=1)] | None = None
    assumed_message_length: Annotated[int, Meta(ge=1)] | None = None
