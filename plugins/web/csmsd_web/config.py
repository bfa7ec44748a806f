"""`[plugin.web]`: what the operator can set for the management API. Where it listens is `listen.http`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class WebConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times in seconds, sizes in bytes."""

    # Who may ask /healthz, /readyz and /metrics without a token.
    open_probes: Literal["loopback", "everybody", "nobody"] = "loopback"
    local_token: bool = True  # keep an admin token in <data_dir>/admin.token for the CLI on this machine
    request_bytes: Annotated[int, Meta(ge=1024)] = 1_048_576
    streams: Annotated[int, Meta(ge=0)] = 100  # open event streams
    stream_heartbeat: Annotated[float, Meta(gt=0)] = 15.0
    stop_timeout: Annotated[float, Meta(gt=0)] = 1.0  # for requests in hand when csmsd stops
