"""The benchmark runs, checks replies and reports; how fast anything is, is nobody's test."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from bench import generator
from bench.generator import GeneratorError, Report

ROOT = Path(__file__).parents[2]
QUICK = ("--rounds", "1", "--stations", "4", "--warming", "0.1", "--seconds", "0.3", "--idle-stations", "5")

needs_compiler = pytest.mark.skipif(shutil.which("gcc") is None, reason="the generator is written in C")


@needs_compiler
def test_a_tiny_comparison_ends_with_tables_and_a_file_of_samples(tmp_path: Path) -> None:
    file = tmp_path / "samples.json"
    command = [sys.executable, "-m", "bench", "compare", "--server", "csmsd", "--server", "csmsd protocol only"]
    command += ["--server", "ocpp", "--workload", "mix", *QUICK, "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    for heading in ("mix, 4 stations", "times as many as", "at rest, 5 idle stations"):
        assert heading in done.stdout
    samples = json.loads(file.read_bytes())["samples"]
    assert len(samples) == 7  # a workload and memory for each of three servers, and one start on an empty folder
    assert all(sample["report"]["errors"] == 0 for sample in samples if sample["report"])
    assert all(sample["start_up"] > 0 for sample in samples)


@needs_compiler
def test_a_server_that_answers_wrongly_spoils_its_run() -> None:
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    wrong = b'[3,"somebody else\'s",{"currentTime":"","interval":1,"status":""}]'
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(head)
                connection.recv(4096)
                connection.sendall(bytes((0x81, len(wrong))) + wrong)
                with suppress(ConnectionError):
                    connection.recv(4096)

        server = threading.Thread(target=serve)
        server.start()
        port = listener.getsockname()[1]
        with pytest.raises(GeneratorError, match="wrong reply"):
            generator.run(generator.build(), None, port, 0, "-c", "1", "-d", "0", "-w", "0")
        server.join(10)


def test_without_a_compiler_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(generator, "PLACE", tmp_path)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(GeneratorError, match="apt-get install gcc"):
        generator.build()


def test_a_generator_that_works_as_hard_as_the_server_is_called_the_bottleneck() -> None:
    report = Report(1, 0, 0, 0, 0, 0, calls=100, seconds=1, server_cpu=0.5, generator_cpu=0.49)
    assert report.is_generator_bound
    report = Report(1, 0, 0, 0, 0, 0, calls=100, seconds=1, server_cpu=1.0, generator_cpu=0.49)
    assert not report.is_generator_bound
