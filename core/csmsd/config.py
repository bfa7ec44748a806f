"""The configuration: what can be set, with its defaults. Where the values come from is `csmsd.cli.settings`' business.

Every key works as TOML (`[limits] call_timeout = 30`), environment variable (`CSMSD_LIMITS_CALL_TIMEOUT=30`) and flag
(`--limits-call-timeout 30`). Unknown keys are errors that name the nearest known one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

from csmsd.ocpp.decoding import Tolerance

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class Listen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where csmsd listens. Addresses are `host:port`, `[v6]:port` or `:port` (all interfaces)."""

    ocpp: str = "127.0.0.1:9000"  # stations, unencrypted; "" = off
    ocpp_tls: str = ""  # stations, TLS; "" = off
    http: str = "127.0.0.1:8080"  # API and UI; "" = off
    paths: tuple[str, ...] = ("/ocpp", "")  # endpoint paths before the identity; "" = ws://host:port/<identity> (WS-03)
    certificate: tuple[Path, ...] = ()  # PEM chains for ocpp_tls; one per key type (SEC-06)
    private_key: tuple[Path, ...] = ()  # in the same order
    allow_plain: bool = False  # unencrypted listeners on other than loopback addresses (WS-40)
    public_url: str = ""  # what stations are told, if csmsd stands behind something: "wss://charge.example/ocpp"


class Access(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may connect as a station."""

    authentication: Literal["required", "optional", "none"] = "required"  # optional: stations with a secret must show it
    unknown_stations: Literal["refuse", "register"] = "refuse"  # register: at first contact, trial mode (WS-07)
    unknown_identity: Literal["uniform", "404"] = "uniform"  # what an unknown identity is told (C-40)
    subprotocol_mismatch: Literal["reject", "accept_and_close"] = "reject"  # WS-11
    realm: str = "csmsd"


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Protections. Times in seconds, sizes in bytes."""

    message_bytes: Annotated[int, Meta(ge=1024)] = 1_048_576
    fragments: Count = 64
    head_bytes: Annotated[int, Meta(ge=1024)] = 16_384
    head_lines: Count = 64
    handshake_timeout: Seconds = 5.0
    write_timeout: Seconds = 10.0
    close_timeout: Seconds = 5.0
    message_timeout: Seconds = 30.0  # a message that has begun must be complete by then
    ping_interval: Annotated[float, Meta(ge=0)] = 60.0  # 0 = never (WS-33)
    pong_timeout: Seconds = 20.0
    frames_per_second: Count = 2_000  # of one station; beyond it csmsd reads more slowly
    send_buffer: Annotated[int, Meta(ge=65_536)] = 4_194_304
    unauthenticated: Count = 1_000  # connections that have not been let in yet
    unauthenticated_per_address: Count = 200
    connects_per_second: Count = 2_000
    failures_per_minute: Count = 20  # refused log-ins of one address, before it has to wait (WS-25)
    connections: Count = 100_000
    waiting_calls: Count = 8  # of one station, at which csmsd stops reading from it
    waiting_calls_hard: Count = 64  # ... at which it is closed
    malformed_per_minute: Annotated[int, Meta(ge=0)] = 60  # close 1002 beyond; 0 = never (RPC-35)
    call_timeout: Seconds = 60.0  # for a station's answer to a command (RPC-23)
    answer_timeout: Seconds = 20.0  # for our answer to a station's CALL
    hook_timeout: Seconds = 5.0  # for one async implementation
    quarantine_after: Count = 10  # consecutive failures of a plugin
    pool_tasks: Count = 256
    drain_timeout: Seconds = 10.0


class StoreConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where things are stored, and for how long."""

    url: str = ""  # "" = sqlite in data_dir; "sqlite:////path/csmsd.db", "postgresql://user@host/database"
    auto_migrate: bool = True  # upgrade the schema at start; False: `csmsd db upgrade` does it
    readers: Count = 4
    journal: bool = True
    journal_retention_days: Annotated[float, Meta(ge=0)] = 30.0  # 0 = for ever
    attempt_retention_days: Annotated[float, Meta(ge=0)] = 7.0
    journal_max_rows: Annotated[int, Meta(ge=0)] = 5_000_000  # 0 = no limit


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it. `plugin` holds each plugin's own table, decoded by that plugin's `config_type`."""

    plugins: tuple[Any, ...] = ("core", "web")  # names, or Plugin classes of an embedding program; later ones are asked first
    data_dir: Path = Path("data")
    transport: Literal["auto", "reactor", "trio-websocket"] = "auto"
    tolerance: Tolerance = Tolerance.LENIENT
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    listen: Listen = field(default_factory=Listen)
    access: Access = field(default_factory=Access)
    limits: Limits = field(default_factory=Limits)
    store: StoreConfig = field(default_factory=StoreConfig)
    plugin: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def store_url(self) -> str:
        """The database's URL, with the default filled in."""
        return self.store.url or f"sqlite:///{(self.data_dir / 'csmsd.db').absolute()}"
