"""The examples that embed csmsd, run as programs, with a charger at their stations' port."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

PATIENCE = 60.0
PASSWORD = "correct-horse-bat"

Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def run() -> Iterator[Run]:
    """Start an example; it ends with the test."""
    with ExitStack() as programs:

        def start(name: str, *arguments: object) -> subprocess.Popen[str]:
            command = [sys.executable, "-u", str(ROOT / "examples" / name), *map(str, arguments)]
            process = programs.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            )
            programs.callback(process.kill)
            return process

        yield start


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_two_csmsds_live_in_one_trio_program(run: Run, tmp_path: Path) -> None:
    program = run("embed_trio.py", tmp_path, 6)
    urls = {line(program), line(program)}
    assert len({url.split("/")[2] for url in urls}) == 2
    north, south = (next(url for url in urls if url.endswith(name)) for name in ("NORTH-1", "SOUTH-1"))
    for url in (south, north):
        run("charger.py", url, PASSWORD)
    said, complaints = program.communicate(timeout=PATIENCE)
    assert said == "NORTH-1 has come\nboth have ended\n"
    assert "Traceback" not in complaints
    assert {folder.name for folder in tmp_path.iterdir()} == {"NORTH", "SOUTH"}


def test_an_asyncio_program_has_a_station_reset(run: Run, tmp_path: Path) -> None:
    program = run("embed_asyncio.py", tmp_path)
    run("charger.py", line(program), PASSWORD)
    said, complaints = program.communicate(timeout=PATIENCE)
    assert said == "CP-1 has come\nreset: Accepted\n"
    assert program.returncode == 0, complaints


def test_a_program_without_the_web_plugin_gets_a_receipt(run: Run, tmp_path: Path) -> None:
    program = run("embed_headless.py", tmp_path)
    run("charger.py", line(program), PASSWORD)
    said, complaints = program.communicate(timeout=PATIENCE)
    assert said.startswith("transaction ")
    assert said.endswith("of CP-1: 1200 Wh\n")
    assert program.returncode == 0, complaints
