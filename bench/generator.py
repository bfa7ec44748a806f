"""The load generator: built from ocppgen.c, run beside a server, and what it reports."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import msgspec

SOURCE = Path(__file__).parent / "ocppgen.c"
PLACE = Path(__file__).parent.parent / ".cache" / "bench"


class GeneratorError(Exception):
    """The generator cannot be built or has failed: says why."""


class Report(msgspec.Struct, frozen=True):
    """One run. Seconds of CPU are user and system time; the server's is that of all its threads."""

    stations: int
    connect_server_us: float  # CPU time for one connection and its BootNotification
    connect_generator_us: float
    kib_per_station: float  # growth of the server's proportional set size
    errors: int  # wrong replies and lost connections; anything but 0 spoils the run
    lost: int
    calls: int = 0
    seconds: float = 0.0
    server_cpu: float = 0.0
    server_cpu_in_kernel: float = 0.0
    generator_cpu: float = 0.0
    p50_us: float = 0.0
    p99_us: float = 0.0

    @property
    def calls_per_cpu_second(self) -> float:
        """Answered CALLs for each second of the server's CPU time."""
        return self.calls / self.server_cpu if self.server_cpu else 0.0

    @property
    def is_generator_bound(self) -> bool:
        """Did the generator work (nearly) as hard as the server? Then the rate says nothing about the server."""
        return self.generator_cpu > 0.9 * self.server_cpu


def build() -> Path:
    """Compile the generator, unless it is up to date."""
    program = PLACE / "ocppgen"
    if program.exists() and program.stat().st_mtime >= SOURCE.stat().st_mtime:
        return program
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise GeneratorError(
            "the load generator is written in C and there is no compiler: apt-get install gcc libc6-dev"
        )
    PLACE.mkdir(parents=True, exist_ok=True)
    built = subprocess.run(
        [compiler, "-O2", "-Wall", "-o", str(program), str(SOURCE)], capture_output=True, text=True, check=False
    )
    if built.returncode:
        raise GeneratorError(f"the load generator does not compile:\n{built.stderr}")
    return program


def run(program: Path, core: int | None, port: int, server_pid: int, *options: str) -> Report:
    """Run it to its end, on a core of its own if there is one. `options` are those of ocppgen.c."""
    command = [str(program), "-p", str(port), "-S", str(server_pid), *options]
    done = subprocess.run(pinned(command, core), capture_output=True, text=True, timeout=240, check=False)
    if done.returncode or not done.stdout.strip():
        raise GeneratorError(f"the load generator failed: {done.stderr.strip()[:500]}")
    report = msgspec.json.decode(done.stdout, type=Report)
    if report.errors:
        raise GeneratorError(f"{report.errors} errors:\n{done.stderr.strip()[:2000]}")
    return report


def pinned(command: list[str], core: int | None) -> list[str]:
    """The command, on that core only."""
    return command if core is None else ["taskset", "-c", str(core), *command]
