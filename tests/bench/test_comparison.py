"""The comparison runs, in every mode, and writes what it has found; how fast anything is, is nobody's test."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from bench import generator, node
from bench.compare import Bench
from bench.experiments import Plan, names
from bench.generator import Programs
from bench.result import Result
from bench.servers import SERVERS
from tests.bench.test_generator import needs_compiler, needs_openssl

ROOT = Path(__file__).parents[2]
TINY = (
    *("--rounds", "1", "--stations", "4", "--warming", "0.1", "--seconds", "0.2", "--idle-stations", "5"),
    *("--storm-stations", "5", "--steady-stations", "5", "--steady-rate", "50", "--crowd", "20"),
)


def compare(folder: Path, *options: str) -> tuple[Result, str]:
    command = [sys.executable, "-m", "bench", "compare", *TINY, "--out", str(folder), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    result = msgspec.json.decode((folder / "samples.json").read_bytes(), type=Result)
    assert all(sample.report.errors == 0 for sample in result.samples if sample.report)
    assert done.stdout.startswith((folder / "tables.txt").read_text().rstrip())
    return result, done.stdout


# Experiments, and the pictures that they make.
LOADS = (("floors", "heartbeat", "protocol", "durable", "start", "mix"), {"rates.svg"})
OTHERS = (
    ("protocol-tls", "protocol-20", "steady", "steady-durable"),
    {"rates.svg", "crowds.svg", *("latency.svg", "latency-durable.svg")},
)
COMERS = (("storm", "storm-tls", "memory", "memory-tls"), {"storm.svg", "memory.svg"})


@needs_compiler
@needs_openssl
@pytest.mark.timeout(180)
@pytest.mark.parametrize(("chosen", "pictures"), [LOADS, OTHERS, COMERS], ids=["loads", "others", "comers"])
def test_every_experiment_once(chosen: Sequence[str], pictures: set[str], tmp_path: Path) -> None:
    only = [option for name in chosen for option in ("--only", name)]
    result, told = compare(tmp_path, "--server", "csmsd protocol only", *only)
    assert not result.left_out
    measured = {sample.what for sample in result.samples}
    assert measured == ({*chosen, "disk", "echo"} - {"floors"} if "floors" in chosen else set(chosen))
    assert all(f"\n{name}: " in told or name == "floors" for name in chosen)
    assert "not measured" in told  # aims that need others
    assert {path.name for path in tmp_path.glob("*.svg")} == pictures
    for path in tmp_path.glob("*.svg"):
        ElementTree.fromstring(path.read_text())  # our own


def test_those_were_all_experiments() -> None:
    assert {*LOADS[0], *OTHERS[0], *COMERS[0]} == {"floors", *names(Plan(crowds=(20,)))}


@needs_compiler
@pytest.mark.timeout(180)
@pytest.mark.parametrize("is_ours", [True, False], ids=["csmsd", "peers"])
def test_every_server_that_needs_no_node_once(tmp_path: Path, *, is_ours: bool) -> None:
    here = [name for name, server in SERVERS.items() if server.needs != "node" and server.is_csmsd == is_ours]
    chosen = [option for name in here for option in ("--server", name)]
    result, told = compare(tmp_path, *chosen, "--only", "protocol", "--only", "start-up")
    assert not result.left_out
    assert [sample.server for sample in result.samples if sample.what == "protocol"] == here
    assert [sample.server for sample in result.samples if sample.what == "start-up"] == ["csmsd"] * is_ours
    assert all(sample.start_up > 0 for sample in result.samples)
    assert ("csmsd, empty database" in told) == is_ours


@needs_compiler
@needs_openssl
@pytest.mark.timeout(180)
def test_csmsd_as_it_comes_takes_a_storm_over_tls(tmp_path: Path) -> None:
    result, told = compare(tmp_path, "--server", "csmsd", "--server", "ocpp", "--only", "storm-tls", "--only", "mix")
    assert "times as many as" in told
    assert [(sample.server, sample.what) for sample in result.samples] == [
        ("csmsd", "mix"),
        ("ocpp", "mix"),
        ("csmsd", "storm-tls"),
        ("ocpp", "storm-tls"),
    ]


@needs_compiler
def test_written_samples_can_be_read_again(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    _, told = compare(tmp_path / "first", "--server", "ocpp", "--only", "protocol", "--json", str(file))
    command = [sys.executable, "-m", "bench", "report", str(file), "--out", str(tmp_path / "second")]
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    assert again.partition("tables, plots")[0] == told.partition("tables, plots")[0]
    for name in ("tables.txt", "samples.json", "rates.svg"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_an_experiment_that_does_not_exist_is_named() -> None:
    command = [sys.executable, "-m", "bench", "compare", "--only", "strom"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "there is no experiment strom" in done.stderr
    assert "storm-tls" in done.stderr


PROGRAMS = Programs(Path("ocppgen"), Path("rawecho"))


def test_more_stations_than_open_files_are_left_out_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    bench = Bench(Plan(servers=("csmsd protocol only",)), PROGRAMS, tmp_path)
    assert list(bench.left_out) == ["protocol-10000"]
    assert "10,000 stations need 10,300 open files, and 4,096 are allowed here" in bench.left_out["protocol-10000"]


def test_the_soft_limit_of_open_files_is_raised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1_048_576))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: raised.append(limits))
    bench = Bench(Plan(servers=("csmsd protocol only",)), PROGRAMS, tmp_path)
    assert not bench.left_out
    assert raised == [(10_300, 1_048_576)]


def test_without_tls_in_the_generator_those_experiments_are_left_out(tmp_path: Path) -> None:
    programs = msgspec.structs.replace(PROGRAMS, why_no_tls="apt-get install libssl-dev")
    bench = Bench(Plan(servers=("ocpp",), crowds=()), programs, tmp_path)
    assert sorted(bench.left_out) == ["memory-tls", "protocol-tls", "storm-tls"]


def test_peers_that_cannot_be_installed_are_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail() -> Path:
        raise node.PeerMissingError("the registry is far")

    monkeypatch.setattr(node, "install_packages", fail)
    bench = Bench(Plan(only=("protocol",)), PROGRAMS, tmp_path)
    assert bench.left_out == dict.fromkeys(("ocpp-rpc strict", "ocpp-rpc", "ocpp-ws-io strict"), "the registry is far")


def test_a_run_that_fails_does_not_end_the_round(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise generator.GeneratorError("1 errors: CP00001: wrong reply")

    monkeypatch.setattr(generator, "run", fail)
    plan = Plan(servers=("ocpp", "ocpp unvalidated"), only=("protocol",), rounds=1)
    bench = Bench(plan, PROGRAMS, tmp_path)
    bench.measure()
    assert not bench.samples
    assert [failure.partition(":")[2] for failure in bench.failures] == [
        " ocpp, protocol: 1 errors: CP00001: wrong reply",
        " ocpp unvalidated, protocol: 1 errors: CP00001: wrong reply",
    ]
