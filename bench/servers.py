"""Who is compared: how each server is started, and what it does for a CALL."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.node import node_program

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Place:
    """Where a server may be: its port (the next one is free too) and a folder with a prepared database."""

    port: int
    folder: Path


@dataclass(frozen=True)
class Server:
    """One contestant."""

    name: str
    about: str
    command: Callable[[Place], Sequence[str]]
    is_csmsd: bool = False


def _csmsd(*settings: str) -> Callable[[Place], Sequence[str]]:
    def command(place: Place) -> Sequence[str]:
        ocpp, http = f"127.0.0.1:{place.port}", f"127.0.0.1:{place.port + 1}"
        where = ("--data-dir", str(place.folder), "--listen-ocpp", ocpp, "--listen-http", http)
        return (sys.executable, "-m", "csmsd", "run", *where, *settings)

    return command


def _protocol_only(place: Place) -> Sequence[str]:
    return (sys.executable, "-m", "bench.protocol_only", str(place.port), str(place.folder))


def _mobilityhouse(*options: str) -> Callable[[Place], Sequence[str]]:
    return lambda place: (sys.executable, str(HERE / "peers" / "mobilityhouse.py"), str(place.port), *options)


def _ocpp_rpc(*options: str) -> Callable[[Place], Sequence[str]]:
    return lambda place: (str(node_program()), str(HERE / "peers" / "ocpp_rpc.cjs"), str(place.port), *options)


_STORES = "`csmsd run` as it comes: validates, checks the password, commits before it answers, keeps the journal"

SERVERS = {
    server.name: server
    for server in (
        Server("csmsd", f"{_STORES}; the reactor", _csmsd(), is_csmsd=True),
        Server(
            "csmsd trio-websocket",
            "the same over trio-websocket",
            _csmsd("--transport", "trio-websocket"),
            is_csmsd=True,
        ),
        Server(
            "csmsd protocol only",
            "csmsd with handlers as trivial as the peers': validates, checks the password, stores nothing; the reactor",
            _protocol_only,
            is_csmsd=True,
        ),
        Server("ocpp", "mobilityhouse's ocpp as it comes: validates against JSON schemas", _mobilityhouse()),
        Server("ocpp unvalidated", "the same with skip_schema_validation=True", _mobilityhouse("--skip-validation")),
        Server(
            "ocpp-rpc strict", "npm's ocpp-rpc with strictMode: validates against JSON schemas", _ocpp_rpc("--strict")
        ),
        Server("ocpp-rpc", "the same without strictMode, as it comes: does not validate", _ocpp_rpc()),
    )
}


EMPTY = Server(
    "csmsd",
    "on an empty folder, so every station has to be let in",
    _csmsd("--access-authentication", "none", "--access-unknown-stations", "register"),
    is_csmsd=True,
)


def fresh_folder(template: Path, folder: Path) -> Path:
    """A copy of the prepared database, so that every run begins with the same one."""
    copy = folder / "run"
    shutil.rmtree(copy, ignore_errors=True)
    return Path(shutil.copytree(template, copy))
