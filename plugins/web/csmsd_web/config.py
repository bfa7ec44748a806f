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
    # Where people reach this csmsd through a proxy: https://csms.example.com. With https, cookies are Secure.
    public_url: Annotated[str, Meta(pattern=r"^(https?://[^/\s]+)?$")] = ""
    # Addresses of proxies whose X-Forwarded-For counts: for probes and for the throttle of log-ins.
    trusted_proxies: tuple[str, ...] = ()
    session_idle: Annotated[float, Meta(ge=60)] = 12 * 3600.0  # without a request
    session_lifetime: Annotated[float, Meta(ge=60)] = 7 * 24 * 3600.0  # whatever happens
    link_lifetime: Annotated[float, Meta(ge=60)] = 3600.0  # of one-time links
    logins_per_minute: Annotated[float, Meta(ge=1)] = 10.0  # that fail, of one address and of one account
    request_bytes: Annotated[int, Meta(ge=1024)] = 1_048_576
    streams: Annotated[int, Meta(ge=0)] = 100  # open event streams
    stream_heartbeat: Annotated[float, Meta(gt=0)] = 15.0
    stop_timeout: Annotated[float, Meta(gt=0)] = 1.0  # for requests in hand when csmsd stops
