"""The configuration: what can be set, with its defaults. Where the values come from is `csmsd.cli.settings`' business.

Every key works as TOML (`[limits] call_timeout = 30`), environment variable (`CSMSD_LIMITS_CALL_TIMEOUT=30`) and flag
(`--limits-call-timeout 30`). Unknown keys are errors that name the nearest known one. The text in a key's annotation is
its help, in `csmsd run --help` and in the template that `csmsd config init` writes; plugins may do the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

from csmsd.ocpp.decoding import Tolerance

Seconds = Annotated[float, Meta(gt=0)]
SecondsOrNever = Annotated[float, Meta(ge=0)]
Days = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
CountOrNone = Annotated[int, Meta(ge=0)]


class Listen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where csmsd listens. Addresses are `host:port`, `[v6]:port` or `:port` (all interfaces)."""

    ocpp: Annotated[str, "Stations, unencrypted; empty = off."] = "127.0.0.1:9000"
    ocpp_tls: Annotated[str, "Stations, TLS; empty = off."] = ""
    http: Annotated[str, "API and UI; empty = off."] = "127.0.0.1:8080"
    # WS-03: the empty one admits ws://host:port/<identity>.
    paths: Annotated[tuple[str, ...], "Endpoint paths before the identity; an empty one = directly below the host."] = (
        "/ocpp",
        "",
    )
    # SEC-06
    certificate: Annotated[tuple[Path, ...], "PEM chains for ocpp_tls, one per key type."] = ()
    private_key: Annotated[tuple[Path, ...], "Their private keys, in the same order."] = ()
    client_roots: Annotated[tuple[Path, ...], "PEM roots of stations' certificates, for profile 3 on ocpp_tls."] = ()
    client_certificates: Annotated[
        Literal["optional", "required"], "Required: only profile 3 comes in on ocpp_tls."
    ] = "optional"  # SEC-12
    # SEC-02: unencrypted, there are only 0 and 1; `access.authentication` decides about 0.
    tls_profile: Annotated[
        Literal["any", "2", "3"], "The only security profile that comes in on ocpp_tls, if not any."
    ] = "any"
    allow_plain: Annotated[bool, "Allow unencrypted listeners on other than loopback addresses."] = False  # WS-40
    public_url: Annotated[str, "What stations are told if csmsd stands behind something: wss://charge.example/ocpp"] = (
        ""
    )


