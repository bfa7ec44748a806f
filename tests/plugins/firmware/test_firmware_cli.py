"""`csmsd firmware` and `csmsd diagnostics` against a running csmsd, with a station that really fetches and brings."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.cli.conftest import Charger, Cli, Server, charger, cli, close, eventually, remote, start

__all__ = ["charger", "cli", "remote"]

CONTENT = os.urandom(300_000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = start(tmp_path_factory.mktemp("firmware"), "--limits-call-timeout=0.5", "--access-authentication=optional")
    yield one
    close(one)


def json_of(remote: Cli, *arguments: str) -> Any:
    result = remote(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return msgspec.json.decode(result.stdout)


def location_in(station: Charger, action: str) -> str:
    eventually(lambda: any(name == action for name, _ in station.calls))
    return next(str(payload["location"]) for name, payload in reversed(station.calls) if name == action)


@pytest.mark.req("FW-01", "FW-09")
def test_an_image_on_its_way_to_a_station(
    remote: Cli, server: Server, charger: Callable[..., Charger], tmp_path: Path
) -> None:
    path = tmp_path / "new.bin"
    path.write_bytes(CONTENT)
    assert "no images" in remote("firmware", "image", "list").stdout
    digest = hashlib.sha256(CONTENT).hexdigest()
    added = remote("firmware", "image", "add", str(path), "--version", "2.0", "--sha256", digest)
    assert (added.exit_code, digest in added.stdout) == (0, True), added.output
    assert remote("firmware", "image", "add", str(path)).exit_code == 1
    assert "new.bin" in remote("firmware", "image", "list").stdout
    assert remote("station", "add", "CP-1", "--no-password").exit_code == 0
    assert remote("firmware", "update", "CP-1", "--image", "new.bin").exit_code == 3, "it is not connected"
    station = charger(f"{server.ocpp_url}/CP-1", UpdateFirmware={})
    station.call("BootNotification", {"chargePointVendor": "v", "chargePointModel": "m", "firmwareVersion": "1.0"})
    updated = remote("firmware", "update", "CP-1", "--image", "new.bin", "--retries", "2")
    assert (updated.exit_code, "accepted" in updated.stdout) == (0, True), updated.output
    location = location_in(station, "UpdateFirmware")
    assert httpx.get(location, trust_env=False).content == CONTENT
    station.call("BootNotification", {"chargePointVendor": "v", "chargePointModel": "m", "firmwareVersion": "2.0"})
    eventually(lambda: "installed" in remote("firmware", "status", "CP-1").stdout)
    assert "has firmware 2.0" in remote("firmware", "status", "CP-1").stdout
    assert json_of(remote, "firmware", "status", "CP-1")["jobs"][0]["expected_version"] == "2.0"
    station.answers = {"UpdateFirmware": "NotSupported"}
    refused = remote("firmware", "update", "CP-1", "--location", "https://u:s3cr3t@example.org/x")
    assert (refused.exit_code, "SignedUpdateFirmware" in refused.output) == (1, True)
    assert "s3cr3t" not in refused.output
    assert remote("firmware", "update", "CP-1").exit_code == 1
    station.answers = {}
    assert remote("firmware", "update", "CP-1", "--image", "new.bin").exit_code == 4
    assert remote("firmware", "image", "remove", "new.bin").exit_code == 0


@pytest.mark.req("DIAG-01", "DIAG-04")
def test_diagnostics_on_their_way_to_a_file(
    remote: Cli, server: Server, charger: Callable[..., Charger], tmp_path: Path
) -> None:
    assert remote("station", "add", "CP-2", "--no-password").exit_code == 0
    station = charger(f"{server.ocpp_url}/CP-2", GetDiagnostics={"fileName": "log.zip"})
    station.call("BootNotification", {"chargePointVendor": "v", "chargePointModel": "m"})
    assert "no files" in remote("diagnostics", "list").stdout
    asked = remote("diagnostics", "get", "CP-2", "--from", "2026-01-01", "--to", "2026-01-02")
    assert asked.exit_code == 0, asked.output
    location = location_in(station, "GetDiagnostics")
    assert httpx.put(f"{location}log.zip", content=CONTENT, trust_env=False).status_code == 201
    (file,) = json_of(remote, "diagnostics", "list", "CP-2")
    assert "log.zip" in remote("diagnostics", "list").stdout
    target = tmp_path / "saved.zip"
    saved = remote("diagnostics", "save", str(file["id"]), "-o", str(target))
    assert saved.exit_code == 0, saved.output
    assert target.read_bytes() == CONTENT
    assert remote("diagnostics", "save", "999").exit_code == 1
    assert remote("diagnostics", "get", "CP-2", "--from", "yesterday").exit_code == 2


def test_a_campaign_from_its_start_to_its_end(remote: Cli) -> None:
    for name in ("CP-3", "CP-4"):
        added = remote("station", "add", name, "--no-password")
        assert added.exit_code == 0, added.output
    assert "no campaigns" in remote("firmware", "campaign", "list").stdout
    start_ = ("firmware", "campaign", "start", "spring", "--location", "https://u:s3cr3t@example.org/x")
    assert remote(*start_).exit_code == 1, "nobody is selected"
    began = json_of(remote, *start_, "--station", "CP-3", "--station", "CP-4", "--wave", "1")
    number = str(began["id"])
    assert remote(*start_, "--station", "CP-3").exit_code == 1, "it takes part in one already"
    eventually(lambda: "1 running, 1 waiting" in remote("firmware", "campaign", "list").stdout)
    for order, state in (("pause", "paused"), ("resume", "running"), ("abort", "aborted")):
        assert state in remote("firmware", "campaign", order, number).stdout
    shown = remote("firmware", "campaign", "show", number)
    assert "spring is aborted (by order): 2 skipped" in shown.stdout
    assert "s3cr3t" not in shown.output
    assert json_of(remote, "firmware", "campaign", "show", number)["counts"] == {"skipped": 2}
