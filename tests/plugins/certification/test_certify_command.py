"""`csmsd certify --url` as a tester types it, in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trio

from csmsd_certification.results import Report
from tests.plugins.certification.remote_csmsd import PATIENCE, RemoteCsmsd, open_remote_csmsd


async def csmsd_certify(
    folder: Path, *arguments: str, typed: str = "", environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "csmsd", "certify", *arguments]
    run = partial(trio.run_process, command, cwd=folder, stdin=typed.encode(), check=False, env=environ)
    return await run(capture_stdout=True, capture_stderr=True)


def tls_of(csmsd: RemoteCsmsd) -> list[str]:
    ca, key = str(csmsd.folder / "ca.pem"), str(csmsd.folder / "ca.key")
    return ["--tls-url", csmsd.tls_url, "--tls-roots", ca, "--station-ca", ca, "--station-ca-key", key]


async def test_a_csmsd_on_this_machine_is_found_by_what_it_has_left_in_its_data_dir(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with open_remote_csmsd(tmp_path) as csmsd:
        url = ("--url", csmsd.url, "--case", "TC_061")
        done = await csmsd_certify(tmp_path, *url)
        assert done.returncode == 0, done.stderr.decode()
        (elsewhere / "csmsd.toml").write_text('data_dir = "../data"')
        done = await csmsd_certify(elsewhere, *url)
        assert done.returncode == 0, done.stderr.decode()


async def test_another_csmsd_is_certified_and_named_in_every_report(tmp_path: Path) -> None:
    folder = tmp_path / "tester"
    folder.mkdir()
    cases = [part for case in ("TC_013", "TC_074", "TC_083") for part in ("--case", case)]
    async with open_remote_csmsd(tmp_path) as csmsd:
        access = {"CSMSD_URL": csmsd.api, "CSMSD_TOKEN": csmsd.token}
        files = ["--report", "report.json", "--report", "report.html"]
        done = await csmsd_certify(folder, "--url", csmsd.url, *tls_of(csmsd), *cases, *files, environ=access)
        place, api = csmsd.url, csmsd.api
    text = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert text.splitlines()[0] == "OCPP 1.6 compliancy test of a central system: PASS"
    assert "3 of 3 cases passed." in text
    report = msgspec.json.decode((folder / "report.json").read_bytes(), type=Report)
    assert {case.verdict for case in report.cases} == {"Pass"}
    page = (folder / "report.html").read_text()
    for shown in (place, f"csmsd, by the management API at {api}"):
        assert shown in text
        assert shown in page
    assert "report: report.html" in done.stderr.decode()


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (("--tls-url", "wss://x"), 2, "--tls-url is about another central system: give its --url, too"),
        (("--driver-option", "a=b"), 2, "--driver-option is about another central system: give its --url, too"),
        (("--url", "ws://127.0.0.1:9", "--driver", "comand"), 2, "offers a driver comand; did you mean command?"),
        (("--url", "ws://127.0.0.1:9", "--driver", "command"), 2, "the driver command needs --driver-option program=…"),
        (("--url", "nonsense"), 2, "nonsense is no URL for stations"),
        (("--url", "ws://127.0.0.1:9", "--driver-option", "api=http://127.0.0.1:9"), 5, "no csmsd answers at"),
    ],
)
async def test_what_cannot_be_done_is_one_sentence(
    arguments: tuple[str, ...], code: int, complaint: str, tmp_path: Path
) -> None:
    done = await csmsd_certify(tmp_path, *arguments)
    said = done.stderr.decode()
    assert (done.returncode, complaint in said) == (code, True), said
    assert "Traceback" not in said


async def test_a_central_system_that_nobody_answers_at_fails_each_case(tmp_path: Path) -> None:
    url = ("--url", "ws://127.0.0.1:9/ocpp", "--driver", "command", "--driver-option", "program=echo {}")
    done = await csmsd_certify(tmp_path, *url, "--case", "TC_061", "--case", "TC_013")
    assert done.returncode == 1
    assert "central system: 0 of 2 cases passed, 2 failed." in done.stdout.decode()
    assert "no connection: " in done.stdout.decode()
    assert done.stderr.decode().count("certifying") == 1, "a bar that does not move is shown once"


async def test_what_the_system_calls_itself_does_not_reach_the_terminal_as_control_characters(tmp_path: Path) -> None:
    program = """program=echo '{"name": "\\u001b[2JX", "lacks": ["ClearCache"]}'"""
    url = ("--url", "ws://127.0.0.1:9/ocpp", "--driver", "command", "--driver-option", program)
    done = await csmsd_certify(tmp_path, *url, "--case", "TC_061")
    assert b"[2JX does not offer ClearCache" in done.stdout, done.stderr.decode()
    assert b"\x1b" not in done.stdout


async def test_a_tester_at_the_terminal_is_told_what_to_do_and_which_case_it_is_for(tmp_path: Path) -> None:
    manual = ("--driver", "manual", "--driver-option", "name=SteVe", "--case", "TC_061", "--case", "TC_086")
    done = await csmsd_certify(tmp_path, "--url", "ws://127.0.0.1:9/ocpp", *manual, typed="later\nN\nno cache\n")
    said = done.stderr.decode()
    assert done.returncode == 1, "nothing was tested"
    for line in (
        "TC_061 Clear authorization data in authorization cache (1 of 2)",
        "Make the station CERT-TC_061 known: password ",
        "It will connect to ws://127.0.0.1:9/ocpp/CERT-TC_061",
        "TC_061: Not applicable, no cache",
        "TC_086 TLS - server-side certificate (2 of 2)",
        "TC_086: Not applicable, no TLS URL is given",
    ):
        assert line in said, said
    assert said.count("[Enter = done, n = not possible] > ") == 2, "'later' is no answer"
    assert "SteVe: 0 of 2 cases passed, 2 not applicable." in done.stdout.decode()


async def test_a_tester_who_leaves_is_missed(tmp_path: Path) -> None:
    done = await csmsd_certify(tmp_path, "--url", "ws://127.0.0.1:9/ocpp", "--driver", "manual", "--case", "TC_061")
    assert done.returncode == 1
    assert "nobody is at the terminal any more: standard input has ended" in done.stdout.decode()


async def test_who_interrupts_gets_a_report_of_what_was_done(tmp_path: Path) -> None:
    manual = ("--url", "ws://127.0.0.1:9/ocpp", "--driver", "manual", "--case", "TC_061", "--case", "TC_013")
    command = [sys.executable, "-m", "csmsd", "certify", *manual, "--report", "report.json"]
    pipe = subprocess.PIPE
    process = await trio.lowlevel.open_process(command, cwd=tmp_path, stdin=pipe, stdout=pipe, stderr=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    said = b""
    with trio.fail_after(PATIENCE):
        async with process.stdin, process.stdout, process.stderr:
            await process.stdin.send_all(b"n\nno cache\n")
            while b"CERT-TC_013 known" not in said:
                said += await process.stderr.receive_some()
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 1
            text = b"".join([part async for part in process.stdout]).decode()
    assert "central system: 0 of 2 cases passed, 1 not applicable, 1 not run." in text
    report = msgspec.json.decode((tmp_path / "report.json").read_bytes(), type=Report)
    assert ([case.id for case in report.cases], report.not_run) == (["TC_061"], ("TC_013",))
