"""A vendor's package, installed beside csmsd, answers the vendor's stations: examples/acme_datatransfer."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.architecture.conftest import ROOT, build, environment_with

ACME = ROOT / "examples" / "acme_datatransfer"
PATIENCE = 30.0


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment with csmsd and ACME's plugin."""
    acme = build(ACME, "wheel", tmp_path_factory.mktemp("acme"))
    return environment_with(tmp_path_factory.mktemp("vendor") / "venv", wheel, acme)


@pytest.fixture
def url(programs: Path, tmp_path: Path) -> Iterator[str]:
    """Where stations of a running `csmsd run --plugins core,web,acme` connect."""
    (tmp_path / "csmsd.toml").write_text("[plugin.acme.cents_by_station]\nCP-AIRPORT = 79\n")
    command = [str(programs / "csmsd"), "run", "--plugins", "core,web,acme"]
    command += ["--listen-ocpp", "127.0.0.1:0", "--listen-http", "127.0.0.1:0", "--access-authentication", "none"]
    command += ["--access-unknown-stations", "register"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"(ws://\S+)/<station id>", line):
                yield found[1]
                break
        else:
            pytest.fail((tmp_path / "log").read_text())
    finally:
        process.terminate()
        process.wait(PATIENCE)
        process.stdout.close()
    assert process.returncode == 0, (tmp_path / "log").read_text()


def ask(url: str, data: str) -> dict[str, str]:
    """Send ACME's question; the answer's payload."""
    request = {"vendorId": "com.acme", "messageId": "GetTariff", "data": data}
    with connect(url, subprotocols=[Subprotocol("ocpp1.6")], open_timeout=PATIENCE) as socket:
        socket.send(json.dumps([2, "7", "DataTransfer", request]))
        kind, call_id, payload = json.loads(socket.recv(timeout=PATIENCE))
    assert (kind, call_id) == (3, "7")
    answer: dict[str, str] = payload
    return answer


@pytest.mark.req("CORE-10", "MSG-03")
def test_the_vendors_stations_are_answered_by_the_installed_plugin(url: str) -> None:
    assert ask(f"{url}/CP-1", '{"connector": 1}') == {"status": "Accepted", "data": '{"cents":42,"unit":"kWh"}'}
    assert ask(f"{url}/CP-AIRPORT", '{"connector": 1}')["data"] == '{"cents":79,"unit":"kWh"}'
    assert ask(f"{url}/CP-1", "how much?") == {"status": "Rejected"}


def display(socket: ClientConnection, seen: list[dict[str, str]]) -> None:
    """A station that shows what it is sent, until it is sent nothing it knows."""
    while not seen or seen[-1].get("messageId") == "ShowTariff":
        _, call_id, action, payload = json.loads(socket.recv(timeout=PATIENCE))
        assert action == "DataTransfer"
        seen.append(payload)
        status = "Accepted" if payload.get("messageId") == "ShowTariff" else "UnknownMessageId"
        socket.send(json.dumps([3, call_id, {"status": status}]))


@pytest.mark.req("CORE-10", "CORE-11", "OPS-01")
def test_the_vendors_message_is_sent_from_the_shell_by_its_own_name_and_by_ocpps(
    url: str, programs: Path, tmp_path: Path
) -> None:
    seen = list[dict[str, str]]()

    def call(action: str, payload: str) -> dict[str, str]:
        command = [str(programs / "csmsd"), "call", "CP-1", action, payload, "--json"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        result: dict[str, str] = json.loads(done.stdout)["result"]
        return result

    with connect(f"{url}/CP-1", subprotocols=[Subprotocol("ocpp1.6")], open_timeout=PATIENCE) as socket:
        station = threading.Thread(target=display, args=(socket, seen))
        station.start()
        assert call("com.acme.ShowTariff", '{"cents": 42}') == {"status": "Accepted"}
        raw = '{"vendorId": "com.acme", "messageId": "Dance", "data": "now"}'
        assert call("DataTransfer", raw) == {"status": "UnknownMessageId"}
        station.join(PATIENCE)
    assert seen == [
        {"vendorId": "com.acme", "messageId": "ShowTariff", "data": '{"cents":42,"unit":"kWh"}'},
        json.loads(raw),
    ]


def test_the_plugin_is_listed_with_what_it_needs(programs: Path, tmp_path: Path) -> None:
    command = [str(programs / "csmsd"), "check", "--plugins", "core,acme"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert "acme 1.0.0  requires core" in shown.stdout


def test_a_mistake_in_its_table_is_explained(programs: Path, tmp_path: Path) -> None:
    command = [str(programs / "csmsd"), "check", "--plugins", "core,acme", "--set", "plugin.acme.cent=1"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert shown.returncode != 0
    assert "did you mean cents?" in shown.stdout + shown.stderr


def test_the_vendors_own_tests_pass(programs: Path) -> None:
    command = [
        str(programs / "python"),
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        "pyproject.toml",
        "tests",
    ]
    done = subprocess.run(command, cwd=ACME, capture_output=True, text=True, timeout=PATIENCE * 3)
    assert done.returncode == 0, done.stdout
