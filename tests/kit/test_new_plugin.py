"""`csmsd plugin new`: what it writes is a project that passes everything at once, and runs beside csmsd."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from csmsd.cli.main import csmsd
from tests.architecture.conftest import ROOT, build, environment_with

BIN = Path(sys.executable).parent
PATIENCE = 200.0
ENVIRONMENT = {**os.environ, "CSMSD_PLUGINS": "core,web,acme"}  # as the new project's README says
NAMES = ("acme", "q2", "a_rather_long_name_of_a_vendor")


def new(*arguments: str) -> Result:
    """Type `csmsd plugin new …`."""
    return CliRunner().invoke(csmsd, ["plugin", "new", *arguments])


def run(folder: Path, *command: str) -> str:
    """Type something in a folder; what it says, if it does not fail."""
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


pytestmark = pytest.mark.timeout(400)  # type checkers read everything that csmsd needs


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """csmsd's wheel."""
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module", params=NAMES)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new plugin's project."""
    folder = tmp_path_factory.mktemp("new") / str(request.param)
    assert new(request.param, "--dir", str(folder)).exit_code == 0
    return folder


def test_it_is_well_formed(project: Path) -> None:
    run(project, str(BIN / "ruff"), "check", "--no-cache", ".")
    run(project, str(BIN / "ruff"), "format", "--no-cache", "--check", ".")


def test_its_types_hold(tmp_path: Path) -> None:
    project = tmp_path / "acme"
    assert new("acme", "--dir", str(project)).exit_code == 0
    run(project, str(BIN / "mypy"), "--python-executable", sys.executable)
    run(project, str(BIN / "pyright"), "--pythonpath", sys.executable)


def test_its_tests_pass_before_it_is_installed(project: Path) -> None:
    said = run(project, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert "14 passed" in said


def test_it_is_linted_by_the_rules_of_csmsd(project: Path) -> None:
    theirs, ours = (
        tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["ruff"]["lint"] for folder in (project, ROOT)
    )
    assert (theirs["select"], theirs["ignore"]) == (ours["select"], ours["ignore"])
    assert theirs["per-file-ignores"]["tests/**"] == ours["per-file-ignores"]["tests/**"]


@pytest.fixture
def programs(wheel: Path, tmp_path: Path) -> Path:
    """The `bin` of an environment with csmsd and a new plugin."""
    assert new("acme", "--dir", str(tmp_path / "acme")).exit_code == 0
    return environment_with(tmp_path / "venv", wheel, build(tmp_path / "acme", "wheel", tmp_path / "dist"))


@pytest.fixture
def url(programs: Path, tmp_path: Path) -> Iterator[str]:
    """Where stations of a running `csmsd run` connect."""
    command = [str(programs / "csmsd"), "run", "--listen-http", "127.0.0.1:0"]
    command += ["--listen-ocpp", "127.0.0.1:0", "--access-authentication", "none"]
    command += ["--access-unknown-stations", "register"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=log, text=True
        )
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


def test_it_runs_beside_csmsd_once_it_is_installed(programs: Path, url: str, tmp_path: Path) -> None:
    fault = {"connectorId": 1, "errorCode": "GroundFailure", "status": "Faulted"}
    with connect(f"{url}/CP-7", subprotocols=[Subprotocol("ocpp1.6")]) as socket:
        socket.send(json.dumps([2, "1", "StatusNotification", fault]))
        assert json.loads(socket.recv(timeout=30)) == [3, "1", {}]
    listed: list[dict[str, str]] = []
    for _ in range(50):  # the fact is delivered after the answer
        listed = json.loads(run(tmp_path, str(programs / "csmsd"), "acme", "faults", "--json"))
        if listed:
            break
    assert [(one["station_id"], one["error_code"]) for one in listed] == [("CP-7", "GroundFailure")]
    assert re.search(
        r"^acme +enabled +0\.1\.0", run(tmp_path, str(programs / "csmsd"), "plugins", "list"), re.MULTILINE
    )


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("My-Plugin", "is no name for a plugin: lower-case letters and digits, in words joined by _, 30 at most; did"),
        ("My-Plugin", "did you mean my_plugin?"),
        ("9lives", "did you mean lives?"),
        ("ü", "'ü' is no name for a plugin"),
        ("x" * 31, "30 at most"),
        ("core", "the name core is taken by the plugin of csmsd"),
        ("station", "`csmsd station` is a command already; try station_plugin"),
        ("kernel", "the name kernel is reserved"),
        ("class", "the name class is reserved"),
    ],
)
def test_a_bad_name_is_explained(name: str, sentence: str, tmp_path: Path) -> None:
    result = new(name, "--dir", str(tmp_path / "x"))
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert not (tmp_path / "x").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    result = new("acme", "--dir", str(tmp_path))
    assert result.exit_code == 1
    assert "exists and is not empty: name another with --dir" in result.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["mine"]


def test_a_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    assert "is a file: name a folder with --dir" in new("acme", "--dir", str(tmp_path / "mine")).stderr


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    result = new("acme", "--dir", str(tmp_path))
    assert "pip install -e '.[dev]'" in result.stdout
    assert (tmp_path / "csmsd_acme" / "py.typed").exists()
    assert (tmp_path / ".gitignore").exists()