class Access(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may connect as a station."""

    authentication: Annotated[
        Literal["required", "optional", "none"],
        "Optional: stations that have a password must show it, others need none.",
    ] = "required"
    profile_rule: Annotated[
        Literal["equal", "minimum"], "A station comes with the security profile of its record, or a higher one."
    ] = "equal"  # SEC-02
    unknown_stations: Annotated[Literal["refuse", "register"], "Register: at first contact, for trials."] = (
        "refuse"  # WS-07
    )
    unknown_identity: Annotated[
        Literal["uniform", "404"], "What an unknown identity is told: what everybody is told, or 404."
    ] = "uniform"  # C-40
    subprotocol_mismatch: Annotated[
        Literal["reject", "accept_and_close"], "What becomes of a station that does not offer ocpp1.6."
    ] = "reject"  # WS-11
    realm: Annotated[str, "The realm in the WWW-Authenticate header."] = "csmsd"


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Protections. Times in seconds, sizes in bytes."""

    message_bytes: Annotated[int, Meta(ge=1024), "The longest message of a station."] = 1_048_576
    fragments: Annotated[Count, "The most fragments of one message."] = 64
    head_bytes: Annotated[int, Meta(ge=1024), "The longest head of an HTTP request."] = 16_384
    head_lines: Annotated[Count, "The most lines of one."] = 64
    handshake_timeout: Annotated[Seconds, "For TLS, and again for the upgrade."] = 5.0
    write_timeout: Annotated[Seconds, "For a station to take what it is sent."] = 10.0
    close_timeout: Annotated[Seconds, "For the closing handshake."] = 5.0
    message_timeout: Annotated[Seconds, "A message that has begun must be complete by then."] = 30.0
    ping_interval: Annotated[SecondsOrNever, "Between WebSocket pings; 0 = never."] = 60.0  # WS-33
    pong_timeout: Annotated[Seconds, "For the answer to a ping."] = 20.0
    silence_timeout: Annotated[
        Seconds, "Of a station that answers no pings: closed beyond, or beyond 3 heartbeat intervals."
    ] = 3_600.0
    frames_per_second: Annotated[Count, "Of one station; beyond it csmsd reads more slowly."] = 2_000
    send_buffer: Annotated[int, Meta(ge=65_536), "What may wait to be sent to one station."] = 4_194_304
    unauthenticated: Annotated[Count, "Connections that have not been let in yet."] = 1_000
    unauthenticated_per_address: Annotated[Count, "The same, of one address."] = 200
    connects_per_second: Annotated[Count, "New connections."] = 2_000
    logins_per_minute: Annotated[Count, "Log-ins of one station from one address; beyond them it is flapping."] = 15
    logins_at_once: Annotated[Count, "... and so many at once before that counts."] = 30
    failures_per_minute: Annotated[Count, "Refused log-ins of one address before it has to wait."] = 20  # WS-25
    connections: Annotated[Count, "Connections in total."] = 100_000
    waiting_calls: Annotated[Count, "Of one station, at which csmsd stops reading from it."] = 8
    waiting_calls_hard: Annotated[Count, "Of one station, at which it is closed."] = 64
    malformed_per_minute: Annotated[CountOrNone, "Malformed frames of one station, then it is closed; 0 = never."] = (
        60  # RPC-35
    )
    call_timeout: Annotated[Seconds, "For a station's answer to a command."] = 60.0  # RPC-23
    answer_timeout: Annotated[Seconds, "For our answer to a station."] = 20.0
    hook_timeout: Annotated[Seconds, "For one asynchronous implementation of a hook."] = 5.0
    quarantine_after: Annotated[Count, "Consecutive failures of a plugin, then it is put aside."] = 10
    pool_tasks: Annotated[Count, "Asynchronous implementations that run at the same time."] = 256
    drain_timeout: Annotated[Seconds, "For stations to be answered and sent away when csmsd stops."] = 10.0


class StoreConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where things are stored, and for how long."""

    url: Annotated[str, "sqlite:////path/csmsd.db or postgresql://user@host/database; empty = SQLite in data_dir."] = ""
    auto_migrate: Annotated[bool, "Upgrade the schema at start; else `csmsd db upgrade` does it."] = True
    readers: Annotated[Count, "Connections for reading."] = 4
    journal: Annotated[bool, "Keep every exchange with stations."] = True
    journal_retention_days: Annotated[Days, "For how long; 0 = for ever."] = 30.0
    attempt_retention_days: Annotated[Days, "For how long attempts to connect are kept; 0 = for ever."] = 7.0
    audit_retention_days: Annotated[Days, "For how long the audit is kept; 0 = for ever."] = 0.0
    journal_max_rows: Annotated[CountOrNone, "How many exchanges are kept; 0 = no limit."] = 5_000_000


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it. `plugin` holds each plugin's own table, decoded by that plugin's `config_type`."""

    # Names, or Plugin classes of an embedding program.
    plugins: Annotated[tuple[Any, ...], "Which plugins take part; later ones are asked first."] = (
        "certification",
        "core",
        "events",
        "firmware",
        "localauth",
        "reservation",
        "security",
        "simulator",
        "smartcharging",
        "trigger",
        "ui",
        "web",
    )
    data_dir: Annotated[Path, "Where csmsd keeps its files; relative to the working directory."] = Path("data")
    transport: Annotated[
        Literal["auto", "reactor", "trio-websocket"], "How sockets are served; auto: the reactor where epoll exists."
    ] = "auto"
    tolerance: Annotated[Tolerance, "How much of what stations do wrong is put up with."] = Tolerance.LENIENT
    # RPC-34: without it they are NotSupported.
    absorb: Annotated[
        tuple[str, ...], "Reports that get an empty answer while no plugin takes them: FirmwareStatusNotification, ..."
    ] = ()
    log_level: Annotated[Literal["debug", "info", "warning", "error"], "What is logged, on standard error."] = "info"
    log_format: Annotated[Literal["text", "json"], "How: for people, or one JSON object a line."] = "text"
    listen: Listen = field(default_factory=Listen)
    access: Access = field(default_factory=Access)
    limits: Limits = field(default_factory=Limits)
    store: StoreConfig = field(default_factory=StoreConfig)
    plugin: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    @property
    def store_url(self) -> str:
        """The database's URL, with the default filled in."""
        return self.store.url or f"sqlite:///{(self.data_dir / 'csmsd.db').absolute()}"
