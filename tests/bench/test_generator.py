"""The load generator checks every reply, and counts time from when a CALL was due."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import generator
from bench.generator import GeneratorError, Report
from tests.bench.fake_server import PING, Reply, right_answer, serving, stalling_at, text_frame

needs_compiler = pytest.mark.skipif(
    shutil.which("gcc") is None and not os.environ.get("CI"), reason="the generator is in C: apt-get install gcc"
)
needs_openssl = pytest.mark.skipif(
    not Path("/usr/include/openssl/ssl.h").exists() and not os.environ.get("CI"),
    reason="the generator's TLS is OpenSSL's: apt-get install libssl-dev",
)
ONE = ("-c", "1", "-x", "heartbeat", "-w", "0")


def run(reply: Reply, *options: str, pongs: list[bytes] | None = None) -> Report:
    with serving(reply, pongs) as port:
        return generator.run(generator.build().generator, None, port, 0, *ONE, *options)


@needs_compiler
def test_right_answers_are_counted() -> None:
    report = run(lambda _, message_id: right_answer(message_id), "-d", "0.2")
    assert report.calls > 10
    assert 0 < report.p50_us <= report.p90_us <= report.p99_us <= report.p999_us < 1e6


@needs_compiler
@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (
            lambda _: text_frame('[3,"somebody else\'s",{"currentTime":"","interval":1,"status":"Accepted"}]'),
            "wrong reply",
        ),
        (lambda id_: text_frame(f'[3,"{id_}",{{"currentTime":"","interval":1,"status":"Rejected"}}]'), "wrong reply"),
        (lambda id_: text_frame(f'[4,"{id_}","InternalError","",{{}}]'), "wrong reply"),
        (lambda id_: right_answer(id_) * 2, "a message that nobody asked for"),
        (lambda _: None, "connection lost: the server hung up"),
        (lambda _: bytes((0x88, 2)) + (1011).to_bytes(2), "closed"),
    ],
    ids=["another's id", "refused", "CALLERROR", "two answers", "hung up", "closed"],
)
def test_a_wrong_answer_spoils_the_run(wrong: Callable[[str], bytes | None], complaint: str) -> None:
    with pytest.raises(GeneratorError, match=complaint):
        run(lambda _, message_id: wrong(message_id), "-d", "0.2")


@needs_compiler
def test_a_heartbeat_without_the_time_spoils_the_run() -> None:
    def reply(number: int, message_id: str) -> bytes:
        return text_frame(f'[3,"{message_id}",{{}}]') if number else right_answer(message_id)

    with pytest.raises(GeneratorError, match="wrong reply"):
        run(reply, "-d", "0.2")


@needs_compiler
def test_calls_that_come_due_while_the_server_stalls_are_as_late_as_they_are() -> None:
    # 100 CALLs in a second, of which the first stalls half of it: 50 are late, by up to half a second.
    report = run(stalling_at(1, 0.5), "-d", "1", "-r", "100")
    assert report.p50_us < 100_000
    assert report.p90_us > 300_000
    assert report.unanswered == 0
    assert 40 <= report.calls <= 100


@needs_compiler
def test_calls_that_are_never_answered_count_as_well() -> None:
    report = run(stalling_at(11, 7), "-d", "0.5", "-r", "100")
    assert report.unanswered >= 35
    assert report.p50_us > 4e6  # five seconds after the end it gave up


@needs_compiler
def test_the_server_is_asked_as_often_as_said() -> None:
    report = run(lambda _, message_id: right_answer(message_id), "-d", "1", "-r", "50")
    assert 25 <= report.calls <= 51  # 50 were due


@needs_compiler
def test_a_ping_is_answered_and_is_no_answer() -> None:
    pongs: list[bytes] = []
    report = run(lambda _, message_id: PING + right_answer(message_id), "-d", "0.2", pongs=pongs)
    assert report.calls > 10
    assert set(pongs) == {b"hello"}


def test_without_a_compiler_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(generator, "PLACE", tmp_path)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(GeneratorError, match="apt-get install gcc"):
        generator.build()


@needs_compiler
def test_without_openssl_it_is_built_without_tls_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text(
        '#!/bin/sh\ncase "$*" in *-DWITH_TLS*) echo "wire.c: fatal error: openssl/err.h: no file" >&2; exit 1;; esac\n'
        'exec gcc "$@"\n'
    )
    compiler.chmod(0o755)
    monkeypatch.setattr(generator, "PLACE", tmp_path)
    monkeypatch.setenv("CC", str(compiler))
    programs = generator.build()
    assert "apt-get install libssl-dev" in programs.why_no_tls
    assert subprocess.run([programs.generator, "-V"], capture_output=True, text=True, check=True).stdout == "0\n"
    done = subprocess.run([programs.generator, "-T", "-p", "1"], capture_output=True, text=True, check=False)
    assert "built without OpenSSL" in done.stderr


@needs_compiler
def test_another_mistake_of_the_compiler_is_not_taken_for_missing_headers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text(
        '#!/bin/sh\ncase "$*" in *-DWITH_TLS*) echo "wire.c:1: error: no sense" >&2; exit 1;; esac\nexec gcc "$@"\n'
    )
    compiler.chmod(0o755)
    monkeypatch.setattr(generator, "PLACE", tmp_path)
    monkeypatch.setenv("CC", str(compiler))
    with pytest.raises(GeneratorError, match="no sense"):
        generator.build()


def test_a_generator_that_works_as_hard_as_the_server_is_called_the_bottleneck() -> None:
    report = Report(1, 0, 0, 0, 0, 0, calls=100, seconds=1, server_cpu=0.5, generator_cpu=0.49)
    assert report.is_generator_bound
    report = Report(1, 0, 0, 0, 0, 0, calls=100, seconds=1, server_cpu=1.0, generator_cpu=0.49)
    assert not report.is_generator_bound


def test_that_holds_for_storms_too() -> None:
    assert Report(1, 100, 95, 0, 0, 0).is_generator_bound
    assert not Report(1, 100, 50, 0, 0, 0).is_generator_bound


def test_at_a_fixed_load_it_is_the_bottleneck_if_its_core_is_busy_and_late_if_it_is_late() -> None:
    idle = Report(1, 0, 0, 0, 0, 0, calls=9, seconds=1, server_cpu=0.1, generator_cpu=0.5, p99_us=100, lag_p99_us=40)
    assert not idle.is_generator_bound
    assert not idle.is_late
    late = Report(1, 0, 0, 0, 0, 0, calls=9, seconds=1, server_cpu=0.1, generator_cpu=0.95, p99_us=100, lag_p99_us=60)
    assert late.is_generator_bound
    assert late.is_late


def test_reports_are_what_the_generator_prints() -> None:
    source = (generator.NATIVE / "ocppgen.c").read_text()
    printed = {name for name in Report.__struct_fields__ if f'\\"{name}\\"' in source}
    assert printed == set(Report.__struct_fields__), json.dumps(sorted(set(Report.__struct_fields__) - printed))
