"""`[plugin.web]`: what the operator can set for the management API. Where it listens is `listen.http`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class WebConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Times in seconds, sizes in bytes."""

    open_probes: Annotated[
        Literal["loopback", "everybody", "nobody"], "Who may ask /healthz, /readyz and /metrics without a token."
    ] = "loopback"
    local_token: Annotated[bool, "Keep an admin token in <data_dir>/admin.token for the CLI on this machine."] = True
    public_url: Annotated[
        str,
        Meta(pattern=r"^(https?://[^/\s]+)?$"),
        "Where people reach this csmsd through a proxy: https://csms.example.com. With https, cookies are Secure.",
    ] = ""
    trusted_proxies: Annotated[
        tuple[str, ...],
        "Addresses of proxies whose X-Forwarded-For counts, for probes and log-ins.",
    ] = ()
    session_idle: Annotated[float, Meta(ge=60), "A session ends after so long without a request."] = 12 * 3600.0
    session_lifetime: Annotated[float, Meta(ge=60), "A session ends after so long, whatever happens."] = 7 * 24 * 3600.0
    link_lifetime: Annotated[float, Meta(ge=60), "How long one-time links are good."] = 3600.0
    logins_per_minute: Annotated[float, Meta(ge=1), "Log-ins that may fail, of one address and of one account."] = 10.0
    request_bytes: Annotated[int, Meta(ge=1024), "The longest body of a request."] = 1_048_576
    streams: Annotated[int, Meta(ge=0), "Open event streams."] = 100
    stream_heartbeat: Annotated[float, Meta(gt=0), "Between two signs of life on an event stream."] = 15.0
    stop_timeout: Annotated[float, Meta(gt=0), "For requests in hand when csmsd stops."] = 1.0
