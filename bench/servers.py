"""Who is compared: how each server is started, and what it does for a CALL."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.certificate import Certificate
from bench.node import node_program

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Place:
    """Where a server may be: its port (the next one is free too) and a folder with a prepared database.

    With a certificate it serves TLS on that port, and nothing unencrypted.
    """

    port: int
    folder: Path
    certificate: Certificate | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The certificate and its key as arguments."""
        return () if self.certificate is None else (str(self.certificate.chain), str(self.certificate.key))


Need = Literal["", "node", "uvloop"]


@dataclass(frozen=True)
class Server:
    """One contestant; `needs` names what may be missing here."""

    name: str
    about: str
    command: Callable[[Place], Sequence[str]]
    needs: Need = ""

    @property
    def is_csmsd(self) -> bool:
        """Is it ours, in whatever configuration?"""
        return self.name.startswith("csmsd")


def _csmsd(*settings: str) -> Callable[[Place], Sequence[str]]:
    def command(place: Place) -> Sequence[str]:
        ocpp, http = f"127.0.0.1:{place.port}", f"127.0.0.1:{place.port + 1}"
        listen: tuple[str, ...] = ("--listen-ocpp", ocpp)
        if place.files:
            chain, key = place.files
            listen = ("--listen-ocpp", "", "--listen-ocpp-tls", ocpp)
            listen += ("--listen-certificate", chain, "--listen-private-key", key)
        where = ("--data-dir", str(place.folder), *listen, "--listen-http", http)
        return (sys.executable, "-m", "csmsd", "run", *where, *settings)

    return command


def _variant(variant: str, transport: str = "reactor") -> Callable[[Place], Sequence[str]]:
    return lambda place: (
        *(sys.executable, "-m", "bench.variants", variant, transport, str(place.port), str(place.folder)),
        *place.files,
    )


def _mobilityhouse(*options: str) -> Callable[[Place], Sequence[str]]:
    program = str(HERE / "peers" / "mobilityhouse.py")
    return lambda place: (sys.executable, program, str(place.port), *options, *place.files)


def _node(program: str, *options: str) -> Callable[[Place], Sequence[str]]:
    return lambda place: (str(node_program()), str(HERE / "peers" / program), str(place.port), *options, *place.files)


_STORES = "`csmsd run` as it comes: validates, checks the password, commits before it answers, keeps the journal"
_TRIVIAL = "csmsd with handlers as trivial as the peers': validates, checks the password, stores nothing; the reactor"

_ALL = (
    Server("csmsd", f"{_STORES}; the reactor", _csmsd()),
    Server("csmsd trio-websocket", "the same over trio-websocket", _csmsd("--transport", "trio-websocket")),
    Server(
        "csmsd status unstored",
        "csmsd as it comes, journal included, but StatusNotifications are answered and not stored",
        _variant("unstored"),
    ),
    Server(
        "csmsd status unstored, trio-websocket",
        "the same over trio-websocket",
        _variant("unstored", "trio-websocket"),
    ),
    Server("csmsd protocol only", _TRIVIAL, _variant("trivial")),
    Server("csmsd protocol only, pooled", "the same with `async def` handlers, in the task pool", _variant("pooled")),
    Server("ocpp", "mobilityhouse's ocpp as it comes: validates against JSON schemas", _mobilityhouse()),
    Server("ocpp uvloop", "the same on uvloop", _mobilityhouse("--uvloop"), "uvloop"),
    Server("ocpp unvalidated", "the same with skip_schema_validation=True", _mobilityhouse("--skip-validation")),
    Server(
        "ocpp unvalidated uvloop",
        "the same on uvloop",
        _mobilityhouse("--skip-validation", "--uvloop"),
        "uvloop",
    ),
    Server(
        "ocpp-rpc strict",
        "npm's ocpp-rpc with strictMode: validates against JSON schemas",
        _node("ocpp_rpc.cjs", "--strict"),
        "node",
    ),
    Server("ocpp-rpc", "the same without strictMode, as it comes: does not validate", _node("ocpp_rpc.cjs"), "node"),
    Server(
        "ocpp-ws-io strict",
        "npm's ocpp-ws-io with strictMode; its logger, which the registry does not have, replaced by an empty package",
        _node("ocpp_ws_io.cjs", "--strict"),
        "node",
    ),
)
SERVERS = {server.name: server for server in _ALL}

EMPTY = Server(
    "csmsd",
    "on an empty folder, so every station has to be let in",
    _csmsd("--access-authentication", "none", "--access-unknown-stations", "register"),
)
