"""The load generator: built from native/, run beside a server, and what it reports."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import msgspec

NATIVE = Path(__file__).parent / "native"
PLACE = Path(__file__).parent.parent / ".cache" / "bench"
_SOURCES = ("ocppgen.c", "messages.c", "process.c", "wire.c")
_LONGEST = 300  # seconds of one run


class GeneratorError(Exception):
    """The generator cannot be built or has failed: says why."""


class Programs(msgspec.Struct, frozen=True):
    """What was built. Without OpenSSL's headers there is no TLS, and `why_no_tls` says how to get it."""

    generator: Path
    rawecho: Path
    why_no_tls: str = ""


class Report(msgspec.Struct, frozen=True):
    """One run. Seconds of CPU are user and system time; the server's is that of all its threads."""

    stations: int
    connect_server_us: float  # CPU time for one connection and its BootNotification
    connect_generator_us: float
    kib_per_station: float  # growth of the server's proportional set size
    errors: int  # wrong replies and lost connections; anything but 0 spoils the run
    lost: int
    connect_seconds: float = 0.0  # elapsed, for all that came after the first ones
    calls: int = 0
    seconds: float = 0.0
    server_cpu: float = 0.0
    server_cpu_in_kernel: float = 0.0
    generator_cpu: float = 0.0
    p50_us: float = 0.0  # of the time from asking, or from when a CALL was due, until the answer
    p90_us: float = 0.0
    p99_us: float = 0.0
    p999_us: float = 0.0
    lag_p99_us: float = 0.0  # what the generator itself was late by; with due times only
    unanswered: int = 0  # CALLs that were due and got no answer within five seconds after the end; with due times only

    @property
    def calls_per_cpu_second(self) -> float:
        """Answered CALLs for each second of the server's CPU time."""
        return self.calls / self.server_cpu if self.server_cpu else 0.0

    @property
    def calls_per_second(self) -> float:
        """Answered CALLs for each second that went by."""
        return self.calls / self.seconds if self.seconds else 0.0

    @property
    def server_share(self) -> float:
        """CPU seconds of the server per second."""
        return self.server_cpu / self.seconds if self.seconds else 0.0

    @property
    def is_late(self) -> bool:
        """Does the generator's own lateness make up much of the latencies? Only where CALLs are due at fixed times."""
        return self.lag_p99_us > 0.5 * self.p99_us

    @property
    def is_generator_bound(self) -> bool:
        """Did the generator work (nearly) as hard as the server? Then the rate says little about the server."""
        if self.lag_p99_us:
            return self.generator_cpu > 0.9 * self.seconds
        if not self.calls:
            return self.connect_generator_us > 0.9 * self.connect_server_us
        return self.generator_cpu > 0.9 * self.server_cpu


def build() -> Programs:
    """Compile what is written in C, unless it is up to date."""
    PLACE.mkdir(parents=True, exist_ok=True)
    rawecho = PLACE / "rawecho"
    _compile(rawecho, ("rawecho.c",))
    try:
        _compile(PLACE / "ocppgen-tls", _SOURCES, "-DWITH_TLS", libraries=("-lssl", "-lcrypto"))
    except _NotCompiledError as error:
        if "openssl/" not in str(error) and "-lssl" not in str(error):
            raise
        _compile(PLACE / "ocppgen", _SOURCES)
        why = "the load generator is without TLS, as OpenSSL's headers are not here: apt-get install libssl-dev"
        return Programs(PLACE / "ocppgen", rawecho, why)
    return Programs(PLACE / "ocppgen-tls", rawecho)


class _NotCompiledError(GeneratorError):
    pass


def _compile(program: Path, sources: tuple[str, ...], *flags: str, libraries: tuple[str, ...] = ()) -> None:
    newest = max(path.stat().st_mtime for path in NATIVE.iterdir())
    if program.exists() and program.stat().st_mtime >= newest:
        return
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise GeneratorError(
            "the load generator is written in C and there is no compiler: apt-get install gcc libc6-dev libssl-dev"
        )
    files = [str(NATIVE / name) for name in sources]
    command = [compiler, "-O2", "-Wall", *flags, "-o", str(program), *files, *libraries]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        raise _NotCompiledError(f"the load generator does not compile:\n{built.stderr}")


def run(program: Path, core: int | None, port: int, server_pid: int, *options: str) -> Report:
    """Run it to its end, on a core of its own if there is one. `options` are those of native/ocppgen.c."""
    command = [str(program), "-p", str(port), "-S", str(server_pid), *options]
    try:
        done = subprocess.run(
            pinned(command, core), capture_output=True, text=True, timeout=_LONGEST, check=False, errors="replace"
        )
    except subprocess.TimeoutExpired as error:
        raise GeneratorError(f"the load generator was not done after {_LONGEST} seconds") from error
    if done.returncode or not done.stdout.strip():
        raise GeneratorError(f"the load generator failed: {done.stderr.strip()[:500]}")
    report = msgspec.json.decode(done.stdout, type=Report)
    if report.errors:
        raise GeneratorError(f"{report.errors} errors:\n{done.stderr.strip()[:2000]}")
    return report


def pinned(command: list[str], core: int | None) -> list[str]:
    """The command, on that core only."""
    return command if core is None else ["taskset", "-c", str(core), *command]
