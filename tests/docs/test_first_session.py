"""What the front page says to type, typed: from the first start to a command, and the examples."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks

PATIENCE = 30.0
BIN = Path(sys.executable).parent
ENDLESS = ("csmsd tail", "python examples/charger.py")


@dataclass
class Trial:
    """A csmsd that was started as the front page says, but on free ports."""

    folder: Path
    stations: str
    operators: str

    def command(self, line: str) -> list[str]:
        """What to run for a line of a page."""
        line = line.replace("ws://127.0.0.1:9000/ocpp", self.stations).replace("http://127.0.0.1:8080", self.operators)
        return ["bash", "-c", line]

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}

    def type(self, line: str) -> str:
        """Run it to its end."""
        done = subprocess.run(
            self.command(line), cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout


def lines_of(process: subprocess.Popen[str]) -> Iterator[str]:
    """Its output; breaking off does not close it."""
    assert process.stdout is not None
    for line in process.stdout:  # noqa: UP028 - `yield from` would close the pipe
        yield line


def end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait(PATIENCE)
    if process.stdout is not None:
        process.stdout.close()


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("trial")
    (folder / "examples").symlink_to(ROOT / "examples")
    command = [str(BIN / "csmsd"), "run", "--listen-ocpp", "127.0.0.1:0", "--listen-http", "127.0.0.1:0"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        said = ""
        for line in lines_of(process):
            said += line
            if "next" in line:
                break
        stations = re.search(r"stations +(\S+)/<station id>", said)
        operators = re.search(r"operators +(\S+)", said)
        assert stations is not None, (folder / "log").read_text()
        assert operators is not None, said
        yield Trial(folder, stations[1], operators[1])
    finally:
        end(process)


def test_the_front_page_can_be_typed_line_by_line(trial: Trial) -> None:
    lines = [line for block in blocks("README.md", "sh") for line in block.splitlines()]
    assert len(lines) > 8
    running: list[subprocess.Popen[str]] = []
    said: dict[str, str] = {}
    try:
        for line in lines:
            if not line.startswith(ENDLESS):
                said[line] = trial.type(line)
                continue
            process = subprocess.Popen(
                ["bash", "-c", f"exec {trial.command(line)[2]}"],
                cwd=trial.folder, env=trial.environ, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            running.append(process)
            if "charger.py" in line:
                assert any("StatusNotification: {}" in text for text in _until(process, "StopTransaction"))
    finally:
        for process in reversed(running):
            end(process)
    assert "Accepted" in said["""csmsd call CP-1 Reset '{"type": "Soft"}'"""]
    assert "1.200" in said["csmsd tx list"]
    assert "CP-1" in said[next(line for line in lines if line.endswith("/api/v1/stations"))]


def _until(process: subprocess.Popen[str], word: str) -> list[str]:
    """The lines up to the one after that with the word."""
    found: list[str] = []
    for line in lines_of(process):
        found.append(line)
        if len(found) > 1 and word in found[-2]:
            break
    return found


def test_the_manual_for_operators_can_be_typed(tmp_path: Path) -> None:
    trial = Trial(tmp_path, "", "")
    for block in blocks("docs/operating.md", "sh"):
        for line in block.splitlines():
            if shlex.split(line)[:3] == ["csmsd", "db", "status"]:
                continue  # tells of a database that does not exist yet by its exit status
            trial.type(line)
    assert (tmp_path / "csmsd.toml").exists()
    trial.type("csmsd db status")


def test_the_example_that_embeds_csmsd_watches_a_station(tmp_path: Path) -> None:
    programs = {name: [sys.executable, "-u", str(ROOT / "examples" / f"{name}.py")] for name in ("embed", "charger")}
    csmsd = subprocess.Popen([*programs["embed"], str(tmp_path)], stdout=subprocess.PIPE, text=True)
    charger = None
    try:
        said = lines_of(csmsd)
        url = next(said).strip()
        charger = subprocess.Popen([*programs["charger"], url, "correct-horse-bat"], stdout=subprocess.DEVNULL)
        begun = time.monotonic()
        assert any("station.connected" in line for line in said if time.monotonic() - begun < PATIENCE)
    finally:
        if charger is not None:
            charger.terminate()
            charger.wait(PATIENCE)
        end(csmsd)
