"""`[plugin.localauth]`: what the operator can set for local authorization lists."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class LocalAuthConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times in seconds."""

    # Else nothing is sent unasked (BOOT-26).
    sync_automatically: Annotated[tuple[str, ...], 'Stations whose list follows the id tags by itself; "*" = all.'] = ()
    sync_interval: Annotated[float, Meta(ge=1), "How often their lists are compared with the id tags."] = 300.0
    # LAL-08
    retry_with_full: Annotated[bool, "A Differential list that fails is followed by a Full one, once."] = True
    # LAL-06: without them the operator has to give limits each time.
    assumed_list_length: Annotated[
        Annotated[int, Meta(ge=1)] | None, "How many entries a station's list holds, if it does not tell."
    ] = None
    assumed_message_length: Annotated[
        Annotated[int, Meta(ge=1)] | None, "How many entries a station takes at once, if it does not tell."
    ] = None
